/**
 * Owns the codec zstd: exactly one frame (RFC 8878), no dictionary, no skippable frames, a window no
 * larger than what decoders take by default. The frame's blocks are walked first: each says how much
 * it can at most become, so that the output is bounded before any memory is spent.
 *
 * node:zlib has zstd from 22.15 on; before, @mongodb-js/zstd (loaded only then) works on the thread
 * pool alone, so that there even small batches are asynchronous.
 */
import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { KafkaError } from '../../base/errors.ts';
import { SYNC_BYTES_MAX } from './event-loop-slices.ts';
import type { Inflation } from './inflation.ts';
import { inflatedTooLarge, invalidRecord, unsupportedCompression } from './record-errors.ts';

const FRAME_MAGIC = 0xfd2f_b528;
const BLOCK_BYTES_MAX = 128 * 1024;
/** libzstd's default limit for decoders (ZSTD_WINDOWLOG_LIMIT_DEFAULT): consumers refuse more. */
const WINDOW_BYTES_MAX = 2 ** 27;
/**
 * Each compressed block may make the decoder build tables, whatever comes out of it: no encoder
 * splits content into blocks below 1 KiB, a hostile one would.
 */
const SPARE_BLOCKS = 64;
const BlockType = { raw: 0, rle: 1, compressed: 2, reserved: 3 } as const;

function malformed(): Error {
  return invalidRecord('The compressed records are not a valid zstd frame');
}

interface FrameHeader {
  readonly blocksAt: number;
  readonly blockBytesMax: number;
  readonly hasChecksum: boolean;
  /** -1: not stated. */
  readonly contentBytes: number;
}

function readContentSize(frame: Buffer, at: number, fieldBytes: number): number {
  switch (fieldBytes) {
    case 1:
      return frame.readUInt8(at);
    case 2:
      return frame.readUInt16LE(at) + 256;
    case 4:
      return frame.readUInt32LE(at);
    case 8:
      return Number(frame.readBigUInt64LE(at));
    default:
      return -1;
  }
}

function readHeader(frame: Buffer): FrameHeader {
  if (frame.length < 6 || frame.readUInt32LE(0) !== FRAME_MAGIC) throw malformed();
  const descriptor = frame[4]!;
  if ((descriptor & 0x08) !== 0) throw malformed();
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 0x03]!;
  const sizeCode = descriptor >> 6;
  const sizeBytes = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeCode;
  const windowAt = 5;
  const dictionaryAt = isSingleSegment ? windowAt : windowAt + 1;
  const sizeAt = dictionaryAt + dictionaryIdBytes;
  const blocksAt = sizeAt + sizeBytes;
  if (blocksAt > frame.length) throw malformed();
  if (dictionaryIdBytes > 0 && frame.readUIntLE(dictionaryAt, dictionaryIdBytes) !== 0) {
    throw malformed();
  }
  const contentBytes = readContentSize(frame, sizeAt, sizeBytes);
  const code = frame[windowAt]!;
  const windowBytes = isSingleSegment
    ? contentBytes
    : 2 ** (10 + (code >> 3)) * (1 + (code & 0x07) / 8);
  if (!isSingleSegment && windowBytes > WINDOW_BYTES_MAX) throw malformed();
  return {
    blocksAt,
    blockBytesMax: Math.min(BLOCK_BYTES_MAX, windowBytes),
    hasChecksum: (descriptor & 0x04) !== 0,
    contentBytes,
  };
}

/** The most that the blocks can become; throws unless the frame ends exactly with the buffer. */
function boundContent(frame: Buffer, header: FrameHeader): number {
  let boundBytes = 0;
  let at = header.blocksAt;
  let compressedBlocks = 0;
  let isLast = false;
  while (!isLast) {
    if (frame.length - at < 3) throw malformed();
    const blockHeader = frame[at]! | (frame[at + 1]! << 8) | (frame[at + 2]! << 16);
    at += 3;
    isLast = (blockHeader & 1) === 1;
    const type = (blockHeader >> 1) & 0x03;
    const blockBytes = blockHeader >> 3;
    if (type === BlockType.reserved || blockBytes > header.blockBytesMax) throw malformed();
    boundBytes += type === BlockType.compressed ? header.blockBytesMax : blockBytes;
    if (type === BlockType.compressed) compressedBlocks++;
    at += type === BlockType.rle ? 1 : blockBytes;
  }
  if (at + (header.hasChecksum ? 4 : 0) !== frame.length) throw malformed();
  if (header.contentBytes >= 0 && compressedBlocks > SPARE_BLOCKS + header.contentBytes / 1024) {
    throw malformed();
  }
  return boundBytes;
}

interface ZlibOptions {
  readonly maxOutputLength?: number;
  readonly chunkSize?: number;
}
type ZlibCallback = (error: Error | null, result: Buffer) => void;

