/**
 * Owns the file that a stream writes to: which one it is, where it ends, what of it is synced.
 *
 * Invariants: a file that was left holds whole lines only and is synced; after a failed write or sync
 * it is cut back to where the batch began and never synced again, and the next batch goes to another.
 * Concurrency: the caller has one write or sync under way.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { FileHandle, FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { type AuditFileName, formatAuditFile, type RecoveredFiles } from './audit-files.ts';

export interface StreamFileOptions {
  readonly name: string;
  readonly directory: string;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fileBytesMax: number;
}

/** A cut that failed, to be tried again; a start does what is left of them. */
interface Cut {
  readonly path: string;
  readonly sizeBytes: number;
}

const CUTS_MAX = 16;

export class StreamFile {
  readonly #options: StreamFileOptions;
  #handle: FileHandle | null = null;
  /** The newest file of the stream; null before there is any. */
  #file: AuditFileName | null;
  #positionBytes = 0;
  #unsynced = false;
  #hasSyncFailed = false;
  /** True at first: an earlier run may have been killed before it synced the folder. */
  #directoryDirty = true;
  #cuts: Cut[] = [];

  /** Throws Node's error when the newest file cannot be opened. */
  constructor(options: StreamFileOptions, { newest, continuable }: RecoveredFiles) {
    this.#options = options;
    this.#file = newest;
    if (newest === null || !continuable) return;
    this.#handle = options.files.openSync(this.#pathOf(newest), 'create');
    this.#positionBytes = this.#handle.sizeBytesSync();
  }

  /** The newest file of the stream, or null before the first line. */
  get fileName(): string | null {
    return this.#file === null ? null : formatAuditFile(this.#file);
  }

  get unsynced(): boolean {
    return this.#unsynced;
  }

  #pathOf(file: AuditFileName): string {
    return join(this.#options.directory, formatAuditFile(file));
  }

  /**
   * Makes sure that there is a file for the batch: a new one on a new day, or when this one is large
   * enough. True when a file was left, which is synced then.
   */
  async prepare(batchBytes: number): Promise<boolean> {
    this.#retryCuts();
    const { clock, files, name, fileBytesMax } = this.#options;
    const day = new Date(clock.nowMs()).toISOString().slice(0, 10).replaceAll('-', '');
    const full = this.#positionBytes > 0 && this.#positionBytes + batchBytes > fileBytesMax;
    // A clock that was set back does not make a file that sorts before the one in use.
    const isOfToday = this.#file !== null && this.#file.day >= day;
    if (this.#handle !== null && !full && isOfToday) return false;
    const wasOpen = this.#handle !== null;
    if (this.#handle !== null) {
      await this.sync();
      this.#handle.closeSync();
      this.#handle = null;
    }
    const file =
      this.#file !== null && isOfToday
        ? { name, day: this.#file.day, number: this.#file.number + 1 }
        : { name, day, number: 1 };
    this.#handle = files.openSync(this.#pathOf(file), 'create');
    this.#file = file;
    this.#positionBytes = this.#handle.sizeBytesSync();
    this.#directoryDirty = true;
    return wasOpen;
  }

  /** Writes behind what is kept; the batch counts once `keep` was called. */
  write(batch: Buffer): void {
    this.#handle!.writevSync([batch], this.#positionBytes);
    this.#unsynced = true;
  }

  keep(batchBytes: number): void {
    this.#positionBytes += batchBytes;
  }

  async sync(): Promise<void> {
    if (this.#handle === null || !this.#unsynced) return;
    this.#hasSyncFailed = true;
    await this.#handle.datasync();
    this.#hasSyncFailed = false;
    if (this.#directoryDirty) await this.#options.files.syncDirectory(this.#options.directory);
    this.#directoryDirty = false;
    this.#unsynced = false;
  }

  /** Leaves the file as it was before the batch; one that holds nothing is used again. */
  abandon(): void {
    const handle = this.#handle;
    if (handle === null) return;
    const { logger } = this.#options;
    const isSyncDue = this.#unsynced && !this.#hasSyncFailed;
    this.#handle = null;
    this.#unsynced = false;
    this.#hasSyncFailed = false;
    try {
      handle.truncateSync(this.#positionBytes);
      // After a failed write alone, what was written before it can still be made durable.
      if (isSyncDue) this.#syncLeft(handle);
      const file = this.#file;
      if (this.#positionBytes === 0 && file !== null) {
        this.#file = { ...file, number: file.number - 1 };
      }
    } catch (err) {
      logger.error({ err, file: handle.path }, 'the audit file keeps a torn tail for now');
      this.#cuts = [...this.#cuts, { path: handle.path, sizeBytes: this.#positionBytes }];
      if (this.#cuts.length > CUTS_MAX) this.#cuts.shift();
    }
    try {
      handle.closeSync();
    } catch (err) {
      logger.error({ err, file: handle.path }, 'the audit file could not be closed');
    }
  }

  /** The file and its name: the next file must not outlive this one's lines. */
  #syncLeft(handle: FileHandle): void {
    handle.datasyncSync();
    if (this.#directoryDirty) this.#options.files.syncDirectorySync(this.#options.directory);
  }

  #retryCuts(): void {
    if (this.#cuts.length === 0) return;
    const { files } = this.#options;
    this.#cuts = this.#cuts.filter(({ path, sizeBytes }) => {
      try {
        const handle = files.openSync(path, 'readWrite');
        try {
          handle.truncateSync(sizeBytes);
        } finally {
          handle.closeSync();
        }
        return false;
      } catch {
        return true;
      }
    });
  }

  closeSync(): void {
    this.#handle?.closeSync();
    this.#handle = null;
  }
}
