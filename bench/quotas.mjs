/**
 * What quotas cost: the accounting of one Produce with nothing limited, with a client quota, and with
 * ceilings on broker, tenant, fleet and device; and the memory of 100,000 client ids. Needs a build.
 *
 *   node bench/quotas.mjs
 *
 * The last line is one JSON object. Costs are medians of several rounds in CPU time; `ratio` sets what
 * quotas add against the rest of the way of a request through the pipeline (`--request-ns`, by default
 * 20,000: a Produce of 1 KiB on two cores).
 */
import { systemClock } from '../dist/base/clock.js';
import { entityKey } from '../dist/quota/client-quota-entity.js';
import { ClientQuotas } from '../dist/quota/client-quotas.js';
import { TenantLimits } from '../dist/quota/tenant-limits.js';
import { LimitAlarms } from '../dist/server/limit-alarms.js';
import { RequestQuotas } from '../dist/server/request-quotas.js';
import { WorkTime } from '../dist/server/work-time.js';

const ROUNDS = 7;
const REQUESTS = 300_000;
const CLIENT_IDS = 100_000;
const at = process.argv.indexOf('--request-ns');
const REQUEST_NS = at < 0 ? 20_000 : Number(process.argv[at + 1]);
const PRODUCE = 0;
const HUGE = 1e15;

const quotasOf = (...entries) =>
  new ClientQuotas(new Map(entries.map((entry) => [entityKey(entry.entity), entry])));
const limitsOf = (...scopes) =>
  new TenantLimits(
    new Map(
      scopes.map(([key, scope]) => [
        key,
        { scope, values: { producer_byte_rate: HUGE, request_rate: HUGE } },
      ]),
    ),
  );
const NONE = quotasOf();
const NO_LIMITS = limitsOf();

function scene(quotas, broker, tenant) {
  return new RequestQuotas({
    clock: systemClock,
    book: { generation: 1, broker, of: () => tenant },
    quotasOf: () => quotas,
    alarms: new LimitAlarms({ security() {} }),
  });
}

const principal = { principalType: 'User', tenant: 'acme', name: 'pump-17', fleet: 'plant-a' };
const contextOf = (session, clientId) => ({
  session,
  clientId,
  apiKey: PRODUCE,
  throttle: null,
  work: new WorkTime(systemClock),
});

function cpuNs(count, run) {
  const start = process.cpuUsage();
  for (let index = 0; index < count; index++) run(index);
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / count;
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

function cost(quotas) {
  const session = { principal, standing: null, subject: { tenant: 'acme' } };
  const charge = () => {
    const ctx = contextOf(session, 'client');
    if (quotas === null) return;
    ctx.work.resume();
    quotas.settle(ctx, 1024);
    ctx.work.pause();
  };
  cpuNs(REQUESTS / 10, charge);
  return Math.round(median(Array.from({ length: ROUNDS }, () => cpuNs(REQUESTS, charge))));
}

const tenantLimits = limitsOf(
  ['', {}],
  ['fleet/plant-a', { fleet: 'plant-a' }],
  ['device/pump-17', { device: 'pump-17' }],
);
const quota = { producer_byte_rate: HUGE, request_percentage: HUGE };
const ofUser = quotasOf({ entity: { user: 'pump-17' }, values: quota });

const baseNs = cost(null);
const figures = {
  unlimitedNs: cost(scene(NONE, NO_LIMITS, NO_LIMITS)) - baseNs,
  clientQuotaNs: cost(scene(ofUser, NO_LIMITS, NO_LIMITS)) - baseNs,
  fourCeilingsNs: cost(scene(NONE, limitsOf(['', {}]), tenantLimits)) - baseNs,
  allNs: cost(scene(ofUser, limitsOf(['', {}]), tenantLimits)) - baseNs,
};

/** Each id comes once, as from an adversary that makes them up. */
function memoryOfIds() {
  const quotas = scene(
    quotasOf({ entity: { 'client-id': null }, values: quota }),
    NO_LIMITS,
    NO_LIMITS,
  );
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < CLIENT_IDS; index++) {
    const session = { principal, standing: null, subject: { tenant: 'acme' } };
    quotas.settle(contextOf(session, `made-up-${index}`), 1024);
  }
  globalThis.gc?.();
  const bytes = process.memoryUsage().heapUsed - before;
  const buckets = quotas.buckets.size;
  const later = systemClock.monotonicMs() + 12_000;
  for (let turn = 0; turn < 40; turn++) quotas.buckets.sweep(10_000, later);
  return { buckets, mib: Math.round(bytes / 1024 / 102.4) / 10, afterExpiry: quotas.buckets.size };
}

const result = {
  ...figures,
  ratio: Math.round((1 + figures.allNs / REQUEST_NS) * 1000) / 1000,
  ids: CLIENT_IDS,
  ...memoryOfIds(),
};
console.log(`accounting of one Produce, ns: ${JSON.stringify(figures)}`);
console.log(JSON.stringify(result));
