/**
 * Owns the names of audit files and what opening does with the ones of an earlier run.
 *
 * Invariant: opening takes away at most the torn end of a file, lines that a crash kept from becoming
 * whole and that were never durable, and keeps them beside it; every other byte stays as it is.
 */
import { join } from 'node:path';
import type { FileSystem } from '../base/file-system.ts';

export interface AuditFileName {
  readonly name: string;
  /** UTC, `20261122`. */
  readonly day: string;
  /** From 1, within the day. */
  readonly number: number;
}

export const formatAuditFile = ({ name, day, number }: AuditFileName): string =>
  `${name}-${day}-${String(number).padStart(6, '0')}.ndjson`;

/** The files of a stream, oldest first. */
export function listAuditFiles(
  files: FileSystem,
  directory: string,
  name: string,
): AuditFileName[] {
  const found: AuditFileName[] = [];
  for (const entry of files.readdirSync(directory)) {
    const match = /^([a-z]+)-([0-9]{8})-([0-9]{6,})\.ndjson$/.exec(entry);
    if (match === null || match[1] !== name) continue;
    found.push({ name, day: match[2]!, number: Number(match[3]) });
  }
  return found.sort((a, b) => a.day.localeCompare(b.day) || a.number - b.number);
}

/** As far back as a batch that was being written when the power failed can reach. */
const TAIL_BYTES = 16 * 1024 * 1024;
/** Files that one run may have left without their truncation being durable. */
const RECOVERED_FILES_MAX = 16;
const NEWLINE = 0x0a;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

interface Tail {
  /** Bytes after the last whole line, now in a file of their own. */
  readonly tornBytes: number;
  /** The `seq` of the last whole line; null when there is none, or it is not one of ours. */
  readonly sequence: number | null;
}

function sequenceOf(line: string): number | null {
  try {
    const record: unknown = JSON.parse(line);
    if (typeof record !== 'object' || record === null || !('seq' in record)) return null;
    return Number.isSafeInteger(record.seq) ? Number(record.seq) : null;
  } catch {
    return null;
  }
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
function wholeLinesEnd(tail: Buffer): number {
  const foreign = firstForeignByte(tail);
  return tail.subarray(0, foreign === -1 ? tail.length : foreign).lastIndexOf(NEWLINE) + 1;
}

/** Moves a torn end of the file to `<file>.<offset>.torn`: it never counted, but it is evidence. */
function recoverTail(files: FileSystem, path: string): Tail {
  const handle = files.openSync(path, 'readWrite');
  try {
    const sizeBytes = handle.sizeBytesSync();
    const tail = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES));
    handle.readSync(tail, sizeBytes - tail.length);
    const end = wholeLinesEnd(tail);
    // So long a tail without any line is nothing that we wrote: it is left for a person to look at.
    if (end === 0 && sizeBytes > tail.length) return { tornBytes: 0, sequence: null };
    const tornBytes = tail.length - end;
    if (tornBytes > 0) {
      const offset = sizeBytes - tornBytes;
      files.writeFileSync(`${path}.${offset}.torn`, tail.subarray(end));
      handle.truncateSync(offset);
      handle.datasyncSync();
    }
    if (end === 0) return { tornBytes, sequence: null };
    const start = end < 2 ? 0 : tail.lastIndexOf(NEWLINE, end - 2) + 1;
    return { tornBytes, sequence: sequenceOf(tail.toString('latin1', start, end)) };
  } finally {
    handle.closeSync();
  }
}

export interface RecoveredFiles {
  readonly newest: AuditFileName | null;
  /** Whether the newest file ends with a line of ours, or is empty, so that lines may follow. */
  readonly continuable: boolean;
  readonly nextSequence: number;
  readonly tornBytes: number;
}

/** Finds where the stream ended; the newest files may have been torn by a crash. */
export function recoverAuditFiles(
  files: FileSystem,
  directory: string,
  name: string,
): RecoveredFiles {
  const present = listAuditFiles(files, directory, name).reverse();
  const newest = present[0] ?? null;
  let tornBytes = 0;
  let continuable = true;
  let sequence = 0;
  for (const file of present.slice(0, RECOVERED_FILES_MAX)) {
    const path = join(directory, formatAuditFile(file));
    const tail = recoverTail(files, path);
    tornBytes += tail.tornBytes;
    sequence = Math.max(sequence, tail.sequence ?? 0);
    if (file === newest && tail.sequence === null) {
      continuable = (files.statSync(path)?.sizeBytes ?? 0) === 0;
    }
  }
  return { newest, continuable, nextSequence: sequence + 1, tornBytes };
}
