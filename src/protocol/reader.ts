/**
 * Owns reading of Kafka's primitives from one frame. Invariant: no read passes `end`, no length is
 * believed before it is held against the bytes that remain, and the elements of all arrays together
 * stay within a budget; whatever breaks this is a ProtocolError. Numbers are big endian; the compact
 * forms are those of KIP-482.
 */
import { ProtocolError } from '../base/errors.ts';
import { internedName } from './interned-names.ts';
import { EMPTY_BYTES } from './schema.ts';
import { STRING_BYTES_MAX, wireText } from './wire-text.ts';

/** Elements of arrays, nested ones included, that one frame may hold. */
export const ELEMENTS_MAX = 1_000_000;

const TWO_32 = 2 ** 32;

export class Reader {
  readonly buffer: Buffer;
  /** The next byte to read; public because generated code advances it. */
  offset: number;
  readonly end: number;
  /** What is being read, for error messages. */
  readonly what: string;
  #elementsLeft = ELEMENTS_MAX;

  constructor(buffer: Buffer, offset: number, end: number, what: string) {
    if (!(offset >= 0 && offset <= end && end <= buffer.length)) {
      throw new RangeError(`bad bounds for a reader: ${offset}-${end} of ${buffer.length} bytes`);
    }
    this.buffer = buffer;
    this.offset = offset;
    this.end = end;
    this.what = what;
  }

  fail(problem: string): never {
    throw new ProtocolError(`${this.what}: ${problem} at byte ${this.offset}`);
  }

  /** Steps over `count` bytes that are there, and returns where they begin. */
  take(count: number): number {
    const at = this.offset;
    const next = at + count;
    if (next > this.end) this.fail(`${count} bytes wanted, ${this.end - at} left`);
    this.offset = next;
    return at;
  }

  /** An unsigned varint of at most 32 bits in at most five bytes. */
  uvarint(): number {
    const { buffer, end } = this;
    let at = this.offset;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= end) this.fail('a varint runs past the end');
      const byte = buffer[at++]!;
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break;
        this.offset = at;
        return (value | (byte << shift)) >>> 0;
      }
      value |= (byte & 0x7f) << shift;
    }
    return this.fail('a varint of more than 32 bits');
  }

  /** Length of a string or array field; -1 stands for null. */
  int16Length(): number {
    const at = this.take(2);
    return int16(this.buffer, at);
  }

  int32Length(): number {
    const at = this.take(4);
    return int32(this.buffer, at);
  }

  compactLength(): number {
    const at = this.offset;
    const byte = this.buffer[at]!;
    if (at >= this.end || byte >= 0x80) return this.uvarint() - 1;
    this.offset = at + 1;
    return byte - 1;
  }

  /** The text of `length` bytes. Lengths below zero never get here. */
  text(length: number): string {
    if (length > STRING_BYTES_MAX) this.fail(`a string of ${length} bytes`);
    if (length === 0) return '';
    const at = this.take(length);
    return wireText(this.buffer, at, at + length);
  }

  string(length: number): string {
    if (length < 0) this.failLength(length, 'string');
    return this.text(length);
  }

  nullableString(length: number): string | null {
    return length === -1 ? null : this.string(length);
  }

  /** A topic name or group id: these recur, so short ones come out of a small table. */
  name(length: number): string {
    if (length < 0) this.failLength(length, 'string');
    if (length > STRING_BYTES_MAX) this.fail(`a string of ${length} bytes`);
    if (length === 0) return '';
    const at = this.take(length);
    return internedName(this.buffer, at, length);
  }

  nullableName(length: number): string | null {
    return length === -1 ? null : this.name(length);
  }

  /** A slice of the frame, not a copy. */
  bytes(length: number): Buffer {
    if (length < 0) this.failLength(length, 'bytes');
    if (length === 0) return EMPTY_BYTES;
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  nullableBytes(length: number): Buffer | null {
    return length === -1 ? null : this.bytes(length);
  }

  /** Checks an array's element count against the bytes left and the budget of the frame. */
  count(length: number, elementBytesMin: number): number {
    if (length < 0) this.failLength(length, 'array');
    if (length * elementBytesMin > this.end - this.offset) {
      this.fail(`an array of ${length} elements, ${this.end - this.offset} bytes left`);
    }
    this.#elementsLeft -= length;
    if (this.#elementsLeft < 0) this.fail(`more than ${ELEMENTS_MAX} array elements`);
    return length;
  }

  nullableCount(length: number, elementBytesMin: number): number {
    return length === -1 ? -1 : this.count(length, elementBytesMin);
  }

  /** The marker before a nullable struct: true if the struct follows. */
  present(): boolean {
    const marker = int8(this.buffer, this.take(1));
    if (marker === 1) return true;
    if (marker === -1) return false;
    return this.fail(`${marker} where a nullable struct begins`);
  }

  /** The same marker inside a tagged section. */
  taggedPresent(): boolean {
    const marker = this.uvarint();
    if (marker > 1) this.fail(`${marker} where a nullable tagged struct begins`);
    return marker === 1;
  }

  /** Reads the size of a tagged field and returns where the field ends. */
  taggedEnd(): number {
    const size = this.uvarint();
    if (size > this.end - this.offset) {
      this.fail(`a tagged field of ${size} bytes, ${this.end - this.offset} left`);
    }
    return this.offset + size;
  }

  /** A tagged section of which no tag is known. */
  skipTags(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint();
      this.offset = this.taggedEnd();
    }
  }

  #lengthProblem(length: number, kind: string): string {
    return length === -1
      ? `null for a ${kind} that is never null`
      : `a ${kind} of length ${length}`;
  }

  failLength(length: number, kind: string): never {
    return this.fail(this.#lengthProblem(length, kind));
  }
}

export function int8(buffer: Buffer, at: number): number {
  return (buffer[at]! << 24) >> 24;
}

export function int16(buffer: Buffer, at: number): number {
  return ((buffer[at]! << 24) >> 16) | buffer[at + 1]!;
}

export function uint16(buffer: Buffer, at: number): number {
  return (buffer[at]! << 8) | buffer[at + 1]!;
}

export function int32(buffer: Buffer, at: number): number {
  return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
}

/**
 * As a number: exact up to 2^53, rounded beyond. Kafka's offsets and ids stay far below; only the
 * extremes of the type occur, and they come out as INT64_MAX and INT64_MIN.
 */
export function int64(buffer: Buffer, at: number): number {
  const high = int32(buffer, at);
  const low = int32(buffer, at + 4) >>> 0;
  return high * TWO_32 + low;
}

export function float64(buffer: Buffer, at: number): number {
  return buffer.readDoubleBE(at);
}

export function bool(buffer: Buffer, at: number): boolean {
  return buffer[at] !== 0;
}
