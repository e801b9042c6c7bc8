/**
 * The memory that requests being received may take, all connections together. A connection that
 * finds it spent stops reading until others have given some back: pressure becomes TCP's.
 */
export class ReceiveBudget {
  readonly #limitBytes: number;
  #heldBytes = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get spent(): boolean {
    return this.#heldBytes >= this.#limitBytes;
  }

  /** A connection holds `deltaBytes` more, or less, than before. */
  change(deltaBytes: number): void {
    const wasSpent = this.spent;
    this.#heldBytes += deltaBytes;
    if (!wasSpent || this.spent || this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  /** Calls `resume` once, when there is room again. */
  whenRoom(resume: () => void): void {
    this.#waiting.add(resume);
  }

  forget(resume: () => void): void {
    this.#waiting.delete(resume);
  }
}
