/**
 * Owns cutting a closed audit file into blocks of whole lines, about 1 MiB each: the gzip members of
 * a compressed one, ranges of a plain one. Only reads.
 *
 * Invariant: the blocks, one after the other, are the file; of a line that is longer than any of ours
 * each piece is a line that is no record.
 */
import type { FileHandle } from '../base/file-system.ts';
import { DamagedBlockError, firstMember } from './gzip-member.ts';
import { recordIn, sequenceOf } from './record-terms.ts';

export const BLOCK_BYTES = 1024 * 1024;
const LINE_BYTES_MAX = 1024 * 1024;
/** As much compressed data as is looked at to find the end of a member. */
const MEMBER_WINDOWS_BYTES = [512 * 1024, 4 * BLOCK_BYTES, 20 * BLOCK_BYTES] as const;
const NEWLINE = 0x0a;

export const isCompressed = (path: string): boolean => path.endsWith('.gz');

export interface RawBlock {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly text: Buffer;
}

/** The blocks of a file that is not written any more, one after the other. */
export function* rawBlocks(handle: FileHandle): Generator<RawBlock> {
  const sizeBytes = handle.sizeBytesSync();
  const next = isCompressed(handle.path) ? memberAt : rangeAt;
  for (let offset = 0; offset < sizeBytes; ) {
    const block = next(handle, offset, sizeBytes);
    yield block;
    offset += block.sizeBytes;
  }
}

/** Throws DamagedBlockError where it cannot be unpacked. */
export function memberAt(handle: FileHandle, offset: number, fileBytes: number): RawBlock {
  for (const windowBytes of MEMBER_WINDOWS_BYTES) {
    const bytes = Buffer.allocUnsafe(Math.min(windowBytes, fileBytes - offset));
    const member = firstMember(bytes.subarray(0, handle.readSync(bytes, offset)));
    if (member !== null) return { offset, ...member };
    if (bytes.length < windowBytes) break;
  }
  throw new DamagedBlockError(`the compressed block at byte ${offset} has no end`);
}

/** Whole lines, about BLOCK_BYTES of them; the rest of the file when there is no further line end. */
function rangeAt(handle: FileHandle, offset: number, fileBytes: number): RawBlock {
  const bytes = Buffer.allocUnsafe(Math.min(BLOCK_BYTES + LINE_BYTES_MAX, fileBytes - offset));
  const read = bytes.subarray(0, handle.readSync(bytes, offset));
  const isLast = read.length === fileBytes - offset;
  const end = read.indexOf(NEWLINE, Math.min(BLOCK_BYTES, read.length) - 1) + 1;
  // Of a line longer than any of ours each piece is a bad line.
  const text = end > 0 ? read.subarray(0, end) : isLast ? read : read.subarray(0, BLOCK_BYTES);
  return { offset, sizeBytes: text.length, text };
}

export function countLines(text: Buffer): number {
  let lines = 0;
  for (let at = 0; at < text.length; lines += 1) {
    const end = text.indexOf(NEWLINE, at);
    at = end === -1 ? text.length : end + 1;
  }
  return lines;
}

/** The `seq` of the first or last line; null when that is no record. */
export function sequenceAtEdge(text: Buffer, edge: 'first' | 'last'): number | null {
  if (text.length === 0) return null;
  const from = edge === 'last' ? text.lastIndexOf(NEWLINE, text.length - 2) + 1 : 0;
  const stop = text.indexOf(NEWLINE, from);
  const record = recordIn(text.toString('latin1', from, stop === -1 ? text.length : stop));
  return record === null ? null : sequenceOf(record);
}

/** The lines of a block, without their ends; records are ASCII. */
export function* linesIn(text: Buffer): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf(NEWLINE, at);
    const stop = end === -1 ? text.length : end;
    yield text.toString('latin1', at, stop);
    at = stop + 1;
  }
}
