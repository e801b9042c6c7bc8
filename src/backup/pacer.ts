/**
 * Owns the pace of a copy: so many bytes a second on average, and a turn of the event loop for others
 * after every piece. Invariant: what was not used is not saved up for more than a moment.
 */
import type { Clock } from '../base/clock.ts';

const SAVED_MS_MAX = 100;

export class Pacer {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  /** Until when the bytes that passed have used up the time. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Resolves when the next bytes may pass. */
  async passed(bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const fromMs = Math.max(this.#paidUntilMs, nowMs - SAVED_MS_MAX);
    this.#paidUntilMs = fromMs + bytes / this.#bytesPerMs;
    const waitMs = this.#paidUntilMs - nowMs;
    if (waitMs <= 0) return;
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(waitMs, resolve);
    });
  }
}
