/**
 * Owns the audit files as blocks of whole lines, with or without an index, plain or compressed; only
 * reads, while a broker may be writing, compressing and removing.
 *
 * Invariant: a block that is not what its index says is an error, never a silent gap; a line that is
 * still being written is left for later.
 */
import { join } from 'node:path';
import type { FileHandle, FileSystem } from '../base/file-system.ts';
import { systemErrorCode } from '../base/file-system.ts';
import type { AuditStreamName } from './audit-query.ts';
import type { TermHash } from './bloom-filter.ts';
import { BLOCK_BYTES, isCompressed, memberAt } from './file-blocks.ts';
import {
  type BlockEntry,
  computeFileIndex,
  decodeFileIndex,
  type FileIndex,
  listBlocks,
  readFileIndex,
} from './file-index.ts';
import { DamagedBlockError, firstMember } from './gzip-member.ts';

const FILE_NAME = /^(security|access)-([0-9]{8})-([0-9]{6}|[1-9][0-9]{6,15})\.ndjson(\.gz)?$/;
const LINE_BYTES_MAX = 1024 * 1024;
const PROBE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
/** Indexes whose heads are kept in memory between two pages of an answer. */
const KEPT_INDEXES_MAX = 128;

export interface AuditFile {
  readonly stream: AuditStreamName;
  /** Without folder and `.gz`: it stays the same when the file is compressed. */
  readonly name: string;
  readonly path: string;
  /** The newest of its stream is still being written. */
  readonly isNewest: boolean;
}

/** A block to be read; `index` null: a range of a plain file. */
export interface AuditBlock {
  readonly file: AuditFile;
  readonly offset: number;
  readonly index: BlockEntry | null;
  /** False: the index says that it holds not all of the terms. */
  readonly isCandidate: boolean;
}

/** The files of a stream, oldest first; a plain file counts before its compressed copy. */
export function auditFiles(
  files: FileSystem,
  directory: string,
  stream: AuditStreamName,
): AuditFile[] {
  const found = new Map<string, { day: string; number: number; entry: string }>();
  for (const entry of files.readdirSync(directory)) {
    const [, of, day, number, gz] = FILE_NAME.exec(entry) ?? [];
    if (of !== stream || day === undefined || number === undefined) continue;
    const name = gz === undefined ? entry : entry.slice(0, -gz.length);
    if (gz === undefined || !found.has(name))
      found.set(name, { day, number: Number(number), entry });
  }
  const sorted = [...found].sort(
    ([, a], [, b]) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0) || a.number - b.number,
  );
  return sorted.map(([name, { entry }], at) => ({
    stream,
    name,
    path: join(directory, entry),
    isNewest: at === sorted.length - 1,
  }));
}

export interface BlockSourceOptions {
  readonly files: FileSystem;
  /** Gets an index that was missing, to be kept beside its file. */
  readonly onIndexMade?: (path: string, index: Buffer) => void;
  /** False: as if there were no index, so that nothing depends on one. */
  readonly useIndexes?: boolean;
}

export class BlockSource {
  readonly #options: BlockSourceOptions;
  readonly #indexes = new Map<string, FileIndex>();
  readonly #lists = new Map<string, readonly BlockEntry[]>();

  constructor(options: BlockSourceOptions) {
    this.#options = options;
  }

  /** In order of offset. Throws DamagedBlockError for a compressed file that cannot be unpacked. */
  blocksOf(file: AuditFile, terms: readonly TermHash[] = []): AuditBlock[] {
    const index = this.#indexOf(file);
    if (index === null && isCompressed(file.path)) {
      return this.#listed(file).map((block) => blockAt(file, block.offset, block));
    }
    if (index !== null) {
      const candidates = index.candidates(terms);
      return index.blocks.map((block, at) =>
        blockAt(file, block.offset, block, candidates?.[at] ?? true),
      );
    }
    const sizeBytes = this.#options.files.statSync(file.path)?.sizeBytes ?? 0;
    const count = Math.ceil(sizeBytes / BLOCK_BYTES);
    return Array.from({ length: count }, (_, at) => blockAt(file, at * BLOCK_BYTES, null));
  }

