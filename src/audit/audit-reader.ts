/**
 * Owns reading the access log back, line by line: a file, plain or compressed, or every audit file of a
 * folder, oldest first. Only reads; a broker may be writing meanwhile.
 *
 * Invariant: a line is bounded in memory, and one that is no record is counted, never skipped in
 * silence.
 */
import { basename, join } from 'node:path';
import type { FileHandle, FileSystem } from '../base/file-system.ts';
import { isCompressed, memberAt } from './file-blocks.ts';

/** A line of the log as it stands there; the fields are of unchecked shape. */
export interface AuditLine {
  /** `security` or `access`. */
  readonly stream: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly record: Readonly<Record<string, unknown>>;
}

/** A line that is no record: torn, foreign, or too long. */
export interface BadLine {
  readonly file: string;
  readonly line: number;
  readonly record: null;
}

const FILE_NAME = /^(security|access)-[0-9]{8}-(?:[0-9]{6}|[1-9][0-9]{6,15})\.ndjson(?:\.gz)?$/;
const LINE_BYTES_MAX = 1024 * 1024;
const WINDOW_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Throws the file system's error when the path cannot be read. */
export async function* readAuditLines(
  files: FileSystem,
  path: string,
): AsyncGenerator<AuditLine | BadLine> {
  for (const file of auditFilesOf(files, path)) yield* linesOf(files, file);
}

function auditFilesOf(files: FileSystem, path: string): string[] {
  if (files.statSync(path)?.isDirectory !== true) return [path];
  const names = new Set(files.readdirSync(path));
  return (
    [...names]
      .filter((name) => FILE_NAME.test(name))
      // Both are there while a file is being compressed, or after a crash then.
      .filter((name) => !isCompressed(name) || !names.has(name.replace(/\.gz$/, '')))
      .sort()
      .map((name) => join(path, name))
  );
}

async function* linesOf(files: FileSystem, file: string): AsyncGenerator<AuditLine | BadLine> {
  const stream = FILE_NAME.exec(basename(file))?.[1] ?? 'audit';
  let line = 0;
  for await (const bytes of splitLines(files, file)) {
    line += 1;
    const record = bytes === null ? null : recordIn(bytes);
    yield record === null ? { file, line, record } : { stream, file, line, record };
  }
}

/** The lines of a file without their ends; null for one that is longer than any of ours. */
async function* splitLines(files: FileSystem, file: string): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  const take = (): Buffer | null => {
    const line = sizeBytes > LINE_BYTES_MAX ? null : Buffer.concat(parts);
    parts = [];
    sizeBytes = 0;
    return line;
  };
  const put = (part: Buffer): void => {
    sizeBytes += part.length;
    if (sizeBytes > LINE_BYTES_MAX) parts = [];
    else if (part.length > 0) parts.push(part);
  };
  for await (const window of windowsOf(files, file)) {
    let rest = window;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      put(rest.subarray(0, end));
      yield take();
      rest = rest.subarray(end + 1);
    }
    put(rest);
  }
  if (sizeBytes > 0) yield take();
}

async function* windowsOf(files: FileSystem, file: string): AsyncGenerator<Buffer> {
  const handle = files.openSync(file, 'read');
  try {
    if (isCompressed(file)) yield* membersOf(handle);
    else yield* rangesOf(handle);
  } finally {
    handle.closeSync();
  }
}

async function* rangesOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const window = Buffer.allocUnsafe(WINDOW_BYTES);
    const count = await handle.read(window, position);
    if (count === 0) return;
    yield window.subarray(0, count);
    position += count;
  }
}

/** Throws DamagedBlockError where a member cannot be unpacked. */
async function* membersOf(handle: FileHandle): AsyncGenerator<Buffer> {
  const sizeBytes = handle.sizeBytesSync();
  for (let position = 0; position < sizeBytes; ) {
    const member = memberAt(handle, position, sizeBytes);
    yield member.text;
    position += member.sizeBytes;
  }
}

function recordIn(line: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? Object.fromEntries(Object.entries(value)) : null;
  } catch {
    return null;
  }
}
