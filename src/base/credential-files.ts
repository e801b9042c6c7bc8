/**
 * Owns how certificates and keys reach the disk; the data folder has its own seam, `FileSystem`.
 *
 * Invariant: a file appears whole or not at all (written aside, then linked or renamed); a
 * key is never readable by others, not for a moment; without `replace` nothing is overwritten, even
 * when two processes write at once.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PkiError } from './errors.ts';
import { systemErrorCode } from './file-system.ts';
import { systemRandom } from './random.ts';

export type FileAccess = 'public' | 'private';

export interface WriteOptions {
  readonly access: FileAccess;
  /** Overwrite what is there. */
  readonly replace: boolean;
  /** Survive a power cut; false where the file can be made again. */
  readonly durable: boolean;
}

const MODE = { public: 0o644, private: 0o600 } as const;

/** Creates a directory and its parents; one for private files is closed to others. */
export function makeDirectory(path: string, access: FileAccess): void {
  try {
    mkdirSync(path, { recursive: true, mode: access === 'private' ? 0o700 : 0o755 });
  } catch (cause) {
    throw new PkiError(`cannot create the directory ${path} (${systemErrorCode(cause)})`, {
      cause,
    });
  }
}

/** Writes a file whole. Throws PkiError when it exists and may not be replaced. */
export function writeWhole(path: string, content: string | Buffer, options: WriteOptions): void {
  const aside = join(dirname(path), `.${basename(path)}.${systemRandom.bytes(6).toString('hex')}`);
  try {
    writeNew(aside, content, options);
    if (options.replace) {
      renameSync(aside, path);
    } else {
      linkSync(aside, path);
      unlinkSync(aside);
    }
    if (options.durable) syncDirectory(dirname(path));
  } catch (cause) {
    if (existsSync(aside)) unlinkSync(aside);
    if (systemErrorCode(cause) === 'EEXIST') {
      throw new PkiError(`${path} exists and is kept: use --force to replace it`, { cause });
    }
    throw new PkiError(`cannot write ${path} (${systemErrorCode(cause)})`, { cause });
  }
}

function writeNew(path: string, content: string | Buffer, options: WriteOptions): void {
  const mode = MODE[options.access];
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const file = openSync(path, 'wx', mode);
  try {
    fchmodSync(file, mode);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    if (options.durable) fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Appends one line, or several by newlines, to a file, which is made when it is missing. */
export function appendLine(
  path: string,
  line: string,
  options: Omit<WriteOptions, 'replace'>,
): void {
  try {
    const file = openSync(path, 'a+', MODE[options.access]);
    try {
      // What a crash tore off must not swallow the line that follows it.
      const bytes = Buffer.from(`${endsInsideLine(file) ? '\n' : ''}${line}\n`);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      if (options.durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw new PkiError(`cannot write ${path} (${systemErrorCode(cause)})`, { cause });
  }
}

const NEWLINE = 0x0a;

function endsInsideLine(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
}

const CHUNK_BYTES = 1 << 20;

/**
 * Calls `visit` with every line of a file that ends in a newline; nothing when there is no file.
 * Memory stays that of the longest line.
 */
export function forEachLine(path: string, visit: (line: string) => void): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return;
    throw new PkiError(`cannot read ${path} (${code}): check its owner and mode`, { cause });
  }
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = Buffer.alloc(0);
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      const text = Buffer.concat([rest, chunk.subarray(0, read)]);
      const end = text.lastIndexOf(NEWLINE) + 1;
      for (const line of text.toString('utf8', 0, end).split('\n').slice(0, -1)) visit(line);
      rest = text.subarray(end);
    }
  } finally {
    closeSync(file);
  }
}

export interface NewFile {
  readonly path: string;
  readonly content: string | Buffer;
  readonly access: FileAccess;
  /** Overwrite what is there. */
  readonly replace: boolean;
}

