/**
 * /v1/bans: who is shut out for a time. A ban of an address concerns all tenants, and is asked of the
 * broker itself (ALTER and DESCRIBE on its cluster); one of a name, on its tenant's virtual cluster.
 *
 * It is answered once it is durable and in force: open connections are closed then, and new ones
 * refused, those of an address before the TLS handshake. Removing an address also ends an automatic
 * ban of it.
 */

import type { BanId } from '../../security/abuse/bans.ts';
import {
  type AdminRoute,
  brokerOrTenant,
  created,
  defineRoute,
  type Facts,
  gone,
  nothing,
  ok,
} from '../admin-route.ts';
import type { BanView } from '../admin-services.ts';
import { anyText, flag, integer, nullable, object, text, timeMs } from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, optional, withDefault } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const DURATION_MS_MAX = 10 * 366 * 24 * 60 * 60 * 1000;
const NETWORK = {
  pattern: /^[0-9A-Fa-f:.]{2,45}(\/[0-9]{1,3})?$/,
  allowed: 'an address or a network (CIDR)',
};
const REASON = { pattern: /^\P{C}{0,200}$/u, allowed: 'at most 200 printable characters' };

const WHOM = {
  network: optional(text(NETWORK)),
  tenant: optional(text(Grammars.tenant)),
  name: optional(text(Grammars.subject)),
} as const;

interface Whom {
  readonly network: string | null;
  readonly tenant: string | null;
  readonly name: string | null;
}

const BAN = object({
  network: nullable(anyText),
  tenant: nullable(anyText),
  name: nullable(anyText),
  sinceMs: timeMs,
  untilMs: timeMs,
  reason: anyText,
  automatic: flag,
});

/** Of an address, or of a name and its tenant. */
function idOf({ network, tenant, name }: Whom): { tenant: string | null; id: BanId } {
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

/** Those that end first come first. */
const orderOf = (ban: BanView): string =>
  [
    String(ban.untilMs).padStart(16, '0'),
    ban.automatic ? 1 : 0,
    ban.network ?? '',
    ban.tenant ?? '',
    ban.name ?? '',
  ].join(' ');

const list = defineRoute({
  method: 'GET',
  path: '/v1/bans',
  id: 'listBans',
  tag: 'bans',
  summary: "The bans in force: all of them, or those of a tenant's names",
  authorization: brokerOrTenant('DESCRIBE'),
  change: null,
  input: from({ query: { tenant: optional(text(Grammars.tenant)), ...pageQuery } }),
  answers: { 200: pageShape('bans', BAN) },
  handle: async ({ tenant, ...page }, { deps }) => {
    if (tenant !== null) requireTenant(tenant, { deps });
    const { items, next } = await pageOf('bans', deps.bans.list(tenant), orderOf, page, deps.clock);
    return ok({ bans: items, next });
  },
});

const add = defineRoute({
  method: 'POST',
  path: '/v1/bans',
  id: 'addBan',
  tag: 'bans',
  summary: 'Shut an address, or a name of a tenant, out for a time',
  authorization: brokerOrTenant('ALTER'),
  change: 'ban-add',
  input: from(
    {
      body: {
        ...WHOM,
        durationMs: integer(1, DURATION_MS_MAX),
        reason: withDefault(text(REASON), ''),
      },
    },
    ({ durationMs, reason, ...whom }) => ({ ...idOf(whom), durationMs, reason }),
  ),
  answers: { 201: BAN },
  facts: ({ id, durationMs, reason }) => ({ ...factsOf(id), durationMs, reason }),
  handle: async ({ id, durationMs, reason }, { deps }) =>
    created(await deps.bans.add(id, durationMs, reason)),
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/bans',
  id: 'removeBan',
  tag: 'bans',
  summary: 'Let an address or a name in again; ends an automatic ban too',
  authorization: brokerOrTenant('ALTER'),
  change: 'ban-remove',
  input: from({ query: WHOM }, idOf),
  answers: { 204: nothing },
  facts: ({ id }) => factsOf(id),
  handle: async ({ id }, { deps }) => {
    if (await deps.bans.remove(id)) return gone();
    throw new AdminError(404, 'no-such-ban', 'There is no such ban; "ban list" shows all of them.');
  },
});

export const banRoutes: readonly AdminRoute[] = [list, add, remove];
