/**
 * Owns the reading of a mapping rule's pattern: what of java.util.regex can be matched in linear time
 * and means the same here, compiled for pattern-machine.ts. A rule is an operator's, yet what it is
 * matched against comes from certificates: a pattern that backtracks would let one of them stop the
 * broker.
 *
 * Understood: characters, `.`, classes, \d \w \s and their opposites, escaped punctuation, groups,
 * (?:groups), `|`, `^`, `$`, and * + ? {n} {n,} {n,m}, greedy and lazy. Everything else (back
 * references, look-around, possessive repeats, flags, \b, \p, \Q) is refused, and so is a repeat of
 * what may be empty, over whose captures regular expression engines differ. Invariant: what is
 * accepted gives what Java gives, for text without line ends.
 */
import { PkiError } from '../../base/errors.ts';

/** Pairs of first and last code point. */
export type Ranges = readonly (readonly [number, number])[];

export type Instruction =
  | { readonly op: 'set'; readonly ranges: Ranges; readonly isNegated: boolean }
  /** Two ways on; the first is preferred. */
  | { readonly op: 'split'; readonly first: number; readonly second: number }
  | { readonly op: 'jump'; readonly to: number }
  | { readonly op: 'save'; readonly slot: number }
  | { readonly op: 'start' }
  | { readonly op: 'end' }
  | { readonly op: 'match' };

export interface Pattern {
  readonly program: readonly Instruction[];
  readonly groupCount: number;
}

type Node =
  | Extract<Instruction, { op: 'set' | 'start' | 'end' }>
  | { readonly op: 'all' | 'any-of'; readonly parts: readonly Node[] }
  | { readonly op: 'group'; readonly index: number; readonly inside: Node }
  | { readonly op: 'repeat'; readonly inside: Node; readonly times: Times };

interface Times {
  readonly least: number;
  /** Null: without end. */
  readonly most: number | null;
  readonly isLazy: boolean;
}

const INSTRUCTIONS_MAX = 500;
const DEPTH_MAX = 20;
const TIMES_MAX = 100;
const ANY: Node = { op: 'set', ranges: [], isNegated: true };
const CLASSES: ReadonlyMap<string, Ranges> = new Map([
  ['d', [[0x30, 0x39]]],
  [
    'w',
    [
      [0x30, 0x39],
      [0x41, 0x5a],
      [0x5f, 0x5f],
      [0x61, 0x7a],
    ],
  ],
  [
    's',
    [
      [0x09, 0x0d],
      [0x20, 0x20],
    ],
  ],
]);

/** Throws PkiError that says what of the pattern is not taken. */
export function compilePattern(source: string): Pattern {
  const reader = new PatternReader(source);
  const root = reader.read();
  const program: Instruction[] = [];
  emit(root, program);
  push(program, { op: 'match' });
  return { program, groupCount: reader.groupCount };
}

class PatternReader {
  readonly #characters: readonly string[];
  readonly #source: string;
  #at = 0;
  #depth = 0;
  groupCount = 0;

  constructor(source: string) {
    this.#source = source;
    this.#characters = Array.from(source);
  }

