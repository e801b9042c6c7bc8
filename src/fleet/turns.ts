/** Owns work over many records: a generator, driven for a few milliseconds a turn. */
import type { Clock } from '../base/clock.ts';
import { runInSlices } from '../protocol/records/event-loop-slices.ts';

const TURN_MS = 3;
/** Steps between two looks at the clock. */
const STEPS = 16;

/** Resolves with what the generator returns; rejects with what it throws. */
export async function turnsOf<T>(clock: Clock, work: Generator<void, T>): Promise<T> {
  let outcome: { readonly value: T } | undefined;
  await runInSlices(() => {
    const beganMs = clock.monotonicMs();
    do {
      for (let count = 0; count < STEPS; count++) {
        const step = work.next();
        if (step.done !== true) continue;
        outcome = { value: step.value };
        return true;
      }
    } while (clock.monotonicMs() - beganMs < TURN_MS);
    return false;
  });
  return outcome!.value;
}
