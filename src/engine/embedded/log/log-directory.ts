/**
 * Owns what all logs of a directory share: the disk, the clock, the descriptors, the memory of
 * closed segments' indexes, and whether the directory can still be trusted.
 *
 * Invariant: after the first failed sync or I/O error `failure` is set for good: nothing is written
 * any more until a restart, every later operation answers KAFKA_STORAGE_ERROR, no sync is retried.
 */
import type { Clock } from '../../../base/clock.ts';
import { StorageError } from '../../../base/errors.ts';
import type { FileSystem } from '../../../base/file-system.ts';
import { FlushScheduler } from './flush-scheduler.ts';
import type { IndexFile } from './index-file.ts';
import type { LogDirectoryConfig } from './log-config.ts';
import { OpenFiles } from './open-files.ts';
import { ProducerQuota } from './producer-quota.ts';

export class LogDirectory {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly path: string;
  readonly config: LogDirectoryConfig;
  readonly openFiles: OpenFiles;
  readonly scheduler: FlushScheduler;
  readonly indexMemory: IndexMemory;
  readonly entries: SyncedEntries;
  readonly producerQuota: ProducerQuota;
  #failure: StorageError | undefined;
  readonly #offlineListeners: ((failure: StorageError) => void)[] = [];

  constructor(files: FileSystem, clock: Clock, path: string, config: LogDirectoryConfig) {
    this.files = files;
    this.clock = clock;
    this.path = path;
    this.config = config;
    this.openFiles = new OpenFiles(files, config.openFilesMax, (cause) => this.fail(cause));
    this.scheduler = new FlushScheduler(clock, config.syncsInFlightMax);
    this.indexMemory = new IndexMemory(config.indexMemoryBytesMax);
    this.entries = new SyncedEntries(files, path);
    const { producerIdsPerPartitionMax, producerIdsMax } = config;
    this.producerQuota = new ProducerQuota(producerIdsPerPartitionMax, producerIdsMax);
  }

  get failure(): StorageError | undefined {
    return this.#failure;
  }

  onOffline(listener: (failure: StorageError) => void): void {
    this.#offlineListeners.push(listener);
  }

  /** Takes the directory offline; the first cause stays. */
  fail(cause: unknown): StorageError {
    if (this.#failure !== undefined) return this.#failure;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `The log directory is offline until a restart: ${reason}`;
    const failure = new StorageError(message, { cause });
    this.#failure = failure;
    for (const listener of this.#offlineListeners) listener(failure);
    return failure;
  }
}

/** The entries of one folder: `sync` makes all changes noted before it durable, once for many. */
export class SyncedEntries {
  readonly #files: FileSystem;
  readonly #path: string;
  #changed = 0;
  #synced = 0;
  #underWay: Promise<void> | undefined;

  constructor(files: FileSystem, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /** An entry was made, renamed or removed; the number is for `sync`. */
  noteChange(): number {
    this.#changed += 1;
    return this.#changed;
  }

  /** Returns when the change numbered `change` is durable. */
  async sync(change: number): Promise<void> {
    while (this.#synced < change) {
      if (this.#underWay !== undefined) {
        await this.#underWay;
        continue;
      }
      const covered = this.#changed;
      this.#underWay = this.#files.syncDirectory(this.#path).finally(() => {
        this.#underWay = undefined;
      });
      await this.#underWay;
      this.#synced = Math.max(this.#synced, covered);
    }
  }
}

/** Index entries of closed segments in memory: the least recently used are dropped. */
export class IndexMemory {
  readonly #bytesMax: number;
  readonly #loaded = new Set<IndexFile>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Tells of a use; may drop others' entries. */
  touch(index: IndexFile): void {
    if (this.#loaded.delete(index)) this.#bytes -= index.memoryBytes;
    if (index.memoryBytes === 0) return;
    this.#loaded.add(index);
    this.#bytes += index.memoryBytes;
    for (const oldest of this.#loaded) {
      if (this.#bytes <= this.#bytesMax || oldest === index) break;
      this.forget(oldest);
      oldest.release();
    }
  }

  forget(index: IndexFile): void {
    if (this.#loaded.delete(index)) this.#bytes -= index.memoryBytes;
  }
}
