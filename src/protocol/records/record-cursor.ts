/**
 * Owns the strict reading of the records inside an uncompressed section (Kafka's DefaultRecord):
 *
 *   length varint | attributes i8 | timestampDelta varlong | offsetDelta varint
 *   | keyLength varint (-1 null), key | valueLength varint (-1 null), value
 *   | headerCount varint, headers: keyLength varint (>= 0), UTF-8 key, valueLength varint (-1), value
 *
 * A record must fill its stated length exactly, and whatever one of the usual consumers would trip
 * over is refused here: overflowing varints, lengths below -1, header keys that are not UTF-8. The
 * cursor allocates nothing for a record; its fields describe the current one.
 */
import { invalidRecord } from './record-errors.ts';
import { isUtf8Text } from './utf8-text.ts';

/** length, attributes, two deltas, null key, null value, no headers: one byte each. */
export const RECORD_BYTES_MIN = 7;
/** An empty key and a null value. */
const HEADER_BYTES_MIN = 2;

export class RecordCursor {
  readonly buffer: Buffer;
  /** Milliseconds to add to the batch's baseTimestamp; a safe integer. */
  timestampDelta = 0;
  offsetDelta = 0;
  attributes = 0;
  /** -1: null. */
  keyLength = -1;
  /** Where the key length field begins: all before depends on the batch, all after does not. */
  bodyAt = 0;
  keyAt = 0;
  /** -1: null. */
  valueLength = -1;
  valueAt = 0;
  headerCount = 0;
  headersAt = 0;
  /** Where the current record ends and the next begins. */
  recordEnd: number;
  readonly #end: number;
  #at: number;
  /** What the varint being read may not pass: the section's end, or the record's. */
  #limit: number;

  /** The section is `buffer[start, end)`. */
  constructor(buffer: Buffer, start: number, end: number) {
    this.buffer = buffer;
    this.recordEnd = start;
    this.#at = start;
    this.#end = end;
    this.#limit = end;
  }

  isAtEnd(): boolean {
    return this.recordEnd >= this.#end;
  }

  /** Reads one more record; throws KafkaError INVALID_RECORD when there is none or it is broken. */
  next(): void {
    this.#at = this.recordEnd;
    this.#limit = this.#end;
    const lengthBytes = this.#readVarint();
    if (lengthBytes < 0 || lengthBytes > this.#end - this.#at) {
      throw invalidRecord('A record claims a length beyond the end of its batch');
    }
    const limit = this.#at + lengthBytes;
    this.#limit = limit;
    if (lengthBytes < RECORD_BYTES_MIN - 1) throw invalidRecord('A record is cut short');
    this.attributes = this.buffer[this.#at++]!;
    this.timestampDelta = this.#readVarlong();
    this.offsetDelta = this.#readVarint();
    this.bodyAt = this.#at;
    this.keyLength = this.#readLength();
    this.keyAt = this.#at;
    if (this.keyLength > 0) this.#at += this.keyLength;
    this.valueLength = this.#readLength();
    this.valueAt = this.#at;
    if (this.valueLength > 0) this.#at += this.valueLength;
    this.headerCount = this.#readVarint();
    this.headersAt = this.#at;
    if (this.headerCount !== 0) this.#skipHeaders();
    if (this.#at !== limit) throw invalidRecord('A record is shorter than the length it claims');
    this.recordEnd = limit;
  }

  /** The current key, sharing memory with the buffer. */
  key(): Buffer | null {
    return this.keyLength < 0
      ? null
      : this.buffer.subarray(this.keyAt, this.keyAt + this.keyLength);
  }

  /** The current value, sharing memory with the buffer. */
  value(): Buffer | null {
    if (this.valueLength < 0) return null;
    return this.buffer.subarray(this.valueAt, this.valueAt + this.valueLength);
  }

  /** Calls `visit` with each header of the current record; value -1, -1 is null. */
  forEachHeader(
    visit: (keyAt: number, keyEnd: number, valueAt: number, valueEnd: number) => void,
  ): void {
    this.#at = this.headersAt;
    this.#limit = this.recordEnd;
    for (let index = 0; index < this.headerCount; index++) {
      const keyLength = this.#readLength();
      const keyAt = this.#at;
      this.#at += keyLength;
      const valueLength = this.#readLength();
      if (valueLength < 0) {
        visit(keyAt, keyAt + keyLength, -1, -1);
      } else {
        visit(keyAt, keyAt + keyLength, this.#at, this.#at + valueLength);
        this.#at += valueLength;
      }
    }
  }

  #skipHeaders(): void {
    const count = this.headerCount;
    if (count < 0 || count > (this.#limit - this.#at) / HEADER_BYTES_MIN) {
      throw invalidRecord('A record claims more headers than it has bytes for');
    }
    for (let index = 0; index < count; index++) {
      const keyLength = this.#readLength();
      if (keyLength < 0) throw invalidRecord('A header has no key');
      this.#requireUtf8(this.#at, this.#at + keyLength);
      this.#at += keyLength;
      const valueLength = this.#readLength();
      if (valueLength > 0) this.#at += valueLength;
    }
  }

  /** Some consumers decode header keys as they read and stop at the first that is not text. */
  #requireUtf8(start: number, end: number): void {
    const buffer = this.buffer;
    for (let at = start; at < end; at++) {
      if (buffer[at]! < 0x80) continue;
      if (!isUtf8Text(buffer, at, end)) throw invalidRecord('A header key is not UTF-8');
      return;
    }
  }

  /** A length of -1 or more that does not pass the record's end. */
  #readLength(): number {
    const length = this.#readVarint();
    if (length < -1 || length > this.#limit - this.#at) {
      throw invalidRecord('A key, value or header claims a length beyond its record');
    }
    return length;
  }

  #readVarint(): number {
    const at = this.#at;
    if (at < this.#limit) {
      const byte = this.buffer[at]!;
      if (byte < 0x80) {
        this.#at = at + 1;
        return (byte >>> 1) ^ -(byte & 1);
      }
    }
    return this.#readLongVarint();
  }

  #readLongVarint(): number {
    const buffer = this.buffer;
    const limit = this.#limit;
    let at = this.#at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= limit) throw invalidRecord('A record ends inside a number');
      const byte = buffer[at++]!;
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#at = at;
        return (value >>> 1) ^ -(value & 1);
      }
    }
    throw invalidRecord('A record holds a number beyond 32 bits');
  }

  /** As two halves of 28 and up to 42 bits, so that no BigInt is made. */
  #readVarlong(): number {
    const buffer = this.buffer;
    const limit = this.#limit;
    let at = this.#at;
    let low = 0;
    let high = 0;
    let highUnit = 1;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= limit) throw invalidRecord('A record ends inside a number');
      const byte = buffer[at++]!;
      if (shift < 28) {
        low |= (byte & 0x7f) << shift;
      } else {
        high += (byte & 0x7f) * highUnit;
        highUnit *= 0x80;
      }
      if (byte >= 0x80) continue;
      this.#at = at;
      if (high === 0) return (low >>> 1) ^ -(low & 1);
      // Zig-zag: all bits but the lowest are the magnitude, one less than it when negative.
      const magnitude = high * 2 ** 27 + (low >>> 1);
      const value = (low & 1) === 0 ? magnitude : -magnitude - 1;
      if (!Number.isSafeInteger(value)) break;
      return value;
    }
    throw invalidRecord('A record holds a timestamp delta out of range');
  }
}
