/**
 * Owns a rate as Kafka measures it (Rate over a WindowedSum of SampledStat,
 * QuotaUtils): 11 samples of one second, begun by the first event after the one before is full.
 *
 * Invariant: a rate that saw nothing for all its samples is the same as a new one. Memory is taken
 * for the seconds in which there was something, three numbers each, and never more than for 12.
 */
const SAMPLES = 11;
const SAMPLE_MS = 1000;
/** A sample that had its last event so long ago counts no more. */
export const RATE_WINDOW_MS = SAMPLES * SAMPLE_MS;
/** Of a sample: its beginning, its last event, its sum. */
const FIELDS = 3;
/** One more than are counted, as in SampledStat: the oldest may still overlap the window. */
const SLOTS_MAX = SAMPLES + 1;

export class SampledRate {
  readonly #samples: number[] = [];
  #current = 0;

  record(value: number, nowMs: number): void {
    const samples = this.#samples;
    if (samples.length === 0) samples.push(nowMs, nowMs, 0);
    if (nowMs - samples[this.#current]! >= SAMPLE_MS) this.#advance(nowMs);
    samples[this.#current + 1] = nowMs;
    samples[this.#current + 2]! += value;
  }

  /** The sum of all samples that still count. */
  sum(nowMs: number): number {
    this.#purge(nowMs);
    let sum = 0;
    for (let at = 2; at < this.#samples.length; at += FIELDS) sum += this.#samples[at]!;
    return sum;
  }

  /** A second. */
  measure(nowMs: number): number {
    const sum = this.sum(nowMs);
    return sum === 0 ? 0 : (sum * 1000) / this.#windowMs(nowMs);
  }

  /** How long to wait until the rate is `quota` again if nothing comes (QuotaUtils.throttleTime). */
  throttleMs(quota: number, nowMs: number): number {
    const rate = this.measure(nowMs);
    if (!(rate > quota)) return 0;
    return Math.round(((rate - quota) / quota) * this.#windowMs(nowMs));
  }

  #advance(nowMs: number): void {
    const samples = this.#samples;
    const next = (this.#current + FIELDS) % (SLOTS_MAX * FIELDS);
    if (next >= samples.length) samples.push(nowMs, nowMs, 0);
    else this.#reset(next, nowMs);
    this.#current = next;
  }

  #purge(nowMs: number): void {
    const samples = this.#samples;
    for (let at = 0; at < samples.length; at += FIELDS) {
      if (nowMs - samples[at + 1]! >= RATE_WINDOW_MS) this.#reset(at, nowMs);
    }
  }

  #reset(at: number, nowMs: number): void {
    this.#samples[at] = nowMs;
    this.#samples[at + 1] = nowMs;
    this.#samples[at + 2] = 0;
  }

  /** At least ten whole samples, and what is over of the last. */
  #windowMs(nowMs: number): number {
    let oldestMs = nowMs;
    for (let at = 0; at < this.#samples.length; at += FIELDS) {
      oldestMs = Math.min(oldestMs, this.#samples[at]!);
    }
    const elapsedMs = nowMs - oldestMs;
    const missing = SAMPLES - 1 - Math.floor(elapsedMs / SAMPLE_MS);
    return missing > 0 ? elapsedMs + missing * SAMPLE_MS : elapsedMs;
  }
}
