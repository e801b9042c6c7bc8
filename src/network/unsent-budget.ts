/**
 * Owns the memory that answers may take which clients have not taken yet: in total, and of it what
 * one tenant may.
 *
 * Invariant: nobody is kept from answers because others do not take theirs. A tenant is given as much
 * as is free, no more; as its share fills, its large answers become smaller. When half of the whole
 * is taken, stalled peers are cut off, those of the tenant that holds most first.
 */

/** How many answers of the size allowed fit into what is left. */
const ANSWERS_LEFT = 8;

export class UnsentBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;
  readonly #shares = new Map<string, UnsentShare>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Those who stall must give way. */
  get pressed(): boolean {
    return this.#heldBytes >= this.#limitBytes / 2;
  }

  get freeBytes(): number {
    return Math.max(0, this.#limitBytes - this.#heldBytes);
  }

  /** The share of one more connection of that tenant; given back by `leave`. */
  join(tenant: string): UnsentShare {
    let share = this.#shares.get(tenant);
    if (share === undefined) {
      share = new UnsentShare(tenant, this);
      this.#shares.set(tenant, share);
    }
    share.members++;
    return share;
  }

  leave(share: UnsentShare): void {
    share.members--;
    if (share.members === 0) this.#shares.delete(share.tenant);
  }

  /** What one more answer to that tenant may hold, of `wantedBytes`; 0: only the least should be sent. */
  answerBytes(tenant: string, wantedBytes: number): number {
    const ownBytes = this.#shares.get(tenant)?.heldBytes ?? 0;
    const leftBytes = Math.max(0, this.freeBytes - ownBytes);
    return Math.min(wantedBytes, Math.floor(leftBytes / ANSWERS_LEFT));
  }

  change(deltaBytes: number): void {
    this.#heldBytes += deltaBytes;
  }
}

/** What the connections of one tenant hold together. */
export class UnsentShare {
  readonly tenant: string;
  readonly #budget: UnsentBudget;
  #heldBytes = 0;
  members = 0;

  constructor(tenant: string, budget: UnsentBudget) {
    this.tenant = tenant;
    this.#budget = budget;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** A connection holds `deltaBytes` more, or less, than before. */
  change(deltaBytes: number): void {
    this.#heldBytes += deltaBytes;
    this.#budget.change(deltaBytes);
  }

  leave(): void {
    this.#budget.leave(this);
  }
}
