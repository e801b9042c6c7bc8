/**
 * /v1/tenants/:tenant/revocations, /suspensions, /devices/:device/suspend and so on: who of a tenant
 * is shut out (DESCRIBE and ALTER on the tenant's virtual cluster, as for the tenant itself).
 *
 * A revocation is final and of certificates; a suspension is of a name, whatever it logs in with,
 * of a fleet, or of one certificate (a quarantine), and can be taken back. Both are answered once they are durable and in force: open
 * connections are closed then, and new and resumed ones refused.
 */
import { REVOCATION_REASON_NAMES, type SuspendedKind } from '../../security/revocations.ts';
import { type AdminRoute, defineRoute, ok, tenantCluster } from '../admin-route.ts';
import type { RevocationList, SuspensionView } from '../admin-services.ts';
import {
  anyText,
  listOf,
  list as listShape,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
  timeMs,
} from '../json-shape.ts';
import { NEXT, pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, optional, withDefault } from '../request-fields.ts';
import { inTenant, noSuchTenant } from './tenants.ts';

/** All of them fit into the record of the change: the audit log cuts a longer text. */
const SERIALS_MAX = 192;
const SERIALS_IN_FACT = 24;
const REASON = oneOf(...REVOCATION_REASON_NAMES);

const REVOKED_NAME = object({ name: anyText, revokedAtMs: timeMs, reason: REASON });
const REVOKED_CERTIFICATE = object({
  serial: anyText,
  revokedAtMs: timeMs,
  reason: REASON,
  caKeyId: anyText,
  caFingerprint: nullable(anyText),
});
const SUSPENSION = object({
  kind: oneOf('device', 'fleet', 'certificate'),
  name: anyText,
  sinceMs: timeMs,
});

function serialFacts(serials: readonly string[]): Record<string, string> {
  const facts: Record<string, string> = {};
  for (let at = 0; at < serials.length; at += SERIALS_IN_FACT) {
    facts[`serials-${at + 1}`] = serials.slice(at, at + SERIALS_IN_FACT).join(' ');
  }
  return facts;
}

type ItemOf<T> = T extends Iterable<infer Item> ? Item : never;
type Revoked =
  | { readonly name: ItemOf<RevocationList['names']> }
  | { readonly certificate: ItemOf<RevocationList['certificates']> };

function* everyRevocation({ names, certificates }: RevocationList): Iterable<Revoked> {
  for (const name of names) yield { name };
  for (const certificate of certificates) yield { certificate };
}

const orderOf = (revoked: Revoked): string =>
  'name' in revoked
    ? `0 ${revoked.name.name}`
    : `1 ${revoked.certificate.serial} ${revoked.certificate.caKeyId}`;

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/revocations',
  id: 'listRevocations',
  tag: 'devices',
  summary: 'What is revoked in a tenant: names first, then certificates, each in their order',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({ path: inTenant, query: pageQuery }),
  answers: {
    200: object({
      names: listShape(REVOKED_NAME),
      certificates: listShape(REVOKED_CERTIFICATE),
      next: NEXT,
    }),
  },
  handle: async ({ tenant, ...page }, { deps }) => {
    const found = deps.revocations.list(tenant);
    if (found === undefined) throw noSuchTenant();
    const all = everyRevocation(found);
    const { items, next } = await pageOf('revocations', all, orderOf, page, deps.clock);
    return ok({
      names: items.flatMap((item) => ('name' in item ? [item.name] : [])),
      certificates: items.flatMap((item) => ('certificate' in item ? [item.certificate] : [])),
      next,
    });
  },
});

const revoke = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/revocations',
  id: 'revokeCertificates',
  tag: 'devices',
  summary: 'Revoke certificates for good, by the name in them or by serial',
  authorization: tenantCluster('ALTER'),
  change: 'certificate-revoke',
  input: from(
    {
      path: inTenant,
      body: {
        name: optional(text(Grammars.subject)),
        serials: withDefault(listOf(text(Grammars.serial), SERIALS_MAX), []),
        caFingerprint: optional(text(Grammars.fingerprint)),
        reason: withDefault(REASON, 'unspecified'),
      },
    },
    (input) => {
      if (input.name !== null || input.serials.length > 0) return input;
      throw new AdminError(400, 'invalid-field', 'Give a name, or serials, to revoke.');
    },
  ),
  answers: {
    200: object({
      name: nullable(anyText),
      serials: listShape(anyText),
      nameRevokedAtMs: nullable(timeMs),
    }),
  },
  facts: ({ tenant, name, serials, reason }) => ({
    tenant,
    name,
    serialCount: serials.length,
    ...serialFacts(serials),
    reason,
  }),
  handle: async ({ tenant, ...wanted }, { deps }) =>
    ok(await deps.revocations.revoke(tenant, wanted)),
});

const suspensions = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/suspensions',
  id: 'listSuspensions',
  tag: 'devices',
  summary: 'Who of a tenant is shut out until further notice',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({ path: inTenant, query: pageQuery }),
  answers: { 200: pageShape('suspensions', SUSPENSION) },
  handle: async ({ tenant, ...page }, { deps }) => {
    const found = deps.revocations.suspensions(tenant);
    if (found === undefined) throw noSuchTenant();
    const keyOf = ({ kind, name }: SuspensionView): string => `${kind} ${name}`;
    const { items, next } = await pageOf('suspensions', found, keyOf, page, deps.clock);
    return ok({ suspensions: items, next });
  },
});

/** The path parameter that is called as what it names. */
const named = <K extends SuspendedKind>(kind: K, name: Shape<string>) =>
  ({ [kind]: name }) as { readonly [Name in K]: Shape<string> };

const setSuspended = (kind: SuspendedKind, verb: 'suspend' | 'resume'): AdminRoute =>
  defineRoute({
    method: 'POST',
    path: `/v1/tenants/:tenant/${kind}s/:${kind}/${verb}`,
    id: `${verb}${kind[0]!.toUpperCase()}${kind.slice(1)}`,
    tag: 'devices',
    summary:
      verb === 'suspend'
        ? `Close the connections of a ${kind} and refuse new ones until it is resumed`
        : `Let a suspended ${kind} connect again`,
    authorization: tenantCluster('ALTER'),
    change: `${kind}-${verb}`,
    input: from(
      {
        path: {
          ...inTenant,
          ...named(kind, text(kind === 'certificate' ? Grammars.serial : Grammars.subject)),
        },
      },
      ({ tenant, [kind]: name }) => ({ tenant, name }),
    ),
    answers: {
      200: object({ kind: oneOf(kind), name: anyText, state: oneOf('suspended', 'active') }),
    },
    facts: ({ tenant, name }) => ({ tenant, [kind]: name }),
    handle: async ({ tenant, name }, { deps }) => {
      const isSuspended = verb === 'suspend';
      await deps.revocations.setSuspended(tenant, { kind, name }, isSuspended);
      return ok({ kind, name, state: isSuspended ? 'suspended' : 'active' });
    },
  });

export const revocationRoutes: readonly AdminRoute[] = [
  list,
  revoke,
  suspensions,
  setSuspended('device', 'suspend'),
  setSuspended('device', 'resume'),
  setSuspended('fleet', 'suspend'),
  setSuspended('fleet', 'resume'),
  setSuspended('certificate', 'suspend'),
  setSuspended('certificate', 'resume'),
];
