/**
 * Owns records as values: what a builder takes and a reader of stored batches gets, and their
 * encoding. The produce path does not make such objects; it walks with RecordCursor.
 */
import {
  baseOffset,
  baseTimestamp,
  maxTimestamp,
  recordCount,
  timestampType,
} from './record-batch.ts';
import { RECORD_BYTES_MIN, RecordCursor } from './record-cursor.ts';
import { invalidRecord } from './record-errors.ts';
import { varintSizeBytes, varlongSizeBytes, writeVarint, writeVarlong } from './varint.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** A record to be written. */
export interface NewRecord {
  /** Milliseconds; -1 is "no timestamp". */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly RecordHeader[];
  /** Offset minus the batch's base offset; the record's index unless given. */
  readonly offsetDelta?: number;
}

/** A record that was read; key, values and headers share memory with the section. */
export interface StoredRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/**
 * The records of the batch at `at` in `buffer`. `section` holds them uncompressed: recordsSection()
 * or what decompress() made of it. Throws KafkaError INVALID_RECORD when anything is out of place,
 * and only after the records before it were yielded.
 */
export function* readRecords(
  buffer: Buffer,
  at: number,
  section: Buffer,
): Generator<StoredRecord, void, undefined> {
  const count = recordCount(buffer, at);
  if (count < 0 || count > section.length / RECORD_BYTES_MIN) {
    throw invalidRecord('A batch claims more records than it has bytes for');
  }
  const firstOffset = baseOffset(buffer, at);
  const firstTimestampMs = baseTimestamp(buffer, at);
  const appendTimeMs =
    timestampType(buffer, at) === 'LogAppendTime' ? maxTimestamp(buffer, at) : undefined;
  const cursor = new RecordCursor(section, 0, section.length);
  for (let index = 0; index < count; index++) {
    cursor.next();
    yield {
      offset: firstOffset + cursor.offsetDelta,
      timestampMs: appendTimeMs ?? firstTimestampMs + cursor.timestampDelta,
      key: cursor.key(),
      value: cursor.value(),
      headers: readHeaders(cursor),
    };
  }
  if (!cursor.isAtEnd()) throw invalidRecord('A batch holds more than the records it counts');
}

const NO_HEADERS: readonly RecordHeader[] = [];

function readHeaders(cursor: RecordCursor): readonly RecordHeader[] {
  if (cursor.headerCount === 0) return NO_HEADERS;
  const headers: RecordHeader[] = [];
  const { buffer } = cursor;
  cursor.forEachHeader((keyAt, keyEnd, valueAt, valueEnd) => {
    headers.push({
      key: buffer.toString('utf8', keyAt, keyEnd),
      value: valueAt < 0 ? null : buffer.subarray(valueAt, valueEnd),
    });
  });
  return headers;
}

function nullableSizeBytes(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintSizeBytes(bytes.length) + bytes.length;
}

/** Bytes of a record after its length field. */
function bodySizeBytes(record: NewRecord, timestampDelta: number, offsetDelta: number): number {
  const headers = record.headers ?? NO_HEADERS;
  let sizeBytes =
    1 +
    varlongSizeBytes(timestampDelta) +
    varintSizeBytes(offsetDelta) +
    nullableSizeBytes(record.key) +
    nullableSizeBytes(record.value) +
    varintSizeBytes(headers.length);
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key);
    sizeBytes += varintSizeBytes(keyBytes) + keyBytes + nullableSizeBytes(header.value);
  }
  return sizeBytes;
}

function writeNullable(buffer: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(buffer, at, -1);
  const position = writeVarint(buffer, at, bytes.length);
  return position + bytes.copy(buffer, position);
}

/** The section of `records`, uncompressed; timestamps become deltas to `baseTimestampMs`. */
export function encodeRecords(records: readonly NewRecord[], baseTimestampMs: number): Buffer {
  const bodySizes = records.map((record, index) =>
    bodySizeBytes(record, record.timestampMs - baseTimestampMs, record.offsetDelta ?? index),
  );
  const sizeBytes = bodySizes.reduce((sum, body) => sum + varintSizeBytes(body) + body, 0);
  const section = Buffer.allocUnsafe(sizeBytes);
  let at = 0;
  for (const [index, record] of records.entries()) {
    at = writeVarint(section, at, bodySizes[index]!);
    section[at++] = 0;
    at = writeVarlong(section, at, record.timestampMs - baseTimestampMs);
    at = writeVarint(section, at, record.offsetDelta ?? index);
    at = writeNullable(section, at, record.key);
    at = writeNullable(section, at, record.value);
    const headers = record.headers ?? NO_HEADERS;
    at = writeVarint(section, at, headers.length);
    for (const header of headers) {
      at = writeVarint(section, at, Buffer.byteLength(header.key));
      at += section.write(header.key, at);
      at = writeNullable(section, at, header.value);
    }
  }
  return section;
}

/**
 * Writes the same records with offset deltas 0, 1, 2...: only those and the lengths change. The
 * section has been walked before, so that it is known to be sound and to hold `count` records.
 */
export class RecordRenumbering {
  readonly #cursor: RecordCursor;
  readonly #count: number;
  readonly #renumbered: Buffer;
  #index = 0;
  #at = 0;

  constructor(section: Buffer, count: number) {
    this.#cursor = new RecordCursor(section, 0, section.length);
    this.#count = count;
    // A record grows by at most four bytes of offset delta and one of length.
    this.#renumbered = Buffer.allocUnsafe(section.length + count * 5);
  }

  /** Goes on for about `budgetBytes`; true once all is done. */
  run(budgetBytes: number): boolean {
    const stopAt = this.#at + budgetBytes;
    while (this.#index < this.#count && this.#at < stopAt) this.#writeNext();
    return this.#index === this.#count;
  }

  section(): Buffer {
    return this.#renumbered.subarray(0, this.#at);
  }

  #writeNext(): void {
    const cursor = this.#cursor;
    const target = this.#renumbered;
    const offsetDelta = this.#index++;
    cursor.next();
    const bodyBytes = cursor.recordEnd - cursor.bodyAt;
    const prefixBytes = 1 + varlongSizeBytes(cursor.timestampDelta) + varintSizeBytes(offsetDelta);
    let at = writeVarint(target, this.#at, prefixBytes + bodyBytes);
    target[at++] = cursor.attributes;
    at = writeVarlong(target, at, cursor.timestampDelta);
    at = writeVarint(target, at, offsetDelta);
    this.#at = at + cursor.buffer.copy(target, at, cursor.bodyAt, cursor.recordEnd);
  }
}
