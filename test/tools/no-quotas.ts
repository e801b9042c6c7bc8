/** Quotas of a broker on which nothing is limited. */
import type { Clock } from '../../src/base/clock.ts';
import { ClientQuotas } from '../../src/quota/client-quotas.ts';
import { TenantLimits } from '../../src/quota/tenant-limits.ts';
import { LimitAlarms } from '../../src/server/limit-alarms.ts';
import { RequestQuotas } from '../../src/server/request-quotas.ts';

export function noQuotas(clock: Clock): RequestQuotas {
  const none = new ClientQuotas(new Map());
  return new RequestQuotas({
    clock,
    book: { generation: 0, broker: TenantLimits.NONE, of: () => TenantLimits.NONE },
    quotasOf: () => none,
    alarms: new LimitAlarms({ security: () => {} }),
  });
}
