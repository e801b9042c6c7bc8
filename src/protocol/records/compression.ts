/**
 * Owns the choice among the four codecs. Input and output up to 64 KiB are handled at once; more
 * goes to the thread pool or is cut into slices, and then the answer is a promise. What a section
 * may inflate to is bounded before memory is spent.
 */
import { compressGzip, planGzip } from './gzip-member.ts';
import type { Inflation } from './inflation.ts';
import { compressLz4, planLz4 } from './lz4-frame.ts';
import { CompressionCodec } from './record-batch.ts';
import { compressSnappy, planSnappy } from './snappy-xerial.ts';
import { compressZstd, planZstd } from './zstd-frame.ts';

interface Codec {
  compress(section: Buffer): Buffer | Promise<Buffer>;
  plan(section: Buffer, maxBytes: number): Inflation;
}

const CODECS: Record<CompressionCodec, Codec> = {
  [CompressionCodec.none]: { compress: (section) => section, plan: planNothing },
  [CompressionCodec.gzip]: { compress: compressGzip, plan: planGzip },
  [CompressionCodec.snappy]: { compress: compressSnappy, plan: planSnappy },
  [CompressionCodec.lz4]: { compress: compressLz4, plan: planLz4 },
  [CompressionCodec.zstd]: { compress: compressZstd, plan: planZstd },
};

function planNothing(section: Buffer): Inflation {
  return { bytesMax: section.length, isSmall: true, run: () => section };
}

/** `section` itself for `none`. The input must not change before the promise is settled. */
export function compress(codec: CompressionCodec, section: Buffer): Buffer | Promise<Buffer> {
  return CODECS[codec].compress(section);
}

/**
 * Looks at a compressed section without inflating it. Throws KafkaError: INVALID_RECORD for what is
 * not exactly one well-formed stream of one byte or more, MESSAGE_TOO_LARGE when more than `maxBytes` may come out.
 */
export function planInflation(
  codec: CompressionCodec,
  section: Buffer,
  maxBytes: number,
): Inflation {
  return CODECS[codec].plan(section, maxBytes);
}

/**
 * Plans and runs in one call: for sections that are trusted or rare. `section` itself for `none`.
 * The input must not change before the promise is settled.
 */
export function decompress(
  codec: CompressionCodec,
  section: Buffer,
  maxBytes: number,
): Buffer | Promise<Buffer> {
  return planInflation(codec, section, maxBytes).run();
}
