import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  type ProduceRules,
  validateProduced,
} from '../../../src/protocol/records/batch-validator.ts';
import { compress, decompress } from '../../../src/protocol/records/compression.ts';
import { isCrcValid } from '../../../src/protocol/records/crc32c.ts';
import { InflationBudget } from '../../../src/protocol/records/inflation.ts';
import {
  encodeRecords,
  type NewRecord,
  readRecords,
} from '../../../src/protocol/records/record.ts';
import * as header from '../../../src/protocol/records/record-batch.ts';
import {
  type BatchOptions,
  buildCompressedRecordBatch,
  buildRecordBatch,
} from '../../../src/protocol/records/record-batch-builder.ts';
import {
  accepted,
  altered,
  batchOfSection,
  CODECS,
  DEFAULT_RULES,
  NOW_MS,
  ordinaryRecords,
  REAL_CODECS,
  refused,
} from './produced-batch.ts';

const { BatchField, CompressionCodec } = header;
const MIB = 1024 * 1024;

const three = (options: BatchOptions = {}): Buffer => buildRecordBatch(ordinaryRecords(3), options);

/** The records of a batch that has been accepted. */
async function recordsOf(batch: Buffer) {
  const codec = header.compressionCodec(batch, 0) as header.CompressionCodec;
  const section = await decompress(codec, header.recordsSection(batch, 0), 64 * MIB);
  return [...readRecords(batch, 0, section)].map(({ offset, ...record }) => record);
}

describe('a good batch', () => {
  it.each(CODECS)('passes untouched and uncopied: %s', async (codec) => {
    const batch = await buildCompressedRecordBatch(ordinaryRecords(5), CompressionCodec[codec]);
    const before = Buffer.from(batch);
    const result = await accepted(batch);
    expect(result.batch).toBe(batch);
    expect(batch.equals(before)).toBe(true);
    expect(result).toMatchObject({
      maxTimestamp: NOW_MS + 4,
      offsetOfMaxTimestamp: 4,
      recordCount: 5,
      inflatedBytes: encodeRecords(ordinaryRecords(5), NOW_MS).length,
    });
  });

  it('is answered at once when it is uncompressed or small', async () => {
    const small = ['none', 'gzip', 'snappy', 'lz4'] as const;
    for (const codec of small) {
      const batch = await buildCompressedRecordBatch(ordinaryRecords(9), CompressionCodec[codec]);
      expect(validateProduced(batch, DEFAULT_RULES)).not.toBeInstanceOf(Promise);
    }
    const large = buildRecordBatch(ordinaryRecords(900, 1000));
    expect(validateProduced(large, DEFAULT_RULES)).not.toBeInstanceOf(Promise);
    const inflating = await buildCompressedRecordBatch(ordinaryRecords(900, 1000), 1);
    expect(validateProduced(inflating, DEFAULT_RULES)).toBeInstanceOf(Promise);
  });

  it('passes in slices when it is large', async () => {
    for (const codec of CODECS) {
      const batch = await buildCompressedRecordBatch(
        ordinaryRecords(12_000, 200),
        CompressionCodec[codec],
      );
      const result = await accepted(batch, { maxMessageBytes: 8 * MIB });
      expect(result.recordCount).toBe(12_000);
      expect(result.offsetOfMaxTimestamp).toBe(11_999);
    }
  });

  it('may be idempotent or transactional', async () => {
    const idempotent = { producerId: 4000, producerEpoch: 2, baseSequence: 2 ** 31 - 1 };
    await accepted(three(idempotent));
    await accepted(three({ ...idempotent, isTransactional: true }));
  });
});

interface Case {
  readonly name: string;
  readonly batch: Buffer;
  readonly code: number;
  readonly rules?: Partial<ProduceRules>;
}

const attributeBits = (bits: number) => (batch: Buffer) => {
  batch.writeInt16BE(batch.readInt16BE(BatchField.attributes) | bits, BatchField.attributes);
};
const int32 = (field: keyof typeof BatchField, value: number) => (batch: Buffer) => {
  batch.writeInt32BE(value, BatchField[field]);
};
const int64 = (field: keyof typeof BatchField, value: bigint) => (batch: Buffer) => {
  batch.writeBigInt64BE(value, BatchField[field]);
};
const withMagic = (magic: number): Buffer => {
  const batch = three();
  batch.writeInt8(magic, BatchField.magic);
  return batch;
};
const withLength = (change: number): Buffer => {
  const batch = three();
  batch.writeInt32BE(batch.length - header.LOG_OVERHEAD + change, BatchField.batchLength);
  return batch;
};
const bigBatch = buildRecordBatch(ordinaryRecords(1, 5000));

