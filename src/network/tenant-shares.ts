/**
 * Owns what the connections of all listeners share: the event loop's time and the memory of requests
 * and answers, each by tenant.
 *
 * Invariant: what a connection joined it leaves once, when it closes.
 */
import type { ConnectionShares } from './connection.ts';
import { FairTurns } from './fair-turns.ts';
import { ReceiveBudget } from './receive-budget.ts';
import { UnsentBudget } from './unsent-budget.ts';

export interface TenantSharesOptions {
  /** Of requests that are being received or worked on. */
  readonly receiveBytesMax: number;
  /** Of answers that clients have not taken. */
  readonly unsentBytesMax: number;
  /** Monotonic. */
  readonly nowMs: () => number;
}

export class TenantShares {
  readonly turns: FairTurns;
  readonly receive: ReceiveBudget;
  readonly unsent: UnsentBudget;

  constructor({ receiveBytesMax, unsentBytesMax, nowMs }: TenantSharesOptions) {
    this.turns = new FairTurns(nowMs);
    this.receive = new ReceiveBudget(receiveBytesMax);
    this.unsent = new UnsentBudget(unsentBytesMax);
  }

  /** For one more connection of that tenant. */
  join(tenant: string): ConnectionShares {
    const lane = this.turns.join(tenant);
    const receive = this.receive.join(tenant);
    const unsent = this.unsent.join(tenant);
    let hasLeft = false;
    return {
      lane,
      receive,
      unsent,
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        for (const share of [lane, receive, unsent]) share.leave();
      },
    };
  }
}
