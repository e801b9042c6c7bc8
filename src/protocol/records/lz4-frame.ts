/**
 * Owns the codec lz4: one LZ4 frame, version 1, independent blocks, as Kafka's Lz4BlockInputStream
 * accepts it (no dictionary, no linked blocks, nothing after the end mark). The header checksum
 * covers the descriptor without the magic number, as the LZ4 frame format says (message sets of
 * magic 0 got that wrong; they are not accepted here). Checksums of blocks and content are verified,
 * since librdkafka refuses a frame whose checksums do not match.
 */
import { compressFrame, compressFrameSync, decompressFrame } from 'lz4-napi';
import { SYNC_BYTES_MAX } from './event-loop-slices.ts';
import type { Inflation } from './inflation.ts';
import { inflateLz4Block, MALFORMED, measureLz4Block } from './lz4-block.ts';
import { inflatedTooLarge, invalidRecord } from './record-errors.ts';
import { xxhash32 } from './xxhash32.ts';

const FRAME_MAGIC = 0x184d_2204;
/** Magic, flags, block descriptor, header checksum. */
const FRAME_HEADER_BYTES_MIN = 7;
const VERSION_AND_INDEPENDENCE_MASK = 0xe0;
const VERSION_1_INDEPENDENT = 0x60;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const CONTENT_CHECKSUM_BIT = 0x04;
const RESERVED_OR_DICTIONARY_BITS = 0x03;
const STORED_BLOCK_BIT = 0x8000_0000;

interface FrameHeader {
  readonly blocksAt: number;
  readonly blockBytesMax: number;
  readonly hasBlockChecksums: boolean;
  readonly hasContentChecksum: boolean;
  /** -1: not stated. */
  readonly contentBytes: number;
}

function malformed(): Error {
  return invalidRecord('The compressed records are not a valid LZ4 frame');
}

function readHeader(frame: Buffer): FrameHeader {
  if (frame.length < FRAME_HEADER_BYTES_MIN || frame.readUInt32LE(0) !== FRAME_MAGIC) {
    throw malformed();
  }
  const flags = frame[4]!;
  const descriptor = frame[5]!;
  const blockSizeCode = descriptor >> 4;
  if (
    (flags & VERSION_AND_INDEPENDENCE_MASK) !== VERSION_1_INDEPENDENT ||
    (flags & RESERVED_OR_DICTIONARY_BITS) !== 0 ||
    (descriptor & 0x0f) !== 0 ||
    blockSizeCode < 4 ||
    blockSizeCode > 7
  ) {
    throw malformed();
  }
  const hasContentSize = (flags & CONTENT_SIZE_BIT) !== 0;
  const checksumAt = hasContentSize ? 14 : 6;
  if (frame.length <= checksumAt) throw malformed();
  if (frame[checksumAt] !== ((xxhash32(frame, 4, checksumAt) >>> 8) & 0xff)) throw malformed();
  return {
    blocksAt: checksumAt + 1,
    blockBytesMax: 1 << (2 * blockSizeCode + 8),
    hasBlockChecksums: (flags & BLOCK_CHECKSUM_BIT) !== 0,
    hasContentChecksum: (flags & CONTENT_CHECKSUM_BIT) !== 0,
    contentBytes: hasContentSize ? Number(frame.readBigUInt64LE(6)) : -1,
  };
}

/** The exact inflated size. Nothing is inflated; the whole frame is checked but its content. */
function measureFrame(frame: Buffer, header: FrameHeader, maxBytes: number): number {
  const { blockBytesMax } = header;
  let totalBytes = 0;
  let at = header.blocksAt;
  for (;;) {
    if (frame.length - at < 4) throw malformed();
    const word = frame.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const isStored = word >= STORED_BLOCK_BIT;
    const storedBytes = isStored ? word - STORED_BLOCK_BIT : word;
    const end = at + storedBytes;
    if (storedBytes === 0 || storedBytes > blockBytesMax || end > frame.length) throw malformed();
    const inflatedBytes = isStored ? storedBytes : measureLz4Block(frame, at, end);
    if (inflatedBytes === MALFORMED || inflatedBytes > blockBytesMax) throw malformed();
    totalBytes += inflatedBytes;
    if (totalBytes > maxBytes) throw inflatedTooLarge(maxBytes);
    if (header.hasBlockChecksums) {
      if (frame.length - end < 4) throw malformed();
      if (frame.readUInt32LE(end) !== xxhash32(frame, at, end)) throw malformed();
    }
    at = end + (header.hasBlockChecksums ? 4 : 0);
  }
  if (at + (header.hasContentChecksum ? 4 : 0) !== frame.length) throw malformed();
  if (header.contentBytes >= 0 && header.contentBytes !== totalBytes) throw malformed();
  return totalBytes;
}

/** The frame has been measured. */
function inflateAtOnce(frame: Buffer, header: FrameHeader, totalBytes: number): Buffer {
  const inflated = Buffer.allocUnsafe(totalBytes);
  let at = header.blocksAt;
  let to = 0;
  for (;;) {
    const word = frame.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const isStored = word >= STORED_BLOCK_BIT;
    const end = at + (isStored ? word - STORED_BLOCK_BIT : word);
    if (isStored) to += frame.copy(inflated, to, at, end);
    else to = inflateLz4Block(frame, at, end, inflated, to);
    at = end + (header.hasBlockChecksums ? 4 : 0);
  }
  if (header.hasContentChecksum && frame.readUInt32LE(at) !== xxhash32(inflated, 0, totalBytes)) {
    throw malformed();
  }
  return inflated;
}

/** The native decoder verifies the content checksum itself. */
async function inflateOffLoop(frame: Buffer, totalBytes: number): Promise<Buffer> {
  let inflated: Buffer;
  try {
    inflated = await decompressFrame(frame);
  } catch {
    throw malformed();
  }
  if (inflated.length !== totalBytes) throw malformed();
  return inflated;
}

/** Throws KafkaError: INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `maxBytes`. */
export function planLz4(frame: Buffer, maxBytes: number): Inflation {
  const header = readHeader(frame);
  if (header.contentBytes > maxBytes) throw inflatedTooLarge(maxBytes);
  const totalBytes = measureFrame(frame, header, maxBytes);
  if (totalBytes === 0) throw malformed();
  const isSmall = Math.max(totalBytes, frame.length) <= SYNC_BYTES_MAX;
  const run = () =>
    isSmall ? inflateAtOnce(frame, header, totalBytes) : inflateOffLoop(frame, totalBytes);
  return { bytesMax: totalBytes, isSmall, run };
}

export function compressLz4(section: Buffer): Buffer | Promise<Buffer> {
  return section.length > SYNC_BYTES_MAX ? compressFrame(section) : compressFrameSync(section);
}
