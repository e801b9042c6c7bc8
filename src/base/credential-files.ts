/**
 * Owns how certificates and keys reach the disk; the data folder has its own seam, `FileSystem`.
 *
 * Invariant: a file appears whole or not at all (written aside, then linked or renamed); a
 * key is never readable by others, not for a moment; without `replace` nothing is overwritten, even
 * when two processes write at once.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
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

/** Appends one line to a file, which is made when it is missing. */
export function appendLine(
  path: string,
  line: string,
  options: Omit<WriteOptions, 'replace'>,
): void {
  try {
    const file = openSync(path, 'a', MODE[options.access]);
    try {
      writeSync(file, `${line}\n`);
      if (options.durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw new PkiError(`cannot write ${path} (${systemErrorCode(cause)})`, { cause });
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

/** The bytes of a file that must be there, such as a keytab. */
export function readBytes(path: string, remedy: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === 'ENOENT') throw new PkiError(`${path} is missing: ${remedy}`, { cause });
    throw new PkiError(`cannot read ${path} (${code}): check its owner and mode`, { cause });
  }
}
