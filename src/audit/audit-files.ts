/**
 * Owns the names of audit files and what opening does with the ones of an earlier run.
 *
 * Invariant: opening takes away at most the torn end of a file, lines that a crash kept from becoming
 * whole and that were never durable, and keeps them beside it; every other byte stays as it is.
 */
import { join } from 'node:path';
import type { FileSystem } from '../base/file-system.ts';
import { type ChainHead, EMPTY_CHAIN, hashOf, lineHeadIn, UNCHAINED_VERSION } from './chain.ts';

export interface AuditFileName {
  readonly name: string;
  /** UTC, `20261122`. */
  readonly day: string;
  /** From 1, within the day. */
  readonly number: number;
}

export const formatAuditFile = ({ name, day, number }: AuditFileName): string =>
  `${name}-${day}-${String(number).padStart(6, '0')}.ndjson`;

/** A number has one form: under a second one a reader would take a file for another than we do. */
const FILE_NAME = /^([a-z]+)-([0-9]{8})-([0-9]{6}|[1-9][0-9]{6,15})\.ndjson(\.gz)?$/;

export function parseAuditFile(entry: string): (AuditFileName & { isCompressed: boolean }) | null {
  const match = FILE_NAME.exec(entry);
  if (match === null) return null;
  const [, name, day, number, gz] = match;
  return { name: name!, day: day!, number: Number(number), isCompressed: gz !== undefined };
}

export const byAge = (a: AuditFileName, b: AuditFileName): number =>
  a.day.localeCompare(b.day) || a.number - b.number;

/** The files of a stream that are not compressed, oldest first. */
export function listAuditFiles(
  files: FileSystem,
  directory: string,
  name: string,
): AuditFileName[] {
  return files
    .readdirSync(directory)
    .map(parseAuditFile)
    .filter((file) => file !== null && file.name === name && !file.isCompressed)
    .map((file) => ({ name, day: file!.day, number: file!.number }))
    .sort(byAge);
}

/** The names of a stream's files, oldest first, each once: the compressed form is the whole one. */
export function listStreamFiles(files: FileSystem, directory: string, name: string): string[] {
  const newest = new Map<string, string>();
  for (const entry of files.readdirSync(directory)) {
    const file = parseAuditFile(entry);
    if (file === null || file.name !== name) continue;
    const plain = formatAuditFile(file);
    if (file.isCompressed || !newest.has(plain)) newest.set(plain, entry);
  }
  const age = (entry: string): AuditFileName => parseAuditFile(entry)!;
  return [...newest.values()].sort((a, b) => byAge(age(a), age(b)));
}

/** As far back as a batch that was being written when the power failed can reach. */
const TAIL_BYTES = 16 * 1024 * 1024;
/** Files that one run may have left without their truncation being durable. */
const RECOVERED_FILES_MAX = 16;
/** A line's head is shorter. */
const HEAD_BYTES = 256;
const NEWLINE = 0x0a;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

interface LastLine extends ChainHead {
  readonly version: number;
  /** False where lines that are not ours follow it. */
  readonly isLast: boolean;
}

interface Tail {
  /** Bytes after the last whole line of this file, now in a file of their own. */
  readonly tornBytes: number;
  readonly isEmpty: boolean;
  /** The last line of ours; null when the end of the file holds none. */
  readonly last: LastLine | null;
  /** The `seq` of the first line; null when there is none of ours. */
  readonly firstSequence: number | null;
}

/** Sectors that did not reach the disk read as zeros; our lines are printable ASCII. */
function firstForeignByte(bytes: Buffer): number {
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index]!;
    if (byte === NEWLINE) continue;
    if (byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE) return index;
  }
  return -1;
}

/** Where the whole lines of the tail end. */
export function wholeLinesEnd(tail: Buffer): number {
  const foreign = firstForeignByte(tail);
  return tail.subarray(0, foreign === -1 ? tail.length : foreign).lastIndexOf(NEWLINE) + 1;
}

/** Where the line that ends at `end` (its newline included) begins. */
const lineStart = (bytes: Buffer, end: number): number =>
  end < 2 ? 0 : bytes.lastIndexOf(NEWLINE, end - 2) + 1;

