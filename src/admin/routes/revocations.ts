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
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { noSuchTenant } from './tenants.ts';

/** All of them fit into the record of the change: the audit log cuts a longer text. */
const SERIALS_MAX = 192;
const SERIALS_IN_FACT = 24;

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });

function serialFacts(serials: readonly string[]): Record<string, string> {
  const facts: Record<string, string> = {};
  for (let at = 0; at < serials.length; at += SERIALS_IN_FACT) {
    facts[`serials-${at + 1}`] = serials.slice(at, at + SERIALS_IN_FACT).join(' ');
  }
  return facts;
}

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/revocations',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: tenantOf,
  handle: ({ tenant }, { deps }) => {
    const found = deps.revocations.list(tenant);
    if (found === undefined) throw noSuchTenant();
    return ok(found);
  },
});

const revoke = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/revocations',
  authorization: tenantCluster('ALTER'),
  change: 'certificate-revoke',
  input: (fields) => {
    const input = {
      ...tenantOf(fields),
      name: fields.optionalText('name', Grammars.subject),
      serials: fields.optionalTexts('serials', Grammars.serial, SERIALS_MAX),
      caFingerprint: fields.optionalText('caFingerprint', Grammars.fingerprint),
      reason: fields.optionalOneOf('reason', REVOCATION_REASON_NAMES) ?? 'unspecified',
    };
    if (input.name !== null || input.serials.length > 0) return input;
    throw new AdminError(400, 'invalid-field', 'Give a name, or serials, to revoke.');
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
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: tenantOf,
  handle: ({ tenant }, { deps }) => {
    const found = deps.revocations.suspensions(tenant);
    if (found === undefined) throw noSuchTenant();
    return ok({ suspensions: found });
  },
});

const setSuspended = (kind: SuspendedKind, verb: 'suspend' | 'resume'): AdminRoute =>
  defineRoute({
    method: 'POST',
    path: `/v1/tenants/:tenant/${kind}s/:${kind}/${verb}`,
    authorization: tenantCluster('ALTER'),
    change: `${kind}-${verb}`,
    input: (fields) => ({
      ...tenantOf(fields),
      name: fields.text(kind, kind === 'certificate' ? Grammars.serial : Grammars.subject),
    }),
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
