/**
 * Owns the index beside a closed audit file, `<file>.idx`: which block of about 1 MiB (a gzip member,
 * or a range of the plain file) may hold what.
 *
 * Invariants: an index is used only when its own checksum holds and it was made of this very file
 * (size, and a hash over both ends: the last line's `prev` stands for all lines before it). It may
 * send a reader to a block in vain, never past one. It holds the exact lines, bytes and sequence
 * numbers of each block, so that a reader sees when a block is not what was indexed.
 *
 *   magic line | length of the header | header (JSON) | Bloom filters, block by block | SHA-256
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { type FileHandle, type FileSystem, replaceFile } from '../base/file-system.ts';
import { bloomOf } from './bloom-filter.ts';
import { DamagedBlockError, firstMember } from './gzip-member.ts';
import { addTerms, recordIn, sequenceOf, spanOf } from './record-terms.ts';

export const BLOCK_BYTES = 1024 * 1024;
const LINE_BYTES_MAX = 1024 * 1024;
/** As much compressed data as is looked at to find the end of a member. */
const MEMBER_WINDOWS_BYTES = [512 * 1024, 4 * BLOCK_BYTES, 20 * BLOCK_BYTES] as const;
const VERSION = 1;
const MAGIC = Buffer.from('breakwater audit index\n', 'latin1');
const END_SAMPLE_BYTES = 64 * 1024;
const HASH_BYTES = 32;
const INDEX_BYTES_MAX = 512 * 1024 * 1024;
const NEWLINE = 0x0a;

export interface BlockEntry {
  /** Where the block stands in the file, as it is on disk. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Of the text, unpacked. */
  readonly textBytes: number;
  readonly lines: number;
  /** Lines that are no records. */
  readonly badLines: number;
  /** Null when no line of it is a record. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly bloomBytes: number;
}

interface Header {
  readonly version: number;
  readonly file: string;
  readonly sizeBytes: number;
  /** SHA-256 over the first and the last 64 KiB. */
  readonly ends: string;
  readonly blocks: readonly BlockEntry[];
}

export interface IndexedBlock extends BlockEntry {
  readonly bloom: Buffer;
}

export interface FileIndex {
  readonly blocks: readonly IndexedBlock[];
  /** In memory. */
  readonly sizeBytes: number;
}

export const indexPathOf = (path: string): string => `${path}.idx`;

export const isCompressed = (path: string): boolean => path.endsWith('.gz');

export interface RawBlock {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly text: Buffer;
}