  #indexOf(file: AuditFile): FileIndex | null {
    const { files, useIndexes = true } = this.#options;
    if (file.isNewest && !isCompressed(file.path)) return null;
    const kept = this.#indexes.get(file.path);
    if (kept !== undefined) return kept;
    if (!useIndexes) return null;
    const index = readFileIndex(files, file.path) ?? this.#makeIndex(file);
    if (index !== null) this.#keep(file.path, index);
    return index;
  }

  /** Only where it is kept beside the file: for one question it does not pay. */
  #makeIndex({ path }: AuditFile): FileIndex | null {
    const { files, onIndexMade } = this.#options;
    if (onIndexMade === undefined || !isCompressed(path)) return null;
    const bytes = computeFileIndex(files, path);
    onIndexMade(path, bytes);
    return readFileIndex(files, path) ?? decodeFileIndex(bytes);
  }

  /** Where the blocks of a compressed file are, which only unpacking tells. */
  #listed({ path }: AuditFile): readonly BlockEntry[] {
    const kept = this.#lists.get(path);
    if (kept !== undefined) return kept;
    const blocks = listBlocks(this.#options.files, path);
    this.#lists.set(path, blocks);
    return blocks;
  }

  #keep(path: string, index: FileIndex): void {
    this.#indexes.set(path, index);
    const [oldest] = this.#indexes.keys();
    if (this.#indexes.size > KEPT_INDEXES_MAX && oldest !== undefined) this.#indexes.delete(oldest);
  }

  /**
   * The whole lines of a block. `unpack` is asked for compressed ones. Throws DamagedBlockError when
   * it is not what was indexed, and the file system's error when the file has gone.
   */
  async read(block: AuditBlock, unpack: Unpack): Promise<Buffer> {
    const handle = this.#options.files.openSync(block.file.path, 'read');
    try {
      if (block.index === null) return rangeText(handle, block.offset);
      const bytes = Buffer.allocUnsafe(block.index.sizeBytes);
      const read = bytes.subarray(0, handle.readSync(bytes, block.offset));
      const text = isCompressed(block.file.path) ? await unpack(read, block.index.textBytes) : read;
      if (text.length === block.index.textBytes) return text;
      throw new DamagedBlockError('it is not as long as its index says');
    } catch (error) {
      if (!(error instanceof DamagedBlockError)) throw error;
      throw new DamagedBlockError(
        `${block.file.path}, block at byte ${block.offset}: ${error.message}; "audit verify" says ` +
          'more, "audit index --force" makes the indexes anew',
        { cause: error },
      );
    } finally {
      handle.closeSync();
    }
  }

  /** The `seq` of the first whole line at or behind the start of a range; null when there is none. */
  firstSequenceAt(file: AuditFile, offset: number): number | null {
    const handle = this.#options.files.openSync(file.path, 'read');
    try {
      const from = Math.max(0, offset - 1);
      const text = isCompressed(file.path) ? memberProbe(handle, offset) : rangeProbe(handle, from);
      const start = offset === 0 ? 0 : text.indexOf('\n') + 1;
      if (offset > 0 && start === 0) return null;
      const end = text.indexOf('\n', start);
      if (end === -1) return null;
      const seq = /^\{[^{}]{0,64}"seq":([1-9][0-9]{0,15}),/.exec(text.slice(start, end))?.[1];
      return seq === undefined ? null : Number(seq);
    } finally {
      handle.closeSync();
    }
  }
}

/** `textBytes`: how long the text is to be. */
export type Unpack = (bytes: Buffer, textBytes: number) => Buffer | Promise<Buffer>;

export const unpackAtOnce: Unpack = (bytes) => {
  const member = firstMember(bytes);
  if (member !== null && member.sizeBytes === bytes.length) return member.text;
  throw new DamagedBlockError('it does not end where its index says');
};

/** The file was removed, or compressed under another name, since the folder was listed. */
export const isGone = (error: unknown): boolean => systemErrorCode(error) === 'ENOENT';

const blockAt = (
  file: AuditFile,
  offset: number,
  index: BlockEntry | null,
  isCandidate = true,
): AuditBlock => ({ file, offset, index, isCandidate });

function rangeProbe(handle: FileHandle, from: number): string {
  const bytes = Buffer.allocUnsafe(PROBE_BYTES);
  return bytes.toString('latin1', 0, handle.readSync(bytes, from));
}

function memberProbe(handle: FileHandle, offset: number): string {
  const sizeBytes = handle.sizeBytesSync();
  if (offset >= sizeBytes) return '';
  return memberAt(handle, offset, sizeBytes).text.toString('latin1', 0, PROBE_BYTES);
}

/** The lines that begin in the range; the last one may end behind it. */
function rangeText(handle: FileHandle, offset: number): Buffer {
  const from = Math.max(0, offset - 1);
  const bytes = Buffer.allocUnsafe(offset - from + BLOCK_BYTES + LINE_BYTES_MAX);
  const read = bytes.subarray(0, handle.readSync(bytes, from));
  const start = offset === 0 ? 0 : read.indexOf(NEWLINE) + 1;
  const lastByte = offset - from + BLOCK_BYTES - 1;
  if ((offset > 0 && start === 0) || start > lastByte) return Buffer.alloc(0);
  // A line that begins in the range ends at the first line end from the range's last byte on.
  const behind = read.indexOf(NEWLINE, lastByte);
  const end = behind === -1 ? read.lastIndexOf(NEWLINE) : behind;
  return end < start ? Buffer.alloc(0) : read.subarray(start, end + 1);
}
