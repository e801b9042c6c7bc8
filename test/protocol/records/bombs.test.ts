/**
 * Small batches that would become a gibibyte: each is refused at once, and the process does not grow
 * by more than the limit. The bombs are put together from repeated pieces, never inflated here.
 */
import { constants, deflateRawSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as rawSnappy } from 'snappy';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { CompressionCodec } from '../../../src/protocol/records/record-batch.ts';
import { batchOfSection, refused } from './produced-batch.ts';

const MIB = 1024 * 1024;
const LIMIT_BYTES = 2 * MIB;
const zeros = Buffer.alloc(MIB);

function gzipBomb(statedBytes: number): Buffer {
  const piece = deflateRawSync(zeros, { finishFlush: constants.Z_FULL_FLUSH });
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(statedBytes, 4);
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  return Buffer.concat([header, ...Array(1024).fill(piece), deflateRawSync('x'), trailer]);
}

function xerial(blocks: Buffer[]): Buffer {
  const framed = blocks.flatMap((block) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    return [length, block];
  });
  return Buffer.concat([Buffer.from('82534e41505059000000000100000001', 'hex'), ...framed]);
}

function lz4Bomb(): Buffer {
  // A frame whose blocks hold 4 MiB each, and the one block of 4 MiB of zeros, over and over.
  const frame = compressFrameSync(Buffer.alloc(4 * MIB));
  const blockEnd = 11 + frame.readUInt32LE(7);
  const block = frame.subarray(7, blockEnd);
  expect(frame[5]).toBe(0x70);
  return Buffer.concat([frame.subarray(0, 7), ...Array(256).fill(block), Buffer.alloc(4)]);
}

/** `descriptor`: the frame header after the magic number. */
function zstdBomb(descriptor: string): Buffer {
  const runs = Buffer.from('02001000'.repeat(8191), 'hex');
  return Buffer.concat([
    Buffer.from(`28b52ffd${descriptor}`, 'hex'),
    runs,
    Buffer.from('03001000', 'hex'),
  ]);
}

const snappyGibibyte = Buffer.concat([
  Buffer.from('8080808004', 'hex'),
  rawSnappy(zeros).subarray(4),
]);

const bombs: [string, number, Buffer, number][] = [
  ['gzip', CompressionCodec.gzip, gzipBomb(1024 * MIB + 1), ErrorCode.MESSAGE_TOO_LARGE],
  ['gzip that states little', CompressionCodec.gzip, gzipBomb(50), ErrorCode.INVALID_RECORD],
  [
    'gzip that states the limit',
    CompressionCodec.gzip,
    gzipBomb(LIMIT_BYTES),
    ErrorCode.INVALID_RECORD,
  ],
  [
    'snappy in blocks',
    CompressionCodec.snappy,
    xerial(Array(1024).fill(rawSnappy(zeros))),
    ErrorCode.MESSAGE_TOO_LARGE,
  ],
  [
    'snappy that states too much',
    CompressionCodec.snappy,
    snappyGibibyte,
    ErrorCode.INVALID_RECORD,
  ],
  ['lz4', CompressionCodec.lz4, lz4Bomb(), ErrorCode.MESSAGE_TOO_LARGE],
  ['zstd', CompressionCodec.zstd, zstdBomb('0058'), ErrorCode.MESSAGE_TOO_LARGE],
  [
    'zstd that states its size',
    CompressionCodec.zstd,
    zstdBomb('a000000040'),
    ErrorCode.MESSAGE_TOO_LARGE,
  ],
  ['zstd that states little', CompressionCodec.zstd, zstdBomb('600001'), ErrorCode.INVALID_RECORD],
];

describe('a bomb', () => {
  it.each(bombs)('of %s is refused and costs no memory', async (_, codec, stream, code) => {
    const batch = batchOfSection(stream, 3, codec as CompressionCodec);
    const rules = { maxMessageBytes: 128 * MIB, maxInflatedBytes: LIMIT_BYTES };
    const before = process.memoryUsage().rss;
    const result = await refused(batch, rules);
    expect(result.errorCode).toBe(code);
    expect(process.memoryUsage().rss - before).toBeLessThan(4 * LIMIT_BYTES);
  });
});
