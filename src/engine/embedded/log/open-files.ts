/**
 * Owns the file descriptors of segment files: at most `limit` are open, so that ten thousand
 * partitions fit. Files not used lately are closed first (second chance) and opened again on use.
 *
 * Invariant: a file with unsynced bytes is synced before it is closed here, since the kernel
 * reports a failed write-back to the descriptors that are open at that time. A pinned file (an
 * operation of the thread pool is under way) stays open, beyond the limit if need be.
 */
import type { FileHandle, FileSystem } from '../../../base/file-system.ts';

export class OpenFiles {
  readonly #files: FileSystem;
  readonly #limit: number;
  /** A failed sync is fatal, whoever's file it was. */
  readonly #syncFailed: (cause: unknown) => Error;
  readonly #open: PooledFile[] = [];
  #hand = 0;

  constructor(files: FileSystem, limit: number, syncFailed: (cause: unknown) => Error) {
    this.#files = files;
    this.#limit = limit;
    this.#syncFailed = syncFailed;
  }

  get openCount(): number {
    return this.#open.length;
  }

  /** Few places are left. */
  get isCrowded(): boolean {
    return this.#open.length > this.#limit * 0.75;
  }

  file(path: string): PooledFile {
    return new PooledFile(path, this);
  }

  /** For PooledFile only. */
  open(file: PooledFile): FileHandle {
    // Several when pinned files took more places than there are.
    while (this.#open.length >= this.#limit && this.#closeOne());
    const handle = this.#files.openSync(file.path, 'create');
    this.#open.push(file);
    return handle;
  }

  /** For PooledFile only. */
  forget(file: PooledFile): void {
    const at = this.#open.indexOf(file);
    const last = this.#open.pop();
    if (last !== undefined && last !== file) this.#open[at] = last;
  }

  /** False when all are pinned. */
  #closeOne(): boolean {
    const victim = this.#victim();
    if (victim === undefined) return false;
    try {
      victim.syncIfNeeded();
    } catch (error) {
      throw this.#syncFailed(error);
    }
    victim.close();
    return true;
  }

  /** Clean and not used lately if there is one; else any that is not pinned. */
  #victim(): PooledFile | undefined {
    let unsynced: PooledFile | undefined;
    for (let step = 0; step < 2 * this.#open.length; step += 1) {
      this.#hand = (this.#hand + 1) % this.#open.length;
      const file = this.#open[this.#hand]!;
      if (file.isPinned) continue;
      if (file.takeUsed()) continue;
      if (!file.isUnsynced) return file;
      unsynced ??= file;
    }
    return unsynced;
  }
}

export class PooledFile {
  readonly path: string;
  /** Bytes were written since the last sync began. */
  isUnsynced = false;
  readonly #pool: OpenFiles;
  #handle: FileHandle | undefined;
  #used = false;
  #pins = 0;
  #closeWhenUnpinned = false;
  #isRetired = false;

  constructor(path: string, pool: OpenFiles) {
    this.path = path;
    this.#pool = pool;
  }

  /** Closed for good. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  get isPinned(): boolean {
    return this.#pins > 0;
  }

  /** The open handle; valid until the event loop turns, longer only while pinned. */
  handle(): FileHandle {
    if (this.#isRetired) throw new Error(`${this.path} is closed`);
    this.#used = true;
    this.#handle ??= this.#pool.open(this);
    return this.#handle;
  }

  /** Runs an operation of the thread pool; the handle stays open until it ends. */
  async whilePinned<T>(run: (handle: FileHandle) => Promise<T>): Promise<T> {
    const handle = this.handle();
    this.#pins += 1;
    try {
      return await run(handle);
    } finally {
      this.#pins -= 1;
      if (this.#closeWhenUnpinned && this.#pins === 0) this.close();
    }
  }

  /** Syncs what was written before the call. */
  datasync(): Promise<void> {
    this.isUnsynced = false;
    return this.whilePinned((handle) => handle.datasync());
  }

  syncIfNeeded(): void {
    if (!this.isUnsynced || this.#handle === undefined) return;
    this.#handle.datasyncSync();
    this.isUnsynced = false;
  }

  /** Closes now, or when the last operation under way has ended. */
  close(): void {
    if (this.#pins > 0) {
      this.#closeWhenUnpinned = true;
      return;
    }
    const handle = this.#handle;
    this.#closeWhenUnpinned = false;
    if (handle === undefined) return;
    this.#handle = undefined;
    this.#pool.forget(this);
    handle.closeSync();
  }

  /** Closes for good: the log is closed or deleted, and the path may soon be another log's. */
  retire(): void {
    this.#isRetired = true;
    this.close();
  }

  /** For the pool's second chance: whether it was used since the last question. */
  takeUsed(): boolean {
    const used = this.#used;
    this.#used = false;
    return used;
  }
}
