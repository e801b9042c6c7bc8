/**
 * Owns the credits of one quota bucket: refilled at the quota, up to a burst, and allowed below zero by
 * what was used already.
 *
 * - Changes of topics (Kafka's TokenBucket): a burst of 11 seconds.
 * - Rates: a burst of 10 seconds, which is what Kafka's sampled rate lets through at first, and the
 *   same time to wait after it, since (rate - quota) / quota x window is debt / quota. Kafka's rate
 *   then forgets the burst all at once, eleven seconds later, and grants another; so it comes and goes
 *   in waves, and is passed by clients with several connections. Credits hold the quota evenly.
 *
 * Invariant: a bucket that is full is the same as a new one.
 */
export const RATE_BURST_SECONDS = 10;
export const MUTATION_BURST_SECONDS = 11;

export class TokenBucket {
  readonly #burstSeconds: number;
  #tokens = Number.POSITIVE_INFINITY;
  #lastMs = 0;

  constructor(burstSeconds: number) {
    this.#burstSeconds = burstSeconds;
  }

  /** Takes credits, or gives them back where the number is negative. */
  record(amount: number, quota: number, nowMs: number): void {
    this.#refill(quota, nowMs);
    this.#tokens = Math.min(quota * this.#burstSeconds, this.#tokens - amount);
  }

  /** How long until there is no debt; 0 while there is none. */
  throttleMs(quota: number, nowMs: number): number {
    this.#refill(quota, nowMs);
    return this.#tokens < 0 ? Math.max(1, Math.round((-this.#tokens / quota) * 1000)) : 0;
  }

  /** What may be used at once; below zero: a debt. */
  left(quota: number, nowMs: number): number {
    this.#refill(quota, nowMs);
    return this.#tokens;
  }

  /** Of the burst, what is in use. */
  used(quota: number, nowMs: number): number {
    return quota * this.#burstSeconds - this.left(quota, nowMs);
  }

  /** Forgets what of a debt is older than the window of Kafka's rates would be. */
  forgive(quota: number): void {
    this.#tokens = Math.max(this.#tokens, -quota * this.#burstSeconds);
  }

  #refill(quota: number, nowMs: number): void {
    const grown = this.#tokens + (quota * Math.max(0, nowMs - this.#lastMs)) / 1000;
    this.#tokens = Math.min(quota * this.#burstSeconds, grown);
    this.#lastMs = nowMs;
  }
}
