/**
 * Owns cutting a compressed audit file into its gzip members (RFC 1952). Pure.
 *
 * Invariant: a member is given back only when its own checksum and length agree with what came out of
 * it; what is longer than a block of ours can be is refused before memory is taken for it.
 */
import { crc32, inflateRawSync } from 'node:zlib';

/** A block with its last line fits without being copied together from pieces. */
const USUAL_TEXT_BYTES = 1280 * 1024;
/** A block is about 1 MiB of whole lines, and a line at most 1 MiB. */
export const MEMBER_TEXT_BYTES_MAX = 16 * 1024 * 1024;

const FIXED_HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
const DEFLATE = 8;
const Flag = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const;

export class DamagedBlockError extends Error {
  override readonly name = 'DamagedBlockError';
}

export interface GzipMember {
  readonly text: Buffer;
  /** Of the compressed bytes, header and trailer included. */
  readonly sizeBytes: number;
}

/** The first member of `bytes`; null when `bytes` ends before it does. */
export function firstMember(bytes: Buffer): GzipMember | null {
  const start = headerEnd(bytes);
  if (start === null) return null;
  const { text, consumed } = inflated(bytes.subarray(start));
  const end = start + consumed;
  if (text === null || bytes.length < end + TRAILER_BYTES) return null;
  const isSound =
    bytes.readUInt32LE(end) === crc32(text) && bytes.readUInt32LE(end + 4) === text.length;
  if (!isSound) throw new DamagedBlockError('a compressed block does not match its checksum');
  return { text, sizeBytes: end + TRAILER_BYTES };
}

/** Where the compressed data begins; null when `bytes` is too short to tell. */
function headerEnd(bytes: Buffer): number | null {
  if (bytes.length < FIXED_HEADER_BYTES) return null;
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === DEFLATE;
  if (!isGzip) throw new DamagedBlockError('a compressed block does not begin like one');
  const flags = bytes[3]!;
  let at = FIXED_HEADER_BYTES;
  if ((flags & Flag.extra) !== 0) {
    if (bytes.length < at + 2) return null;
    at += 2 + bytes.readUInt16LE(at);
  }
  for (const text of [Flag.name, Flag.comment]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end === -1) return null;
    at = end + 1;
  }
  if ((flags & Flag.headerCrc) !== 0) at += 2;
  return at > bytes.length ? null : at;
}

interface Inflated {
  readonly text: Buffer | null;
  readonly consumed: number;
}

/** `info` makes zlib give its engine too, which says how much of the input it took. */
interface WithEngine {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

function isWithEngine(value: unknown): value is WithEngine {
  return typeof value === 'object' && value !== null && 'buffer' in value && 'engine' in value;
}

function inflated(bytes: Buffer): Inflated {
  try {
    const options = {
      info: true,
      chunkSize: USUAL_TEXT_BYTES,
      maxOutputLength: MEMBER_TEXT_BYTES_MAX,
    };
    const result: unknown = inflateRawSync(bytes, options);
    if (!isWithEngine(result)) throw new TypeError('zlib gave no engine');
    return { text: result.buffer, consumed: result.engine.bytesWritten };
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : '';
    if (code === 'Z_BUF_ERROR') return { text: null, consumed: 0 };
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new DamagedBlockError('a compressed block is larger than any of ours', { cause });
    }
    throw new DamagedBlockError('a compressed block cannot be unpacked', { cause });
  }
}
