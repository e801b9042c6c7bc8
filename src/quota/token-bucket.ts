/**
 * Owns the credits of a controller mutation quota (Kafka's TokenBucket): refilled at the quota, up to
 * 11 seconds' worth, and allowed below zero by what is charged while there is anything left.
 *
 * Invariant: a bucket that is full is the same as a new one.
 */
const BURST_SECONDS = 11;

export class TokenBucket {
  #tokens = Number.POSITIVE_INFINITY;
  #lastMs = 0;

  /** Takes permits, or gives them back where they are negative. */
  record(permits: number, quota: number, nowMs: number): void {
    this.#refill(quota, nowMs);
    this.#tokens = Math.min(quota * BURST_SECONDS, this.#tokens - permits);
  }

  /** How long until there is no debt; 0 while there is none. */
  throttleMs(quota: number, nowMs: number): number {
    this.#refill(quota, nowMs);
    return this.#tokens < 0 ? Math.max(1, Math.round((-this.#tokens / quota) * 1000)) : 0;
  }

  /** Permits of the burst that are in use. */
  used(quota: number, nowMs: number): number {
    this.#refill(quota, nowMs);
    return quota * BURST_SECONDS - this.#tokens;
  }

  #refill(quota: number, nowMs: number): void {
    const grown = this.#tokens + (quota * Math.max(0, nowMs - this.#lastMs)) / 1000;
    this.#tokens = Math.min(quota * BURST_SECONDS, grown);
    this.#lastMs = nowMs;
  }
}