/** Files of an unfinished `writeTogether` begin so: nobody needs them once its process has ended. */
export const ASIDE_PREFIX = '.breakwater-aside-';

/**
 * Writes several files, each whole or not at all, appearing in the order given. Throws PkiError when
 * one exists that may not be replaced; those before it are then there.
 */
export function writeTogether(files: readonly NewFile[], durable: boolean): void {
  const run = `${ASIDE_PREFIX}${systemRandom.bytes(6).toString('hex')}`;
  const asides = files.map(({ path }, at) => join(dirname(path), `${run}-${at}`));
  const left = new Set<string>();
  let path = '';
  try {
    for (const [at, file] of files.entries()) {
      path = file.path;
      left.add(asides[at]!);
      writeNew(asides[at]!, file.content, { ...file, durable: false });
    }
    if (durable) syncFiles(asides);
    for (const [at, file] of files.entries()) {
      path = file.path;
      if (file.replace) renameSync(asides[at]!, path);
      else {
        linkSync(asides[at]!, path);
        unlinkSync(asides[at]!);
      }
      left.delete(asides[at]!);
    }
  } catch (cause) {
    for (const aside of left) rmSync(aside, { force: true });
    if (systemErrorCode(cause) === 'EEXIST') {
      throw new PkiError(`${path} exists and is kept: use --force to replace it`, { cause });
    }
    throw new PkiError(`cannot write ${path} (${systemErrorCode(cause)})`, { cause });
  }
  if (!durable) return;
  for (const directory of new Set(files.map((file) => dirname(file.path)))) {
    syncDirectory(directory);
  }
}

/** Renames a file, replacing what is at `to`, durably. */
export function moveFile(from: string, to: string): void {
  try {
    renameSync(from, to);
    for (const directory of new Set([dirname(from), dirname(to)])) syncDirectory(directory);
  } catch (cause) {
    throw new PkiError(`cannot move ${from} to ${to} (${systemErrorCode(cause)})`, { cause });
  }
}

/** Removes a file that is there. */
export function removeFile(path: string): void {
  rmSync(path, { force: true });
}

/** From here on one flush of the whole file system costs less than one for each file. */
const FLUSH_FILES_MIN = 64;

function syncFiles(paths: readonly string[]): void {
  if (paths.length >= FLUSH_FILES_MIN && flushFileSystemOf(paths[0]!)) return;
  for (const path of paths) syncFile(path);
}

/** syncfs(2), which Node does not offer, by coreutils or busybox; false where there is none. */
function flushFileSystemOf(path: string): boolean {
  return spawnSync('sync', ['-f', path], { stdio: 'ignore' }).status === 0;
}

function syncFile(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The text of a file, or null when there is none. Throws PkiError when it cannot be read. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new PkiError(`cannot read ${path} (${code}): check its owner and mode`, { cause });
  }
}

/** The text of a file that must be there; `remedy` ends the message when it is not. */
export function readRequired(path: string, remedy: string): string {
  const text = readIfThere(path);
  if (text === null) throw new PkiError(`${path} is missing: ${remedy}`);
  return text;
}

/** Whether users other than the owner may write to the file. */
export function isChangeableByOthers(path: string): boolean {
  return (statSync(path).mode & 0o022) !== 0;
}

/** Whether users other than the owner may read the file or write to it. */
export function isReadableByOthers(path: string): boolean {
  return (statSync(path).mode & 0o077) !== 0;
}

/** The bytes of a file that must be there. */
export function readBytesRequired(path: string, remedy: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT') throw new PkiError(`${path} is missing: ${remedy}`, { cause });
    throw new PkiError(`cannot read ${path} (${code}): check its owner and mode`, { cause });
  }
}

export const fileExists = (path: string): boolean => existsSync(path);

export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** The entries of a directory in order of name; [] when there is none. */
export function listDirectory(path: string): DirectoryEntry[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new PkiError(`cannot list ${path} (${code}): check its owner and mode`, { cause });
  }
}
