/**
 * A disk in memory that forgets what was not synced. What is durable is kept apart from what is only
 * in the cache: a file's writes and truncations until `datasync`, a folder's creations, renames and
 * removals until `syncDirectory`. At a cut any of those may have reached the disk or not, in any
 * order, a write also in part. A kill keeps the cache and ends the process: the old file system
 * answers no more, the new one goes on.
 *
 * Faults: `failNext` makes one call fail (a failed datasync loses what it covered and the next one
 * succeeds, as on Linux); `freeBytes` runs out with ENOSPC after a partial write.
 */
import { basename, dirname } from 'node:path';
import type {
  DiskSpace,
  FileHandle,
  FileStatus,
  FileSystem,
  OpenMode,
} from '../../src/base/file-system.ts';

export type SeededRandom = () => number;

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The size of the disk, for those who ask. */
const SPACE_BYTES = 2 ** 40;
/** Aligned pieces of a write that reach the disk one by one. */
const SECTOR_BYTES = 512;

type FileChange =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly sizeBytes: number };

class FileNode {
  cached: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  /** In the cache only, oldest first. */
  changes: FileChange[] = [];
  /** Changes ever made durable or lost: gives each change a number. */
  settled = 0;
}

interface EntryChange {
  readonly removed: string | undefined;
  readonly added: string | undefined;
  readonly node: Node;
}

class DirectoryNode {
  readonly cached = new Map<string, Node>();
  readonly durable = new Map<string, Node>();
  changes: EntryChange[] = [];
  settled = 0;
}

type Node = FileNode | DirectoryNode;

export type FaultyCall =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'datasync'
  | 'syncDirectory'
  | 'rename';

interface Fault {
  readonly call: FaultyCall;
  readonly path: RegExp;
  readonly code: string;
}

function systemError(code: string, call: string, path: string): Error {
  const error = new Error(`${code}: ${call} '${path}'`);
  return Object.assign(error, { code, syscall: call, path });
}

export class PowerCutFileSystem implements FileSystem {
  freeBytes = Number.POSITIVE_INFINITY;
  openHandleCount = 0;
  openHandleCountMax = 0;
  datasyncCount = 0;
  readonly #random: SeededRandom;
  readonly #root: DirectoryNode;
  readonly #faults: Fault[] = [];
  #isOff = false;

  constructor(random: SeededRandom, root = new DirectoryNode()) {
    this.#random = random;
    this.#root = root;
  }

  /** The next `call` on a path that matches fails with `code`. */
  failNext(call: FaultyCall, code: string, path: RegExp = /./): void {
    this.#faults.push({ call, path, code });
  }