const headerCases: Case[] = [
  { name: 'nothing', batch: Buffer.alloc(0), code: ErrorCode.INVALID_RECORD },
  { name: 'a few bytes', batch: Buffer.alloc(16), code: ErrorCode.INVALID_RECORD },
  { name: 'magic 0', batch: withMagic(0), code: ErrorCode.INVALID_RECORD },
  { name: 'magic 1', batch: withMagic(1), code: ErrorCode.INVALID_RECORD },
  { name: 'magic 3', batch: withMagic(3), code: ErrorCode.CORRUPT_MESSAGE },
  { name: 'magic -1', batch: withMagic(-1), code: ErrorCode.CORRUPT_MESSAGE },
  { name: 'a batch cut short', batch: three().subarray(0, -1), code: ErrorCode.INVALID_RECORD },
  { name: 'a header cut short', batch: three().subarray(0, 40), code: ErrorCode.INVALID_RECORD },
  { name: 'a length too large', batch: withLength(1), code: ErrorCode.INVALID_RECORD },
  { name: 'a length too small', batch: withLength(-1), code: ErrorCode.INVALID_RECORD },
  {
    name: 'a length below a header',
    batch: withLength(49 - three().length),
    code: ErrorCode.CORRUPT_MESSAGE,
  },
  {
    name: 'two batches',
    batch: Buffer.concat([three(), three()]),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a byte behind the batch',
    batch: Buffer.concat([three(), Buffer.alloc(1)]),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'more than max.message.bytes',
    batch: bigBatch,
    code: ErrorCode.MESSAGE_TOO_LARGE,
    rules: { maxMessageBytes: bigBatch.length - 1 },
  },
  {
    name: 'more than segment.bytes',
    batch: bigBatch,
    code: ErrorCode.RECORD_LIST_TOO_LARGE,
    rules: { segmentBytes: bigBatch.length - 1 },
  },
  {
    name: 'codec 5',
    batch: altered(three(), attributeBits(5)),
    code: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  },
  {
    name: 'a base offset',
    batch: three({ baseOffset: 1 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a control batch',
    batch: three({ isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'LogAppendTime set by the client',
    batch: three({ timestampType: 'LogAppendTime' }),
    code: ErrorCode.INVALID_TIMESTAMP,
  },
  {
    name: 'LogAppendTime set by the client where the topic has it',
    batch: three({ timestampType: 'LogAppendTime' }),
    code: ErrorCode.INVALID_TIMESTAMP,
    rules: { timestampType: 'LogAppendTime' },
  },
  {
    name: 'a delete horizon',
    batch: altered(three(), attributeBits(0x40)),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'an unknown attribute',
    batch: altered(three(), attributeBits(0x100)),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'no records',
    batch: batchOfSection(Buffer.alloc(0), 0),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a negative count',
    batch: batchOfSection(Buffer.alloc(0), -5),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a last offset beyond the count',
    batch: three({ lastOffsetDelta: 3 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a count beyond the last offset',
    batch: altered(three(), int32('recordCount', 4)),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a producer id without a sequence',
    batch: three({ producerId: 5, producerEpoch: 0 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a producer id with a sequence of -2',
    batch: three({ producerId: 5, producerEpoch: 0, baseSequence: -2 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a producer id without an epoch',
    batch: three({ producerId: 5, baseSequence: 0 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a producer id of -2',
    batch: three({ producerId: -2, producerEpoch: 0, baseSequence: 0 }),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a producer id beyond 2^53',
    batch: altered(three({ producerEpoch: 0, baseSequence: 0 }), int64('producerId', 2n ** 60n)),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a base timestamp beyond 2^53',
    batch: altered(three(), int64('baseTimestamp', -(2n ** 63n))),
    code: ErrorCode.INVALID_RECORD,
  },
  {
    name: 'a transaction without a producer id',
    batch: three({ isTransactional: true }),
    code: ErrorCode.INVALID_RECORD,
  },
];

describe('the header', () => {
  it.each(headerCases)('refuses $name', async ({ batch, code, rules }) => {
    expect((await refused(batch, rules)).errorCode).toBe(code);
  });

  it('refuses a wrong CRC, wherever a byte of the batch was changed', async () => {
    for (let at = BatchField.crc; at < three().length; at++) {
      const batch = three();
      batch[at]! ^= 0x40;
      expect([2, 76]).toContain((await refused(batch)).errorCode);
    }
  });

  it('accepts exactly max.message.bytes and segment.bytes', async () => {
    const limit = bigBatch.length;
    await accepted(bigBatch, { maxMessageBytes: limit, segmentBytes: limit });
  });

  it('refuses zstd before Produce version 7', async () => {
    const batch = await buildCompressedRecordBatch(ordinaryRecords(3), CompressionCodec.zstd);
    const result = await refused(batch, { apiVersion: 6 });
    expect(result.errorCode).toBe(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE);
    await accepted(batch, { apiVersion: 7 });
  });
});

describe('the records', () => {
  it.each(CODECS)('are refused when their count is wrong: %s', async (name) => {
    const codec = CompressionCodec[name];
    const section = await compress(codec, encodeRecords(ordinaryRecords(5), NOW_MS));
    for (const count of [1, 4, 6, 0x7fff_ffff]) {
      const result = await refused(batchOfSection(section, count, codec));
      expect(result.errorCode).toBe(ErrorCode.INVALID_RECORD);
    }
    await accepted(batchOfSection(section, 5, codec));
  });

  it.each(CODECS)('are refused when one of them is malformed: %s', async (name) => {
    const section = encodeRecords(ordinaryRecords(5), NOW_MS);
    section[section.length - 1] = 0x08;
    section[section.length - 2] = 0xff;
    const codec = CompressionCodec[name];
    const result = await refused(batchOfSection(await compress(codec, section), 5, codec));
    expect(result.errorCode).toBe(ErrorCode.INVALID_RECORD);
    expect(result.recordErrors).toEqual([]);
  });

  it.each(REAL_CODECS)('are refused when the stream is malformed: %s', async (name) => {
    const batch = await buildCompressedRecordBatch(ordinaryRecords(50), CompressionCodec[name]);
    const broken = altered(batch, (bytes) => {
      bytes.fill(0xaa, header.RECORD_BATCH_OVERHEAD);
    });
    expect((await refused(broken)).errorCode).toBe(ErrorCode.INVALID_RECORD);
  });

  it.each(REAL_CODECS)('are refused when they inflate beyond the limit: %s', async (name) => {
    for (const valueBytes of [30_000, 4 * MIB]) {
      const value = Buffer.alloc(valueBytes, randomBytes(valueBytes / 10));
      const records = [{ timestampMs: NOW_MS, key: null, value }];
      const batch = await buildCompressedRecordBatch(records, CompressionCodec[name]);
      const maxInflatedBytes = encodeRecords(records, NOW_MS).length;
      await accepted(batch, { maxInflatedBytes, maxMessageBytes: 8 * MIB });
      const result = await refused(batch, {
        maxInflatedBytes: maxInflatedBytes - 1,
        maxMessageBytes: 8 * MIB,
      });
      expect(result.errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    }
  });

  it.each(REAL_CODECS)(
    'may always inflate to max.message.bytes, then 128-fold: %s',
    async (name) => {
      const [within, beyond] = await Promise.all(
        [900_000, 12 * MIB].map((valueBytes) =>
          buildCompressedRecordBatch(ordinaryRecords(1, valueBytes), CompressionCodec[name]),
        ),
      );
      await accepted(within!);
      // Only gzip and zstd shrink so much; the others reach 1:255 and 1:21 at best.
      if (beyond!.length * 128 > 11 * MIB) await accepted(beyond!);
      else expect((await refused(beyond!)).errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    },
  );

  it('of an uncompressed batch are refused one by one when their offsets are out of order', async () => {
    const records = ordinaryRecords(4).map((record, index) => ({
      ...record,
      offsetDelta: [0, 2, 1, 3][index]!,
    }));
    const result = await refused(buildRecordBatch(records));
    expect(result.errorCode).toBe(ErrorCode.INVALID_RECORD);
    expect(result.recordErrors.map((error) => error.batchIndex)).toEqual([1, 2]);
  });

  it.each(REAL_CODECS)('of a compressed batch are renumbered instead: %s', async (name) => {
    for (const [count, valueBytes] of [
      [4, 20],
      [3000, 1000],
    ] as const) {
      const records: NewRecord[] = ordinaryRecords(count, valueBytes).map((record, index) => ({
        ...record,
        timestampMs: record.timestampMs - 2 ** 40 * (index & 1),
        offsetDelta: index === count - 1 ? index : 0,
      }));
      const options = { producerId: 7, producerEpoch: 1, baseSequence: 3, isTransactional: true };
      const codec = CompressionCodec[name];
      const batch = await buildCompressedRecordBatch(records, codec, options);
      const result = await accepted(batch, { maxMessageBytes: 8 * MIB });
      expect(result.batch).not.toBe(batch);
      expect(isCrcValid(result.batch, 0)).toBe(true);
      const expected = await buildCompressedRecordBatch(
        records.map(({ offsetDelta, ...record }) => record),
        codec,
        options,
      );
      expect(result.batch.equals(expected)).toBe(true);
      await accepted(result.batch, { maxMessageBytes: 8 * MIB });
    }
  });

  it.each(CODECS)('of a compacted topic need keys: %s', async (name) => {
    const records = ordinaryRecords(4).map((record, index) =>
      index === 2 ? { ...record, key: null } : record,
    );
    const batch = await buildCompressedRecordBatch(records, CompressionCodec[name]);
    const result = await refused(batch, { compacted: true });
    expect(result.errorCode).toBe(ErrorCode.INVALID_RECORD);
    expect(result.recordErrors.map((error) => error.batchIndex)).toEqual([2]);
    await accepted(batch);
    const empty = ordinaryRecords(1).map((record) => ({ ...record, key: Buffer.alloc(0) }));
    await accepted(buildRecordBatch(empty), { compacted: true });
  });

  it('report no more than a hundred errors', async () => {
    const records = ordinaryRecords(5000).map((record) => ({ ...record, key: null }));
    const result = await refused(buildRecordBatch(records), { compacted: true });
    expect(result.recordErrors).toHaveLength(100);
  });
});

describe('timestamps', () => {
  const at = (...timestamps: number[]): Buffer =>
    buildRecordBatch(
      timestamps.map((timestampMs) => ({ timestampMs, key: null, value: Buffer.from('v') })),
    );
  const limits = { timestampBeforeMaxMs: 1000, timestampAfterMaxMs: 500 };

  it('are accepted from the oldest to the newest allowed', async () => {
    await accepted(at(NOW_MS - 1000, NOW_MS + 500, -1), limits);
  });

  it.each([
    ['too old', NOW_MS - 1001],
    ['too new', NOW_MS + 501],
  ])('are refused when %s', async (_, timestampMs) => {
    const result = await refused(at(NOW_MS, timestampMs), limits);
    expect(result.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
    expect(result.recordErrors.map((error) => error.batchIndex)).toEqual([1]);
    await accepted(at(NOW_MS, timestampMs), { ...limits, timestampType: 'LogAppendTime' });
  });

  it('are never negative, but for the -1 that stands for none', async () => {
    const result = await refused(at(NOW_MS, -2));
    expect(result.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
    await accepted(at(0));
    expect((await accepted(at(-1, -1))).maxTimestamp).toBe(-1);
  });

  it('win over other errors of records', async () => {
    const batch = at(NOW_MS, NOW_MS + 501);
    const result = await refused(batch, { ...limits, compacted: true });
    expect(result.errorCode).toBe(ErrorCode.INVALID_RECORD);
    const keyed = buildRecordBatch([
      { timestampMs: NOW_MS, key: null, value: null },
      { timestampMs: NOW_MS + 501, key: Buffer.from('k'), value: null },
      { timestampMs: NOW_MS, key: null, value: null },
    ]);
    const mixed = await refused(keyed, { ...limits, compacted: true });
    expect(mixed.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
    expect(mixed.recordErrors.map((error) => error.batchIndex)).toEqual([0, 1, 2]);
  });

  it('refuse a sum that no number can hold', async () => {
    const batch = altered(at(0, 2 ** 53 - 1), (bytes) => {
      bytes.writeBigInt64BE(2n ** 53n - 1n, BatchField.baseTimestamp);
    });
    const result = await refused(batch, { timestampType: 'LogAppendTime' });
    expect(result.errorCode).toBe(ErrorCode.INVALID_TIMESTAMP);
  });

  it.each(CODECS)('make a wrong maxTimestamp right, in place: %s', async (name) => {
    const built = await buildCompressedRecordBatch(
      [5, 9, 9, 7].map((timestampMs) => ({ timestampMs, key: null, value: null })),
      CompressionCodec[name],
    );
    for (const claimed of [8, 10, -1, 2 ** 50]) {
      const batch = altered(built, (bytes) => {
        header.writeInt64(bytes, BatchField.maxTimestamp, claimed);
      });
      const result = await accepted(batch);
      expect(result.batch).toBe(batch);
      expect(batch.equals(built)).toBe(true);
      expect(result).toMatchObject({ maxTimestamp: 9, offsetOfMaxTimestamp: 1 });
    }
  });

  it.each(CODECS)('are the log append time where the topic says so: %s', async (name) => {
    const codec = CompressionCodec[name];
    const batch = await buildCompressedRecordBatch(ordinaryRecords(3), codec);
    const result = await accepted(batch, { timestampType: 'LogAppendTime', nowMs: 123 });
    expect(result.batch).toBe(batch);
    expect(result).toMatchObject({ maxTimestamp: 123, offsetOfMaxTimestamp: 0 });
    expect(header.timestampType(batch, 0)).toBe('LogAppendTime');
    expect(isCrcValid(batch, 0)).toBe(true);
    const read = await recordsOf(batch);
    expect(read.map((record) => record.timestampMs)).toEqual([123, 123, 123]);
  });
});

describe('compression.type', () => {
  const targets = ['uncompressed', ...REAL_CODECS] as const;

  it.each(CODECS)('turns %s into any other', async (source) => {
    for (const [count, valueBytes] of [
      [5, 20],
      [200, 3000],
    ] as const) {
      const records = ordinaryRecords(count, valueBytes);
      const options = { producerId: 7, producerEpoch: 1, baseSequence: 3 };
      for (const target of targets) {
        const batch = await buildCompressedRecordBatch(records, CompressionCodec[source], options);
        const result = await accepted(batch, { compressionType: target });
        const codec = CompressionCodec[target === 'uncompressed' ? 'none' : target];
        expect(header.compressionCodec(result.batch, 0)).toBe(codec);
        expect(isCrcValid(result.batch, 0)).toBe(true);
        expect(header.batchSizeBytes(result.batch, 0)).toBe(result.batch.length);
        expect(header.producerId(result.batch, 0)).toBe(7);
        expect(header.baseSequence(result.batch, 0)).toBe(3);
        const read = encodeRecords(await recordsOf(result.batch), NOW_MS);
        expect(read.equals(encodeRecords(records, NOW_MS))).toBe(true);
        expect(result.batch === batch).toBe(codec === CompressionCodec[source]);
      }
    }
  });

  it('checks the sizes again afterwards', async () => {
    const batch = await buildCompressedRecordBatch(ordinaryRecords(1, 5000), CompressionCodec.gzip);
    const rules = { compressionType: 'uncompressed', maxMessageBytes: 5000 } as const;
    expect((await refused(batch, rules)).errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    const segment = { compressionType: 'uncompressed', segmentBytes: 5000 } as const;
    expect((await refused(batch, segment)).errorCode).toBe(ErrorCode.RECORD_LIST_TOO_LARGE);
  });

  it('comes with the log append time when both are asked for', async () => {
    const rules = { compressionType: 'lz4', timestampType: 'LogAppendTime', nowMs: 55 } as const;
    const result = await accepted(three(), rules);
    expect(header.timestampType(result.batch, 0)).toBe('LogAppendTime');
    expect(header.maxTimestamp(result.batch, 0)).toBe(55);
    expect(isCrcValid(result.batch, 0)).toBe(true);
  });
});

describe('the inflation budget', () => {
  it('lets only so many bytes be inflated at a time, in order', async () => {
    const budget = new InflationBudget(100);
    const running: number[] = [];
    const finished: number[] = [];
    let most = 0;
    const job = (bytes: number) =>
      budget.spend('acme', bytes, async () => {
        running.push(bytes);
        most = Math.max(
          most,
          running.reduce((sum, each) => sum + each, 0),
        );
        await new Promise((resolve) => setImmediate(resolve));
        running.splice(running.indexOf(bytes), 1);
        finished.push(bytes);
      });
    await Promise.all([60, 41, 40, 19, 1].map(job));
    expect(most).toBeLessThanOrEqual(100);
    expect(finished).toHaveLength(5);
    await Promise.all([job(500), job(500)]);
    expect(most).toBe(500);
  });

  it('is given out in turns by payer, whoever has more waiting', async () => {
    const budget = new InflationBudget(100);
    const begun: string[] = [];
    const job = (payer: string) =>
      budget.spend(payer, 100, async () => {
        begun.push(payer);
        await new Promise((resolve) => setImmediate(resolve));
      });
    const greedy = Array.from({ length: 20 }, () => job('greedy'));
    await Promise.all([...greedy, job('modest'), job('modest')]);
    expect(begun.indexOf('modest')).toBeLessThan(4);
    expect(begun.lastIndexOf('modest')).toBeLessThan(6);
    expect(begun).toHaveLength(22);
  });

  it('is given back when a batch is refused', async () => {
    const inflationBudget = new InflationBudget(1);
    const batch = await buildCompressedRecordBatch(ordinaryRecords(300, 1000), 3);
    const broken = altered(batch, (bytes) => {
      bytes.writeInt32BE(301, BatchField.recordCount);
      bytes.writeInt32BE(300, BatchField.lastOffsetDelta);
    });
    await refused(broken, { inflationBudget });
    await accepted(batch, { inflationBudget });
  });
});
