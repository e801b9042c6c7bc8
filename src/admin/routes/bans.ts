/**
 * /v1/bans: who is shut out for a time. A ban of an address concerns all tenants, and is asked of the
 * broker itself (ALTER and DESCRIBE on its cluster); one of a name, on its tenant's virtual cluster.
 *
 * It is answered once it is durable and in force: open connections are closed then, and new ones
 * refused, those of an address before the TLS handshake. Removing an address also ends an automatic
 * ban of it. The admin listener itself knows no bans.
 */

import type { BanId } from '../../security/abuse/bans.ts';
import { CLUSTER_NAME, type Operation } from '../../security/acl/operation.ts';
import {
  type AdminRoute,
  type Authorization,
  created,
  defineRoute,
  type Facts,
  gone,
  ok,
} from '../admin-route.ts';
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const DURATION_MS_MAX = 10 * 366 * 24 * 60 * 60 * 1000;
const NETWORK = {
  pattern: /^[0-9A-Fa-f:.]{2,45}(\/[0-9]{1,3})?$/,
  allowed: 'an address or a network (CIDR)',
};
const REASON = { pattern: /^\P{C}{0,200}$/u, allowed: 'at most 200 printable characters' };

const clusterOf = (operation: Operation): Authorization<{ readonly tenant: string | null }> => ({
  kind: 'access',
  access: ({ tenant }) => ({
    operation,
    resourceType: 'CLUSTER',
    tenant,
    resourceName: CLUSTER_NAME,
  }),
});

/** Of an address, or of a name and its tenant. */
function idFrom(fields: RequestFields): { tenant: string | null; id: BanId } {
  const network = fields.optionalText('network', NETWORK);
  const tenant = fields.optionalText('tenant', Grammars.tenant);
  const name = fields.optionalText('name', Grammars.subject);
  if (network !== null && tenant === null && name === null) {
    return { tenant, id: { kind: 'address', network } };
  }
  if (network === null && tenant !== null && name !== null) {
    return { tenant, id: { kind: 'principal', tenant, name } };
  }
  throw new AdminError(400, 'invalid-field', 'Give either a network, or a tenant and a name.');
}

const factsOf = (id: BanId): Facts =>
  id.kind === 'address' ? { network: id.network } : { tenant: id.tenant, name: id.name };

const list = defineRoute({
  method: 'GET',
  path: '/v1/bans',
  authorization: clusterOf('DESCRIBE'),
  change: null,
  input: (fields) => ({ tenant: fields.optionalText('tenant', Grammars.tenant) }),
  handle: ({ tenant }, { deps }) => {
    if (tenant !== null) requireTenant(tenant, { deps });
    return ok({ bans: deps.bans.list(tenant) });
  },
});

const add = defineRoute({
  method: 'POST',
  path: '/v1/bans',
  authorization: clusterOf('ALTER'),
  change: 'ban-add',
  input: (fields) => {
    const durationMs = fields.optionalInteger('durationMs', 1, DURATION_MS_MAX);
    const reason = fields.optionalText('reason', REASON) ?? '';
    if (durationMs !== null) return { ...idFrom(fields), durationMs, reason };
    throw new AdminError(400, 'invalid-field', '"durationMs" must be given.');
  },
  facts: ({ id, durationMs, reason }) => ({ ...factsOf(id), durationMs, reason }),
  handle: async ({ id, durationMs, reason }, { deps }) =>
    created(await deps.bans.add(id, durationMs, reason)),
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/bans',
  authorization: clusterOf('ALTER'),
  change: 'ban-remove',
  input: idFrom,
  facts: ({ id }) => factsOf(id),
  handle: async ({ id }, { deps }) => {
    if (await deps.bans.remove(id)) return gone();
    throw new AdminError(404, 'no-such-ban', 'There is no such ban; "ban list" shows all of them.');
  },
});

export const banRoutes: readonly AdminRoute[] = [list, add, remove];
