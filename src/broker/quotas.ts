/** Puts the security state behind the quotas: what is set there holds from the next request on. */
import type { QuotaUsage } from '../admin/state-quotas.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import { entityKey } from '../quota/client-quota-entity.ts';
import { ClientQuotas } from '../quota/client-quotas.ts';
import { connectionScope } from '../quota/connection-quotas.ts';
import type { LimitBook } from '../quota/share-tree.ts';
import {
  type LimitEntry,
  SHARED_RATE_KEYS,
  type SharedRateKey,
  TenantLimits,
} from '../quota/tenant-limits.ts';
import { LimitAlarms } from '../server/limit-alarms.ts';
import type { TenantUse } from '../server/limited-tenant.ts';
import { RequestQuotas } from '../server/request-quotas.ts';
import type { TenantViews } from '../server/tenant-views.ts';

const NO_QUOTAS = new ClientQuotas(new Map());

export function limitBook(state: SecurityState): LimitBook {
  let generation = 0;
  state.onChange((_image, changes) => {
    const isLimit = changes.some(
      ({ type }) => type === 'tenant-limits' || type === 'broker-limits',
    );
    if (isLimit) generation += 1;
  });
  return {
    get generation() {
      return generation;
    },
    get broker() {
      return state.image.brokerLimits;
    },
    of: (tenant) => state.image.tenants.get(tenant)?.limits ?? TenantLimits.NONE,
  };
}

export function requestQuotas(
  state: SecurityState,
  audit: Pick<AuditLog, 'security'>,
  clock: Clock = systemClock,
): RequestQuotas {
  return new RequestQuotas({
    clock,
    book: limitBook(state),
    quotasOf: (tenant) => state.image.tenants.get(tenant)?.clientQuotas ?? NO_QUOTAS,
    alarms: new LimitAlarms(audit),
  });
}

/** What is used now, for the admin API. */
export function quotaUsage(quotas: RequestQuotas, views: TenantViews): QuotaUsage {
  return {
    async ofQuotas(tenant, entries) {
      const used = await workInTurns(systemClock, usedOfBuckets(quotas, tenant));
      return entries.map(({ entity, values }) => {
        const ofEntry = used.get(entityKey(entity));
        return figures(values, (key) => ofEntry?.get(key) ?? 0);
      });
    },
    async ofLimits(tenant, entries) {
      const view = tenant === null ? undefined : views.getAny(tenant);
      const isAsked = entries.some(({ values }) =>
        Object.keys(values).some((key) => Object.hasOwn(COUNTED, key)),
      );
      const counted = isAsked ? ((await view?.engine.use()) ?? COUNTED) : COUNTED;
      const ofPrincipals = await usedByPrincipals(quotas, tenant, entries);
      const nowMs = systemClock.monotonicMs();
      return entries.map(({ scope, values }) => {
        const id = connectionScope(tenant, scope);
        return figures(values, (key) => {
          if (Object.hasOwn(counted, key)) return counted[key as keyof TenantUse];
          if (key === 'connections') return quotas.connections.connectionsOf(id);
          if (key === 'connection_creation_rate') return quotas.connections.rateOf(id, nowMs);
          if (key === 'controller_mutation_rate') return quotas.creditsUsed(tenant ?? '');
          const shared = SHARED_RATE_KEYS.find((one) => one === key);
          if (shared === undefined) return 0;
          if (scope.device !== undefined) return ofPrincipals.get(shared)?.get(scope.device) ?? 0;
          return quotas.trees[shared].usedBy(tenant, scope.fleet, nowMs);
        });
      });
    },
  };
}

/** Of the rates that a device among the entries has a limit of: what each principal uses. */
async function usedByPrincipals(
  quotas: RequestQuotas,
  tenant: string | null,
  entries: readonly LimitEntry[],
): Promise<Map<SharedRateKey, Map<string, number>>> {
  const used = new Map<SharedRateKey, Map<string, number>>();
  if (tenant === null) return used;
  for (const key of SHARED_RATE_KEYS) {
    const isAsked = entries.some(
      ({ scope, values }) => scope.device !== undefined && values[key] !== undefined,
    );
    if (!isAsked) continue;
    const walk = quotas.trees[key].usedByPrincipals(tenant, systemClock.monotonicMs());
    used.set(key, await workInTurns(systemClock, walk));
  }
  return used;
}

/** Of the buckets of an entry the fullest, by entityKey and key. */
function* usedOfBuckets(
  quotas: RequestQuotas,
  tenant: string,
): Generator<void, Map<string, Map<string, number>>> {
  const used = new Map<string, Map<string, number>>();
  for (const bucket of quotas.buckets.ofTenant(tenant)) {
    yield;
    const nowMs = systemClock.monotonicMs();
    const figure = bucket.rate?.measure(nowMs) ?? bucket.credits.used(bucket.limit, nowMs);
    const ofEntry = used.get(bucket.entry) ?? new Map<string, number>();
    ofEntry.set(bucket.key, Math.max(ofEntry.get(bucket.key) ?? 0, figure));
    used.set(bucket.entry, ofEntry);
  }
  return used;
}

/** To two places: what is shown is a measurement. */
function figures(
  values: Readonly<Record<string, number>>,
  figureOf: (key: string) => number,
): Record<string, number> {
  return Object.fromEntries(
    Object.keys(values).map((key) => [key, Math.round(figureOf(key) * 100) / 100]),
  );
}

const COUNTED: TenantUse = { topics: 0, partitions: 0, groups: 0, stored_bytes: 0 };
