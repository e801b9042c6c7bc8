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

async function inflateWithPackage(frame: Buffer, zstd: ZstdOfPackage): Promise<Buffer> {
  try {
    return await zstd.decompress(frame);
  } catch {
    throw malformed();
  }
}

function inflateWithZlib(
  frame: Buffer,
  zstd: ZstdOfZlib,
  limitBytes: number,
): Buffer | Promise<Buffer> {
  const options = { maxOutputLength: limitBytes, chunkSize: Math.max(64, limitBytes + 1) };
  if (Math.max(limitBytes, frame.length) <= SYNC_BYTES_MAX) {
    try {
      return zstd.zstdDecompressSync(frame, options);
    } catch {
      throw malformed();
    }
  }
  return new Promise((resolve, reject) => {
    zstd.zstdDecompress(frame, options, (error, inflated) => {
      if (error === null) resolve(inflated);
      else reject(malformed());
    });
  });
}

/** Throws KafkaError: INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `maxBytes`. */
export function planZstd(frame: Buffer, maxBytes: number): Inflation {
  const header = readHeader(frame);
  const boundBytes = boundContent(frame, header);
  if (header.contentBytes > boundBytes || header.contentBytes === 0) throw malformed();
  const limitBytes = header.contentBytes > 0 ? header.contentBytes : boundBytes;
  if (limitBytes > maxBytes) throw inflatedTooLarge(maxBytes);
  if (builtIn !== undefined) {
    const zstd = builtIn;
    return { bytesMax: limitBytes, run: () => inflateWithZlib(frame, zstd, limitBytes) };
  }
  // The package cannot be told a limit: what the blocks could become must be allowed as a whole.
  if (boundBytes > maxBytes) throw inflatedTooLarge(maxBytes);
  return { bytesMax: boundBytes, run: () => inflateWithPackage(frame, packaged()) };
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
