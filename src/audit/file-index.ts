/**
 * Owns the index beside a closed audit file, `<file>.idx`: which block of about 1 MiB (a gzip member,
 * or a range of the plain file) may hold what.
 *
 * Invariants: an index is used only when its own checksums hold and it was made of this very file
 * (size, and a hash over both ends: the last line's `prev` stands for all lines before it). It may
 * send a reader to a block in vain, never past one. It holds the exact lines, bytes and sequence
 * numbers of each block, so that a reader sees when a block is not what was indexed.
 *
 *   magic line | length of the header | header (JSON) | SHA-256 of all that | rows of the Bloom filters
 *   row: a bit for each block, CRC-32 begun with that of the header
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { type FileHandle, type FileSystem, replaceFile } from '../base/file-system.ts';
import { addToRows, hashTerms, rowCountFor, rowsOf, type TermHash } from './bloom-filter.ts';
import { countLines, linesIn, type RawBlock, rawBlocks, sequenceAtEdge } from './file-blocks.ts';
import { addTerms, recordIn, sequenceOf, spanOf } from './record-terms.ts';

const VERSION = 1;
const MAGIC = Buffer.from('breakwater audit index\n', 'latin1');
const END_SAMPLE_BYTES = 64 * 1024;
const HASH_BYTES = 32;
const LENGTH_BYTES = 4;
const CRC_BYTES = 4;
const HEADER_BYTES_MAX = 64 * 1024 * 1024;

export interface BlockEntry {
  /** Where the block stands in the file, as it is on disk. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Of the text, unpacked. */
  readonly textBytes: number;
  readonly lines: number;
  /** Lines that are no records. */
  readonly badLines: number;
  /** Null when it cannot be told, or no line of it is a record. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

interface Header {
  readonly version: number;
  readonly file: string;
  readonly sizeBytes: number;
  /** SHA-256 over the first and the last 64 KiB. */
  readonly ends: string;
  readonly blocks: readonly BlockEntry[];
  readonly rows: number;
}

export const indexPathOf = (path: string): string => `${path}.idx`;

interface Summary {
  readonly entry: BlockEntry;
  readonly hashes: Uint32Array;
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
  };
  return { entry, hashes: hashTerms(terms) };
}

/** The blocks of a closed file as far as can be told without looking into their lines. */
export function listBlocks(files: FileSystem, path: string): BlockEntry[] {
  const handle = files.openSync(path, 'read');
  try {
    const blocks: BlockEntry[] = [];
    for (const { offset, sizeBytes, text } of rawBlocks(handle)) {
      blocks.push({
        offset,
        sizeBytes,
        textBytes: text.length,
        lines: countLines(text),
        badLines: 0,
        firstSeq: sequenceAtEdge(text, 'first'),
        lastSeq: sequenceAtEdge(text, 'last'),
        fromMs: Number.NEGATIVE_INFINITY,
        toMs: Number.POSITIVE_INFINITY,
      });
    }
    return blocks;
  } finally {
    handle.closeSync();
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
    const termsMax = Math.max(0, ...summaries.map(({ hashes }) => hashes.length / 2));
    const header: Header = {
      version: VERSION,
      file: basename(path),
      sizeBytes,
      ends: endsOf(handle, sizeBytes),
      blocks: summaries.map(({ entry }) => entry),
      rows: rowCountFor(termsMax),
    };
    return encoded(header, summaries);
  } finally {
    handle.closeSync();
  }
}

const strideOf = (blocks: number): number => Math.ceil(blocks / 8) + CRC_BYTES;