  /** The process dies: this object answers no more. Returns the disk with the cache intact. */
  kill(): PowerCutFileSystem {
    this.#isOff = true;
    return new PowerCutFileSystem(this.#random, this.#root);
  }

  /** The power fails: this object answers no more. Returns the disk as it comes back. */
  cut(): PowerCutFileSystem {
    this.#isOff = true;
    const survivors = new Map<Node, Node>();
    const root = this.#survivor(this.#root, survivors);
    if (!(root instanceof DirectoryNode)) throw new Error('the root is a directory');
    return new PowerCutFileSystem(this.#random, root);
  }

  openSync(path: string, mode: OpenMode): FileHandle {
    this.#check('open', path);
    let node = this.#find(path);
    if (node === undefined && mode === 'create') {
      node = new FileNode();
      this.#link(path, node);
    }
    if (node === undefined) throw systemError('ENOENT', 'open', path);
    if (node instanceof DirectoryNode) throw systemError('EISDIR', 'open', path);
    this.openHandleCount += 1;
    this.openHandleCountMax = Math.max(this.openHandleCountMax, this.openHandleCount);
    return this.#handle(path, node);
  }

  readFileSync(path: string): Buffer {
    this.#check('read', path);
    return Buffer.from(this.#file(path).cached);
  }

  writeFileSync(path: string, bytes: Buffer): void {
    const handle = this.openSync(path, 'create');
    try {
      handle.truncateSync(0);
      handle.writevSync([bytes], 0);
    } finally {
      handle.closeSync();
    }
  }

  statSync(path: string): FileStatus | undefined {
    this.#check('stat', path);
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (node instanceof DirectoryNode) return { isDirectory: true, sizeBytes: 0 };
    return { isDirectory: false, sizeBytes: node.cached.length };
  }

  readdirSync(path: string): string[] {
    this.#check('readdir', path);
    return [...this.#directory(path).cached.keys()];
  }

  mkdirSync(path: string): void {
    this.#check('mkdir', path);
    if (this.#find(path) !== undefined) throw systemError('EEXIST', 'mkdir', path);
    if (this.freeBytes <= 0) throw systemError('ENOSPC', 'mkdir', path);
    this.#link(path, new DirectoryNode());
  }

  rmdirSync(path: string): void {
    this.#check('rmdir', path);
    const node = this.#directory(path);
    if (node.cached.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path);
    this.#change(dirname(path), { removed: basename(path), added: undefined, node });
  }

  renameSync(from: string, to: string): void {
    this.#check('rename', from);
    if (dirname(from) !== dirname(to)) throw new Error('renames within one directory only');
    const node = this.#find(from);
    if (node === undefined) throw systemError('ENOENT', 'rename', from);
    this.#change(dirname(from), { removed: basename(from), added: basename(to), node });
  }

  unlinkSync(path: string): void {
    this.#check('unlink', path);
    const node = this.#file(path);
    this.#change(dirname(path), { removed: basename(path), added: undefined, node });
  }

  space(path: string): Promise<DiskSpace> {
    this.#check('open', path);
    const usableBytes = Number.isFinite(this.freeBytes) ? this.freeBytes : SPACE_BYTES;
    return Promise.resolve({ totalBytes: SPACE_BYTES, usableBytes });
  }

  async unlink(path: string): Promise<void> {
    await this.#delay();
    this.unlinkSync(path);
  }

  async syncDirectory(path: string): Promise<void> {
    const node = this.#directory(path);
    const covered = node.settled + node.changes.length;
    await this.#delay();
    this.#check('syncDirectory', path);
    this.#settleDirectory(node, covered);
  }

  syncDirectorySync(path: string): void {
    this.#check('syncDirectory', path);
    const node = this.#directory(path);
    this.#settleDirectory(node, node.settled + node.changes.length);
  }

  #handle(path: string, node: FileNode): FileHandle {
    const readSync = (buffer: Buffer, position: number): number => {
      this.#check('read', path);
      return node.cached.copy(buffer, 0, Math.min(position, node.cached.length));
    };
    return {
      path,
      readSync,
      read: async (buffer, position) => {
        await this.#delay();
        return readSync(buffer, position);
      },
      writevSync: (buffers, position) => this.#write(path, node, Buffer.concat(buffers), position),
      truncateSync: (sizeBytes) => {
        this.#check('truncate', path);
        this.#changeFile(node, { kind: 'truncate', sizeBytes });
      },
      sizeBytesSync: () => {
        this.#check('fstat', path);
        return node.cached.length;
      },
      datasync: async () => {
        this.datasyncCount += 1;
        const covered = node.settled + node.changes.length;
        await this.#delay();
        this.#datasync(path, node, covered);
      },
      datasyncSync: () => this.#datasync(path, node, node.settled + node.changes.length),
      closeSync: () => {
        this.openHandleCount -= 1;
      },
    };
  }

  #write(path: string, node: FileNode, bytes: Buffer, position: number): void {
    this.#check('write', path);
    const fits = Math.min(bytes.length, Math.max(0, this.freeBytes));
    this.freeBytes -= fits;
    // A copy: a file keeps what was written when the caller changes its buffer.
    const written = Buffer.from(bytes.subarray(0, fits));
    if (fits > 0) this.#changeFile(node, { kind: 'write', position, bytes: written });
    if (fits < bytes.length) throw systemError('ENOSPC', 'write', path);
  }

  #datasync(path: string, node: FileNode, covered: number): void {
    const count = covered - node.settled;
    try {
      this.#check('datasync', path);
    } catch (error) {
      // The pages count as clean from now on, but nobody knows what reached the disk.
      if (!this.#isOff) this.#settleFile(node, count, () => this.#random() < 0.5);
      throw error;
    }
    this.#settleFile(node, count, () => true);
  }

  #settleFile(node: FileNode, count: number, reachesDisk: () => boolean): void {
    if (count <= 0) return;
    for (const change of node.changes.splice(0, count)) {
      if (reachesDisk()) node.durable = applied(node.durable, change);
    }
    node.settled += count;
  }

  #settleDirectory(node: DirectoryNode, covered: number): void {
    const count = covered - node.settled;
    if (count <= 0) return;
    for (const change of node.changes.splice(0, count)) applyEntry(node.durable, change);
    node.settled += count;
  }

  /** What is left of `node` and all below it. */
  #survivor(node: Node, survivors: Map<Node, Node>): Node {
    const known = survivors.get(node);
    if (known !== undefined) return known;
    if (node instanceof FileNode) {
      const file = new FileNode();
      file.cached = this.#survivingBytes(node);
      file.durable = Buffer.from(file.cached);
      survivors.set(node, file);
      return file;
    }
    const directory = new DirectoryNode();
    survivors.set(node, directory);
    const entries = new Map(node.durable);
    for (const change of this.#survivingOf(node.changes)) applyEntry(entries, change);
    for (const [name, child] of entries) {
      directory.cached.set(name, this.#survivor(child, survivors));
    }
    for (const [name, child] of directory.cached) directory.durable.set(name, child);
    return directory;
  }

  /** None, all, the first few, or any of them. */
  #survivingOf<T>(changes: readonly T[]): readonly T[] {
    const mode = this.#random();
    if (mode < 0.2) return [];
    if (mode < 0.4) return changes;
    if (mode < 0.7) return changes.slice(0, Math.floor(this.#random() * (changes.length + 1)));
    return changes.filter(() => this.#random() < 0.5);
  }

  #survivingBytes(node: FileNode): Buffer {
    let bytes: Buffer = Buffer.from(node.durable);
    const surviving = new Set(this.#survivingOf(node.changes));
    const isTearing = this.#random() < 0.6;
    for (const change of node.changes) {
      if (change.kind === 'truncate') {
        if (surviving.has(change)) bytes = applied(bytes, change);
      } else if (surviving.has(change)) {
        for (const part of isTearing ? this.#torn(change) : [change]) bytes = applied(bytes, part);
      } else if (this.#random() < 0.1) {
        // The new size reached the disk, the bytes did not; bytes that were there before stay.
        const sizeBytes = Math.max(bytes.length, change.position + change.bytes.length);
        bytes = applied(bytes, { kind: 'truncate', sizeBytes });
      }
    }
    return bytes;
  }

  /** All of a write, its beginning to an arbitrary byte, or any of its sectors. */
  #torn(change: { position: number; bytes: Buffer }): FileChange[] {
    const { position, bytes } = change;
    const mode = this.#random();
    if (mode < 0.5) return [{ kind: 'write', position, bytes }];
    if (mode < 0.75) {
      const end = Math.floor(this.#random() * (bytes.length + 1));
      return [{ kind: 'write', position, bytes: bytes.subarray(0, end) }];
    }
    const parts: FileChange[] = [];
    let start = 0;
    while (start < bytes.length) {
      const end = Math.min(
        bytes.length,
        start + SECTOR_BYTES - ((position + start) % SECTOR_BYTES),
      );
      if (this.#random() < 0.5) {
        parts.push({
          kind: 'write',
          position: position + start,
          bytes: bytes.subarray(start, end),
        });
      }
      start = end;
    }
    return parts;
  }

  #check(call: string, path: string): void {
    if (this.#isOff) throw systemError('EIO', call, path);
    const at = this.#faults.findIndex((fault) => fault.call === call && fault.path.test(path));
    if (at < 0) return;
    const [fault] = this.#faults.splice(at, 1);
    throw systemError(fault!.code, call, path);
  }

  /** One to three turns of the event loop; for ever after the end. */
  async #delay(): Promise<void> {
    const turns = 1 + Math.floor(this.#random() * 3);
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (this.#isOff) await new Promise<void>(() => undefined);
  }

  #find(path: string): Node | undefined {
    let node: Node = this.#root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (!(node instanceof DirectoryNode)) return undefined;
      const child = node.cached.get(name);
      if (child === undefined) return undefined;
      node = child;
    }
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node === undefined) throw systemError('ENOENT', 'open', path);
    if (node instanceof DirectoryNode) throw systemError('EISDIR', 'open', path);
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#find(path);
    if (node === undefined) throw systemError('ENOENT', 'open', path);
    if (node instanceof FileNode) throw systemError('ENOTDIR', 'open', path);
    return node;
  }

  #link(path: string, node: Node): void {
    this.#change(dirname(path), { removed: undefined, added: basename(path), node });
  }

  #change(directory: string, change: EntryChange): void {
    const node = this.#directory(directory);
    node.changes.push(change);
    applyEntry(node.cached, change);
  }

  #changeFile(node: FileNode, change: FileChange): void {
    node.changes.push(change);
    node.cached = applied(node.cached, change);
  }
}

function applyEntry(entries: Map<string, Node>, change: EntryChange): void {
  if (change.removed !== undefined && entries.get(change.removed) === change.node) {
    entries.delete(change.removed);
  }
  if (change.added !== undefined) entries.set(change.added, change.node);
}

function applied(bytes: Buffer, change: FileChange): Buffer {
  if (change.kind === 'truncate') {
    if (change.sizeBytes <= bytes.length) return Buffer.from(bytes.subarray(0, change.sizeBytes));
    return Buffer.concat([bytes, Buffer.alloc(change.sizeBytes - bytes.length)]);
  }
  const end = change.position + change.bytes.length;
  const result = end > bytes.length ? Buffer.alloc(end) : Buffer.from(bytes);
  bytes.copy(result);
  change.bytes.copy(result, change.position);
  return result;
}
