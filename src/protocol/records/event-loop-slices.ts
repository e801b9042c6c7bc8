/** Owns how long work on the event loop is cut up, so that no connection waits for another's batch. */
import type { Clock } from '../../base/clock.ts';

/** Up to this many bytes a codec runs at once on the event loop; beyond, off it or in slices. */
export const SYNC_BYTES_MAX = 64 * 1024;
/** Bytes handled between two turns of the event loop: a few tenths of a millisecond. */
export const SLICE_BYTES = 256 * 1024;

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Calls `step` once a turn of the event loop until it returns true. */
export async function runInSlices(step: () => boolean): Promise<void> {
  while (!step()) await nextTurn();
}

const TURN_MS = 8;

/**
 * Drives a generator that yields often for a few milliseconds a turn. Resolves with what it returns;
 * rejects with what it throws.
 */
export async function workInTurns<T>(clock: Clock, work: Generator<void, T>): Promise<T> {
  let outcome: T | undefined;
  await runInSlices(() => {
    const beganMs = clock.monotonicMs();
    for (;;) {
      const step = work.next();
      if (step.done === true) {
        outcome = step.value;
        return true;
      }
      if (clock.monotonicMs() - beganMs > TURN_MS) return false;
    }
  });
  return outcome as T;
}