/** The blocks of a file that is not written any more, one after the other. */
function* rawBlocks(handle: FileHandle): Generator<RawBlock> {
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

interface Summary {
  readonly entry: BlockEntry;
  readonly bloom: Buffer;
}

function summarize({ offset, sizeBytes, text }: RawBlock): Summary {
  const terms = new Set<string>();
  let lines = 0;
  let badLines = 0;
  let firstSeq = Number.POSITIVE_INFINITY;
  let lastSeq = Number.NEGATIVE_INFINITY;
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = Number.NEGATIVE_INFINITY;
  for (const line of linesIn(text)) {
    lines += 1;
    const record = recordIn(line);
    const seq = record === null ? null : sequenceOf(record);
    const span = record === null ? null : spanOf(record);
    if (record === null || seq === null || span === null) {
      badLines += 1;
      continue;
    }
    addTerms(terms, record);
    firstSeq = Math.min(firstSeq, seq);
    lastSeq = Math.max(lastSeq, seq);
    fromMs = Math.min(fromMs, span.fromMs);
    toMs = Math.max(toMs, span.toMs);
  }
  const bloom = bloomOf(terms);
  const found = <T>(value: T): T | null => (lines > badLines ? value : null);
  const entry = {
    offset,
    sizeBytes,
    textBytes: text.length,
    lines,
    badLines,
    firstSeq: found(firstSeq),
    lastSeq: found(lastSeq),
    fromMs: found(fromMs),
    toMs: found(toMs),
    bloomBytes: bloom.length,
  };
  return { entry, bloom };
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

/** A hash over both ends of a file. */
function endsOf(handle: FileHandle, sizeBytes: number): string {
  const hash = createHash('sha256');
  for (const from of [0, Math.max(0, sizeBytes - END_SAMPLE_BYTES)]) {
    const bytes = Buffer.allocUnsafe(Math.min(END_SAMPLE_BYTES, sizeBytes));
    hash.update(bytes.subarray(0, handle.readSync(bytes, from)));
  }
  return hash.digest('hex');
}

/** The bytes of the index, made a block at a time; the generator's turns are for who must not wait. */
function* indexing(files: FileSystem, path: string): Generator<void, Buffer> {
  const handle = files.openSync(path, 'read');
  try {
    const summaries: Summary[] = [];
    for (const block of rawBlocks(handle)) {
      summaries.push(summarize(block));
      yield;
    }
    const sizeBytes = handle.sizeBytesSync();
    const header: Header = {
      version: VERSION,
      file: basename(path),
      sizeBytes,
      ends: endsOf(handle, sizeBytes),
      blocks: summaries.map(({ entry }) => entry),
    };
    return encoded(
      header,
      summaries.map(({ bloom }) => bloom),
    );
  } finally {
    handle.closeSync();
  }
}

function encoded(header: Header, blooms: readonly Buffer[]): Buffer {
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  const body = Buffer.concat([MAGIC, length, text, ...blooms]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/** The index of a closed file, as bytes; the same for the same file. Takes seconds for a large one. */
export function computeFileIndex(files: FileSystem, path: string): Buffer {
  const steps = indexing(files, path);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Makes the index of a file that is not written any more and puts it beside it. Gives the loop a turn
 * after each block; audit-query-thread does the same in a thread.
 */
export async function buildFileIndex(files: FileSystem, path: string): Promise<void> {
  const steps = indexing(files, path);
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      await replaceFile(files, indexPathOf(path), step.value);
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Null when there is none, or it is damaged, of another version, or not of this file as it is now. */
export function readFileIndex(files: FileSystem, path: string): FileIndex | null {
  const sizeBytes = files.statSync(indexPathOf(path))?.sizeBytes;
  if (sizeBytes === undefined || sizeBytes > INDEX_BYTES_MAX) return null;
  const bytes = files.readFileSync(indexPathOf(path));
  const header = headerOf(bytes);
  if (header === null || !isOfFile(files, path, header)) return null;
  return withBlooms(bytes, header);
}

/** An index that was just computed, without the way over the disk. */
export function decodeFileIndex(bytes: Buffer): FileIndex | null {
  const header = headerOf(bytes);
  return header === null ? null : withBlooms(bytes, header);
}

const headerStart = MAGIC.length + 4;

function headerOf(bytes: Buffer): Header | null {
  const end = bytes.length - HASH_BYTES;
  if (end < headerStart || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const hash = createHash('sha256').update(bytes.subarray(0, end)).digest();
  if (!hash.equals(bytes.subarray(end))) return null;
  const length = bytes.readUInt32BE(MAGIC.length);
  if (headerStart + length > end) return null;
  // What the checksum covers was written by us.
  const header = JSON.parse(bytes.toString('utf8', headerStart, headerStart + length)) as Header;
  return header.version === VERSION ? header : null;
}

function isOfFile(files: FileSystem, path: string, header: Header): boolean {
  if (header.file !== basename(path)) return false;
  const handle = files.openSync(path, 'read');
  try {
    const sizeBytes = handle.sizeBytesSync();
    return sizeBytes === header.sizeBytes && endsOf(handle, sizeBytes) === header.ends;
  } finally {
    handle.closeSync();
  }
}

function withBlooms(bytes: Buffer, header: Header): FileIndex | null {
  let at = headerStart + bytes.readUInt32BE(MAGIC.length);
  const blocks: IndexedBlock[] = [];
  for (const entry of header.blocks) {
    const bloom = bytes.subarray(at, at + entry.bloomBytes);
    if (bloom.length !== entry.bloomBytes) return null;
    blocks.push({ ...entry, bloom });
    at += entry.bloomBytes;
  }
  return at === bytes.length - HASH_BYTES ? { blocks, sizeBytes: bytes.length } : null;
}
