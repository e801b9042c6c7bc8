/**
 * Owns the way to the disk: everything that reads or writes a file in the data folder goes through
 * `FileSystem`, so that tests can cut the power, fill the disk or break an fsync.
 *
 * Invariants: a write writes all of its bytes or throws (what a failed write left behind is for the
 * caller to truncate); a read is short only at the end of the file; nothing is durable before
 * `datasync` of the file AND `syncDirectory` of the folder that names it have returned. Errors are
 * Node's, with their `code`. A failed sync is never retried: the kernel reports a lost page once.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';

/** `create` opens for reading and writing and makes the file if it is missing; none truncates. */
export type OpenMode = 'read' | 'readWrite' | 'create';

export interface FileStatus {
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
}

/** Of the file system that a folder lies on. */
export interface DiskSpace {
  readonly totalBytes: number;
  /** What may still be written, without the part that is kept for root. */
  readonly usableBytes: number;
}

export interface FileHandle {
  readonly path: string;
  /** Fills `buffer` from `position`; the bytes read, fewer than asked for only at the end. */
  readSync(buffer: Buffer, position: number): number;
  /** As readSync, in the thread pool: for bytes that are likely not in the page cache. */
  read(buffer: Buffer, position: number): Promise<number>;
  /** Writes all of `buffers`, one after the other, from `position`. */
  writevSync(buffers: readonly Buffer[], position: number): void;
  truncateSync(sizeBytes: number): void;
  sizeBytesSync(): number;
  /** Puts what was written before the call on stable storage. */
  datasync(): Promise<void>;
  datasyncSync(): void;
  /** The caller has no operation under way on this handle. */
  closeSync(): void;
}

export interface FileSystem {
  openSync(path: string, mode: OpenMode): FileHandle;
  readFileSync(path: string): Buffer;
  /** Makes or overwrites the file; durable only after a sync, torn if the power fails before. */
  writeFileSync(path: string, bytes: Buffer): void;
  /** Undefined when there is nothing at `path`. */
  statSync(path: string): FileStatus | undefined;
  /** The names in a folder, in no particular order. */
  readdirSync(path: string): string[];
  mkdirSync(path: string): void;
  rmdirSync(path: string): void;
  /** Atomic; replaces a file at `to`. */
  renameSync(from: string, to: string): void;
  unlinkSync(path: string): void;
  /** In the thread pool: freeing a large file takes milliseconds. */
  unlink(path: string): Promise<void>;
  space(path: string): Promise<DiskSpace>;
  /** Makes the folder's entries (creations, renames, removals) durable. */
  syncDirectory(path: string): Promise<void>;
  syncDirectorySync(path: string): void;
}

/** The `code` of a system error, or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The disk is full, the quota is used up or the file system's largest file is reached. */
export function isOutOfSpace(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

/**
 * Replaces `path` by `bytes` so that a power cut leaves the old or the new file, never a mixture.
 * Asks `isWanted` just before the replacement: false leaves the file as it is.
 */
export async function replaceFile(
  files: FileSystem,
  path: string,
  bytes: Buffer,
  isWanted: () => boolean = () => true,
): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = openTemporary(files, temporary, bytes);
  await handle.datasync().finally(() => handle.closeSync());
  if (!isWanted()) return;
  files.renameSync(temporary, path);
  await files.syncDirectory(dirname(path));
}

/** The same at once, also while a `replaceFile` of the same path is under way. */
export function replaceFileSync(files: FileSystem, path: string, bytes: Buffer): void {
  const temporary = `${path}.now.tmp`;
  const handle = openTemporary(files, temporary, bytes);
  try {
    handle.datasyncSync();
  } finally {
    handle.closeSync();
  }
  files.renameSync(temporary, path);
  files.syncDirectorySync(dirname(path));
}

function openTemporary(files: FileSystem, path: string, bytes: Buffer): FileHandle {
  const handle = files.openSync(path, 'create');
  try {
    handle.truncateSync(0);
    handle.writevSync([bytes], 0);
    return handle;
  } catch (error) {
    handle.closeSync();
    throw error;
  }
}

/**
 * Makes the folder and the missing ones above it, each entry durable: also of a folder that is
 * there, which an earlier start may have made and not synced before it ended.
 */
