/**
 * Owns the memory of whether a policy decision point is worth asking.
 *
 *   closed --failures in a row--> open --openMs--> half-open --a call succeeds--> closed
 *                                  ^                   |
 *                                  +---- it fails -----+
 *
 * Invariant: while it is half-open one call at a time is let through, and no other.
 */
import type { Clock } from '../../base/clock.ts';

export type CircuitState = 'closed' | 'open' | 'half-open';

export interface CircuitSettings {
  /** Failed calls in a row that open the circuit. */
  readonly failures: number;
  /** Milliseconds until it is tried again. */
  readonly openMs: number;
}

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #settings: CircuitSettings;
  #failures = 0;
  #openedMs: number | null = null;
  #probing = false;

  constructor(settings: CircuitSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  get state(): CircuitState {
    if (this.#openedMs === null) return 'closed';
    const isOver = this.#clock.monotonicMs() - this.#openedMs >= this.#settings.openMs;
    return isOver ? 'half-open' : 'open';
  }

  /** True while a question is not even worth queueing. */
  get refuses(): boolean {
    const { state } = this;
    return state === 'open' || (state === 'half-open' && this.#probing);
  }

  /** Asks for leave to make a call; whoever gets it reports `succeeded` or `failed` once. */
  mayCall(): boolean {
    const { state } = this;
    if (state === 'closed') return true;
    if (state === 'open' || this.#probing) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openedMs = null;
    this.#probing = false;
  }

  /** True when this failure opened the circuit. */
  failed(): boolean {
    this.#failures += 1;
    const wasProbe = this.#probing;
    this.#probing = false;
    if (this.#openedMs !== null && !wasProbe) return false;
    if (!wasProbe && this.#failures < this.#settings.failures) return false;
    this.#openedMs = this.#clock.monotonicMs();
    return true;
  }
}
