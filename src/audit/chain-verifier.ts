/**
 * Owns the second half of a verification: one stream, line by line, against its own chain, the
 * checkpoints of it and the anchors that the caller brought.
 *
 * Invariant: every byte of every line is hashed; a line is never parsed beyond its head. The first
 * thing that is wrong ends the stream: what follows it proves nothing.
 */
import { GENESIS, hashOf, type LineHead, lineHeadIn } from './chain.ts';
import type { Checkpoint, StreamBeginning } from './checkpoint.ts';
import type { AuditProblem, StreamReport } from './verification.ts';

/** A checkpoint of the stream, from the log or from elsewhere. */
export interface Signed {
  readonly checkpoint: Checkpoint;
  /** How a person finds it: `checkpoints-20261122-000001.jws:12`, `the anchor anchor.jws:1`. */
  readonly name: string;
}

export interface ChainVerifierOptions {
  readonly beginnings: readonly StreamBeginning[];
  /** By `last`, ascending. */
  readonly checkpoints: Iterator<Signed>;
  readonly anchors: readonly Signed[];
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly sequence: number;
}

const NEWLINE = 0x0a;
const LINE_BYTES_MAX = 1024 * 1024;

/** The next of an ascending list of checkpoints that is not behind. */
class Expected {
  readonly #from: Iterator<Signed>;
  next: Signed | null = null;
  /** The `last` of the next one; infinite when there is none. */
  last = Number.POSITIVE_INFINITY;
  matched = 0;
  skipped = 0;

  constructor(from: Iterator<Signed>) {
    this.#from = from;
    this.advance();
  }

  advance(): void {
    const { done, value } = this.#from.next();
    this.next = done === true ? null : value;
    this.last = this.next?.checkpoint.last ?? Number.POSITIVE_INFINITY;
  }
}

export class ChainVerifier {
  readonly #beginnings: readonly StreamBeginning[];
  readonly #signed: Expected;
  readonly #anchors: Expected;
  #problem: AuditProblem | null = null;
  #place: Place | null = null;
  #hash = GENESIS;
  #isChained = false;
  #file = '';
  #line = 0;
  #carried: Buffer = Buffer.alloc(0);
  #files = 0;
  #records = 0;
  #unchained = 0;
  #first: number | null = null;
  #lastSigned = 0;

  constructor({ beginnings, checkpoints, anchors }: ChainVerifierOptions) {
    this.#beginnings = beginnings;
    this.#signed = new Expected(checkpoints);
    this.#anchors = new Expected(anchors[Symbol.iterator]());
  }

  get problem(): AuditProblem | null {
    return this.#problem;
  }

  get anchorsMatched(): number {
    return this.#anchors.matched;
  }

  get anchorsTooOld(): number {
    return this.#anchors.skipped;
  }

