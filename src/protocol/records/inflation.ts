/**
 * Owns the bounds on inflating: a codec first plans (cheap, on the event loop, nothing allocated),
 * which yields how many bytes may come out; then it runs. Large runs take their share of a budget
 * that all connections have in common, in order of arrival. Those that wait are requests which their
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
  readonly #waiting: { readonly bytes: number; readonly start: () => void }[] = [];
  #usedBytes = 0;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** Runs `work` while `bytes` are taken from the budget; one larger than all of it runs alone. */
  async spend<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    await this.#take(bytes);
    try {
      return await work();
    } finally {
      this.#usedBytes -= bytes;
      this.#admit();
    }
  }

  #take(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, start: resolve });
      this.#admit();
    });
  }

  #admit(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      if (this.#usedBytes > 0 && this.#usedBytes + first.bytes > this.#totalBytes) return;
      this.#waiting.shift();
      this.#usedBytes += first.bytes;
      first.start();
    }
  }
}
