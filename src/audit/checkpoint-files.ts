/**
 * Owns the files of checkpoints, `checkpoints-<day>-<number>.jws`, one JWS a line: their names, and
 * what a start learns from their end.
 *
 * Invariant: opening takes away at most a torn last line, which was never durable, and keeps it beside.
 */
import { join } from 'node:path';
import type { FileSystem } from '../base/file-system.ts';
import { wholeLinesEnd } from './audit-files.ts';
import { type ChainHead, GENESIS, hashOf } from './chain.ts';
import { parseCheckpoint, STREAMS, type StreamName } from './checkpoint.ts';

export interface CheckpointFileName {
  readonly day: string;
  readonly number: number;
}

export const formatCheckpointFile = ({ day, number }: CheckpointFileName): string =>
  `checkpoints-${day}-${String(number).padStart(6, '0')}.jws`;

/** Oldest first. */
export function listCheckpointFiles(files: FileSystem, directory: string): CheckpointFileName[] {
  const found: CheckpointFileName[] = [];
  for (const entry of files.readdirSync(directory)) {
    const match = /^checkpoints-([0-9]{8})-([0-9]{6}|[1-9][0-9]{6,15})\.jws$/.exec(entry);
    if (match !== null) found.push({ day: match[1]!, number: Number(match[2]) });
  }
  return found.sort((a, b) => a.day.localeCompare(b.day) || a.number - b.number);
}

const TAIL_BYTES = 1024 * 1024;
const SEARCHED_FILES_MAX = 8;

/** Where the checkpoints of earlier runs ended. */
export interface RecoveredCheckpoints {
  readonly newest: CheckpointFileName | null;
  /** Null before the first checkpoint. */
  readonly logId: string | null;
  readonly lastLine: string | null;
  readonly number: number;
  readonly hash: string;
  readonly heads: Readonly<Partial<Record<StreamName, ChainHead>>>;
}

/** The whole lines at the end of a file; a torn one is moved to `<file>.<offset>.torn`. */
function tailLines(files: FileSystem, path: string): string[] {
  const handle = files.openSync(path, 'readWrite');
  try {
    const sizeBytes = handle.sizeBytesSync();
    const tail = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES));
    handle.readSync(tail, sizeBytes - tail.length);
    const end = wholeLinesEnd(tail);
    if (end < tail.length && (end > 0 || sizeBytes === tail.length)) {
      const offset = sizeBytes - (tail.length - end);
      files.writeFileSync(`${path}.${offset}.torn`, tail.subarray(end));
      handle.truncateSync(offset);
    }
    handle.datasyncSync();
    const lines = tail.toString('latin1', 0, end).split('\n').slice(0, -1);
    // The first one may have lost its beginning to the window.
    return tail.length < sizeBytes ? lines.slice(1) : lines;
  } finally {
    handle.closeSync();
  }
}

export function recoverCheckpoints(files: FileSystem, directory: string): RecoveredCheckpoints {
  const names = listCheckpointFiles(files, directory).reverse();
  const heads: Partial<Record<StreamName, ChainHead>> = {};
  let last: { line: string; number: number; logId: string } | null = null;
  let lastLine: string | null = null;
  for (const name of names.slice(0, SEARCHED_FILES_MAX)) {
    for (const line of tailLines(files, join(directory, formatCheckpointFile(name))).reverse()) {
      lastLine ??= line;
      const parsed = parseCheckpoint(line);
      if (parsed === null) continue;
      const { stream, last: sequence, head, n, log } = parsed.checkpoint;
      last ??= { line, number: n, logId: log };
      heads[stream] ??= { sequence, hash: head };
      if (STREAMS.every((one) => heads[one] !== undefined)) break;
    }
    if (STREAMS.every((one) => heads[one] !== undefined)) break;
  }
  return {
    newest: names[0] ?? null,
    logId: last?.logId ?? null,
    lastLine,
    number: last?.number ?? 0,
    hash: lastLine === null ? GENESIS : hashOf(lastLine),
    heads,
  };
}
