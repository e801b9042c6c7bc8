/**
 * Owns the memory that requests being received may take: in total, and of it what one tenant may. A
 * connection that finds its tenant's share spent stops reading until some is given back: pressure
 * becomes TCP's.
 *
 * Invariant: a tenant may hold as much as is free, no more (the dynamic threshold of Choudhury and
 * Hahne, 1998). So one that is greedy takes half, n of them n/(n+1) together, and there is always
 * room for who comes next; no table of shares is needed.
 */
export class ReceiveBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;
  readonly #shares = new Map<string, ReceiveShare>();
  /** Shares that connections wait for. */
  readonly #awaited = new Set<ReceiveShare>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get freeBytes(): number {
    return this.#limitBytes - this.#heldBytes;
  }

  /** The share of one more connection of that tenant; given back by `leave`. */
  join(tenant: string): ReceiveShare {
    let share = this.#shares.get(tenant);
    if (share === undefined) {
      share = new ReceiveShare(tenant, this);
      this.#shares.set(tenant, share);
    }
    share.members++;
    return share;
  }

  leave(share: ReceiveShare): void {
    share.members--;
    if (share.members === 0) this.#shares.delete(share.tenant);
  }

  change(deltaBytes: number): void {
    this.#heldBytes += deltaBytes;
    if (deltaBytes >= 0 || this.#awaited.size === 0) return;
    for (const share of [...this.#awaited]) {
      if (!share.spent) share.resume();
    }
  }

  awaited(share: ReceiveShare, isAwaited: boolean): void {
    if (isAwaited) this.#awaited.add(share);
    else this.#awaited.delete(share);
  }
}

/** What the connections of one tenant hold together. */
export class ReceiveShare {
  readonly tenant: string;
  readonly #budget: ReceiveBudget;
  readonly #waiting = new Set<() => void>();
  #heldBytes = 0;
  members = 0;

  constructor(tenant: string, budget: ReceiveBudget) {
    this.tenant = tenant;
    this.#budget = budget;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get spent(): boolean {
    return this.#heldBytes >= this.#budget.freeBytes;
  }

  /** A connection holds `deltaBytes` more, or less, than before. */
  change(deltaBytes: number): void {
    if (deltaBytes === 0) return;
    this.#heldBytes += deltaBytes;
    this.#budget.change(deltaBytes);
  }

  /** Calls `resume` once, when there is room again. */
  whenRoom(resume: () => void): void {
    this.#waiting.add(resume);
    this.#budget.awaited(this, true);
  }

  forget(resume: () => void): void {
    this.#waiting.delete(resume);
    if (this.#waiting.size === 0) this.#budget.awaited(this, false);
  }

  resume(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#budget.awaited(this, false);
    for (const resume of waiting) resume();
  }

  leave(): void {
    this.#budget.leave(this);
  }
}
