/**
 * Owns the making of whole batches: from records (internal topics, control batches, tests) and from
 * a finished section (recompression). What it returns is complete, CRC included.
 */
import { compress } from './compression.ts';
import { updateCrc } from './crc32c.ts';
import { encodeRecords, type NewRecord } from './record.ts';
import {
  BatchField,
  CONTROL_BIT,
  CompressionCodec,
  LOG_OVERHEAD,
  MAGIC_V2,
  NO_PARTITION_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  RECORD_BATCH_OVERHEAD,
  setBaseOffset,
  setMaxTimestamp,
  setPartitionLeaderEpoch,
  type TimestampType,
  TRANSACTIONAL_BIT,
  writeInt64,
} from './record-batch.ts';

/** The header fields that do not follow from the records; all have the value of "none". */
export interface BatchOptions {
  readonly baseOffset?: number;
  readonly partitionLeaderEpoch?: number;
  readonly timestampType?: TimestampType;
  /** With LogAppendTime: the time of every record, in milliseconds. */
  readonly logAppendTimeMs?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  /** The last record's offset delta unless given; may lie beyond it, as after compaction. */
  readonly lastOffsetDelta?: number;
}

/** A batch of uncompressed records; at least one. */
export function buildRecordBatch(
  records: readonly NewRecord[],
  options: BatchOptions = {},
): Buffer {
  const section = encodeRecords(records, baseTimestampOf(records));
  return assemble(records, CompressionCodec.none, section, options);
}

/** The same with a codec. */
export async function buildCompressedRecordBatch(
  records: readonly NewRecord[],
  codec: CompressionCodec,
  options: BatchOptions = {},
): Promise<Buffer> {
  const section = await compress(codec, encodeRecords(records, baseTimestampOf(records)));
  return assemble(records, codec, section, options);
}

/**
 * The batch at `at` with another section and codec: every other header field is kept. `section` is
 * already compressed.
 */
export function replaceSection(
  buffer: Buffer,
  at: number,
  codec: CompressionCodec,
  section: Buffer,
): Buffer {
  const batch = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD + section.length);
  buffer.copy(batch, 0, at, at + RECORD_BATCH_OVERHEAD);
  section.copy(batch, RECORD_BATCH_OVERHEAD);
  batch.writeInt32BE(batch.length - LOG_OVERHEAD, BatchField.batchLength);
  const flags = batch.readInt16BE(BatchField.attributes) & ~7;
  batch.writeInt16BE(flags | codec, BatchField.attributes);
  updateCrc(batch, 0);
  return batch;
}

function baseTimestampOf(records: readonly NewRecord[]): number {
  const first = records[0];
  if (first === undefined) throw new RangeError('a batch holds at least one record');
  return first.timestampMs;
}

function assemble(
  records: readonly NewRecord[],
  codec: CompressionCodec,
  section: Buffer,
  options: BatchOptions,
): Buffer {
  const batch = Buffer.alloc(RECORD_BATCH_OVERHEAD + section.length);
  section.copy(batch, RECORD_BATCH_OVERHEAD);
  setBaseOffset(batch, 0, options.baseOffset ?? 0);
  batch.writeInt32BE(batch.length - LOG_OVERHEAD, BatchField.batchLength);
  setPartitionLeaderEpoch(batch, 0, options.partitionLeaderEpoch ?? NO_PARTITION_LEADER_EPOCH);
  batch.writeInt8(MAGIC_V2, BatchField.magic);
  const flags =
    codec |
    (options.isTransactional === true ? TRANSACTIONAL_BIT : 0) |
    (options.isControl === true ? CONTROL_BIT : 0);
  batch.writeInt16BE(flags, BatchField.attributes);
  const lastIndex = records.length - 1;
  const lastOffsetDelta = options.lastOffsetDelta ?? records[lastIndex]!.offsetDelta ?? lastIndex;
  batch.writeInt32BE(lastOffsetDelta, BatchField.lastOffsetDelta);
  writeInt64(batch, BatchField.baseTimestamp, baseTimestampOf(records));
  const newestMs = records.reduce((max, { timestampMs }) => Math.max(max, timestampMs), -1);
  const type = options.timestampType ?? 'CreateTime';
  setMaxTimestamp(batch, 0, type, options.logAppendTimeMs ?? newestMs);
  writeInt64(batch, BatchField.producerId, options.producerId ?? NO_PRODUCER_ID);
  batch.writeInt16BE(options.producerEpoch ?? NO_PRODUCER_EPOCH, BatchField.producerEpoch);
  batch.writeInt32BE(options.baseSequence ?? NO_SEQUENCE, BatchField.baseSequence);
  batch.writeInt32BE(records.length, BatchField.recordCount);
  updateCrc(batch, 0);
  return batch;
}
