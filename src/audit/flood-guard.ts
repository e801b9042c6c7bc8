/**
 * Owns the budget of each source of refusals (tenant, principal, address and reason), so that nobody
 * can fill the audit log or make it a kill switch: beyond the budget of a second, events are counted.
 *
 * Invariant: every event is either admitted or counted in a bucket that the next `sweep` reports;
 * the number of buckets is bounded, and sources beyond it share one.
 */
import type { FloodSource, Repeats } from './audit-record.ts';

interface Bucket extends FloodSource {
  admitted: number;
  counted: number;
  firstMs: number;
  lastMs: number;
}

export type WriteFlood = (source: FloodSource, repeats: Repeats) => void;

const OTHERS = 'others';

export class FloodGuard {
  readonly #bucketsMax: number;
  readonly #write: WriteFlood;
  readonly #buckets = new Map<string, Bucket>();

  constructor(bucketsMax: number, write: WriteFlood) {
    this.#bucketsMax = bucketsMax;
    this.#write = write;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** True: the event is to be written. False: it was counted. */
  admit(source: FloodSource, nowMs: number, budget: number): boolean {
    const bucket = this.#bucketOf(source);
    if (bucket.admitted < budget) {
      bucket.admitted += 1;
      return true;
    }
    if (bucket.counted === 0) bucket.firstMs = nowMs;
    bucket.lastMs = nowMs;
    bucket.counted += 1;
    return false;
  }

  #bucketOf(source: FloodSource): Bucket {
    const { type, reason, tenant, principal, address } = source;
    const key = [type, reason, tenant ?? '', principal ?? '', address ?? ''].join('\n');
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    if (this.#buckets.size < this.#bucketsMax) return this.#open(key, source);
    const others = { type, reason: OTHERS, tenant: null, principal: null, address: null };
    return this.#buckets.get(OTHERS) ?? this.#open(OTHERS, others);
  }

  #open(key: string, source: FloodSource): Bucket {
    const bucket = { ...source, admitted: 0, counted: 0, firstMs: 0, lastMs: 0 };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** Reports what was counted and begins a new second for every source. */
  sweep(): void {
    for (const [key, bucket] of this.#buckets) {
      if (bucket.counted > 0) {
        const { counted: count, firstMs, lastMs } = bucket;
        this.#write(bucket, { count, firstMs, lastMs });
      }
      this.#buckets.delete(key);
    }
  }
}
