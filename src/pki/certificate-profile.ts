/**
 * Owns what each kind of certificate may do: one profile a job, and nothing shared between jobs.
 *
 * Invariant: a leaf carries exactly one extended key usage, an end of one trust root only, and (for
 * clients) exactly one name, a SPIFFE URI. Lifetimes: the three roots 10 years, a tenant's CA 5
 * years, every leaf 90 days, since until it ends a stolen key is only stopped by a revocation.
 */
import { isIP } from 'node:net';
import { PkiError } from '../base/errors.ts';
import { formatIdentity, type Identity, tenantHost } from './identity-name.ts';

export const ROOT_DAYS = 3650;
export const TENANT_CA_DAYS = 1825;
export const LEAF_DAYS = 90;

export type ExtendedKeyUsage = 'serverAuth' | 'clientAuth';

export interface SubjectName {
  readonly organization: string;
  readonly unit?: string;
  readonly commonName: string;
}

export interface AlternativeNames {
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
  readonly uri?: readonly string[];
}

export interface CertificateProfile {
  readonly subject: SubjectName;
  readonly days: number;
  readonly extendedKeyUsages: readonly ExtendedKeyUsage[];
  /** null for a leaf; else how many CAs may stand below this one. */
  readonly pathLength: number | null;
  readonly alternativeNames: AlternativeNames;
  /** The only URI host that names below this CA may have; then DNS, IP and e-mail have none. */
  readonly permittedUriHost: string | null;
}

const root = (
  trustDomain: string,
  commonName: string,
  pathLength: number,
  usage: ExtendedKeyUsage,
  permittedUriHost: string | null,
): CertificateProfile => ({
  subject: { organization: trustDomain, commonName },
  days: ROOT_DAYS,
  extendedKeyUsages: [usage],
  pathLength,
  alternativeNames: { uri: [`spiffe://${trustDomain}`] },
  permittedUriHost,
});

/** Signs broker certificates: the only certificate that clients trust. */
export const serverCaProfile = (trustDomain: string): CertificateProfile =>
  root(trustDomain, 'Breakwater server CA', 0, 'serverAuth', null);

/** Stands over the tenants' CAs. The leading dot permits hosts below the domain, not itself. */
export const clientRootProfile = (trustDomain: string): CertificateProfile =>
  root(trustDomain, 'Breakwater client root', 1, 'clientAuth', `.${trustDomain}`);

/** Signs operators, whose URI host is the trust domain itself: no tenant can have that host. */
export const operatorCaProfile = (trustDomain: string): CertificateProfile =>
  root(trustDomain, 'Breakwater operator CA', 0, 'clientAuth', trustDomain);

export function tenantCaProfile(tenant: string, trustDomain: string): CertificateProfile {
  const host = tenantHost(tenant, trustDomain);
  return {
    subject: { organization: trustDomain, unit: tenant, commonName: 'Breakwater tenant CA' },
    days: TENANT_CA_DAYS,
    extendedKeyUsages: ['clientAuth'],
    pathLength: 0,
    alternativeNames: { uri: [`spiffe://${host}`] },
    permittedUriHost: host,
  };
}

export const DEFAULT_BROKER_NAMES = ['localhost', '127.0.0.1', '::1'];

/** `names` are DNS names and IP addresses that clients connect to. */
export function brokerProfile(names: readonly string[], trustDomain: string): CertificateProfile {
  checkBrokerNames(names);
  const ip = names.filter((name) => isIP(name) !== 0);
  const dns = names.filter((name) => isIP(name) === 0);
  return {
    subject: { organization: trustDomain, commonName: 'broker' },
    days: LEAF_DAYS,
    extendedKeyUsages: ['serverAuth'],
    pathLength: null,
    alternativeNames: { dns, ip },
    permittedUriHost: null,
  };
}

/** Throws PkiError when there is no name, or one that no client could connect to. */
export function checkBrokerNames(names: readonly string[]): void {
  const wrong = names.find((name) => isIP(name) === 0 && !isDnsName(name));
  if (names.length > 0 && wrong === undefined) return;
  throw new PkiError(
    `${JSON.stringify(wrong ?? '')} is not a DNS name or IP address: give the names that ` +
      'clients connect to, separated by commas',
  );
}

/** A host name, or a wildcard for its first label (tenants are reached as `tenant.domain`). */
function isDnsName(text: string): boolean {
  const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
  return (
    text.length <= 253 && new RegExp(`^(?:\\*\\.${label}\\.)?${label}(?:\\.${label})*$`).test(text)
  );
}

/** A device, service or operator: authenticates as a client, by its URI and nothing else. */
export function identityProfile(identity: Identity, trustDomain: string): CertificateProfile {
  return {
    subject: {
      organization: trustDomain,
      ...(identity.kind === 'operator' ? {} : { unit: identity.tenant }),
      commonName: identity.name,
    },
    days: LEAF_DAYS,
    extendedKeyUsages: ['clientAuth'],
    pathLength: null,
    alternativeNames: { uri: [formatIdentity(identity, trustDomain)] },
    permittedUriHost: null,
  };
}
