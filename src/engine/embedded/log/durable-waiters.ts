/**
 * Owns who waits for an offset to be on stable storage. Waiters come almost in the order of their
 * offsets (a repeated batch waits for an older one), and are called in the order they came.
 */
import type { StorageError } from '../../../base/errors.ts';

/** Called once: without an argument when it is so, with the reason when it will not be. */
export type Waiter = (failure?: StorageError) => void;

export class DurableWaiters {
  #offsets: number[] = [];
  #waiters: Waiter[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  add(offset: number, waiter: Waiter): void {
    this.#offsets.push(offset);
    this.#waiters.push(waiter);
  }

  /** Calls those whose offset lies below `endOffset`. */
  complete(endOffset: number): void {
    const offsets = this.#offsets;
    let count = 0;
    while (count < offsets.length && offsets[count]! < endOffset) count += 1;
    if (count === 0) return;
    const done = this.#waiters.splice(0, count);
    offsets.splice(0, count);
    for (const waiter of done) waiter();
  }

  /** Tells those at `fromOffset` and beyond that their batch will not be stored. */
  fail(fromOffset: number, failure: StorageError): void {
    const offsets = this.#offsets;
    const waiters = this.#waiters;
    this.#offsets = [];
    this.#waiters = [];
    const failed: Waiter[] = [];
    for (const [index, waiter] of waiters.entries()) {
      const offset = offsets[index]!;
      if (offset >= fromOffset) failed.push(waiter);
      else this.add(offset, waiter);
    }
    for (const waiter of failed) waiter(failure);
  }
}
