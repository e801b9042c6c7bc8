/**
 * Kafka's own record classes read what we write and accept, and we accept what they write. The last
 * test is a differential fuzz: whatever of 20,000 changed batches a codec we let in, Kafka must read.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { validateProduced } from '../../../src/protocol/records/batch-validator.ts';
import { compress, decompress } from '../../../src/protocol/records/compression.ts';
import {
  encodeRecords,
  readRecords,
  type StoredRecord,
} from '../../../src/protocol/records/record.ts';
import {
  CompressionCodec,
  compressionCodec,
  isCodec,
  recordsSection,
} from '../../../src/protocol/records/record-batch.ts';
import { buildCompressedRecordBatch } from '../../../src/protocol/records/record-batch-builder.ts';
import { runJava } from '../../tools/java.ts';
import { projectRoot } from '../../tools/project-root.ts';
import { removeDirectory, temporaryDirectory } from '../../tools/temporary-directory.ts';
import { describeRequiring } from '../../tools/tool-detection.ts';
import {
  batchOfSection,
  CODECS,
  DEFAULT_RULES,
  NOW_MS,
  ordinaryRecords,
} from './produced-batch.ts';
import { streamForms } from './stream-forms.ts';

const RULES = { ...DEFAULT_RULES, maxMessageBytes: 16 * 1024 * 1024 };
const MUTANTS = 20_000;

function sumOfBytes(bytes: Buffer | null): number {
  if (bytes === null) return -1;
  let sum = bytes.length;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + ((byte << 24) >> 24)) | 0;
  return sum;
}

function sumOfRecord(record: StoredRecord): number {
  const parts = [sumOfBytes(record.key), sumOfBytes(record.value)];
  for (const { key, value } of record.headers) {
    parts.push(sumOfBytes(Buffer.from(key)), sumOfBytes(value));
  }
  const first = (Math.imul(record.offset, 31) + (record.timestampMs % 2 ** 32)) | 0;
  return parts.reduce((sum, part) => (Math.imul(sum, 31) + part) | 0, first);
}

/** The line that Kafka's side prints for the same batch. */
async function verdictOn(batch: Buffer): Promise<string> {
  const codec = compressionCodec(batch, 0);
  if (!isCodec(codec)) throw new Error('no codec');
  const section = await decompress(codec, recordsSection(batch, 0), 1 << 26);
  const read = [...readRecords(batch, 0, section)];
  const sum = read.reduce((all, record) => (Math.imul(all, 31) + sumOfRecord(record)) | 0, 0);
  return `ok ${read.length} ${sum >>> 0}`;
}

function packed(batches: readonly Buffer[]): Buffer {
  return Buffer.concat(
    batches.flatMap((batch) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(batch.length);
      return [length, batch];
    }),
  );
}

function unpacked(file: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const end = at + 4 + file.readInt32BE(at);
    batches.push(file.subarray(at + 4, end));
    at = end;
  }
  return batches;
}

/** Repeatable and fast: the state of a linear congruential generator (Numerical Recipes). */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describeRequiring(['java-tools'], "Kafka's own record classes", () => {
  const oracle = join(projectRoot, 'test/protocol/records/BatchOracle.java');
  let directory: string;
  let file: string;

  beforeAll(() => {
    directory = temporaryDirectory('records');
    file = join(directory, 'batches');
  });
  afterAll(() => removeDirectory(directory));

  const kafkaReads = async (batches: readonly Buffer[]): Promise<string[]> => {
    writeFileSync(file, packed(batches));
    const run = await runJava(oracle, ['read', file], { timeoutMs: 120_000 });
    expect(run.code, run.text).toBe(0);
    return run.stdout.toString().trim().split('\n');
  };

  test('write batches that we accept and read alike', async () => {
    const run = await runJava(oracle, ['write', file], { timeoutMs: 120_000 });
    expect(run.code, run.text).toBe(0);
    const batches = unpacked(readFileSync(file));
    expect(batches.length).toBe(50);
    const verdicts: string[] = [];
    for (const batch of batches) {
      const result = await validateProduced(batch, RULES);
      if (!result.ok) throw new Error(result.message);
      expect(result.batch).toBe(batch);
      verdicts.push(await verdictOn(batch));
    }
    expect(await kafkaReads(batches)).toEqual(verdicts);
  });

  test('read what we write', async () => {
    const batches: Buffer[] = [];
    for (const name of CODECS) {
      for (const [count, valueBytes] of [
        [1, 0],
        [7, 50],
        [500, 300],
        [10, 100_000],
      ] as const) {
        const records = ordinaryRecords(count, valueBytes);
        batches.push(await buildCompressedRecordBatch(records, CompressionCodec[name]));
      }
    }
    expect(await kafkaReads(batches)).toEqual(await Promise.all(batches.map(verdictOn)));
  });

  test('read every unusual form of a stream that we accept', async () => {
    const forms = await streamForms(encodeRecords(ordinaryRecords(60, 80), NOW_MS));
    const batches = forms.map(({ codec, stream }) => batchOfSection(stream, 60, codec));
    for (const [index, batch] of batches.entries()) {
      const result = await validateProduced(batch, RULES);
      expect(result.ok, forms[index]!.name).toBe(true);
    }
    const verdicts = await kafkaReads(batches);
    for (const [index, batch] of batches.entries()) {
      expect(verdicts[index], forms[index]!.name).toBe(await verdictOn(batch));
    }
  });

  test.each(CODECS)('read whatever changed batch we accept: %s', async (name) => {
    const seed = Date.now() % 2 ** 32;
    console.log(`seed of ${name}: ${seed}`);
    const below = generator(seed);
    const codec = CompressionCodec[name];
    const plain = encodeRecords(ordinaryRecords(6, 30), NOW_MS);
    const stream = await compress(codec, plain);
    const kept: Buffer[] = [];
    for (let index = 0; index < MUTANTS; index++) {
      const changed = Buffer.from(index % 2 === 0 ? stream : plain);
      for (let change = below(3); change >= 0; change--) {
        const at = below(changed.length);
        if (below(4) === 0) changed.copyWithin(at, below(changed.length));
        else changed[at] = below(3) === 0 ? below(256) : changed[at]! ^ (1 << below(8));
      }
      const section = index % 2 === 0 ? changed : await compress(codec, changed);
      const result = await validateProduced(batchOfSection(section, 6, codec), RULES);
      if (result.ok) kept.push(result.batch);
    }
    expect(kept.length).toBeGreaterThan(MUTANTS / 20);
    const expected: string[] = [];
    for (const batch of kept) expected.push(await verdictOn(batch));
    const verdicts = await kafkaReads(kept);
    for (const [index, verdict] of verdicts.entries()) {
      expect(verdict, kept[index]!.toString('hex')).toBe(expected[index]);
    }
    expect(verdicts.length).toBe(kept.length);
  });
});
