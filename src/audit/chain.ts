/**
 * Owns the chain of a stream: each line names the SHA-256 of the line before it, without its newline.
 * Pure.
 *
 * Invariant: what stands here reads nothing of a line but its fixed head,
 * `{"level":"info","v":2,"seq":12,"prev":"<64 hex digits>"`, so that a verifier and the writer agree
 * on bytes and not on a parser.
 */
import { hash } from 'node:crypto';

/** What the first line of a log names as its predecessor. */
export const GENESIS = '0'.repeat(64);

/** The last version without a chain. */
export const UNCHAINED_VERSION = 1;

export const hashOf = (line: string | Buffer): string => hash('sha256', line, 'hex');

/** Where a stream stands: the next line has `sequence + 1` and names `hash`. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { sequence: 0, hash: GENESIS };

/** The head of a line; `previous` is null in version 1, which has no chain. */
export interface LineHead {
  readonly version: number;
  readonly sequence: number;
  readonly previous: string | null;
}

const LEVELS = ['{"level":"info","v":', '{"level":"warn","v":'] as const;
const LEVEL_LENGTH = LEVELS[0].length;
const SEQUENCE = ',"seq":';
const PREVIOUS = ',"prev":"';
const HASH_LENGTH = 64;
/** Longer than any head of ours. */
const HEAD_LENGTH = 128;
const DIGITS_MAX = 16;
const ZERO = 0x30;
const NINE = 0x39;
const QUOTE = 0x22;

/** Where the number that begins at `at` ends; -1 when there is none, or it has a second form. */
function digitsEnd(text: string, at: number): number {
  let end = at;
  for (; end < text.length && end - at <= DIGITS_MAX; end += 1) {
    const code = text.charCodeAt(end);
    if (code < ZERO || code > NINE) break;
  }
  if (end === at || end - at > DIGITS_MAX) return -1;
  return text.charCodeAt(at) === ZERO && end > at + 1 ? -1 : end;
}

/** The head of the line that stands in [start, end) of `bytes`; null when it is not one of ours. */
export function lineHeadIn(bytes: Buffer, start: number, end: number): LineHead | null {
  const text = bytes.toString('latin1', start, Math.min(end, start + HEAD_LENGTH));
  if (!text.startsWith(LEVELS[0]) && !text.startsWith(LEVELS[1])) return null;
  const versionEnd = digitsEnd(text, LEVEL_LENGTH);
  if (versionEnd === -1 || !text.startsWith(SEQUENCE, versionEnd)) return null;
  const sequenceAt = versionEnd + SEQUENCE.length;
  const sequenceEnd = digitsEnd(text, sequenceAt);
  if (sequenceEnd === -1) return null;
  const version = Number(text.slice(LEVEL_LENGTH, versionEnd));
  const sequence = Number(text.slice(sequenceAt, sequenceEnd));
  if (!Number.isSafeInteger(sequence)) return null;
  if (version === UNCHAINED_VERSION) return { version, sequence, previous: null };
  const at = sequenceEnd + PREVIOUS.length;
  if (!text.startsWith(PREVIOUS, sequenceEnd) || text.charCodeAt(at + HASH_LENGTH) !== QUOTE) {
    return null;
  }
  return { version, sequence, previous: text.slice(at, at + HASH_LENGTH) };
}
