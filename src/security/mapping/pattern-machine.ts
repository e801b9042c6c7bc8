/**
 * Owns the matching of a compiled pattern: all ways on at once, character by character (Pike's
 * machine), so that time grows with the length of text times pattern and no text makes it explode.
 *
 * Invariants: of several matches the one is found that a backtracking engine finds first; captures
 * of a repeated group are those of its last turn, and of an earlier one where it took no part, as in
 * Java. The steps of all matching for one text come from one budget; when it is used up, it throws.
 */
import { PkiError } from '../../base/errors.ts';
import type { Instruction, Pattern } from './java-pattern.ts';

/** By slot: 2n is where group n begins, 2n+1 where it ends; -1: it took no part. Group 0 is all. */
export type Captures = readonly number[];

export class MatchBudget {
  #stepsLeft: number;

  constructor(steps: number) {
    this.#stepsLeft = steps;
  }

  /** Throws PkiError when nothing is left. */
  spend(): void {
    this.#stepsLeft -= 1;
    if (this.#stepsLeft < 0) throw new PkiError('mapping the name takes too long');
  }
}

/** What was passed on the way here, the last first: shared by all ways on from there. */
interface Passed {
  readonly slot: number;
  readonly position: number;
  readonly before: Passed | null;
}

interface Thread {
  readonly at: number;
  readonly passed: Passed | null;
}

/** Does the pattern match all of the text? */
export function matchesWhole(
  pattern: Pattern,
  text: readonly number[],
  budget: MatchBudget,
): boolean {
  return run(pattern, text, 0, true, budget) !== null;
}

/** The first match that begins at `from` or later. */
export function findFrom(
  pattern: Pattern,
  text: readonly number[],
  from: number,
  budget: MatchBudget,
): Captures | null {
  return run(pattern, text, from, false, budget);
}

function run(
  { program, groupCount }: Pattern,
  text: readonly number[],
  from: number,
  isWhole: boolean,
  budget: MatchBudget,
): Captures | null {
  const seenAt = new Int32Array(program.length).fill(-1);
  let threads: Thread[] = [];
  let found: Captures | null = null;
  for (let at = from; at <= text.length; at++) {
    if (found === null && (!isWhole || at === from)) {
      follow(
        program,
        { at: 0, passed: { slot: 0, position: at, before: null } },
        at,
        text.length,
        seenAt,
        threads,
        budget,
      );
    }
    if (threads.length === 0 && (found !== null || isWhole)) break;
    const next: Thread[] = [];
    for (const thread of threads) {
      budget.spend();
      const instruction = program[thread.at]!;
      if (instruction.op === 'match') {
        if (isWhole && at < text.length) continue;
        found = capturesOf({ slot: 1, position: at, before: thread.passed }, groupCount);
        break; // What comes after is less preferred.
      }
      if (at === text.length || instruction.op !== 'set' || !isIn(instruction, text[at]!)) continue;
      const on = { at: thread.at + 1, passed: thread.passed };
      follow(program, on, at + 1, text.length, seenAt, next, budget);
    }
    threads = next;
  }
  return found;
}

function capturesOf(last: Passed, groupCount: number): Captures {
  const captures = new Array<number>(2 * groupCount + 2).fill(-1);
  const isSet = new Set<number>();
  for (let one: Passed | null = last; one !== null; one = one.before) {
    if (isSet.has(one.slot)) continue;
    isSet.add(one.slot);
    captures[one.slot] = one.position;
  }
  return captures;
}

/** Goes from one thread to all that wait for a character or have matched, the preferred first. */
function follow(
  program: readonly Instruction[],
  begin: Thread,
  position: number,
  end: number,
  seenAt: Int32Array,
  threads: Thread[],
  budget: MatchBudget,
): void {
  const stack: Thread[] = [begin];
  for (let thread = stack.pop(); thread !== undefined; thread = stack.pop()) {
    const { at, passed } = thread;
    if (seenAt[at] === position) continue;
    seenAt[at] = position;
    budget.spend();
    const instruction = program[at]!;
    switch (instruction.op) {
      case 'jump':
        stack.push({ at: instruction.to, passed });
        break;
      case 'split':
        stack.push({ at: instruction.second, passed }, { at: instruction.first, passed });
        break;
      case 'save':
        stack.push({ at: at + 1, passed: { slot: instruction.slot, position, before: passed } });
        break;
      case 'start':
        if (position === 0) stack.push({ at: at + 1, passed });
        break;
      case 'end':
        if (position === end) stack.push({ at: at + 1, passed });
        break;
      default:
        threads.push(thread);
    }
  }
}

function isIn(
  { ranges, isNegated }: Extract<Instruction, { op: 'set' }>,
  codePoint: number,
): boolean {
  for (const [first, last] of ranges) {
    if (codePoint >= first && codePoint <= last) return !isNegated;
  }
  return isNegated;
}