  get report(): StreamReport {
    const last = this.#place?.sequence ?? null;
    return {
      files: this.#files,
      records: this.#records,
      unchained: this.#unchained,
      first: this.#first,
      last,
      unsigned:
        this.#problem !== null
          ? 0
          : Math.max(0, (last ?? 0) - Math.max(this.#lastSigned, (this.#first ?? 1) - 1)),
      tornBytes: this.#carried.length,
    };
  }

  begin(file: string): void {
    if (this.#carried.length > 0) this.#fail('the line has no end, and a newer file follows', null);
    this.#file = file;
    this.#line = 0;
    this.#files += 1;
  }

  /** Takes the next bytes of the file; false: something is wrong and the rest proves nothing. */
  take(window: Buffer): boolean {
    if (this.#problem !== null) return false;
    const bytes = this.#carried.length === 0 ? window : Buffer.concat([this.#carried, window]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE, start); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      this.#line += 1;
      this.#check(bytes, start, end);
      if (this.#problem !== null) return false;
      start = end + 1;
    }
    this.#carried = bytes.subarray(start);
    if (this.#carried.length <= LINE_BYTES_MAX) return true;
    this.#fail('the line is longer than any record', null);
    return false;
  }

  /** The file cannot be read to its end. */
  damaged(what: string): void {
    this.#fail(what, null);
  }

  /** What checkpoints and anchors say beyond the last line. */
  end(): void {
    if (this.#problem !== null) return;
    const last = this.#place?.sequence ?? 0;
    for (const expected of [this.#signed, this.#anchors]) {
      this.#skip(expected, this.#first ?? 1);
      const { next } = expected;
      if (next === null) continue;
      const what = `records ${last + 1} to ${next.checkpoint.last} are missing at the end: ${next.name} tells of them`;
      const { file, line } = this.#place ?? { file: next.checkpoint.file, line: 0 };
      this.#problem = { file, line, sequence: last + 1, what };
      return;
    }
  }

  #fail(what: string, sequence: number | null): void {
    this.#problem ??= {
      file: this.#file,
      line: this.#line + (sequence === null ? 1 : 0),
      sequence,
      what,
    };
  }

  #failAt(place: Place, what: string): void {
    this.#problem ??= { ...place, what };
  }

  #check(bytes: Buffer, start: number, end: number): void {
    const head = lineHeadIn(bytes, start, end);
    if (head === null) {
      this.#line -= 1;
      this.#fail('the line is not a record of this log', null);
      return;
    }
    if (this.#place === null) this.#checkFirst(head);
    else this.#checkLink(head, this.#place);
    if (this.#problem !== null) return;
    const { sequence, previous } = head;
    this.#isChained ||= previous !== null;
    this.#records += 1;
    if (previous === null) this.#unchained += 1;
    this.#first ??= sequence;
    this.#hash = hashOf(bytes.subarray(start, end));
    this.#place = { file: this.#file, line: this.#line, sequence };
    if (this.#signed.last <= sequence) this.#compare(this.#signed, sequence);
    if (this.#anchors.last <= sequence) this.#compare(this.#anchors, sequence);
  }

  #checkFirst({ sequence, previous }: LineHead): void {
    const isStart = sequence === 1 && (previous === null || previous === GENESIS);
    const isStated = this.#beginnings.some(
      ({ first, prev }) =>
        first > sequence || (first === sequence && (previous === null || prev === previous)),
    );
    if (isStart || isStated) return;
    this.#fail(
      `the log begins with record ${sequence}: what was before it is gone, and no signed statement of retention says so`,
      sequence,
    );
  }

  #checkLink({ sequence, previous }: LineHead, before: Place): void {
    const expected = before.sequence + 1;
    if (previous === null && this.#isChained) {
      this.#fail('a record without a chain stands behind chained ones', sequence);
    } else if (sequence > expected) {
      const missing =
        sequence - expected === 1
          ? `record ${expected} is`
          : `records ${expected} to ${sequence - 1} are`;
      this.#fail(`${missing} missing before it`, sequence);
    } else if (sequence < expected) {
      this.#fail(`record ${expected} belongs here: it was inserted, repeated or moved`, sequence);
    } else if (previous !== null && previous !== this.#hash) {
      this.#failAt(
        before,
        `it is not the record that record ${sequence} names as the one before it`,
      );
    }
  }

  /** Those of records that retention took. */
  #skip(expected: Expected, first: number): void {
    while (expected.next !== null && expected.next.checkpoint.last < first) {
      expected.skipped += 1;
      expected.advance();
    }
  }

  #compare(expected: Expected, sequence: number): void {
    this.#skip(expected, this.#first ?? 1);
    while (expected.next !== null && expected.next.checkpoint.last <= sequence) {
      const { checkpoint, name } = expected.next;
      if (checkpoint.last === sequence && checkpoint.head !== this.#hash) {
        this.#fail(this.#rewritten(sequence, name), sequence);
        return;
      }
      if (checkpoint.last === sequence) expected.matched += 1;
      if (checkpoint.last === sequence && expected === this.#signed) this.#lastSigned = sequence;
      expected.advance();
    }
  }

  /** The chain is whole and not the one that was signed: it was made anew from some record on. */
  #rewritten(sequence: number, name: string): string {
    const since = Math.max(this.#lastSigned + 1, this.#first ?? 1);
    const where = since >= sequence ? `record ${sequence}` : `a record of ${since} to ${sequence}`;
    return `${where} was rewritten with all that follow: ${name} signs another content`;
  }
}
