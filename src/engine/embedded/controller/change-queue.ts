/**
 * Owns the order of changes: one at a time, those of one namespace in the order they were asked for,
 * the namespaces in turn, and a bounded number waiting, of each namespace and in all. A tenant that
 * asks for very many holds up the others by one change at most.
 */
import type { Clock } from '../../../base/clock.ts';

/** What became of a change: its outcome, or why it was never begun. */
export type Turn<T> = { readonly outcome: T } | { readonly refused: 'busy' | 'timeout' };

/** Whose changes the engine's own are: no tenant has to wait for a place among them. */
export const ENGINE = '__engine';

/** Of all the places, those that one namespace may take. */
const SHARE_OF_ONE = 1 / 10;

export class ChangeQueue {
  readonly #clock: Clock;
  readonly #waitingMax: number;
  readonly #waitingOfOneMax: number;
  /** By namespace, the one whose turn it is first; none is empty. */
  readonly #waiting = new Map<string, (() => Promise<unknown>)[]>();
  #waitingCount = 0;
  #running: Promise<void> | undefined;

  constructor(clock: Clock, waitingMax: number) {
    this.#clock = clock;
    this.#waitingMax = waitingMax;
    this.#waitingOfOneMax = Math.max(1, Math.floor(waitingMax * SHARE_OF_ONE));
  }

  /**
   * Runs `change` when its turn comes, unless too many wait already or more than `timeoutMs` have
   * passed by then. Rejects with what `change` throws. `namespace` is a tenant's, or ENGINE.
   */
  async run<T>(
    namespace: string,
    change: () => Promise<T>,
    timeoutMs = Number.POSITIVE_INFINITY,
  ): Promise<Turn<T>> {
    const ofOne = this.#waiting.get(namespace) ?? [];
    const isFull = this.#waitingCount >= this.#waitingMax;
    if (isFull || (namespace !== ENGINE && ofOne.length >= this.#waitingOfOneMax)) {
      return { refused: 'busy' };
    }
    const askedAtMs = this.#clock.monotonicMs();
    return new Promise<Turn<T>>((resolve, reject) => {
      const begin = async (): Promise<void> => {
        // An idle queue begins at once: no time passes, so a timeout of 0 is no refusal by itself.
        const waitedMs = this.#clock.monotonicMs() - askedAtMs;
        if (waitedMs > Math.max(0, timeoutMs)) resolve({ refused: 'timeout' });
        else await change().then((outcome) => resolve({ outcome }), reject);
      };
      ofOne.push(begin);
      this.#waiting.set(namespace, ofOne);
      this.#waitingCount += 1;
      this.#running ??= this.#runAll();
    });
  }

  /** Resolves when every change asked for so far has ended. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #runAll(): Promise<void> {
    // In a later microtask: who asked is not called from within its own call.
    await undefined;
    for (let next = this.#next(); next !== undefined; next = this.#next()) await next();
    this.#running = undefined;
  }

  /** The oldest of the namespace whose turn it is; that namespace then goes to the end. */
  #next(): (() => Promise<unknown>) | undefined {
    for (const [namespace, waiting] of this.#waiting) {
      this.#waiting.delete(namespace);
      const next = waiting.shift();
      if (waiting.length > 0) this.#waiting.set(namespace, waiting);
      this.#waitingCount -= 1;
      return next;
    }
    return undefined;
  }
}
