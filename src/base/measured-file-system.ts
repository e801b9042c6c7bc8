/**
 * A FileSystem that measures how long the disk takes to sync files. Invariant: it changes nothing
 * of what the one beneath it does; a failed sync is measured, too.
 */
import type { FileHandle, FileSystem, OpenMode } from './file-system.ts';
import type { Histogram } from './metrics.ts';

export function measuredFileSystem(files: FileSystem, syncSeconds: Histogram): FileSystem {
  return {
    openSync: (path: string, mode: OpenMode) =>
      new MeasuredFileHandle(files.openSync(path, mode), syncSeconds),
    readFileSync: (path) => files.readFileSync(path),
    writeFileSync: (path, bytes) => files.writeFileSync(path, bytes),
    statSync: (path) => files.statSync(path),
    readdirSync: (path) => files.readdirSync(path),
    mkdirSync: (path) => files.mkdirSync(path),
    rmdirSync: (path) => files.rmdirSync(path),
    renameSync: (from, to) => files.renameSync(from, to),
    unlinkSync: (path) => files.unlinkSync(path),
    unlink: (path) => files.unlink(path),
    space: (path) => files.space(path),
    syncDirectory: (path) => files.syncDirectory(path),
    syncDirectorySync: (path) => files.syncDirectorySync(path),
  };
}

class MeasuredFileHandle implements FileHandle {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #syncSeconds: Histogram;

  constructor(handle: FileHandle, syncSeconds: Histogram) {
    this.path = handle.path;
    this.#handle = handle;
    this.#syncSeconds = syncSeconds;
  }

  readSync(buffer: Buffer, position: number): number {
    return this.#handle.readSync(buffer, position);
  }

  read(buffer: Buffer, position: number): Promise<number> {
    return this.#handle.read(buffer, position);
  }

  writevSync(buffers: readonly Buffer[], position: number): void {
    this.#handle.writevSync(buffers, position);
  }

  truncateSync(sizeBytes: number): void {
    this.#handle.truncateSync(sizeBytes);
  }

  sizeBytesSync(): number {
    return this.#handle.sizeBytesSync();
  }

  datasync(): Promise<void> {
    const beganMs = performance.now();
    return this.#handle.datasync().finally(() => this.#measure(beganMs));
  }

  datasyncSync(): void {
    const beganMs = performance.now();
    try {
      this.#handle.datasyncSync();
    } finally {
      this.#measure(beganMs);
    }
  }

  closeSync(): void {
    this.#handle.closeSync();
  }

  #measure(beganMs: number): void {
    this.#syncSeconds.observe((performance.now() - beganMs) / 1000);
  }
}
