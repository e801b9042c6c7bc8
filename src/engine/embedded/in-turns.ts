/** Long lists a piece at a time, so that no request holds up the event loop for all others. */
import { nextTurn } from '../../protocol/records/event-loop-slices.ts';

/** Cheap steps in one turn: a few milliseconds at the most. */
const STEPS_PER_TURN = 2000;

/** Counts steps; `step` resolves at once but for every so many, which wait for a turn. */
export class Turns {
  #steps = 0;

  /** True when the caller should await `next` before it goes on. */
  get isOver(): boolean {
    this.#steps += 1;
    return this.#steps % STEPS_PER_TURN === 0;
  }

  next(): Promise<void> {
    return nextTurn();
  }
}