  read(): Node {
    const root = this.#alternatives();
    if (this.#at < this.#characters.length) throw this.#refused('a ")" closes nothing');
    return root;
  }

  #alternatives(): Node {
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw this.#refused('its groups are nested too deep');
    const parts = [this.#sequence()];
    while (this.#took('|')) parts.push(this.#sequence());
    this.#depth -= 1;
    return parts.length === 1 ? parts[0]! : { op: 'any-of', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (;;) {
      const next = this.#characters[this.#at];
      if (next === undefined || next === '|' || next === ')') return { op: 'all', parts };
      parts.push(this.#repeated(this.#atom()));
    }
  }

  #atom(): Node {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#class();
      case '.':
        return ANY;
      case '^':
        return { op: 'start' };
      case '$':
        return { op: 'end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
      case '{':
        throw this.#refused(`a "${character}" repeats nothing`);
      default:
        return one(character);
    }
  }

  #group(): Node {
    if (this.#took('?')) {
      if (!this.#took(':')) throw this.#refused('of "(?" only "(?:" is understood');
      return this.#closed(this.#alternatives());
    }
    this.groupCount += 1;
    const index = this.groupCount;
    return { op: 'group', index, inside: this.#closed(this.#alternatives()) };
  }

  #closed(inside: Node): Node {
    if (!this.#took(')')) throw this.#refused('a "(" is not closed');
    return inside;
  }

  #escape(): Extract<Node, { op: 'set' }> {
    const character = this.#next();
    const named = CLASSES.get(character.toLowerCase());
    if (named !== undefined) {
      return { op: 'set', ranges: named, isNegated: character !== character.toLowerCase() };
    }
    if (/^[\p{L}\p{N}]$/u.test(character)) {
      throw this.#refused(`"\\${character}" is not understood`);
    }
    return one(character);
  }

  #class(): Node {
    const isNegated = this.#took('^');
    const ranges: (readonly [number, number])[] = [];
    if (this.#characters[this.#at] === ']') throw this.#refused('a class is empty');
    while (!this.#took(']')) {
      const from = this.#inClass();
      if (from.length !== 1 || from[0]![0] !== from[0]![1] || !this.#isRange()) {
        ranges.push(...from);
        continue;
      }
      this.#at += 1;
      const to = this.#inClass();
      const [first, last] = [from[0]![0], to[0]![1]];
      if (to.length !== 1 || to[0]![0] !== last || last < first) {
        throw this.#refused('a range in a class has no order');
      }
      ranges.push([first, last]);
    }
    return { op: 'set', ranges, isNegated };
  }

  /** Whether a "-" follows that is not the last of the class. */
  #isRange(): boolean {
    return this.#characters[this.#at] === '-' && this.#characters[this.#at + 1] !== ']';
  }

  #inClass(): Ranges {
    const character = this.#next();
    if (character === '\\') {
      const { ranges, isNegated } = this.#escape();
      if (isNegated) throw this.#refused('a class holds the opposite of another');
      return ranges;
    }
    if (character === '[' || (character === '&' && this.#characters[this.#at] === '&')) {
      throw this.#refused('a class holds another class: escape the "[" or "&"');
    }
    return one(character).ranges;
  }

  #repeated(atom: Node): Node {
    const counts = this.#counts();
    if (counts === null) return atom;
    const isLazy = this.#took('?');
    if (/^[*+?{]$/.test(this.#characters[this.#at] ?? '')) {
      throw this.#refused('a repeat is repeated, or possessive');
    }
    const [least, most] = counts;
    const isOptional = least === 0 && most === 1;
    if (!isOptional && mayBeEmpty(atom)) throw this.#refused('what may be empty is repeated');
    if (atom.op === 'start' || atom.op === 'end') throw this.#refused('an anchor is repeated');
    return { op: 'repeat', inside: atom, times: { least, most, isLazy } };
  }

  #counts(): [number, number | null] | null {
    if (this.#took('*')) return [0, null];
    if (this.#took('+')) return [1, null];
    if (this.#took('?')) return [0, 1];
    if (!this.#took('{')) return null;
    let text = '';
    while (!this.#took('}')) text += this.#next();
    const parts = /^(\d{1,3})(,)?(\d{1,3})?$/.exec(text);
    const least = Number(parts?.[1]);
    const most =
      parts?.[2] === undefined ? least : parts[3] === undefined ? null : Number(parts[3]);
    const isGood = parts !== null && (parts[2] !== undefined || parts[3] === undefined);
    if (!isGood || Math.max(least, most ?? 0) > TIMES_MAX || (most !== null && most < least)) {
      throw this.#refused(`{${text}} is no number of times up to ${TIMES_MAX}`);
    }
    return [least, most];
  }

  #next(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw this.#refused('it ends too early');
    this.#at += 1;
    return character;
  }

  #took(character: string): boolean {
    if (this.#characters[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #refused(why: string): PkiError {
    return new PkiError(`the pattern ${JSON.stringify(this.#source)} is not taken: ${why}`);
  }
}

function one(character: string): Extract<Node, { op: 'set' }> {
  const codePoint = character.codePointAt(0)!;
  return { op: 'set', ranges: [[codePoint, codePoint]], isNegated: false };
}

function mayBeEmpty(node: Node): boolean {
  switch (node.op) {
    case 'set':
      return false;
    case 'start':
    case 'end':
      return true;
    case 'all':
      return node.parts.every(mayBeEmpty);
    case 'any-of':
      return node.parts.some(mayBeEmpty);
    case 'group':
      return mayBeEmpty(node.inside);
    case 'repeat':
      return node.times.least === 0 || mayBeEmpty(node.inside);
  }
}

function push(program: Instruction[], instruction: Instruction): number {
  if (program.length >= INSTRUCTIONS_MAX) {
    throw new PkiError('a pattern of a mapping rule is too large: make it shorter');
  }
  return program.push(instruction) - 1;
}

function emit(node: Node, program: Instruction[]): void {
  switch (node.op) {
    case 'all':
      for (const part of node.parts) emit(part, program);
      return;
    case 'any-of':
      emitAlternatives(node.parts, program);
      return;
    case 'group':
      push(program, { op: 'save', slot: 2 * node.index });
      emit(node.inside, program);
      push(program, { op: 'save', slot: 2 * node.index + 1 });
      return;
    case 'repeat':
      emitRepeat(node.inside, node.times, program);
      return;
    default:
      push(program, node);
  }
}

function emitAlternatives(parts: readonly Node[], program: Instruction[]): void {
  const jumps: number[] = [];
  for (const part of parts.slice(0, -1)) {
    const split = push(program, { op: 'match' });
    emit(part, program);
    jumps.push(push(program, { op: 'match' }));
    program[split] = { op: 'split', first: split + 1, second: program.length };
  }
  emit(parts.at(-1)!, program);
  for (const jump of jumps) program[jump] = { op: 'jump', to: program.length };
}

function emitRepeat(inside: Node, { least, most, isLazy }: Times, program: Instruction[]): void {
  const split = (at: number, inner: number, after: number): void => {
    program[at] = {
      op: 'split',
      first: isLazy ? after : inner,
      second: isLazy ? inner : after,
    };
  };
  for (let n = 0; n < least; n++) emit(inside, program);
  if (most === null) {
    const loop = push(program, { op: 'match' });
    emit(inside, program);
    push(program, { op: 'jump', to: loop });
    split(loop, loop + 1, program.length);
    return;
  }
  const optional: number[] = [];
  for (let n = least; n < most; n++) {
    optional.push(push(program, { op: 'match' }));
    emit(inside, program);
  }
  for (const at of optional) split(at, at + 1, program.length);
}
