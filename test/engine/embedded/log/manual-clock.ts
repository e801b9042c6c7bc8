/** A clock that stands still until it is told to go on. */
import type { Clock, Timer } from '../../../../src/base/clock.ts';

export class ManualClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ readonly dueMs: number; readonly run: () => void }>();

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  /** Timers that are set. */
  get timerCount(): number {
    return this.#timers.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Runs the timers that fall due, in their order. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.dueMs <= endMs);
      const next = due.sort((one, other) => one.dueMs - other.dueMs)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
    }
    this.#nowMs = endMs;
  }
}