/** Without the lines that the next file has: they were written anew, and cutting them off failed. */
function withoutRepeated(tail: Buffer, end: number, nextSequence: number): number {
  let kept = end;
  while (kept > 0) {
    const start = lineStart(tail, kept);
    const head = lineHeadIn(tail, start, kept - 1);
    if (head === null || head.sequence < nextSequence) return kept;
    kept = start;
  }
  return kept;
}

function lastLineIn(tail: Buffer, wholeEnd: number): LastLine | null {
  for (let end = wholeEnd; end > 0; ) {
    const start = lineStart(tail, end);
    const head = lineHeadIn(tail, start, end - 1);
    if (head !== null) {
      const hash = hashOf(tail.subarray(start, end - 1));
      return { sequence: head.sequence, hash, version: head.version, isLast: end === wholeEnd };
    }
    end = start;
  }
  return null;
}

/** Moves a torn end of the file to `<file>.<offset>.torn`: it never counted, but it is evidence. */
function recoverTail(files: FileSystem, path: string, nextSequence: number): Tail {
  const handle = files.openSync(path, 'readWrite');
  try {
    const sizeBytes = handle.sizeBytesSync();
    const first = Buffer.alloc(Math.min(sizeBytes, HEAD_BYTES));
    handle.readSync(first, 0);
    const tail = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES));
    handle.readSync(tail, sizeBytes - tail.length);
    const end = withoutRepeated(tail, wholeLinesEnd(tail), nextSequence);
    // So long a tail without any line is nothing that we wrote: it is left for a person to look at.
    if (end === 0 && sizeBytes > tail.length) {
      return { tornBytes: 0, isEmpty: false, last: null, firstSequence: null };
    }
    const tornBytes = tail.length - end;
    if (tornBytes > 0) {
      const offset = sizeBytes - tornBytes;
      files.writeFileSync(`${path}.${offset}.torn`, tail.subarray(end));
      handle.truncateSync(offset);
    }
    // A run that was killed may have left lines in the page cache: what follows must not outlive them.
    handle.datasyncSync();
    const isEmpty = sizeBytes === tornBytes;
    const firstSequence = isEmpty ? null : (lineHeadIn(first, 0, first.length)?.sequence ?? null);
    return { tornBytes, isEmpty, last: lastLineIn(tail, end), firstSequence };
  } finally {
    handle.closeSync();
  }
}

export interface RecoveredFiles {
  /** The newest name that is taken, also by a compressed file. */
  readonly newest: AuditFileName | null;
  /** Whether lines may follow in it: it ends with a line of this version, or is empty. */
  readonly continuable: boolean;
  readonly head: ChainHead;
  readonly tornBytes: number;
}

/** Finds where the stream ended; the newest files may have been torn by a crash. */
export function recoverAuditFiles(
  files: FileSystem,
  directory: string,
  name: string,
): RecoveredFiles {
  const present = listAuditFiles(files, directory, name).reverse();
  const newestName = listStreamFiles(files, directory, name).at(-1);
  const newest = newestName === undefined ? null : parseAuditFile(newestName);
  let tornBytes = 0;
  let continuable = newest !== null && !newest.isCompressed;
  let head: ChainHead = EMPTY_CHAIN;
  let nextSequence = Number.POSITIVE_INFINITY;
  for (const [at, file] of present.slice(0, RECOVERED_FILES_MAX).entries()) {
    const path = join(directory, formatAuditFile(file));
    const tail = recoverTail(files, path, nextSequence);
    tornBytes += tail.tornBytes;
    nextSequence = tail.firstSequence ?? nextSequence;
    const { last } = tail;
    if (at === 0 && !tail.isEmpty) {
      continuable &&= last?.isLast === true && last.version > UNCHAINED_VERSION;
    }
    if (last !== null && last.sequence > head.sequence) {
      head = { sequence: last.sequence, hash: last.hash };
    }
  }
  if (present.length > 0) files.syncDirectorySync(directory);
  return { newest, continuable, head, tornBytes };
}
