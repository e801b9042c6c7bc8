/** Owns how long a change or a listing of many things may hold up the event loop. */
import type { Clock } from '../../../base/clock.ts';
import { runInSlices } from '../../../protocol/records/event-loop-slices.ts';

/** Steps that are taken before the time is looked at. */
const STEPS_BETWEEN_LOOKS = 16;
const TURN_MS = 5;

/** Takes the steps, a few milliseconds of them a turn; undefined when all were taken at once. */
export function inTurns(clock: Clock, steps: Iterator<unknown>): Promise<void> | undefined {
  /** True when all is done, false when the turn is over. */
  const run = (): boolean => {
    const beganMs = clock.monotonicMs();
    for (let taken = 1; steps.next().done !== true; taken += 1) {
      if (taken % STEPS_BETWEEN_LOOKS === 0 && clock.monotonicMs() - beganMs > TURN_MS) {
        return false;
      }
    }
    return true;
  };
  return run() ? undefined : runInSlices(run);
}
