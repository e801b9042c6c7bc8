/**
 * Owns how fast a tenant may be refused. A refusal costs a decision and a durable record, and asking
 * for what one may not have is free for who asks: beyond the pace, a connection that was refused is
 * not read from for as long as its tenant's refusals are ahead of it.
 *
 * Invariants: every refusal is answered and recorded at once, only what the connection asks next
 * waits; a tenant's refusals hold up no other tenant and no connection that is refused nothing. One
 * entry a tenant.
 */
import type { Clock } from '../base/clock.ts';

/** So many seconds' worth are answered before anybody waits. */
const BURST_SECONDS = 1;
/** Well below the time that clients give a request. */
const MUTE_MS_MAX = 5_000;

interface Debt {
  refusals: number;
  atMs: number;
}

export class RefusalPace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #debts = new Map<string, Debt>();

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Counts what one request was refused; for how long its connection is not to be read from. */
  muteMs(tenant: string, refusals: number): number {
    const nowMs = this.#clock.monotonicMs();
    const perMs = this.#perSecond / 1_000;
    let debt = this.#debts.get(tenant);
    if (debt === undefined) {
      debt = { refusals: 0, atMs: nowMs };
      this.#debts.set(tenant, debt);
    }
    debt.refusals = Math.max(0, debt.refusals - (nowMs - debt.atMs) * perMs) + refusals;
    debt.atMs = nowMs;
    const ahead = debt.refusals - this.#perSecond * BURST_SECONDS;
    return Math.min(Math.max(0, Math.ceil(ahead / perMs)), MUTE_MS_MAX);
  }
}
