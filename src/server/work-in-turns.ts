/**
 * Owns work that is too long for one turn of the event loop: a generator that yields often is driven
 * for a few milliseconds a turn, so that nobody else's requests wait for it.
 */
import type { Clock } from '../base/clock.ts';
import { runInSlices } from '../protocol/records/event-loop-slices.ts';

const TURN_MS = 8;

/** Resolves with what the generator returns; rejects with what it throws. */
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
