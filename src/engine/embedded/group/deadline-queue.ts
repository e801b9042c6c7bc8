/**
 * Owns the order in which groups want to be called, with one timer for all of them.
 *
 * Invariant: an item is in the heap once, at or before its deadline, and only while it has one: what
 * it costs is bounded by the number of items, however often their deadlines move. A deadline that
 * moves later, as with every heartbeat, costs nothing: the item is called early once and asks again.
 */
import type { Clock, Timer } from '../../../base/clock.ts';

export interface Scheduled {
  /** When it is called; Infinity while it is in no queue. The queue's own. */
  scheduledMs: number;
  /** Where it stands in the heap; meaningful while it is scheduled. The queue's own. */
  heapIndex: number;
}

export class DeadlineQueue<T extends Scheduled> {
  readonly #clock: Clock;
  readonly #onDue: (item: T) => void;
  /** A binary heap: no item is due before its parent. */
  readonly #heap: T[] = [];
  #timer: Timer | null = null;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(clock: Clock, onDue: (item: T) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Items that wait to be called. */
  get size(): number {
    return this.#heap.length;
  }

  /** `onDue` is called with the item at `dueMs` (monotonic), or before. */
  schedule(item: T, dueMs: number): void {
    if (this.#isStopped || dueMs >= item.scheduledMs) return;
    const isNew = item.scheduledMs === Number.POSITIVE_INFINITY;
    item.scheduledMs = dueMs;
    if (isNew) this.#heap.push(item);
    this.#rise(item, isNew ? this.#heap.length - 1 : item.heapIndex);
    if (dueMs < this.#timerDueMs) this.#arm();
  }

  /** The item is not called any more. */
  forget(item: T): void {
    if (this.#isStopped || item.scheduledMs === Number.POSITIVE_INFINITY) return;
    item.scheduledMs = Number.POSITIVE_INFINITY;
    this.#takeOut(item.heapIndex);
    if (this.#heap.length === 0) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#heap.length = 0;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerDueMs = Number.POSITIVE_INFINITY;
    const first = this.#heap[0];
    if (first === undefined) return;
    this.#timerDueMs = first.scheduledMs;
    const delayMs = Math.max(0, first.scheduledMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(Math.ceil(delayMs), () => this.#run());
  }

  #run(): void {
    const nowMs = this.#clock.monotonicMs();
    const due: T[] = [];
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.scheduledMs > nowMs) break;
      this.#takeOut(0);
      first.scheduledMs = Number.POSITIVE_INFINITY;
      due.push(first);
    }
    // Each once: what is due again at once has to wait for the next turn of the event loop.
    for (const item of due) this.#onDue(item);
    if (!this.#isStopped) this.#arm();
  }

  #takeOut(index: number): void {
    const last = this.#heap.pop()!;
    if (index === this.#heap.length) return;
    this.#sink(last, index);
    this.#rise(last, last.heapIndex);
  }

  /** Puts the item where `from` is, or above. */
  #rise(item: T, from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent]!;
      if (above.scheduledMs <= item.scheduledMs) break;
      this.#put(above, at);
      at = parent;
    }
    this.#put(item, at);
  }

  /** Puts the item where `from` is, or below. */
  #sink(item: T, from: number): void {
    const heap = this.#heap;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.scheduledMs < heap[child]!.scheduledMs) {
        child += 1;
      }
      if (heap[child]!.scheduledMs >= item.scheduledMs) break;
      this.#put(heap[child]!, at);
      at = child;
    }
    this.#put(item, at);
  }

  #put(item: T, at: number): void {
    this.#heap[at] = item;
    item.heapIndex = at;
  }
}
