/**
 * Owns how state records stand in record batches: key `type/version`, value the data as JSON, one
 * uncompressed v2 batch for all records that are to be stored together or not at all.
 */
import { StorageError } from '../../base/errors.ts';
import { isCrcValid } from '../../protocol/records/crc32c.ts';
import { type NewRecord, readRecords } from '../../protocol/records/record.ts';
import {
  baseOffset,
  batchSizeBytes,
  compressionCodec,
  hasSafeHeader,
  lastOffsetDelta,
  MAGIC_V2,
  magic,
  RECORD_BATCH_OVERHEAD,
  recordCount,
  recordsSection,
} from '../../protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../protocol/records/record-batch-builder.ts';
import type { StateRecord } from '../engine.ts';

const KEY = /^([a-z][a-z0-9-]*)\/([1-9][0-9]{0,8})$/;

/** Every batch of a state log: there is one writer, and it never changed. */
export const STATE_LOG_EPOCH = 0;

/** Throws a TypeError for a record that could not be read back. */
export function encodeStateRecord({ type, version, data }: StateRecord, nowMs: number): NewRecord {
  const key = `${type}/${version}`;
  if (!KEY.test(key)) throw new TypeError(`not the type and version of a state record: ${key}`);
  return { timestampMs: nowMs, key: Buffer.from(key), value: Buffer.from(JSON.stringify(data)) };
}

export function encodeStateBatch(records: readonly NewRecord[], firstOffset: number): Buffer {
  return buildRecordBatch(records, {
    baseOffset: firstOffset,
    partitionLeaderEpoch: STATE_LOG_EPOCH,
  });
}

export interface StateBatch {
  readonly baseOffset: number;
  readonly recordCount: number;
  readonly endPosition: number;
}

/** The whole and sound batch at `at`, or undefined when there is none. */
export function stateBatchAt(bytes: Buffer, at: number): StateBatch | undefined {
  if (at + RECORD_BATCH_OVERHEAD > bytes.length || magic(bytes, at) !== MAGIC_V2) return undefined;
  if (!isCrcValid(bytes, at) || !hasSafeHeader(bytes, at)) return undefined;
  return {
    baseOffset: baseOffset(bytes, at),
    recordCount: recordCount(bytes, at),
    endPosition: at + batchSizeBytes(bytes, at),
  };
}

/** The first position after `from` at which a whole and sound batch stands, or -1. */
export function findStateBatch(bytes: Buffer, from: number): number {
  for (let at = from; at + RECORD_BATCH_OVERHEAD <= bytes.length; at++) {
    if (stateBatchAt(bytes, at) !== undefined) return at;
  }
  return -1;
}

/** The records of a sound batch; throws a StorageError when they are not a state log's. */
export function decodeStateBatch(bytes: Buffer, at: number): StateRecord[] {
  const count = recordCount(bytes, at);
  if (compressionCodec(bytes, at) !== 0 || lastOffsetDelta(bytes, at) !== count - 1) {
    throw new StorageError('it holds a batch that no state log holds');
  }
  const records: StateRecord[] = [];
  try {
    for (const { key, value } of readRecords(bytes, at, recordsSection(bytes, at))) {
      const [, type, version] = KEY.exec(key?.toString('utf8') ?? '') ?? [];
      const data: unknown = JSON.parse(value?.toString('utf8') ?? '');
      if (type === undefined || !isPlainObject(data)) throw new TypeError('no state record');
      records.push({ type, version: Number(version), data });
    }
  } catch {
    // Without the cause: it would quote the record, which may hold a credential.
    throw new StorageError('it holds a record that is no state record');
  }
  return records;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
