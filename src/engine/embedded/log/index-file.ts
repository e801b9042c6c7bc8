/**
 * Owns the entries of one index file: fixed-size, appended in order, kept in memory while in use.
 *
 * Invariant: memory is ahead of the file by the entries from `#writtenCount` on; `writeSync` brings
 * the file up to date (at a roll, at a checkpoint, at the close), `release` drops the memory of a
 * file that is up to date. An index can always be made again from its log, so it is never synced
 * on the produce path; it is synced before the recovery point passes its segment.
 */
import type { FileSystem } from '../../../base/file-system.ts';

const FIRST_CAPACITY_ENTRIES = 32;

export class IndexFile {
  readonly path: string;
  readonly entryBytes: number;
  readonly #files: FileSystem;
  #buffer: Buffer | undefined;
  #count = 0;
  /** -1: the file may be anything, and is written anew. */
  #writtenCount = -1;

  constructor(files: FileSystem, path: string, entryBytes: number) {
    this.#files = files;
    this.path = path;
    this.entryBytes = entryBytes;
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#count * this.entryBytes;
  }

  /** Bytes held in memory now. */
  get memoryBytes(): number {
    return this.#buffer?.length ?? 0;
  }

  /** The file, if there is one, may hold other entries than these. */
  get isStale(): boolean {
    return this.#writtenCount < 0;
  }

  /** The file is about to be removed: the next write makes it anew from memory. */
  forgetFile(): void {
    this.entries();
    this.#writtenCount = -1;
  }

  /** Takes over an existing file; false when it is missing or its size is not whole entries. */
  adopt(): boolean {
    const status = this.#files.statSync(this.path);
    if (status === undefined || status.sizeBytes % this.entryBytes !== 0) return false;
    this.#count = status.sizeBytes / this.entryBytes;
    this.#writtenCount = this.#count;
    this.#buffer = undefined;
    return true;
  }

  /** The entries as bytes, `sizeBytes` of them valid. */
  entries(): Buffer {
    if (this.#buffer === undefined) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.sizeBytes, this.entryBytes));
      if (this.#count > 0) this.#readInto(this.#buffer.subarray(0, this.sizeBytes));
    }
    return this.#buffer;
  }

  /** As `entries`, reading in the thread pool. */
  async load(): Promise<void> {
    if (this.#buffer !== undefined || this.#count === 0) return;
    const bytes = Buffer.allocUnsafeSlow(this.sizeBytes);
    const handle = this.#files.openSync(this.path, 'read');
    try {
      const count = await handle.read(bytes, 0);
      if (count < bytes.length) throw new Error(`${this.path} is shorter than it was`);
    } finally {
      handle.closeSync();
    }
    if (bytes.length === this.sizeBytes) this.#buffer ??= bytes;
  }

  /** Room for one more entry: the caller writes it at the place returned, in `entries()`. */
  addEntry(): number {
    const at = this.sizeBytes;
    const buffer = this.entries();
    if (at + this.entryBytes > buffer.length) {
      const capacity = Math.max(FIRST_CAPACITY_ENTRIES * this.entryBytes, buffer.length * 2);
      const larger = Buffer.allocUnsafeSlow(capacity);
      buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#count += 1;
    return at;
  }

  truncateTo(count: number): void {
    if (count >= this.#count) return;
    this.entries();
    this.#count = count;
    // What the file holds beyond is cut off by the next write.
    if (this.#writtenCount > count) this.#writtenCount = -1;
  }

  clear(): void {
    this.#buffer = undefined;
    this.#count = 0;
    this.#writtenCount = -1;
  }

  /** Brings the file up to date; not yet durable. */
  writeSync(): void {
    if (this.#writtenCount === this.#count) return;
    const handle = this.#files.openSync(this.path, 'create');
    try {
      const from = Math.max(0, this.#writtenCount);
      if (this.#writtenCount < 0) handle.truncateSync(0);
      if (this.#count > from) {
        const bytes = this.entries().subarray(from * this.entryBytes, this.sizeBytes);
        handle.writevSync([bytes], from * this.entryBytes);
      }
      this.#writtenCount = this.#count;
    } catch (error) {
      this.#writtenCount = -1;
      throw error;
    } finally {
      handle.closeSync();
    }
  }

  /** Syncs the file as it is on disk. */
  async datasync(): Promise<void> {
    const handle = this.#files.openSync(this.path, 'readWrite');
    try {
      await handle.datasync();
    } catch (error) {
      // Nobody knows what reached the disk: the next write makes the whole file anew.
      this.#writtenCount = -1;
      throw error;
    } finally {
      handle.closeSync();
    }
  }

  release(): void {
    if (this.#writtenCount === this.#count) this.#buffer = undefined;
  }

  #readInto(target: Buffer): void {
    const handle = this.#files.openSync(this.path, 'read');
    try {
      const count = handle.readSync(target, 0);
      if (count < target.length) throw new Error(`${this.path} is shorter than it was`);
    } finally {
      handle.closeSync();
    }
  }
}
