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
const BLOCK_CONTENT_BYTES_MIN = 1024;
const SPARE_BLOCKS = 64;
/**
 * The package cannot be told a limit, only the blocks bound it, and newer encoders split content into
 * blocks of a half or a third of what they may hold: so much more than the limit may come out, and
 * is then refused.
 */
const PACKAGE_SLACK = 4;
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

interface BlockTotals {
  /** What raw and repeated blocks become, exactly. */
  readonly certainBytes: number;
  /** What all blocks could become: a compressed one counts in full. */
  readonly boundBytes: number;
  readonly compressedBlocks: number;
}

/** Walks the blocks; throws unless the frame ends exactly with the buffer. */
function measureBlocks(frame: Buffer, header: FrameHeader): BlockTotals {
  let certainBytes = 0;
  let compressedBlocks = 0;
  let at = header.blocksAt;
  let isLast = false;
  while (!isLast) {
    if (frame.length - at < 3) throw malformed();
    const blockHeader = frame[at]! | (frame[at + 1]! << 8) | (frame[at + 2]! << 16);
    at += 3;
    isLast = (blockHeader & 1) === 1;
    const type = (blockHeader >> 1) & 0x03;
    const blockBytes = blockHeader >> 3;
    if (type === BlockType.reserved || blockBytes > header.blockBytesMax) throw malformed();
    if (type === BlockType.compressed) compressedBlocks++;
    else certainBytes += blockBytes;
    at += type === BlockType.rle ? 1 : blockBytes;
  }
  if (at + (header.hasChecksum ? 4 : 0) !== frame.length) throw malformed();
  const boundBytes = certainBytes + compressedBlocks * header.blockBytesMax;
  return { certainBytes, boundBytes, compressedBlocks };
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

/** What the frame says of its size must be possible and allowed. */
function checkTotals(header: FrameHeader, totals: BlockTotals, maxBytes: number): void {
  const { contentBytes } = header;
  const isEmpty = contentBytes === 0 || totals.boundBytes === 0;
  if (isEmpty || contentBytes > totals.boundBytes) throw malformed();
  if (Math.max(contentBytes, totals.certainBytes) > maxBytes) throw inflatedTooLarge(maxBytes);
  const limitBytes = contentBytes > 0 ? contentBytes : maxBytes;
  if (totals.compressedBlocks > SPARE_BLOCKS + limitBytes / BLOCK_CONTENT_BYTES_MIN) {
    throw malformed();
  }
}

/** Throws KafkaError: INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `maxBytes`. */
export function planZstd(frame: Buffer, maxBytes: number): Inflation {
  const header = readHeader(frame);
  const totals = measureBlocks(frame, header);
  checkTotals(header, totals, maxBytes);
  const { boundBytes } = totals;
  const frameBytes = header.contentBytes > 0 ? header.contentBytes : boundBytes;
  const bounds = { frameBytes, maxBytes };
  const isSmall = frame.length <= SYNC_BYTES_MAX && boundBytes <= SMALL_BOUND_BYTES_MAX;
  if (builtIn === undefined) {
    if (boundBytes > PACKAGE_SLACK * maxBytes + BLOCK_BYTES_MAX) throw inflatedTooLarge(maxBytes);
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
