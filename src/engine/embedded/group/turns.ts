/**
 * Owns how long one request may hold the event loop: work that can be long is a generator that
 * yields often, and is done in turns of a few milliseconds. What others change between two turns is
 * for the generator to bear.
 */
import type { Clock } from '../../../base/clock.ts';
import { nextTurn } from '../../../protocol/records/event-loop-slices.ts';

const TURN_MS = 8;

/** Work in steps; each takes well below a millisecond. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** What the steps come to: at once where that is quick. */
export function inTurns<T>(clock: Clock, steps: Steps<T>): T | Promise<T> {
  const done = oneTurn(clock, steps);
  return done === undefined ? laterTurns(clock, steps) : done.value;
}

async function laterTurns<T>(clock: Clock, steps: Steps<T>): Promise<T> {
  for (;;) {
    await nextTurn();
    const done = oneTurn(clock, steps);
    if (done !== undefined) return done.value;
  }
}

function oneTurn<T>(clock: Clock, steps: Steps<T>): { readonly value: T } | undefined {
  const beganMs = clock.monotonicMs();
  do {
    const step = steps.next();
    if (step.done === true) return { value: step.value };
  } while (clock.monotonicMs() - beganMs <= TURN_MS);
  return undefined;
}
