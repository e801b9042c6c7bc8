/**
 * What checking a produced batch costs: header, CRC-32C and every record, for several shapes and
 * codecs. Times are the best of many short rounds, in microseconds a batch. Needs a build.
 *
 *   node bench/records.mjs
 */
import { validateProduced } from '../dist/protocol/records/batch-validator.js';
import { crc32c } from '../dist/protocol/records/crc32c.js';
import { CompressionCodec } from '../dist/protocol/records/record-batch.js';
import { buildCompressedRecordBatch } from '../dist/protocol/records/record-batch-builder.js';

const ROUNDS = 40;
const ROUND_MS = 25;
const NOW_MS = 1_760_000_000_000;

const rules = {
  apiVersion: 13,
  maxMessageBytes: 64 * 1024 * 1024,
  segmentBytes: 1024 * 1024 * 1024,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  compacted: false,
  compressionType: 'producer',
  nowMs: NOW_MS,
  maxInflatedBytes: 64 * 1024 * 1024,
};

/** Lines of telemetry: they shrink about as much as real ones do. */
function telemetry(bytes, seed) {
  let text = '';
  for (let index = seed; text.length < bytes; index++) {
    const value = (20 + 5 * Math.sin(index)).toFixed(3);
    text += `{"device":"pump-${index % 97}","seq":${index},"temperature":${value}}\n`;
  }
  return Buffer.from(text.slice(0, bytes));
}

function batchOf(count, valueBytes, codec) {
  const records = Array.from({ length: count }, (_, index) => ({
    timestampMs: NOW_MS + index,
    key: null,
    value: telemetry(valueBytes, index * 31),
  }));
  return buildCompressedRecordBatch(records, codec);
}

async function bestMicroseconds(run) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    let calls = 0;
    let elapsed = 0;
    while (elapsed < ROUND_MS) {
      for (let index = 0; index < 8; index++) {
        const result = run();
        if (result instanceof Promise) await result;
      }
      calls += 8;
      elapsed = performance.now() - start;
    }
    best = Math.min(best, (elapsed * 1000) / calls);
  }
  return Math.round(best * 100) / 100;
}

const SHAPES = [
  ['1 x 1 KiB', 1, 1000, ['none', 'gzip', 'snappy', 'lz4', 'zstd']],
  ['10 x 100 B', 10, 92, ['none', 'gzip', 'snappy', 'lz4', 'zstd']],
  ['1000 x 1 KiB', 1000, 1010, ['none', 'gzip', 'snappy', 'lz4', 'zstd']],
  ['140000 x 0 B', 140_000, 0, ['none', 'lz4']],
];

const figures = {};
for (const [name, count, valueBytes, codecs] of SHAPES) {
  for (const codec of codecs) {
    const batch = await batchOf(count, valueBytes, CompressionCodec[codec]);
    const result = await validateProduced(batch, rules);
    if (!result.ok) throw new Error(result.message);
    const us = await bestMicroseconds(() => validateProduced(batch, rules));
    const crcUs = await bestMicroseconds(() => crc32c(batch, 21, batch.length));
    const sizeText = `${batch.length} B`.padStart(10);
    console.log(`${name.padEnd(14)} ${codec.padEnd(7)} ${sizeText} ${us} us (CRC alone ${crcUs})`);
    figures[`${name} ${codec}`] = { batchBytes: batch.length, us, crcUs };
  }
}
console.log(JSON.stringify({ benchmark: 'records', node: process.version, figures }));
