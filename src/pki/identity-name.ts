/**
 * Owns what names may look like and how an identity is written as a SPIFFE URI.
 *
 * Invariant: a name that passes here holds no dot, slash, separator or control character, so it is
 * safe in a URI path, a file name, a subject and a policy line; and parse(format(id)) is id.
 */
import { isIP } from 'node:net';
import { PkiError } from '../base/errors.ts';

/** A tenant is one label of a host name. */
const TENANT = /^[a-z0-9-]{1,63}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
/** It stands in the organisation field of subjects, which X.520 limits to 64 characters. */
const TRUST_DOMAIN_LENGTH_MAX = 64;

/** The default of the configuration key trust.domain. */
export const DEFAULT_TRUST_DOMAIN = 'breakwater.local';
export const DEFAULT_FLEET = 'default';

export const isTenantName = (text: string): boolean => TENANT.test(text);

/** Device, fleet, service, operator and user names. */
export const isSubjectName = (text: string): boolean => NAME.test(text);

export const isTrustDomain = (text: string): boolean =>
  text.length <= TRUST_DOMAIN_LENGTH_MAX && DOMAIN.test(text) && isIP(text) === 0;

export function checkTenantName(text: string): string {
  if (isTenantName(text)) return text;
  throw new PkiError(
    `${quoted(text)} is not a tenant name: use 1 to 63 lower-case letters, digits and "-"`,
  );
}

/** `what` names the kind of thing in the message: "device", "fleet", "service", "operator". */
export function checkSubjectName(what: string, text: string): string {
  if (isSubjectName(text)) return text;
  throw new PkiError(
    `${quoted(text)} is no valid ${what} name: use a letter or digit, then up to 62 letters, ` +
      'digits, "_" and "-"',
  );
}

export function checkTrustDomain(text: string): string {
  if (isTrustDomain(text)) return text;
  throw new PkiError(
    `${quoted(text)} is not a trust domain: use a lower-case host name of at most ` +
      `${TRUST_DOMAIN_LENGTH_MAX} characters, such as ${DEFAULT_TRUST_DOMAIN}`,
  );
}

/** A name as an operator typed it, shortened, with control characters escaped. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

export type Identity =
  | {
      readonly kind: 'device';
      readonly tenant: string;
      readonly fleet: string;
      readonly name: string;
    }
  | { readonly kind: 'service'; readonly tenant: string; readonly name: string }
  | { readonly kind: 'operator'; readonly name: string };

/** The host of a tenant's identities; the host that its CA's name constraints permit. */
export const tenantHost = (tenant: string, trustDomain: string): string =>
  `${tenant}.${trustDomain}`;

export function formatIdentity(identity: Identity, trustDomain: string): string {
  switch (identity.kind) {
    case 'device': {
      const host = tenantHost(identity.tenant, trustDomain);
      return `spiffe://${host}/fleet/${identity.fleet}/device/${identity.name}`;
    }
    case 'service':
      return `spiffe://${tenantHost(identity.tenant, trustDomain)}/service/${identity.name}`;
    case 'operator':
      return `spiffe://${trustDomain}/operator/${identity.name}`;
  }
}

/** The identity that a URI states, or null when it is not one of ours to the letter. */
export function parseIdentity(uri: string, trustDomain: string): Identity | null {
  const [scheme, empty, host = '', kind, ...rest] = uri.split('/');
  if (scheme !== 'spiffe:' || empty !== '') return null;
  const name = rest.at(-1) ?? '';
  if (!isSubjectName(name)) return null;
  if (host === trustDomain) {
    return kind === 'operator' && rest.length === 1 ? { kind, name } : null;
  }
  const tenant = host.slice(0, -(trustDomain.length + 1));
  if (host !== tenantHost(tenant, trustDomain) || !isTenantName(tenant)) return null;
  if (kind === 'service' && rest.length === 1) return { kind, tenant, name };
  const [fleet = '', device] = rest;
  const isDevice = kind === 'fleet' && rest.length === 3 && device === 'device';
  return isDevice && isSubjectName(fleet) ? { kind: 'device', tenant, fleet, name } : null;
}
