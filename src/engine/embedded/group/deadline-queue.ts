/**
 * Owns the order in which groups want to be called, with one timer for all of them.
 *
 * Invariant: every group with a deadline is in the heap at or before it. A deadline that moves
 * later, as with every heartbeat, costs nothing: the group is called early once and asks again.
 */
import type { Clock, Timer } from '../../../base/clock.ts';

export interface Scheduled {
  scheduledMs: number;
}

interface Entry<T> {
  readonly dueMs: number;
  readonly item: T;
}

export class DeadlineQueue<T extends Scheduled> {
  readonly #clock: Clock;
  readonly #onDue: (item: T) => void;
  /** A binary heap: no entry is due before its parent. */
  readonly #heap: Entry<T>[] = [];
  #timer: Timer | null = null;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(clock: Clock, onDue: (item: T) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** `onDue` is called with the item at `dueMs` (monotonic), or before. */
  schedule(item: T, dueMs: number): void {
    if (this.#isStopped || dueMs >= item.scheduledMs) return;
    item.scheduledMs = dueMs;
    this.#push({ dueMs, item });
    if (dueMs < this.#timerDueMs) this.#arm();
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
    this.#timerDueMs = first.dueMs;
    const delayMs = Math.max(0, first.dueMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(Math.ceil(delayMs), () => this.#run());
  }

  #run(): void {
    const nowMs = this.#clock.monotonicMs();
    const due: T[] = [];
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.dueMs > nowMs) break;
      this.#pop();
      // An entry later than the item's own was superseded by an earlier one.
      if (first.item.scheduledMs !== first.dueMs) continue;
      first.item.scheduledMs = Number.POSITIVE_INFINITY;
      due.push(first.item);
    }
    // Each once: what is due again at once has to wait for the next turn of the event loop.
    for (const item of due) this.#onDue(item);
    if (!this.#isStopped) this.#arm();
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.dueMs <= entry.dueMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child += 1;
      if (heap[child]!.dueMs >= last.dueMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
