/**
 * Owns the names of audit files and what opening does with the ones of an earlier run.
 *
 * Invariant: opening cuts off at most the torn last line of the newest file (a line without its end
 * was never durable); every other byte of an earlier run stays as it is.
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

/** Far longer than any line (values are bounded). */
const TAIL_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

interface Tail {
  /** Bytes after the last whole line. */
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

/** Reads the end of a file and cuts off a torn last line. */
function recoverTail(files: FileSystem, path: string): Tail {
  const handle = files.openSync(path, 'readWrite');
  try {
    const sizeBytes = handle.sizeBytesSync();
    const tail = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES));
    handle.readSync(tail, sizeBytes - tail.length);
    const end = tail.lastIndexOf(NEWLINE) + 1;
    const tornBytes = tail.length - end;
    // A tail without any line end is nothing that we wrote: it is left for a person to look at.
    if (tornBytes > 0 && (end > 0 || sizeBytes === tail.length)) {
      handle.truncateSync(sizeBytes - tornBytes);
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

/** Finds where the stream ended; the newest file may have been torn by a crash. */
export function recoverAuditFiles(
  files: FileSystem,
  directory: string,
  name: string,
): RecoveredFiles {
  const present = listAuditFiles(files, directory, name);
  const newest = present.at(-1) ?? null;
  let tornBytes = 0;
  let continuable = true;
  for (const file of present.reverse()) {
    const path = join(directory, formatAuditFile(file));
    const tail = recoverTail(files, path);
    if (file === newest) tornBytes = tail.tornBytes;
    const { sequence } = tail;
    if (sequence !== null) return { newest, continuable, nextSequence: sequence + 1, tornBytes };
    if (file === newest) continuable = (files.statSync(path)?.sizeBytes ?? 0) === 0;
  }
  return { newest, continuable, nextSequence: 1, tornBytes };
}
