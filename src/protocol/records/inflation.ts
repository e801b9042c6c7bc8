/**
 * Owns the bounds on inflating: a codec first plans (cheap, on the event loop, nothing allocated),
 * which yields how many bytes may come out; then it runs. Large runs take their share of a budget
 * that all connections have in common, in turns by payer (a tenant). Those that wait are requests which their
 * connections hold back, so that the queue is bounded by the number of connections.
 */

export interface Inflation {
  /** No more than this comes out. */
  readonly bytesMax: number;
  /** So little work that it is done at once; what is not small takes from the budget. */
  readonly isSmall: boolean;
  /** Rejects with, or throws, KafkaError INVALID_RECORD when the stream breaks its word. */
  run(): Buffer | Promise<Buffer>;
}

export class InflationBudget {
  readonly #totalBytes: number;
  /** By payer, the one whose turn it is first; none is empty. */
  readonly #waiting = new Map<string, { readonly bytes: number; readonly start: () => void }[]>();
  #usedBytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /**
   * Runs `work` while `bytes` are taken from the budget; one larger than all of it runs alone. Those
   * who wait are begun in turns by `payer`, one each.
   */
  async spend<Result>(payer: string, bytes: number, work: () => Promise<Result>): Promise<Result> {
    await this.#take(payer, bytes);
    try {
      return await work();
    } finally {
      this.#usedBytes -= bytes;
      this.#admit();
    }
  }

  #take(payer: string, bytes: number): Promise<void> {
    return new Promise((resolve) => {
      const queue = this.#waiting.get(payer) ?? [];
      queue.push({ bytes, start: resolve });
      this.#waiting.set(payer, queue);
      this.#admit();
    });
  }

  #admit(): void {
    for (const [payer, queue] of this.#waiting) {
      const { bytes, start } = queue[0]!;
      if (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#totalBytes) return;
      // To the end of the line, if it has more.
      this.#waiting.delete(payer);
      queue.shift();
      if (queue.length > 0) this.#waiting.set(payer, queue);
      this.#usedBytes += bytes;
      start();
    }
  }
}
