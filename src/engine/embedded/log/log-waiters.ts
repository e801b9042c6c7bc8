/**
 * Owns who waits for a batch to be written or to be durable. Waiters of durability come almost in
 * the order of their offsets (a repeated batch waits for an older one).
 *
 * Invariant: noting an event calls nobody, `tell` does: an append in the midst of its work is never
 * entered a second time from a waiter. Each waiter is called once, in the order they came.
 */
import type { StorageError } from '../../../base/errors.ts';

/** Called without an argument when it is so, with the reason when it will not be. Never throws. */
export type Waiter = (failure?: StorageError) => void;

export class LogWaiters {
  #written: Waiter[] = [];
  #durable: Waiter[] = [];
  /** The offset each of `#durable` waits for. */
  #offsets: number[] = [];
  #due: Waiter[] = [];
  /** Why each of `#due` waited in vain, or undefined. */
  #dueFailures: (StorageError | undefined)[] = [];

  get hasDurable(): boolean {
    return this.#durable.length > 0;
  }

  addWritten(waiter: Waiter): void {
    this.#written.push(waiter);
  }

  addDurable(offset: number, waiter: Waiter): void {
    this.#offsets.push(offset);
    this.#durable.push(waiter);
  }

  /** Everything queued was written. */
  noteWritten(): void {
    if (this.#written.length === 0) return;
    for (const waiter of this.#written) this.#addDue(waiter, undefined);
    this.#written = [];
  }

  /** Everything below `endOffset` is durable. */
  noteDurable(endOffset: number): void {
    let count = 0;
    while (count < this.#offsets.length && this.#offsets[count]! < endOffset) count += 1;
    if (count === 0) return;
    for (const waiter of this.#durable.splice(0, count)) this.#addDue(waiter, undefined);
    this.#offsets.splice(0, count);
  }

  /** Nothing at `fromOffset` or beyond will be stored; whoever waits for a write waits for that. */
  noteFailed(fromOffset: number, failure: StorageError): void {
    for (const waiter of this.#written) this.#addDue(waiter, failure);
    this.#written = [];
    const [waiters, offsets] = [this.#durable, this.#offsets];
    this.#durable = [];
    this.#offsets = [];
    for (const [index, waiter] of waiters.entries()) {
      if (offsets[index]! >= fromOffset) this.#addDue(waiter, failure);
      else this.addDurable(offsets[index]!, waiter);
    }
  }

  /** Calls those whose event was noted. */
  tell(): void {
    if (this.#due.length === 0) return;
    const [waiters, failures] = [this.#due, this.#dueFailures];
    this.#due = [];
    this.#dueFailures = [];
    for (const [index, waiter] of waiters.entries()) waiter(failures[index]);
  }

  #addDue(waiter: Waiter, failure: StorageError | undefined): void {
    this.#due.push(waiter);
    this.#dueFailures.push(failure);
  }
}
