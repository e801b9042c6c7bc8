/**
 * Owns the order of changes: one at a time, those of one namespace in the order they were asked for,
 * the namespaces in turn, and a bounded number waiting, of each namespace and in all. A tenant that
 * asks for very many holds up the others by one change at most. The broker's own changes and its
 * operators' have places of their own and come before the next of any tenant.
 *
 * Invariant: whether a change is still permitted is asked when its turn has come, not before.
 */
import type { Clock } from './clock.ts';

/** Why a change was never begun. */
export type NotBegun = 'busy' | 'timeout' | 'denied';

/** What became of a change: its outcome, or why it was never begun. */
export type Turn<T> = { readonly outcome: T } | { readonly refused: NotBegun };

export interface TurnOptions {
  /** How long the change may wait for its turn. */
  readonly timeoutMs?: number | undefined;
  /** Asked when the turn has come: may who asked for the change still make it? */
  readonly isPermitted?: (() => boolean | Promise<boolean>) | undefined;
}

/** Whose changes the broker's own and its operators' are; no tenant has such a name. */
export const OWN = '__own';

/** Of all the places, those that one tenant may take. */
const SHARE_OF_ONE = 1 / 10;

export class ChangeQueue {
  readonly #clock: Clock;
  readonly #waitingMax: number;
  readonly #waitingOfOneMax: number;
  readonly #own: (() => Promise<unknown>)[] = [];
  /** By tenant, the one whose turn it is first; none is empty. */
  readonly #waiting = new Map<string, (() => Promise<unknown>)[]>();
  #waitingCount = 0;
  #running: Promise<void> | undefined;

  /** `waitingMax` changes of tenants, and as many of the broker's own. */
  constructor(clock: Clock, waitingMax: number) {
    this.#clock = clock;
    this.#waitingMax = waitingMax;
    this.#waitingOfOneMax = Math.max(1, Math.floor(waitingMax * SHARE_OF_ONE));
  }

  /**
   * Runs `change` when its turn comes, unless too many wait already, more than `timeoutMs` have
   * passed by then, or it is not permitted any more. Rejects with what `change` or `isPermitted`
   * throws. `namespace` is a tenant's, or OWN.
   */
  async run<T>(
    namespace: string,
    change: () => Promise<T>,
    { timeoutMs = Number.POSITIVE_INFINITY, isPermitted }: TurnOptions = {},
  ): Promise<Turn<T>> {
    if (this.#isFullFor(namespace)) return { refused: 'busy' };
    const askedAtMs = this.#clock.monotonicMs();
    const begin = async (): Promise<Turn<T>> => {
      // An idle queue begins at once: no time passes, so a timeout of 0 is no refusal by itself.
      const waitedMs = this.#clock.monotonicMs() - askedAtMs;
      if (waitedMs > Math.max(0, timeoutMs)) return { refused: 'timeout' };
      if (isPermitted !== undefined && !(await isPermitted())) return { refused: 'denied' };
      return { outcome: await change() };
    };
    return new Promise<Turn<T>>((resolve, reject) => {
      this.#add(namespace, () => begin().then(resolve, reject));
      this.#running ??= this.#runAll();
    });
  }

  /** Resolves when every change asked for so far has ended. */
  async idle(): Promise<void> {
    await this.#running;
  }

  #isFullFor(namespace: string): boolean {
    if (namespace === OWN) return this.#own.length >= this.#waitingMax;
    if (this.#waitingCount >= this.#waitingMax) return true;
    return (this.#waiting.get(namespace)?.length ?? 0) >= this.#waitingOfOneMax;
  }

  #add(namespace: string, begin: () => Promise<unknown>): void {
    if (namespace === OWN) {
      this.#own.push(begin);
      return;
    }
    const ofOne = this.#waiting.get(namespace) ?? [];
    ofOne.push(begin);
    this.#waiting.set(namespace, ofOne);
    this.#waitingCount += 1;
  }

  async #runAll(): Promise<void> {
    // In a later microtask: who asked is not called from within its own call.
    await undefined;
    for (let next = this.#next(); next !== undefined; next = this.#next()) await next();
    this.#running = undefined;
  }

  /** One of our own, else the oldest of the tenant whose turn it is; that one then goes to the end. */
  #next(): (() => Promise<unknown>) | undefined {
    const own = this.#own.shift();
    if (own !== undefined) return own;
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
