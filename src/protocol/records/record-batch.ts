/**
 * Owns the layout of a record batch, magic 2 (Kafka's DefaultRecordBatch): plain functions that read
 * or patch one header field of the batch that begins at `at` in `buffer`. Nothing is copied and
 * nothing is allocated. The caller has made sure that the whole header lies inside the buffer.
 *
 *    0 baseOffset i64            21 attributes i16        43 producerId i64
 *    8 batchLength i32           23 lastOffsetDelta i32   51 producerEpoch i16
 *   12 partitionLeaderEpoch i32  27 baseTimestamp i64     53 baseSequence i32
 *   16 magic i8                  35 maxTimestamp i64      57 recordCount i32
 *   17 crc u32 over [21, end)                             61 records
 *
 * int64 fields are JavaScript numbers: exact while they are safe integers, and never a safe integer
 * otherwise. `hasSafeHeader` tells; bytes from outside must pass it before arithmetic.
 */

/** Bytes of baseOffset and batchLength, which batchLength itself does not count. */
export const LOG_OVERHEAD = 12;
/** Bytes before the records. */
export const RECORD_BATCH_OVERHEAD = 61;
/** The only format written; 0 and 1 are the message sets of old. */
export const MAGIC_V2 = 2;

export const NO_TIMESTAMP = -1;
export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
export const NO_SEQUENCE = -1;
export const NO_PARTITION_LEADER_EPOCH = -1;

/** Where each field lies, relative to the start of the batch. */
export const BatchField = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

export const CODEC_MASK = 0x07;
export const TIMESTAMP_TYPE_BIT = 0x08;
export const TRANSACTIONAL_BIT = 0x10;
export const CONTROL_BIT = 0x20;
export const DELETE_HORIZON_BIT = 0x40;

/** Codec ids as they stand in the attributes. */
export const CompressionCodec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type CompressionCodec = (typeof CompressionCodec)[keyof typeof CompressionCodec];

export type TimestampType = 'CreateTime' | 'LogAppendTime';

const TWO_TO_32 = 0x1_0000_0000;

/** A big-endian int64 as a number; beyond 2^53 the nearest double, which is no safe integer. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_TO_32 + buffer.readUInt32BE(at + 4);
}

/** Writes a safe integer as a big-endian int64. */
export function writeInt64(buffer: Buffer, at: number, value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`);
  buffer.writeInt32BE(Math.floor(value / TWO_TO_32), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
}

/** The whole batch in bytes, the 12 bytes of base offset and length included; may be nonsense. */
export function batchSizeBytes(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BatchField.batchLength) + LOG_OVERHEAD;
}

export function baseOffset(buffer: Buffer, at: number): number {
  return readInt64(buffer, at);
}

/** Outside the CRC: no checksum to update. */
export function setBaseOffset(buffer: Buffer, at: number, offset: number): void {
  writeInt64(buffer, at, offset);
}

/** From the header alone; compaction keeps it, so it may exceed the last stored record's offset. */
export function lastOffset(buffer: Buffer, at: number): number {
  return readInt64(buffer, at) + buffer.readInt32BE(at + BatchField.lastOffsetDelta);
}

export function nextOffset(buffer: Buffer, at: number): number {
  return lastOffset(buffer, at) + 1;
}

export function partitionLeaderEpoch(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BatchField.partitionLeaderEpoch);
}

/** Outside the CRC: no checksum to update. */
export function setPartitionLeaderEpoch(buffer: Buffer, at: number, epoch: number): void {
  buffer.writeInt32BE(epoch, at + BatchField.partitionLeaderEpoch);
}

/** At the same place in message sets of magic 0 and 1. */
export function magic(buffer: Buffer, at: number): number {
  return buffer.readInt8(at + BatchField.magic);
}

/** The CRC-32C that the batch states; `isCrcValid` in crc32c.ts compares. */
export function crc(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at + BatchField.crc);
}

export function attributes(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + BatchField.attributes);
}

/** 0..7; only 0..4 are codecs, so bytes from outside are checked with `isCodec`. */
export function compressionCodec(buffer: Buffer, at: number): number {
  return attributes(buffer, at) & CODEC_MASK;
}

export function isCodec(id: number): id is CompressionCodec {
  return Number.isInteger(id) && id >= CompressionCodec.none && id <= CompressionCodec.zstd;
}

export function timestampType(buffer: Buffer, at: number): TimestampType {
  return (attributes(buffer, at) & TIMESTAMP_TYPE_BIT) === 0 ? 'CreateTime' : 'LogAppendTime';
}

export function isTransactional(buffer: Buffer, at: number): boolean {
  return (attributes(buffer, at) & TRANSACTIONAL_BIT) !== 0;
}

export function isControl(buffer: Buffer, at: number): boolean {
  return (attributes(buffer, at) & CONTROL_BIT) !== 0;
}

/** Set by the cleaner: baseTimestamp then holds the time after which tombstones may go. */
export function hasDeleteHorizon(buffer: Buffer, at: number): boolean {
  return (attributes(buffer, at) & DELETE_HORIZON_BIT) !== 0;
}

export function lastOffsetDelta(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BatchField.lastOffsetDelta);
}

/** Milliseconds; the records' timestamps are deltas to it. */
export function baseTimestamp(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BatchField.baseTimestamp);
}

/** Milliseconds; with LogAppendTime it is every record's timestamp. */
export function maxTimestamp(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BatchField.maxTimestamp);
}

/** Sets type and value together, as both mean one thing. Inside the CRC: `updateCrc` must follow. */
export function setMaxTimestamp(
  buffer: Buffer,
  at: number,
  type: TimestampType,
  timestampMs: number,
): void {
  const others = attributes(buffer, at) & ~TIMESTAMP_TYPE_BIT;
  const bit = type === 'LogAppendTime' ? TIMESTAMP_TYPE_BIT : 0;
  buffer.writeInt16BE(others | bit, at + BatchField.attributes);
  writeInt64(buffer, at + BatchField.maxTimestamp, timestampMs);
}

export function producerId(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BatchField.producerId);
}

export function hasProducerId(buffer: Buffer, at: number): boolean {
  return buffer.readInt32BE(at + BatchField.producerId) >= 0;
}

export function producerEpoch(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + BatchField.producerEpoch);
}

export function baseSequence(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BatchField.baseSequence);
}

/** The sequence of the last record, wrapping from 2147483647 to 0; -1 without a sequence. */
export function lastSequence(buffer: Buffer, at: number): number {
  const first = baseSequence(buffer, at);
  if (first === NO_SEQUENCE) return NO_SEQUENCE;
  const last = first + lastOffsetDelta(buffer, at);
  return last > 0x7fff_ffff ? last - 0x8000_0000 : last;
}

/** As stated; after compaction it may be smaller than lastOffsetDelta + 1, even 0. */
export function recordCount(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BatchField.recordCount);
}

/** The records as they are stored (compressed or not), sharing memory with `buffer`. */
export function recordsSection(buffer: Buffer, at: number): Buffer {
  return buffer.subarray(at + RECORD_BATCH_OVERHEAD, at + batchSizeBytes(buffer, at));
}

/** Whether every int64 of the header is an exact number, the last offset included. */
export function hasSafeHeader(buffer: Buffer, at: number): boolean {
  return (
    Number.isSafeInteger(lastOffset(buffer, at)) &&
    Number.isSafeInteger(baseOffset(buffer, at)) &&
    Number.isSafeInteger(baseTimestamp(buffer, at)) &&
    Number.isSafeInteger(maxTimestamp(buffer, at)) &&
    Number.isSafeInteger(producerId(buffer, at))
  );
}
