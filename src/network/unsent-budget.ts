/**
 * The memory that answers may take which clients have not taken yet, all connections together.
 *
 * Invariant: nobody is kept from answers because others do not take theirs. As the budget fills,
 * large answers become smaller; when half of it is taken, stalled peers are cut off, the largest
 * first, so that what stalls does not make the others' answers small for long.
 */

/** How many answers of the size allowed fit into what is left. */
const ANSWERS_LEFT = 8;

export class UnsentBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;

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

  /** What one more answer may hold, of `wantedBytes`; 0 when only the least should be sent. */
  answerBytes(wantedBytes: number): number {
    const leftBytes = Math.max(0, this.#limitBytes - this.#heldBytes);
    return Math.min(wantedBytes, Math.floor(leftBytes / ANSWERS_LEFT));
  }

  /** A connection holds `deltaBytes` more, or less, than before. */
  change(deltaBytes: number): void {
    this.#heldBytes += deltaBytes;
  }
}
