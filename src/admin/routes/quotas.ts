/**
 * /v1/quotas: what limits tenants (GET, with `usage=true` beside what is used now; POST sets and
 * removes). To read those of a tenant is asked of its virtual cluster (DESCRIBE), those of the broker
 * as a whole of the broker's own.
 *
 * A user, a client id or an address names a quota of the tenant itself, the same that its own
 * administrators see and set by Kafka's tools: ALTER on its virtual cluster. `<default>` stands for all
 * of them. A fleet, a device, or nothing names the operator's ceiling: ALTER on the broker, so that no
 * tenant sets one for itself.
 */
import { type EntityType, QUOTA_KEYS } from '../../quota/client-quota-entity.ts';
import { LIMIT_KEYS } from '../../quota/tenant-limits.ts';
import { type AdminRoute, brokerOrTenant, defineRoute, type Facts, ok } from '../admin-route.ts';
import type { QuotaScope, QuotaView } from '../admin-services.ts';
import {
  anyNumber,
  anyText,
  flag,
  nullable,
  numbersOf,
  object,
  partial,
  record,
  text,
} from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, optional, withDefault } from '../request-fields.ts';
import { noSuchTenant, requireTenant } from './tenants.ts';

const DEFAULT = '<default>';
const KEYS = [...new Set([...LIMIT_KEYS, ...QUOTA_KEYS])];

const WHOSE = {
  tenant: optional(text(Grammars.tenant)),
  user: optional(text(Grammars.resourceName)),
  clientId: optional(text(Grammars.resourceName)),
  ip: optional(text(Grammars.resourceName)),
  fleet: optional(text(Grammars.subject)),
  device: optional(text(Grammars.subject)),
} as const;

type Whose = Readonly<Record<keyof typeof WHOSE, string | null>>;

/** Null in `user`, `clientId` and `ip` is the default of all; what is not named is not there. */
const SCOPE = partial({
  tenant: nullable(anyText),
  user: nullable(anyText),
  clientId: nullable(anyText),
  ip: nullable(anyText),
  fleet: anyText,
  device: anyText,
});
const QUOTA = object({
  scope: SCOPE,
  values: record(anyNumber),
  usage: nullable(record(anyNumber)),
});

const isOwn = ({ user, clientId, ip }: QuotaScope): boolean =>
  user !== undefined || clientId !== undefined || ip !== undefined;

function scopeOf({ tenant, user, clientId, ip, fleet, device }: Whose): QuotaScope {
  const named = (name: string): string | null => (name === DEFAULT ? null : name);
  const scope: QuotaScope = {
    tenant,
    ...(user !== null && { user: named(user) }),
    ...(clientId !== null && { clientId: named(clientId) }),
    ...(ip !== null && { ip: named(ip) }),
    ...(fleet !== null && { fleet }),
    ...(device !== null && { device }),
  };
  const isBelow = fleet !== null || device !== null;
  if ((isOwn(scope) || isBelow) && tenant === null) {
    throw new AdminError(400, 'invalid-field', 'Give the tenant of it too.');
  }
  if (isOwn(scope) && isBelow) {
    const what = 'either a user, a client id or an address, or a fleet or a device';
    throw new AdminError(400, 'invalid-field', `Give ${what}.`);
  }
  return scope;
}

/** Ceilings first, from the whole to the part. */
function orderOf({ scope }: QuotaView): string {
  const { user, clientId, ip, fleet, device } = scope;
  const place = [fleet, device, user, clientId, ip].map((name) =>
    name === undefined ? '' : name === null ? '*' : `=${name}`,
  );
  return `${isOwn(scope) ? 1 : 0}${place.join('\n')}`;
}

const list = defineRoute({
  method: 'GET',
  path: '/v1/quotas',
  id: 'listQuotas',
  tag: 'quotas',
  summary: 'What limits a tenant, or without one the broker as a whole, and what is used of it',
  authorization: brokerOrTenant('DESCRIBE'),
  change: null,
  input: from({
    query: {
      tenant: optional(text(Grammars.tenant)),
      usage: withDefault(flag, false),
      ...pageQuery,
    },
  }),
  answers: { 200: pageShape('quotas', QUOTA) },
  handle: async ({ tenant, usage, ...page }, { deps }) => {
    const all = deps.quotas.list(tenant);
    if (all === undefined) throw noSuchTenant();
    const { items, next } = await pageOf('quotas', all, orderOf, page, deps.clock);
    return ok({ quotas: usage ? await deps.quotas.withUsage(tenant, items) : items, next });
  },
});

const set = defineRoute({
  method: 'POST',
  path: '/v1/quotas',
  id: 'setQuota',
  tag: 'quotas',
  summary: 'Set what limits a tenant, a part of it or the broker, or with null take it away',
  description:
    'A user, a client id or an address names a quota of the tenant itself ("<default>": of each); ' +
    'anything else is a ceiling, which is asked of the broker.',
  authorization: brokerOrTenant('ALTER'),
  change: 'quota-set',
  input: from({ body: { ...WHOSE, values: numbersOf(KEYS) } }, ({ values, ...whose }) => {
    const scope = scopeOf(whose);
    return { tenant: isOwn(scope) ? scope.tenant : null, scope, values };
  }),
  answers: { 200: object({ scope: SCOPE, values: record(nullable(anyNumber)) }) },
  facts: ({ scope, values }) => ({ ...factsOf(scope), ...values }),
  handle: async ({ scope, values }, { deps }) => {
    if (scope.tenant !== null) requireTenant(scope.tenant, { deps });
    await deps.quotas.set(scope, values);
    return ok({ scope, values });
  },
});

function factsOf({ tenant, user, clientId, ip, fleet, device }: QuotaScope): Facts {
  const facts: Record<string, string | null> = { tenant };
  const named: Record<EntityType, string | null | undefined> = { user, 'client-id': clientId, ip };
  for (const [name, value] of Object.entries(named)) {
    if (value !== undefined) facts[name] = value ?? DEFAULT;
  }
  if (fleet !== undefined) facts.fleet = fleet;
  if (device !== undefined) facts.device = device;
  return facts;
}

export const quotaRoutes: readonly AdminRoute[] = [list, set];
