/**
 * Owns the order of changes: one at a time, in the order they were asked for, and a bounded number
 * of them waiting.
 */
import type { Clock } from '../../../base/clock.ts';

/** What became of a change: its outcome, or why it was never begun. */
export type Turn<T> = { readonly outcome: T } | { readonly refused: 'busy' | 'timeout' };

export class ChangeQueue {
  readonly #clock: Clock;
  readonly #waitingMax: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Clock, waitingMax: number) {
    this.#clock = clock;
    this.#waitingMax = waitingMax;
  }

  /**
   * Runs `change` when its turn comes, unless too many wait already or more than `timeoutMs` have
   * passed by then. Rejects with what `change` throws.
   */
  async run<T>(change: () => Promise<T>, timeoutMs = Number.POSITIVE_INFINITY): Promise<Turn<T>> {
    if (this.#waiting >= this.#waitingMax) return { refused: 'busy' };
    const askedAtMs = this.#clock.monotonicMs();
    const begin = async (): Promise<Turn<T>> => {
      this.#waiting -= 1;
      const waitedMs = this.#clock.monotonicMs() - askedAtMs;
      if (waitedMs > Math.max(0, timeoutMs)) return { refused: 'timeout' };
      return { outcome: await change() };
    };
    // An idle queue begins at once: no time passes, so a timeout of 0 is no refusal by itself.
    this.#waiting += 1;
    const turn = this.#last.then(begin);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Resolves when every change asked for so far has ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
