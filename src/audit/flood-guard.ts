/**
 * Owns the budgets of refusals, so that nobody can fill the audit log or make it a kill switch: each
 * source (tenant, principal, address and reason) has one for a second, and so has each tenant, since
 * who holds a tenant's CA can make principals without end. Beyond either, events are counted.
 *
 * Invariant: every event is either admitted or counted in a bucket that the next `sweep` reports; the
 * number of buckets is bounded, for each tenant too, and a tenant's sources beyond it share one, so
 * that no tenant takes the buckets of another. Strangers, who have no tenant, are a tenant here.
 */
import type { FloodSource, Repeats } from './audit-record.ts';

interface Bucket {
  readonly source: FloodSource;
  admitted: number;
  counted: number;
  firstMs: number;
  lastMs: number;
}

/** One tenant's events of one type. */
interface Group {
  readonly sources: Map<string, Bucket>;
  /** Counts what went beyond the tenant's budget, and sources beyond the bound. */
  readonly others: Bucket;
  admitted: number;
}

/** Lines a second. */
export interface FloodBudget {
  readonly ofSource: number;
  readonly ofTenant: number;
}

export type WriteFlood = (source: FloodSource, repeats: Repeats) => void;

const bucketOf = (source: FloodSource): Bucket => ({
  source,
  admitted: 0,
  counted: 0,
  firstMs: 0,
  lastMs: 0,
});

export class FloodGuard {
  readonly #bucketsMax: number;
  readonly #bucketsPerTenantMax: number;
  readonly #write: WriteFlood;
  readonly #groups = new Map<string, Group>();
  #size = 0;

  constructor(limits: { buckets: number; bucketsPerTenant: number }, write: WriteFlood) {
    this.#bucketsMax = limits.buckets;
    this.#bucketsPerTenantMax = limits.bucketsPerTenant;
    this.#write = write;
  }

  get size(): number {
    return this.#size;
  }

  /** True: the event is to be written. False: it was counted. */
  admit(source: FloodSource, nowMs: number, budget: FloodBudget): boolean {
    const group = this.#groupOf(source);
    const bucket = this.#bucketIn(group, source);
    const once = { count: 1, firstMs: nowMs, lastMs: nowMs };
    if (bucket.admitted >= budget.ofSource) return count(bucket, once);
    bucket.admitted += 1;
    return this.#admitInto(group, once, budget);
  }

  /** The same for a line that stands for many: it takes of the tenant's budget only. */
  admitCounted(source: FloodSource, repeats: Repeats, budget: FloodBudget): boolean {
    return this.#admitInto(this.#groupOf(source), repeats, budget);
  }

  #admitInto(group: Group, repeats: Repeats, budget: FloodBudget): boolean {
    if (group.admitted >= budget.ofTenant) return count(group.others, repeats);
    group.admitted += 1;
    return true;
  }

  #groupOf({ type, tenant }: FloodSource): Group {
    const key = `${type}\n${tenant ?? ''}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const others = { type, reason: 'others', tenant, principal: null, address: null };
      group = { sources: new Map(), others: bucketOf(others), admitted: 0 };
      this.#groups.set(key, group);
    }
    return group;
  }

  #bucketIn({ sources, others }: Group, source: FloodSource): Bucket {
    const { reason, principal, address } = source;
    const key = `${reason}\n${principal ?? ''}\n${address ?? ''}`;
    const known = sources.get(key);
    if (known !== undefined) return known;
    if (this.#size >= this.#bucketsMax || sources.size >= this.#bucketsPerTenantMax) return others;
    const bucket = bucketOf(source);
    sources.set(key, bucket);
    this.#size += 1;
    return bucket;
  }

  /** Reports what was counted and begins a new second for every source. */
  sweep(): void {
    for (const { sources, others } of this.#groups.values()) {
      for (const bucket of sources.values()) this.#report(bucket);
      this.#report(others);
    }
    this.#groups.clear();
    this.#size = 0;
  }

  #report({ source, counted: count, firstMs, lastMs }: Bucket): void {
    if (count > 0) this.#write(source, { count, firstMs, lastMs });
  }
}

/** False, for the caller to pass on. */
function count(bucket: Bucket, { count, firstMs, lastMs }: Repeats): false {
  if (bucket.counted === 0) bucket.firstMs = firstMs;
  bucket.lastMs = lastMs;
  bucket.counted += count;
  return false;
}
