/**
 * Owns how long one request has had the event loop (or a thread for it): the time from its beginning
 * to its first wait, and what it was worked on later.
 *
 * Invariant: waiting costs nothing; each moment is counted once.
 */
import type { Clock } from '../base/clock.ts';

export class WorkTime {
  readonly #clock: Clock;
  #spentMs = 0;
  #beganMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get spentMs(): number {
    const now = this.#beganMs === null ? 0 : this.#clock.monotonicMs() - this.#beganMs;
    return this.#spentMs + now;
  }

  /** Work goes on, until `pause`. */
  resume(): void {
    this.#beganMs ??= this.#clock.monotonicMs();
  }

  pause(): void {
    if (this.#beganMs === null) return;
    this.#spentMs += this.#clock.monotonicMs() - this.#beganMs;
    this.#beganMs = null;
  }

  /** Work that was done while this one was paused, or by a thread. */
  add(ms: number): void {
    if (this.#beganMs === null) this.#spentMs += ms;
  }
}
