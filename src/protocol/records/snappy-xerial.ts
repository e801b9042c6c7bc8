/**
 * Owns the codec snappy: the block stream of xerial's snappy-java, as Kafka's Java client and
 * librdkafka write it (a 16-byte header, then blocks of an int32 length and raw snappy), and one raw
 * snappy block, which some clients send instead. Every block states its inflated size up front, so
 * the total is known before any of it is allocated.
 */
import { compressSync, uncompress, uncompressSync } from 'snappy';
import { nextTurn, SLICE_BYTES, SYNC_BYTES_MAX } from './event-loop-slices.ts';
import type { Inflation } from './inflation.ts';
import { inflatedTooLarge, invalidRecord } from './record-errors.ts';
import { inflateSnappyBlock, statedSnappyBytes } from './snappy-block.ts';

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** The magic, then a version and the oldest compatible version, both 1. */
const XERIAL_HEADER = Buffer.concat([XERIAL_MAGIC, Buffer.from([0, 0, 0, 1, 0, 0, 0, 1])]);
/** What snappy-java cuts its input into. */
const BLOCK_BYTES = 32 * 1024;
/** Up to here a block is inflated in JavaScript. */
const TINY_BLOCK_BYTES_MAX = 4 * 1024;

/** snappy's own bound on a block that it could not shrink. */
function compressedBytesMax(bytes: number): number {
  return 32 + bytes + Math.ceil(bytes / 6);
}

function malformed(): Error {
  return invalidRecord('The compressed records are not valid snappy');
}

/** A cursor over the blocks: the raw block of the stream lies at [start, end). */
class BlockCursor {
  readonly stream: Buffer;
  start = 0;
  end = 0;
  inflatedBytes = 0;
  readonly #isXerial: boolean;

  constructor(stream: Buffer) {
    this.stream = stream;
    this.#isXerial =
      stream.length >= XERIAL_MAGIC.length &&
      XERIAL_MAGIC.compare(stream, 0, XERIAL_MAGIC.length) === 0;
    if (!this.#isXerial) return;
    if (stream.length < XERIAL_HEADER.length) throw malformed();
    // A later version would still have to say that version 1 can read it.
    if (stream.readInt32BE(8) < 1 || stream.readInt32BE(12) !== 1) throw malformed();
    this.end = XERIAL_HEADER.length;
  }

  /** False at the end; throws when the stream is malformed. */
  next(): boolean {
    const { stream } = this;
    if (this.end >= stream.length) return false;
    this.start = this.end;
    this.end = stream.length;
    if (this.#isXerial) {
      if (stream.length - this.start < 4) throw malformed();
      const blockBytes = stream.readInt32BE(this.start);
      this.start += 4;
      if (blockBytes <= 0 || blockBytes > stream.length - this.start) throw malformed();
      this.end = this.start + blockBytes;
    }
    this.inflatedBytes = statedSnappyBytes(stream, this.start, this.end);
    if (this.inflatedBytes <= 0) throw malformed();
    return true;
  }

  block(): Buffer {
    return this.stream.subarray(this.start, this.end);
  }
}

function inflateHere(cursor: BlockCursor, target: Buffer, to: number): void {
  const { stream, start, end, inflatedBytes } = cursor;
  if (inflatedBytes <= TINY_BLOCK_BYTES_MAX) {
    if (!inflateSnappyBlock(stream, start, end, target, to, inflatedBytes)) throw malformed();
    return;
  }
  let inflated: string | Buffer;
  try {
    // Copying out is several times faster than handing memory of the native heap to JavaScript.
    inflated = uncompressSync(cursor.block(), { copyOutputData: true });
  } catch {
    throw malformed();
  }
  place(inflated, inflatedBytes, target, to);
}

function place(inflated: string | Buffer, size: number, target: Buffer, to: number): void {
  if (typeof inflated === 'string' || inflated.length !== size) throw malformed();
  inflated.copy(target, to);
}

async function inflateInSlices(stream: Buffer, totalBytes: number): Promise<Buffer> {
  const target = Buffer.allocUnsafe(totalBytes);
  const cursor = new BlockCursor(stream);
  let to = 0;
  let pauseAt = SLICE_BYTES;
  while (cursor.next()) {
    if (cursor.inflatedBytes > SYNC_BYTES_MAX) {
      const inflated = await uncompress(cursor.block()).catch(() => '');
      place(inflated, cursor.inflatedBytes, target, to);
    } else {
      inflateHere(cursor, target, to);
    }
    to += cursor.inflatedBytes;
    // What was read counts too: many tiny blocks are slower than their output tells.
    if (to + cursor.end >= pauseAt) {
      await nextTurn();
      pauseAt = to + cursor.end + SLICE_BYTES;
    }
  }
  return target;
}

function inflateAtOnce(stream: Buffer, totalBytes: number): Buffer {
  const target = Buffer.allocUnsafe(totalBytes);
  const cursor = new BlockCursor(stream);
  for (let to = 0; cursor.next(); to += cursor.inflatedBytes) inflateHere(cursor, target, to);
  return target;
}

/** Throws KafkaError: INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `maxBytes`. */
export function planSnappy(stream: Buffer, maxBytes: number): Inflation {
  const cursor = new BlockCursor(stream);
  let totalBytes = 0;
  while (cursor.next()) {
    totalBytes += cursor.inflatedBytes;
    if (totalBytes > maxBytes) throw inflatedTooLarge(maxBytes);
  }
  if (totalBytes === 0) throw malformed();
  const isSmall = Math.max(totalBytes, stream.length) <= SYNC_BYTES_MAX;
  const inflate = isSmall ? inflateAtOnce : inflateInSlices;
  return { bytesMax: totalBytes, isSmall, run: () => inflate(stream, totalBytes) };
}

/** Writes the xerial stream block by block. */
class XerialWriter {
  readonly #section: Buffer;
  readonly #stream: Buffer;
  #from = 0;
  #to: number;

  constructor(section: Buffer) {
    this.#section = section;
    const blocks = Math.ceil(section.length / BLOCK_BYTES);
    const blockBytesMax = 4 + compressedBytesMax(BLOCK_BYTES);
    this.#stream = Buffer.allocUnsafe(XERIAL_HEADER.length + blocks * blockBytesMax);
    this.#to = XERIAL_HEADER.copy(this.#stream);
  }

  /** Goes on for about `budgetBytes` of input; true once all is written. */
  run(budgetBytes: number): boolean {
    const stopAt = Math.min(this.#section.length, this.#from + budgetBytes);
    while (this.#from < stopAt) {
      const block = compressSync(this.#section.subarray(this.#from, this.#from + BLOCK_BYTES), {
        copyOutputData: true,
      });
      this.#to = this.#stream.writeInt32BE(block.length, this.#to);
      this.#to += block.copy(this.#stream, this.#to);
      this.#from += BLOCK_BYTES;
    }
    return this.#from >= this.#section.length;
  }

  stream(): Buffer {
    return this.#stream.subarray(0, this.#to);
  }
}

async function compressInSlices(section: Buffer): Promise<Buffer> {
  const writer = new XerialWriter(section);
  while (!writer.run(SLICE_BYTES)) await nextTurn();
  return writer.stream();
}

export function compressSnappy(section: Buffer): Buffer | Promise<Buffer> {
  if (section.length > SYNC_BYTES_MAX) return compressInSlices(section);
  const writer = new XerialWriter(section);
  writer.run(section.length);
  return writer.stream();
}