export function makeDirectoriesSync(files: FileSystem, path: string): void {
  const status = files.statSync(path);
  const parent = dirname(path);
  if (status !== undefined) {
    if (!status.isDirectory) throw new Error(`${path} is not a directory`);
    if (parent !== path) syncParentOfExisting(files, parent);
    return;
  }
  if (parent !== path) makeDirectoriesSync(files, parent);
  files.mkdirSync(path);
  files.syncDirectorySync(parent);
}

/** A parent that refuses to be opened or synced is not this user's: nothing of ours waits in it. */
const NOT_OURS: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS', 'EINVAL']);

function syncParentOfExisting(files: FileSystem, parent: string): void {
  try {
    files.syncDirectorySync(parent);
  } catch (error) {
    if (!NOT_OURS.has(systemErrorCode(error))) throw error;
  }
}

const OPEN_FLAGS = {
  read: fs.constants.O_RDONLY,
  readWrite: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
} as const;

/** Broker data is for the broker's user alone. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

class NodeFileHandle implements FileHandle {
  readonly path: string;
  readonly #descriptor: number;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  readSync(buffer: Buffer, position: number): number {
    let done = 0;
    while (done < buffer.length) {
      const at = position + done;
      const count = fs.readSync(this.#descriptor, buffer, done, buffer.length - done, at);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async read(buffer: Buffer, position: number): Promise<number> {
    let done = 0;
    while (done < buffer.length) {
      const count = await readOnce(this.#descriptor, buffer, done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  writevSync(buffers: readonly Buffer[], position: number): void {
    let totalBytes = 0;
    for (const buffer of buffers) totalBytes += buffer.length;
    let done = writeOnce(this.#descriptor, buffers, position);
    while (done < totalBytes) {
      const count = writeOnce(this.#descriptor, withoutFirst(buffers, done), position + done);
      if (count === 0) throw outOfSpace(this.path);
      done += count;
    }
  }

  truncateSync(sizeBytes: number): void {
    fs.ftruncateSync(this.#descriptor, sizeBytes);
  }

  sizeBytesSync(): number {
    return fs.fstatSync(this.#descriptor).size;
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  datasyncSync(): void {
    fs.fdatasyncSync(this.#descriptor);
  }

  closeSync(): void {
    fs.closeSync(this.#descriptor);
  }
}

function readOnce(
  descriptor: number,
  buffer: Buffer,
  start: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(descriptor, buffer, start, buffer.length - start, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

function writeOnce(descriptor: number, buffers: readonly Buffer[], position: number): number {
  const only = buffers.length === 1 ? buffers[0] : undefined;
  if (only !== undefined) return fs.writeSync(descriptor, only, 0, only.length, position);
  return fs.writevSync(descriptor, buffers, position);
}

/** What is left of `buffers` once their first `count` bytes are written. */
function withoutFirst(buffers: readonly Buffer[], count: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = count;
  for (const buffer of buffers) {
    if (skip < buffer.length) rest.push(skip === 0 ? buffer : buffer.subarray(skip));
    skip = Math.max(0, skip - buffer.length);
  }
  return rest;
}

/** A write of nothing without an error: a full disk on some file systems. */
function outOfSpace(path: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, write '${path}'`), {
    code: 'ENOSPC',
  });
}

/** The real disk. Folders are synced through a descriptor of their own. */
export const nodeFileSystem: FileSystem = {
  openSync(path, mode) {
    return new NodeFileHandle(path, fs.openSync(path, OPEN_FLAGS[mode], FILE_MODE));
  },
  readFileSync: (path) => fs.readFileSync(path),
  writeFileSync: (path, bytes) => fs.writeFileSync(path, bytes, { mode: FILE_MODE }),
  statSync(path) {
    const stats = fs.statSync(path, { throwIfNoEntry: false });
    return stats && { isDirectory: stats.isDirectory(), sizeBytes: stats.size };
  },
  readdirSync: (path) => fs.readdirSync(path),
  mkdirSync: (path) => fs.mkdirSync(path, { mode: DIRECTORY_MODE }),
  rmdirSync: (path) => fs.rmdirSync(path),
  renameSync: (from, to) => fs.renameSync(from, to),
  unlinkSync: (path) => fs.unlinkSync(path),
  unlink: (path) => fs.promises.unlink(path),
  async space(path) {
    const { bsize, blocks, bavail } = await fs.promises.statfs(path);
    return { totalBytes: bsize * blocks, usableBytes: bsize * bavail };
  },
  async syncDirectory(path) {
    const directory = await fs.promises.open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  syncDirectorySync(path) {
    const descriptor = fs.openSync(path, 'r');
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  },
};