function encoded(header: Header, summaries: readonly Summary[]): Buffer {
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  const head = Buffer.concat([MAGIC, length, text]);
  const stride = strideOf(summaries.length);
  const rows = Buffer.alloc(header.rows * stride);
  for (const [block, { hashes }] of summaries.entries()) {
    addToRows(rows, { count: header.rows, stride }, block, hashes);
  }
  const seed = crc32(head);
  for (let at = stride - CRC_BYTES; at < rows.length; at += stride) {
    rows.writeUInt32LE(crc32(rows.subarray(at - stride + CRC_BYTES, at), seed), at);
  }
  return Buffer.concat([head, createHash('sha256').update(head).digest(), rows]);
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

/** Reads some bytes of an index. */
type ReadAt = (offset: number, length: number) => Buffer;

export class FileIndex {
  readonly blocks: readonly BlockEntry[];
  readonly #rows: number;
  readonly #rowsAt: number;
  readonly #seed: number;
  readonly #open: () => { readonly read: ReadAt; readonly close: () => void };

  constructor(head: Head, open: () => { read: ReadAt; close: () => void }) {
    this.blocks = head.header.blocks;
    this.#rows = head.header.rows;
    this.#rowsAt = head.sizeBytes;
    this.#seed = head.crc;
    this.#open = open;
  }

  /** For each block whether it may hold all of `terms`; null when the index is damaged or gone. */
  candidates(terms: readonly TermHash[]): boolean[] | null {
    if (terms.length === 0) return this.blocks.map(() => true);
    const { read, close } = this.#open();
    try {
      return this.#candidates(terms, read);
    } finally {
      close();
    }
  }

  #candidates(terms: readonly TermHash[], read: ReadAt): boolean[] | null {
    const stride = strideOf(this.blocks.length);
    const bits = Buffer.alloc(stride - CRC_BYTES, 0xff);
    for (const row of new Set(terms.flatMap((term) => rowsOf(term, this.#rows)))) {
      const bytes = read(this.#rowsAt + row * stride, stride);
      if (bytes.length !== stride) return null;
      const crc = crc32(bytes.subarray(0, bits.length), this.#seed);
      if (crc !== bytes.readUInt32LE(bits.length)) return null;
      for (let at = 0; at < bits.length; at += 1) bits[at]! &= bytes[at]!;
    }
    return this.blocks.map((_, block) => (bits[block >>> 3]! & (1 << (block & 7))) !== 0);
  }
}

/** Null when there is none, or it is damaged, of another version, or not of this file as it is now. */
export function readFileIndex(files: FileSystem, path: string): FileIndex | null {
  const indexPath = indexPathOf(path);
  const sizeBytes = files.statSync(indexPath)?.sizeBytes;
  if (sizeBytes === undefined) return null;
  const open = () => {
    const handle = files.openSync(indexPath, 'read');
    return { read: readAtOf(handle), close: () => handle.closeSync() };
  };
  const { read, close } = open();
  try {
    const head = headIn(read, sizeBytes);
    return head !== null && isOfFile(files, path, head.header) ? new FileIndex(head, open) : null;
  } finally {
    close();
  }
}

const readAtOf =
  (handle: FileHandle): ReadAt =>
  (offset, length) => {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, handle.readSync(bytes, offset));
  };

/** An index that was just computed, without the way over the disk. */
export function decodeFileIndex(bytes: Buffer): FileIndex | null {
  const read: ReadAt = (offset, length) => bytes.subarray(offset, offset + length);
  const head = headIn(read, bytes.length);
  return head === null ? null : new FileIndex(head, () => ({ read, close: () => undefined }));
}

interface Head {
  readonly header: Header;
  /** With its hash. */
  readonly sizeBytes: number;
  readonly crc: number;
}

function headIn(read: ReadAt, indexBytes: number): Head | null {
  const start = MAGIC.length + LENGTH_BYTES;
  const first = read(0, start);
  if (first.length !== start || !first.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const end = start + first.readUInt32BE(MAGIC.length);
  if (end + HASH_BYTES > indexBytes || end > HEADER_BYTES_MAX) return null;
  const bytes = read(0, end + HASH_BYTES);
  const head = bytes.subarray(0, end);
  if (!createHash('sha256').update(head).digest().equals(bytes.subarray(end))) return null;
  // What the hash covers was written by us.
  const header = JSON.parse(head.toString('utf8', start)) as Header;
  if (header.version !== VERSION) return null;
  const sizeBytes = end + HASH_BYTES;
  if (indexBytes !== sizeBytes + header.rows * strideOf(header.blocks.length)) return null;
  return { header, sizeBytes, crc: crc32(head) };
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