/** The zstd part of node:zlib, which the types of Node 20 do not know. */
interface ZstdOfZlib {
  zstdCompress(input: Buffer, callback: ZlibCallback): void;
  zstdCompressSync(input: Buffer): Buffer;
  zstdDecompress(input: Buffer, options: ZlibOptions, callback: ZlibCallback): void;
  zstdDecompressSync(input: Buffer, options: ZlibOptions): Buffer;
}

/** @mongodb-js/zstd 1.2. */
interface ZstdOfPackage {
  compress(input: Buffer, level: number): Promise<Buffer>;
  decompress(input: Buffer): Promise<Buffer>;
}

const builtIn: ZstdOfZlib | undefined =
  'zstdCompressSync' in zlib ? (zlib as unknown as ZstdOfZlib) : undefined;

let loadedPackage: ZstdOfPackage | undefined;

function packaged(): ZstdOfPackage {
  if (loadedPackage !== undefined) return loadedPackage;
  try {
    loadedPackage = createRequire(import.meta.url)('@mongodb-js/zstd') as ZstdOfPackage;
  } catch (cause) {
    throw unsupportedCompression('This broker has no zstd on its platform', cause);
  }
  return loadedPackage;
}

/** zstd's own default. */
const LEVEL = 3;

/** Up to two blocks are inflated at once: most small batches of Java state no size. */
const SMALL_BOUND_BYTES_MAX = 2 * BLOCK_BYTES_MAX;

interface Bounds {
  /** By the frame: its stated size, or what its blocks could become. */
  readonly frameBytes: number;
  /** By the caller. */
  readonly maxBytes: number;
}

async function inflateWithPackage(frame: Buffer, bounds: Bounds): Promise<Buffer> {
  let inflated: Buffer;
  try {
    inflated = await packaged().decompress(frame);
  } catch (error) {
    throw error instanceof KafkaError ? error : malformed();
  }
  if (inflated.length > bounds.maxBytes) throw inflatedTooLarge(bounds.maxBytes);
  return inflated;
}

/** zlib stops at the lower bound; only the caller's tells that an honest frame was too large. */
function whyZlibFailed(error: unknown, bounds: Bounds): Error {
  const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
  const isOverLimit = isTooLarge && bounds.maxBytes < bounds.frameBytes;
  return isOverLimit ? inflatedTooLarge(bounds.maxBytes) : malformed();
}

function zlibOptions({ frameBytes, maxBytes }: Bounds): ZlibOptions {
  const limitBytes = Math.min(frameBytes, maxBytes);
  return { maxOutputLength: limitBytes, chunkSize: Math.max(64, limitBytes + 1) };
}

function inflateAtOnce(frame: Buffer, zstd: ZstdOfZlib, bounds: Bounds): Buffer {
  try {
    return zstd.zstdDecompressSync(frame, zlibOptions(bounds));
  } catch (error) {
    throw whyZlibFailed(error, bounds);
  }
}

function inflateOffLoop(frame: Buffer, zstd: ZstdOfZlib, bounds: Bounds): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zstd.zstdDecompress(frame, zlibOptions(bounds), (error, inflated) => {
      if (error === null) resolve(inflated);
      else reject(whyZlibFailed(error, bounds));
    });
  });
}

/** Throws KafkaError: INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `maxBytes`. */
export function planZstd(frame: Buffer, maxBytes: number): Inflation {
  const header = readHeader(frame);
  const boundBytes = boundContent(frame, header);
  if (header.contentBytes > boundBytes || header.contentBytes === 0) throw malformed();
  if (header.contentBytes > maxBytes) throw inflatedTooLarge(maxBytes);
  // What the last block could become may lie beyond the limit, what those before it could may not:
  // content of exactly the limit, in full blocks, must pass.
  if (header.contentBytes < 0 && boundBytes - header.blockBytesMax >= maxBytes) {
    throw inflatedTooLarge(maxBytes);
  }
  const frameBytes = header.contentBytes > 0 ? header.contentBytes : boundBytes;
  const bounds = { frameBytes, maxBytes };
  const isSmall = frame.length <= SYNC_BYTES_MAX && boundBytes <= SMALL_BOUND_BYTES_MAX;
  if (builtIn === undefined) {
    // The package cannot be told a limit: what the blocks could become must be allowed.
    if (boundBytes - header.blockBytesMax >= maxBytes) throw inflatedTooLarge(maxBytes);
    return { bytesMax: boundBytes, isSmall, run: () => inflateWithPackage(frame, bounds) };
  }
  const zstd = builtIn;
  const inflate = isSmall ? inflateAtOnce : inflateOffLoop;
  const bytesMax = Math.min(frameBytes, maxBytes);
  return { bytesMax, isSmall, run: () => inflate(frame, zstd, bounds) };
}

export function compressZstd(section: Buffer): Buffer | Promise<Buffer> {
  if (builtIn === undefined) return packaged().compress(section, LEVEL);
  const zstd = builtIn;
  if (section.length <= SYNC_BYTES_MAX) return zstd.zstdCompressSync(section);
  return new Promise((resolve, reject) => {
    zstd.zstdCompress(section, (error, frame) => {
      if (error === null) resolve(frame);
      else reject(error);
    });
  });
}
