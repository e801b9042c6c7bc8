/**
 * /v1/quotas: what limits tenants (GET, with `usage=true` beside what is used now; POST sets and
 * removes). Of a tenant: DESCRIBE and ALTER on its virtual cluster; of the broker as a whole: on the
 * broker's own.
 *
 * A user, a client id or an address names a quota of the tenant itself, the same that its own
 * administrators see and set by Kafka's tools; `<default>` stands for all of them. A fleet, a device,
 * or nothing names the operator's limit, which tenants neither see nor set.
 */
import { type EntityType, QUOTA_KEYS } from '../../quota/client-quota-entity.ts';
import { LIMIT_KEYS } from '../../quota/tenant-limits.ts';
import { CLUSTER_NAME, type Operation } from '../../security/acl/operation.ts';
import {
  type AdminRoute,
  type Authorization,
  defineRoute,
  type Facts,
  ok,
} from '../admin-route.ts';
import type { QuotaScope } from '../admin-services.ts';
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { noSuchTenant, requireTenant } from './tenants.ts';

const DEFAULT = '<default>';
const KEYS = [...new Set([...LIMIT_KEYS, ...QUOTA_KEYS])];
const FLAGS = ['true', 'false'] as const;

const clusterOf = (operation: Operation): Authorization<{ readonly tenant: string | null }> => ({
  kind: 'access',
  access: ({ tenant }) => ({
    operation,
    resourceType: 'CLUSTER',
    tenant,
    resourceName: CLUSTER_NAME,
  }),
});

function scopeFrom(fields: RequestFields): QuotaScope {
  const tenant = fields.optionalText('tenant', Grammars.tenant);
  const named = (name: string): string | null | undefined => {
    const text = fields.optionalText(name, Grammars.resourceName);
    if (text === null) return undefined;
    return text === DEFAULT ? null : text;
  };
  const user = named('user');
  const clientId = named('clientId');
  const ip = named('ip');
  const fleet = fields.optionalText('fleet', Grammars.subject);
  const device = fields.optionalText('device', Grammars.subject);
  const isOwn = user !== undefined || clientId !== undefined || ip !== undefined;
  const isBelow = fleet !== null || device !== null;
  if ((isOwn || isBelow) && tenant === null) {
    throw new AdminError(400, 'invalid-field', 'Give the tenant of it too.');
  }
  if (isOwn && isBelow) {
    const what = 'either a user, a client id or an address, or a fleet or a device';
    throw new AdminError(400, 'invalid-field', `Give ${what}.`);
  }
  return {
    tenant,
    ...(user !== undefined && { user }),
    ...(clientId !== undefined && { clientId }),
    ...(ip !== undefined && { ip }),
    ...(fleet !== null && { fleet }),
    ...(device !== null && { device }),
  };
}

const list = defineRoute({
  method: 'GET',
  path: '/v1/quotas',
  authorization: clusterOf('DESCRIBE'),
  change: null,
  input: (fields) => ({
    tenant: fields.optionalText('tenant', Grammars.tenant),
    withUsage: fields.optionalOneOf('usage', FLAGS) === 'true',
  }),
  handle: async ({ tenant, withUsage }, { deps }) => {
    const quotas = await deps.quotas.list(tenant, withUsage);
    if (quotas === undefined) throw noSuchTenant();
    return ok({ quotas });
  },
});

const set = defineRoute({
  method: 'POST',
  path: '/v1/quotas',
  authorization: clusterOf('ALTER'),
  change: 'quota-set',
  input: (fields) => {
    const scope = scopeFrom(fields);
    return { tenant: scope.tenant, scope, values: fields.numbers('values', KEYS) };
  },
  facts: ({ scope, values }) => ({ ...factsOf(scope), ...values }),
  handle: async ({ tenant, scope, values }, { deps }) => {
    if (tenant !== null) requireTenant(tenant, { deps });
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
