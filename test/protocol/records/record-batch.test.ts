import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCrcValid, updateCrc } from '../../../src/protocol/records/crc32c.ts';
import * as batch from '../../../src/protocol/records/record-batch.ts';

/** Every field has its own pattern of bytes; two bytes stand before the batch. */
const KNOWN = Buffer.from(
  [
    'beef',
    '0000000100000002', // base offset
    '00000033', // length: 51 bytes after this field
    '00000007', // leader epoch
    '02', // magic
    '00000000', // crc, set below
    '0014', // zstd, transactional
    '00000009', // last offset delta
    '0000019a5c8e4000', // base timestamp
    '0000019a5c8e4fff', // max timestamp
    '0000000000000400', // producer id
    '0003', // producer epoch
    '7ffffffe', // base sequence
    '0000000a', // record count
    '0bad', // records
  ].join(''),
  'hex',
);

describe('record batch header', () => {
  it('is read where Kafka puts each field', () => {
    const at = 2;
    expect(KNOWN.length).toBe(at + batch.RECORD_BATCH_OVERHEAD + 2);
    expect(batch.batchSizeBytes(KNOWN, at)).toBe(63);
    expect(batch.baseOffset(KNOWN, at)).toBe(0x1_0000_0002);
    expect(batch.lastOffset(KNOWN, at)).toBe(0x1_0000_000b);
    expect(batch.nextOffset(KNOWN, at)).toBe(0x1_0000_000c);
    expect(batch.partitionLeaderEpoch(KNOWN, at)).toBe(7);
    expect(batch.magic(KNOWN, at)).toBe(2);
    expect(batch.compressionCodec(KNOWN, at)).toBe(batch.CompressionCodec.zstd);
    expect(batch.timestampType(KNOWN, at)).toBe('CreateTime');
    expect(batch.isTransactional(KNOWN, at)).toBe(true);
    expect(batch.isControl(KNOWN, at)).toBe(false);
    expect(batch.hasDeleteHorizon(KNOWN, at)).toBe(false);
    expect(batch.lastOffsetDelta(KNOWN, at)).toBe(9);
    expect(batch.baseTimestamp(KNOWN, at)).toBe(0x19a_5c8e_4000);
    expect(batch.maxTimestamp(KNOWN, at)).toBe(0x19a_5c8e_4fff);
    expect(batch.producerId(KNOWN, at)).toBe(1024);
    expect(batch.hasProducerId(KNOWN, at)).toBe(true);
    expect(batch.producerEpoch(KNOWN, at)).toBe(3);
    expect(batch.baseSequence(KNOWN, at)).toBe(0x7fff_fffe);
    expect(batch.recordCount(KNOWN, at)).toBe(10);
    expect(batch.recordsSection(KNOWN, at).toString('hex')).toBe('0bad');
    expect(batch.hasSafeHeader(KNOWN, at)).toBe(true);
  });

  it('wraps the last sequence from 2147483647 to 0', () => {
    expect(batch.lastSequence(KNOWN, 2)).toBe(7);
    const bytes = Buffer.from(KNOWN);
    bytes.writeInt32BE(-1, 2 + batch.BatchField.baseSequence);
    expect(batch.lastSequence(bytes, 2)).toBe(-1);
  });

  it('patches offset and epoch outside the CRC, times inside it', () => {
    const bytes = Buffer.from(KNOWN);
    updateCrc(bytes, 2);
    batch.setBaseOffset(bytes, 2, 5_000_000_000);
    batch.setPartitionLeaderEpoch(bytes, 2, 12);
    expect(batch.baseOffset(bytes, 2)).toBe(5_000_000_000);
    expect(batch.partitionLeaderEpoch(bytes, 2)).toBe(12);
    expect(isCrcValid(bytes, 2)).toBe(true);
    batch.setMaxTimestamp(bytes, 2, 'LogAppendTime', 99);
    expect(batch.timestampType(bytes, 2)).toBe('LogAppendTime');
    expect(batch.maxTimestamp(bytes, 2)).toBe(99);
    expect(batch.isTransactional(bytes, 2)).toBe(true);
    expect(isCrcValid(bytes, 2)).toBe(false);
    updateCrc(bytes, 2);
    expect(isCrcValid(bytes, 2)).toBe(true);
    batch.setMaxTimestamp(bytes, 2, 'CreateTime', -1);
    expect(batch.timestampType(bytes, 2)).toBe('CreateTime');
    expect(batch.maxTimestamp(bytes, 2)).toBe(-1);
  });

  it('never takes a batch that reaches beyond the buffer for sound', () => {
    const bytes = Buffer.from(KNOWN);
    updateCrc(bytes, 2);
    expect(isCrcValid(bytes.subarray(0, -1), 2)).toBe(false);
    expect(isCrcValid(bytes, bytes.length - 20)).toBe(false);
    for (const length of [-13, -1, 0, 48, 0x7fff_ffff]) {
      bytes.writeInt32BE(length, 2 + batch.BatchField.batchLength);
      expect(isCrcValid(bytes, 2)).toBe(false);
    }
  });

  it('tells numbers that JavaScript cannot hold', () => {
    for (const field of ['baseOffset', 'baseTimestamp', 'maxTimestamp', 'producerId'] as const) {
      for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
        const bytes = Buffer.from(KNOWN);
        bytes.writeBigInt64BE(value, 2 + batch.BatchField[field]);
        expect(batch.hasSafeHeader(bytes, 2)).toBe(false);
      }
    }
    const bytes = Buffer.from(KNOWN);
    bytes.writeBigInt64BE(2n ** 53n - 2n, 2);
    expect(batch.hasSafeHeader(bytes, 2)).toBe(false);
  });
});

describe('int64', () => {
  it('agrees with BigInt for every safe integer', () => {
    const buffer = Buffer.alloc(8);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        batch.writeInt64(buffer, 0, value);
        expect(buffer.readBigInt64BE(0)).toBe(BigInt(value));
        expect(batch.readInt64(buffer, 0)).toBe(value);
      }),
      { examples: [[0], [-1], [2 ** 32], [-(2 ** 32)], [-(2 ** 32) - 1], [2 ** 53 - 1]] },
    );
  });

  it('never reads an unsafe value as a safe one, and writes none', () => {
    const buffer = Buffer.alloc(8);
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        buffer.writeBigInt64BE(value);
        const isSafe = Number.isSafeInteger(Number(value));
        expect(Number.isSafeInteger(batch.readInt64(buffer, 0))).toBe(isSafe);
      }),
      { examples: [[2n ** 53n], [-(2n ** 53n)], [2n ** 53n + 1n]] },
    );
    for (const value of [2 ** 53, 0.5, Number.NaN]) {
      expect(() => batch.writeInt64(buffer, 0, value)).toThrow(RangeError);
    }
  });
});
