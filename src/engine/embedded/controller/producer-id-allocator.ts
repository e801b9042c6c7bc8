/**
 * Owns the producer ids of one namespace: unique there for the life of the data folder, never given
 * out twice, whatever the moment of a crash. Another namespace may have the same ones, on partitions
 * of its own. A durable counter hands out blocks of numbers; a keyed permutation turns each
 * number into an id, so that an id tells nothing of how many other producers there are, when they
 * came, or whose they are.
 *
 * Concurrency: one block is fetched at a time; callers that find the block empty wait for it
 * together. A number is used only after the record that covers it is on stable storage; what is
 * left of a block at a crash is given up.
 */
import { PERMUTATION_SIZE, permute } from './id-permutation.ts';

export const PRODUCER_ID_BLOCK_SIZE = 1000;
/** A new block is fetched when this few are left, so that callers hardly ever wait. */
const REFILL_AT = 100;

export class ProducerIdAllocator {
  readonly #key: Buffer;
  /** Makes durable that every number below `next` is taken. */
  readonly #reserve: (next: number) => Promise<void>;
  /** Numbers from #next up to, not including, #end may be used now. */
  #next: number;
  #end: number;
  #refill: Promise<void> | null = null;

  /** `firstFree`: the `next` of the last durable record, 0 if there is none. */
  constructor(key: Buffer, firstFree: number, reserve: (next: number) => Promise<void>) {
    this.#key = key;
    this.#next = firstFree;
    this.#end = firstFree;
    this.#reserve = reserve;
  }

  /** A new producer id; rejects with a StorageError when the counter cannot be made durable. */
  allocate(): number | Promise<number> {
    if (this.#next < this.#end) {
      const id = this.#take();
      if (this.#end - this.#next === REFILL_AT) {
        // A failure here is met again, and answered, by the caller that finds the block empty.
        this.#fetchBlock().catch(() => {});
      }
      return id;
    }
    return this.#allocateLater();
  }

  async #allocateLater(): Promise<number> {
    while (this.#next >= this.#end) await this.#fetchBlock();
    return this.#take();
  }

  #take(): number {
    const number = this.#next;
    this.#next += 1;
    return permute(this.#key, number);
  }

  #fetchBlock(): Promise<void> {
    this.#refill ??= this.#reserveBlock().finally(() => {
      this.#refill = null;
    });
    return this.#refill;
  }

  async #reserveBlock(): Promise<void> {
    const end = this.#end + PRODUCER_ID_BLOCK_SIZE;
    if (end > PERMUTATION_SIZE) throw new RangeError('all producer ids are used up');
    await this.#reserve(end);
    this.#end = end;
  }
}
