/** Owns what the tests of record batches share: ordinary records, rules, and ways to break batches. */
import {
  type ProduceRules,
  type RefusedBatch,
  type ValidBatch,
  validateProduced,
} from '../../../src/protocol/records/batch-validator.ts';
import { updateCrc } from '../../../src/protocol/records/crc32c.ts';
import type { NewRecord } from '../../../src/protocol/records/record.ts';
import {
  BatchField,
  CompressionCodec,
  LOG_OVERHEAD,
  RECORD_BATCH_OVERHEAD,
} from '../../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../../src/protocol/records/record-batch-builder.ts';

export const NOW_MS = 1_760_000_000_000;

/** The rules of a topic with Kafka's defaults. */
export const DEFAULT_RULES: ProduceRules = {
  apiVersion: 13,
  maxMessageBytes: 1_048_588,
  segmentBytes: 1_073_741_824,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  compacted: false,
  compressionType: 'producer',
  nowMs: NOW_MS,
  maxInflatedBytes: 16 * 1024 * 1024,
  payer: 'acme',
};

export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export const REAL_CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

export function ordinaryRecords(count: number, valueBytes = 20): NewRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    timestampMs: NOW_MS + index,
    key: Buffer.from(`key-${index}`),
    value: Buffer.alloc(valueBytes, `value ${index} `),
    headers: [{ key: 'trace', value: Buffer.from([index & 0xff]) }],
  }));
}

/** A batch whose section is given byte by byte; the header claims `count` records. */
export function batchOfSection(
  section: Buffer,
  count: number,
  codec: CompressionCodec = CompressionCodec.none,
): Buffer {
  const frame = buildRecordBatch([{ timestampMs: NOW_MS, key: null, value: null }]);
  const batch = Buffer.concat([frame.subarray(0, RECORD_BATCH_OVERHEAD), section]);
  batch.writeInt32BE(batch.length - LOG_OVERHEAD, BatchField.batchLength);
  batch.writeInt16BE(codec, BatchField.attributes);
  batch.writeInt32BE(count - 1, BatchField.lastOffsetDelta);
  batch.writeInt32BE(count, BatchField.recordCount);
  updateCrc(batch, 0);
  return batch;
}

/** Changes the batch and makes its CRC right again. */
export function altered(batch: Buffer, change: (batch: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  updateCrc(copy, 0);
  return copy;
}

export async function accepted(
  batch: Buffer,
  rules: Partial<ProduceRules> = {},
): Promise<ValidBatch> {
  const result = await validateProduced(batch, { ...DEFAULT_RULES, ...rules });
  if (!result.ok) throw new Error(`refused: ${result.errorCode} ${result.message}`);
  return result;
}

export async function refused(
  batch: Buffer,
  rules: Partial<ProduceRules> = {},
): Promise<RefusedBatch> {
  const result = await validateProduced(batch, { ...DEFAULT_RULES, ...rules });
  if (result.ok) throw new Error('accepted what must be refused');
  return result;
}
