/** Puts the security state behind the quotas: what is set there holds from the next request on. */
import type { AuditLog } from '../audit/audit-log.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { ClientQuotas } from '../quota/client-quotas.ts';
import type { LimitBook } from '../quota/share-tree.ts';
import { TenantLimits } from '../quota/tenant-limits.ts';
import { LimitAlarms } from '../server/limit-alarms.ts';
import { RequestQuotas } from '../server/request-quotas.ts';

const NO_QUOTAS = new ClientQuotas(new Map());

export function limitBook(state: SecurityState): LimitBook {
  let generation = 0;
  state.onChange((_image, changes) => {
    const isLimit = changes.some(({ type }) => type === 'tenant-limits' || type === 'broker-limits');
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
