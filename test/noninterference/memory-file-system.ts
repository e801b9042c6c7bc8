/** A disk in memory, one turn of the event loop for what is asynchronous. Nothing is lost or refused. */
import { basename, dirname } from 'node:path';
import type { DiskSpace, FileHandle, FileSystem, OpenMode } from '../../src/base/file-system.ts';

class MemoryFile {
  #bytes: Buffer = Buffer.alloc(0);
  sizeBytes = 0;

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.sizeBytes);
  }

  resize(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(sizeBytes, 2 * this.#bytes.length, 1024));
      this.bytes.copy(larger);
      this.#bytes = larger;
    } else if (sizeBytes < this.sizeBytes) this.#bytes.fill(0, sizeBytes, this.sizeBytes);
    this.sizeBytes = sizeBytes;
  }

  write(bytes: Buffer, position: number): void {
    this.resize(Math.max(this.sizeBytes, position + bytes.length));
    bytes.copy(this.#bytes, position);
  }
}

type Folder = Map<string, MemoryFile | 'folder'>;

const SPACE_BYTES = 2 ** 40;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function missing(call: string, path: string): Error {
  return Object.assign(new Error(`ENOENT: ${call} '${path}'`), { code: 'ENOENT' });
}

export class MemoryFileSystem implements FileSystem {
  readonly #folders = new Map<string, Folder>([['/', new Map()]]);
  /** Grows with every call: somebody is at work. */
  calls = 0;

  openSync(path: string, mode: OpenMode): FileHandle {
    this.calls += 1;
    let file = this.#folder(dirname(path)).get(basename(path));
    if (file === undefined && mode === 'create') {
      file = new MemoryFile();
      this.#folder(dirname(path)).set(basename(path), file);
    }
    if (!(file instanceof MemoryFile)) throw missing('open', path);
    return this.#handle(path, file);
  }

  readFileSync(path: string): Buffer {
    return Buffer.from(this.#file(path).bytes);
  }

  writeFileSync(path: string, bytes: Buffer): void {
    const handle = this.openSync(path, 'create');
    handle.truncateSync(0);
    handle.writevSync([bytes], 0);
  }

  statSync(path: string) {
    if (this.#folders.has(path)) return { isDirectory: true, sizeBytes: 0 };
    const found = this.#folders.get(dirname(path))?.get(basename(path));
    if (!(found instanceof MemoryFile)) return undefined;
    return { isDirectory: false, sizeBytes: found.sizeBytes };
  }

  readdirSync(path: string): string[] {
    return [...this.#folder(path).keys()];
  }

  mkdirSync(path: string): void {
    this.#folder(dirname(path)).set(basename(path), 'folder');
    this.#folders.set(path, new Map());
  }

  rmdirSync(path: string): void {
    this.#folder(dirname(path)).delete(basename(path));
    this.#folders.delete(path);
  }

  renameSync(from: string, to: string): void {
    this.calls += 1;
    const moved = this.#folder(dirname(from)).get(basename(from));
    if (moved === undefined) throw missing('rename', from);
    this.#folder(dirname(from)).delete(basename(from));
    this.#folder(dirname(to)).set(basename(to), moved);
    if (moved !== 'folder') return;
    for (const [path, folder] of [...this.#folders]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.#folders.delete(path);
      this.#folders.set(`${to}${path.slice(from.length)}`, folder);
    }
  }

  unlinkSync(path: string): void {
    this.calls += 1;
    this.#file(path);
    this.#folder(dirname(path)).delete(basename(path));
  }

  async unlink(path: string): Promise<void> {
    await nextTurn();
    this.unlinkSync(path);
  }

  space(): Promise<DiskSpace> {
    return Promise.resolve({ totalBytes: SPACE_BYTES, usableBytes: SPACE_BYTES });
  }

  async syncDirectory(path: string): Promise<void> {
    this.calls += 1;
    this.#folder(path);
    await nextTurn();
  }

  syncDirectorySync(path: string): void {
    this.#folder(path);
  }

  #handle(path: string, file: MemoryFile): FileHandle {
    const readSync = (buffer: Buffer, position: number): number => {
      this.calls += 1;
      return file.bytes.copy(buffer, 0, Math.min(position, file.sizeBytes));
    };
    return {
      path,
      readSync,
      read: async (buffer, position) => {
        await nextTurn();
        return readSync(buffer, position);
      },
      writevSync: (buffers, position) => {
        this.calls += 1;
        let at = position;
        for (const buffer of buffers) {
          file.write(buffer, at);
          at += buffer.length;
        }
      },
      truncateSync: (sizeBytes) => file.resize(sizeBytes),
      sizeBytesSync: () => file.sizeBytes,
      datasync: () => {
        this.calls += 1;
        return nextTurn();
      },
      datasyncSync: () => undefined,
      closeSync: () => undefined,
    };
  }

  #folder(path: string): Folder {
    const folder = this.#folders.get(path);
    if (folder === undefined) throw missing('readdir', path);
    return folder;
  }

  #file(path: string): MemoryFile {
    const file = this.#folder(dirname(path)).get(basename(path));
    if (!(file instanceof MemoryFile)) throw missing('open', path);
    return file;
  }
}
