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

const LEVELS = [Buffer.from('{"level":"info","v":'), Buffer.from('{"level":"warn","v":')];
const LEVEL_BYTES = LEVELS[0]!.length;
const SEQUENCE = Buffer.from(',"seq":');
const PREVIOUS = Buffer.from(',"prev":"');
const HASH_CHARS = 64;
const SEQUENCE_DIGITS_MAX = 16;
const ZERO = 0x30;
const NINE = 0x39;
const QUOTE = 0x22;

function startsAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  return bytes.compare(expected, 0, expected.length, at, at + expected.length) === 0;
}

/** The digits from `at` on, and where they end; null when there are none or too many. */
function digitsAt(bytes: Buffer, at: number, end: number): { value: number; next: number } | null {
  let next = at;
  let value = 0;
  for (; next < end && next - at <= SEQUENCE_DIGITS_MAX; next += 1) {
    const byte = bytes[next]!;
    if (byte < ZERO || byte > NINE) break;
    value = value * 10 + (byte - ZERO);
  }
  if (next === at || !Number.isSafeInteger(value)) return null;
  // A second way to write the same number would be a second form of the same line.
  if (bytes[at] === ZERO && next > at + 1) return null;
  return { value, next };
}

/** The head of the line that stands in [start, end) of `bytes`; null when it is not one of ours. */
export function lineHeadIn(bytes: Buffer, start: number, end: number): LineHead | null {
  if (end - start < LEVEL_BYTES + SEQUENCE.length + 2) return null;
  if (!LEVELS.some((level) => startsAt(bytes, start, level))) return null;
  const version = digitsAt(bytes, start + LEVEL_BYTES, end);
  if (version === null || end - version.next < SEQUENCE.length) return null;
  if (!startsAt(bytes, version.next, SEQUENCE)) return null;
  const sequence = digitsAt(bytes, version.next + SEQUENCE.length, end);
  if (sequence === null) return null;
  const head = { version: version.value, sequence: sequence.value };
  if (version.value === UNCHAINED_VERSION) return { ...head, previous: null };
  const at = sequence.next + PREVIOUS.length;
  if (end - at < HASH_CHARS + 1 || !startsAt(bytes, sequence.next, PREVIOUS)) return null;
  if (bytes[at + HASH_CHARS] !== QUOTE) return null;
  return { ...head, previous: bytes.toString('latin1', at, at + HASH_CHARS) };
}
