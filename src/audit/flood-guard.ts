/**
 * Owns the budgets of refusals, so that nobody can fill the audit log or make it a kill switch: each
 * source (tenant, principal, address and reason) has one for a second, a smaller one for what is
 * about the same thing, and so has each tenant, since who holds a tenant's CA can make principals
 * without end. Beyond any, events are counted.
 *
 * Invariant: every event is either admitted or counted in a bucket that the next `sweep` reports; the
 * number of buckets is bounded, for each tenant too, and a tenant's sources beyond it share one, so
 * that no tenant takes the buckets of another. Strangers, who have no tenant, are a tenant here.
 */
import type { FloodSource, Repeats } from './audit-record.ts';

interface Bucket {
  readonly source: FloodSource;
  /** Lines by what they are about, where sources repeat themselves; bounded. */
  equals: Map<string, number> | null;
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
  /** Of a source about the same thing. */
  readonly ofEqual: number;
}

/** Things that a source is told apart by; beyond them its own budget holds. */
const EQUALS_MAX = 256;

export type WriteFlood = (source: FloodSource, repeats: Repeats) => void;

const bucketOf = (source: FloodSource): Bucket => ({
  source,
  equals: null,
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

  /**
   * True: the event is to be written. False: it was counted. `about` is what the event is about,
   * where one source may have many things to be refused; empty where the reason says it.
   */
  admit(source: FloodSource, about: string, nowMs: number, budget: FloodBudget): boolean {
    const group = this.#groupOf(source);
    const bucket = this.#bucketIn(group, source);
    const once = { count: 1, firstMs: nowMs, lastMs: nowMs };
    if (bucket.admitted >= budget.ofSource) return count(bucket, once);
    if (!admitEqual(bucket, about, budget)) return count(bucket, once);
    bucket.admitted += 1;
    return this.#admitInto(group, once, budget);
  }

  /** The same for a line that stands for many: it takes nothing of the source's budget. */
  admitCounted(source: FloodSource, about: string, repeats: Repeats, budget: FloodBudget): boolean {
    const group = this.#groupOf(source);
    const bucket = this.#bucketIn(group, source);
    if (!admitEqual(bucket, about, budget)) return count(bucket, repeats);
    return this.#admitInto(group, repeats, budget);
  }

  /** Counts without asking for any budget: the tenant has used up what it may write. */
  count(source: FloodSource, repeats: Repeats): void {
    count(this.#groupOf(source).others, repeats);
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

/** Whether the source has room for one more line about the same thing. */
function admitEqual(bucket: Bucket, about: string, { ofEqual }: FloodBudget): boolean {
  if (about === '') return true;
  bucket.equals ??= new Map();
  const lines = bucket.equals.get(about) ?? 0;
  if (lines >= ofEqual) return false;
  if (lines > 0 || bucket.equals.size < EQUALS_MAX) bucket.equals.set(about, lines + 1);
  return true;
}

/** False, for the caller to pass on. */
function count(bucket: Bucket, { count, firstMs, lastMs }: Repeats): false {
  if (bucket.counted === 0) bucket.firstMs = firstMs;
  bucket.lastMs = lastMs;
  bucket.counted += count;
  return false;
}
