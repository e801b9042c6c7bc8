import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ValidationResult,
  validateProduced,
} from '../../../src/protocol/records/batch-validator.ts';
import { compress, decompress } from '../../../src/protocol/records/compression.ts';
import { isCrcValid } from '../../../src/protocol/records/crc32c.ts';
import { encodeRecords, readRecords } from '../../../src/protocol/records/record.ts';
import {
  CompressionCodec,
  compressionCodec,
  isCodec,
  RECORD_BATCH_OVERHEAD,
  recordsSection,
} from '../../../src/protocol/records/record-batch.ts';
import { buildCompressedRecordBatch } from '../../../src/protocol/records/record-batch-builder.ts';
import {
  altered,
  batchOfSection,
  CODECS,
  DEFAULT_RULES,
  NOW_MS,
  ordinaryRecords,
} from './produced-batch.ts';

/** What was accepted must be readable to the last byte; what was refused must say why. */
async function expectSound(result: ValidationResult): Promise<void> {
  if (!result.ok) {
    expect(result.errorCode).toBeGreaterThan(0);
    expect(result.message).not.toBe('');
    return;
  }
  const { batch } = result;
  expect(isCrcValid(batch, 0)).toBe(true);
  const codec = compressionCodec(batch, 0);
  if (!isCodec(codec)) throw new Error('no codec');
  const section = await decompress(codec, recordsSection(batch, 0), 1 << 24);
  const read = [...readRecords(batch, 0, section)];
  expect(read.map((record) => record.offset)).toEqual(read.map((_, index) => index));
  expect(Math.max(...read.map((record) => record.timestampMs))).toBe(result.maxTimestamp);
}

const changes = fc.array(
  fc.record({
    at: fc.nat(),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
    kind: fc.constantFrom('set', 'set', 'insert', 'remove'),
  }),
  { minLength: 1, maxLength: 8 },
);
type Changes = typeof changes extends fc.Arbitrary<infer Value> ? Value : never;

function mutated(bytes: Buffer, list: Changes): Buffer {
  const array = [...bytes];
  for (const { at, byte, kind } of list) {
    const index = at % (array.length + 1);
    if (kind === 'set') array[Math.min(index, array.length - 1)] = byte;
    else if (kind === 'insert') array.splice(index, 0, byte);
    else if (array.length > 1) array.splice(index, 1);
  }
  return Buffer.from(array);
}

describe.each(CODECS)('mutated batches: %s', (name) => {
  const codec = CompressionCodec[name];
  const records = ordinaryRecords(6, 30);

  it('never crash with any bytes changed', async () => {
    const batch = await buildCompressedRecordBatch(records, codec);
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        await expectSound(await validateProduced(mutated(batch, list), DEFAULT_RULES));
      }),
      { numRuns: 200 },
    );
  });

  it('never crash with a right CRC around a changed header', async () => {
    const batch = await buildCompressedRecordBatch(records, codec);
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const hostile = altered(batch, (bytes) => {
          for (const { at, byte } of list) bytes[21 + (at % (RECORD_BATCH_OVERHEAD - 21))] = byte;
        });
        await expectSound(await validateProduced(hostile, DEFAULT_RULES));
      }),
      { numRuns: 300 },
    );
  });

  it('never crash with a right header around a changed stream', async () => {
    const section = await compress(codec, encodeRecords(records, NOW_MS));
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const hostile = batchOfSection(mutated(section, list), records.length, codec);
        await expectSound(await validateProduced(hostile, DEFAULT_RULES));
      }),
      { numRuns: 300 },
    );
  });

  it('never crash with a right stream around changed records', async () => {
    const section = encodeRecords(records, NOW_MS);
    await fc.assert(
      fc.asyncProperty(changes, fc.integer({ min: 1, max: 8 }), async (list, count) => {
        const stream = await compress(codec, mutated(section, list));
        const hostile = batchOfSection(stream, count, codec);
        await expectSound(await validateProduced(hostile, DEFAULT_RULES));
      }),
      { numRuns: 300 },
    );
  });
});
