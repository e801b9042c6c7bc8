/**
 * Owns the codec gzip: exactly one gzip member (RFC 1952) and nothing after it. Some consumers read
 * one member only, others read on and trip over what follows, so that more than one is refused. The
 * size in the trailer is checked for plausibility and is then the limit while inflating.
 */
import { crc32, gzip, gzipSync, inflateRaw, inflateRawSync } from 'node:zlib';
import { SYNC_BYTES_MAX } from './event-loop-slices.ts';
import type { Inflation } from './inflation.ts';
import { inflatedTooLarge, invalidRecord } from './record-errors.ts';

const FIXED_HEADER_BYTES = 10;
/** CRC-32 and size of what was compressed, both little endian. */
const TRAILER_BYTES = 8;
const Flag = { headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 } as const;
/** Deflate's densest form, a run of 258 bytes in 2 bits; a little more for short streams. */
const EXPANSION_MAX = 1032;
const EXPANSION_SLACK_BYTES = 1024;
/** The smallest output chunk that node:zlib takes. */
const CHUNK_BYTES_MIN = 64;

function malformed(): Error {
  return invalidRecord('The compressed records are not a valid gzip member');
}

function skipText(member: Buffer, at: number): number {
  const terminator = member.indexOf(0, at);
  if (terminator < 0) throw malformed();
  return terminator + 1;
}

/** Where the deflate stream begins. */
function skipHeader(member: Buffer): number {
  if (member.length < FIXED_HEADER_BYTES + TRAILER_BYTES) throw malformed();
  const isDeflate = member[0] === 0x1f && member[1] === 0x8b && member[2] === 8;
  const flags = member[3]!;
  if (!isDeflate || (flags & Flag.reserved) !== 0) throw malformed();
  let at = FIXED_HEADER_BYTES;
  if ((flags & Flag.extra) !== 0) at += 2 + member.readUInt16LE(at);
  if ((flags & Flag.name) !== 0) at = skipText(member, at);
  if ((flags & Flag.comment) !== 0) at = skipText(member, at);
  if ((flags & Flag.headerCrc) !== 0) {
    if (at + 2 > member.length) throw malformed();
    if (member.readUInt16LE(at) !== (crc32(member.subarray(0, at)) & 0xffff)) throw malformed();
    at += 2;
  }
  if (at > member.length - TRAILER_BYTES) throw malformed();
  return at;
}

/** With `info: true` zlib returns this in place of the buffer that its types promise. */
interface ZlibOutput {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** `stream` is the deflate part alone: all of it must have been read, and the trailer must agree. */
function checked(output: ZlibOutput, stream: Buffer, statedBytes: number, sum: number): Buffer {
  const inflated = output.buffer;
  if (output.engine.bytesWritten !== stream.length) throw malformed();
  if (inflated.length !== statedBytes || crc32(inflated) !== sum) throw malformed();
  return inflated;
}

/** Throws KafkaError: INVALID_RECORD, or MESSAGE_TOO_LARGE beyond `maxBytes`. */
export function planGzip(member: Buffer, maxBytes: number): Inflation {
  const stream = member.subarray(skipHeader(member), member.length - TRAILER_BYTES);
  const sum = member.readUInt32LE(member.length - TRAILER_BYTES);
  const statedBytes = member.readUInt32LE(member.length - 4);
  if (statedBytes > maxBytes) throw inflatedTooLarge(maxBytes);
  const plausibleBytes = stream.length * EXPANSION_MAX + EXPANSION_SLACK_BYTES;
  if (statedBytes === 0 || statedBytes > plausibleBytes) throw malformed();
  const isSmall = Math.max(statedBytes, member.length) <= SYNC_BYTES_MAX;
  const inflate = isSmall ? inflateAtOnce : inflateOffLoop;
  return { bytesMax: statedBytes, isSmall, run: () => inflate(stream, statedBytes, sum) };
}

function zlibOptions(statedBytes: number) {
  return {
    info: true,
    maxOutputLength: statedBytes,
    // One chunk for all of it, and a spare byte, so that zlib need not be asked twice.
    chunkSize: Math.max(CHUNK_BYTES_MIN, statedBytes + 1),
  };
}

function inflateAtOnce(stream: Buffer, statedBytes: number, sum: number): Buffer {
  let output: unknown;
  try {
    output = inflateRawSync(stream, zlibOptions(statedBytes));
  } catch {
    throw malformed();
  }
  return checked(output as ZlibOutput, stream, statedBytes, sum);
}

function inflateOffLoop(stream: Buffer, statedBytes: number, sum: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    inflateRaw(stream, zlibOptions(statedBytes), (error, output: unknown) => {
      try {
        if (error !== null) throw malformed();
        resolve(checked(output as ZlibOutput, stream, statedBytes, sum));
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

export function compressGzip(section: Buffer): Buffer | Promise<Buffer> {
  if (section.length <= SYNC_BYTES_MAX) return gzipSync(section);
  return new Promise((resolve, reject) => {
    gzip(section, (error, member) => {
      if (error === null) resolve(member);
      else reject(error);
    });
  });
}
