/** Owns the keys of what operators watch: metrics and the log of slow requests. */
import { integer } from '../config-spec.ts';
import { MINUTE_MS, SECOND_MS } from './units.ts';

export const METRICS_KEYS = {
  'metrics.tenants.max': integer({
    default: 1_000,
    min: 0,
    max: 10_000,
    doc: 'Tenants that have a label of their own in /metrics; those beyond are added up under _other.',
  }),
  'slow.request.log.ms': integer({
    default: 5 * SECOND_MS,
    min: 0,
    max: 10 * MINUTE_MS,
    doc: 'A request that takes longer is logged, at most one a second (Fetch, JoinGroup and SyncGroup wait by design and are left out); 0 logs none.',
  }),
};
