/**
 * Owns all logs of one log directory (Kafka's LogManager): opening them at the start, creating,
 * deleting, when checkpoints are made, and the clean end.
 *
 * Invariants: a partition has at most one open log. A recovery point is written only after what
 * lies below it is durable, indexes included. A damaged partition stays on disk as it is, listed in
 * `offlinePartitions`. A folder to be deleted is renamed first (`<name>.<random>-delete`) and
 * emptied in the background; a start finishes what an end interrupted. After the directory went
 * offline nothing is written, neither checkpoints nor the mark of a clean end.
 */
import { basename, join } from 'node:path';
import type { Clock, Timer } from '../../../base/clock.ts';
import { StorageError } from '../../../base/errors.ts';
import { type FileSystem, makeDirectoriesSync } from '../../../base/file-system.ts';
import { type Random, systemRandom } from '../../../base/random.ts';
import { LeaderEpochCache } from './leader-epoch-cache.ts';
import { isPassing, LocalLog } from './local-log.ts';
import { LogCheckpoints } from './log-checkpoints.ts';
import {
  DEFAULT_LOG_CONFIG,
  DEFAULT_LOG_DIRECTORY_CONFIG,
  type LogConfig,
  type LogDirectoryConfig,
} from './log-config.ts';
import { LogDirectory } from './log-directory.ts';
import { LogDirectoryFiles } from './log-directory-files.ts';
import { loadLog } from './log-loader.ts';
import { LogRetention } from './log-retention.ts';
import { LogSegment } from './log-segment.ts';
import { formatPartitionMetadata, PARTITION_METADATA_FILE } from './partition-metadata.ts';
import { ProducerState } from './producer-state.ts';
import { DamagedLogError } from './segment-adopter.ts';
import { UnifiedLog } from './unified-log.ts';

export interface LogManagerOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random?: Random;
  /** Made if it is missing. The caller holds the lock of the data folder. */
  readonly directory: string;
  readonly config?: Partial<LogDirectoryConfig>;
  /** The settings of a topic found on disk; Kafka's defaults unless given. */
  readonly configFor?: (topic: string) => LogConfig;
}

/** Kafka's rule for topic names; also keeps folder names inside the directory. */
const TOPIC_NAME = /^[A-Za-z0-9._-]{1,249}$/;
const PARTITION_FOLDER = /^([A-Za-z0-9._-]+)-(\d{1,10})$/;
const DELETE_SUFFIX = '-delete';
const STRAY_SUFFIX = '-stray';
/** Room for the suffix in a file name of 255 bytes. */
const NAME_BYTES_IN_SUFFIXED = 200;
/** Logs opened or closed at once: their waits overlap, the thread pool has four threads. */
const LOGS_AT_ONCE = 4;

export class LogManager {
  readonly directory: LogDirectory;
  /** Partitions whose data is damaged, by `topic-partition`. */
  readonly offlinePartitions = new Map<string, DamagedLogError>();
  readonly #logs = new Map<string, UnifiedLog>();
  readonly #topLevel: LogDirectoryFiles;
  readonly #random: Random;
  readonly #configFor: (topic: string) => LogConfig;
  #checkpointFiles: LogCheckpoints | undefined;
  #retention: LogRetention | undefined;
  #checkpointTimer: Timer | undefined;
  #checkpointUnderWay: Promise<void> | undefined;
  #removals: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(options: LogManagerOptions) {
    const config = { ...DEFAULT_LOG_DIRECTORY_CONFIG, ...options.config };
    const { fileSystem, clock, directory } = options;
    this.directory = new LogDirectory(fileSystem, clock, directory, config);
    this.#topLevel = new LogDirectoryFiles(fileSystem, directory);
    this.#random = options.random ?? systemRandom;
    this.#configFor = options.configFor ?? (() => DEFAULT_LOG_CONFIG);
    this.directory.onOffline((failure) => {
      for (const log of this.#logs.values()) log.fail(failure);
    });
  }

  /** Rejects with ConfigError (wrong folder, newer format) or StorageError (the disk fails). */
  static async open(options: LogManagerOptions): Promise<LogManager> {
    const manager = new LogManager(options);
    try {
      await manager.#load();
    } catch (error) {
      manager.#closeFiles();
      throw error instanceof Error && 'syscall' in error ? manager.directory.fail(error) : error;
    }
    manager.#armCheckpoint();
    manager.retention.start();
    return manager;
  }

  /** Why nothing can be stored or read any more, if so. */
  get failure(): StorageError | undefined {
    return this.directory.failure;
  }

  /** Called once, when the directory goes offline. */
  onOffline(listener: (failure: StorageError) => void): void {
    this.directory.onOffline(listener);
  }

  /** Where logs begin, durably: rejects when the disk refuses. */
  persistLogStarts(logs: readonly UnifiedLog[]): Promise<void> {
    return this.#checkpoints.persistLogStarts(logs);
  }

  /** What removes old segments. */
  get retention(): LogRetention {
    if (this.#retention === undefined) throw new Error('the log directory is not loaded');
    return this.#retention;
  }

  get(topic: string, partition: number): UnifiedLog | undefined {
    return this.#logs.get(`${topic}-${partition}`);
  }

  logs(): IterableIterator<UnifiedLog> {
    return this.#logs.values();
  }

  /**
   * A new, empty log. Its folder becomes durable with its first synced batch; until then a power
   * cut may take it, so the metadata log, not the disk, says which partitions there are.
   * Throws StorageError when the disk is full or offline, or the partition is damaged or exists.
   */
  create(topic: string, partition: number, topicId: string, config: LogConfig): UnifiedLog {
    const name = `${topic}-${partition}`;
    this.#checkUsable();
    if (!TOPIC_NAME.test(topic) || topic === '.' || topic === '..' || !isPartition(partition)) {
      throw new StorageError(`${JSON.stringify(name)} cannot be the name of a partition's folder`);
    }
    const damage = this.offlinePartitions.get(name);
    if (damage !== undefined) throw damage;
    if (this.#logs.has(name)) throw new StorageError(`The log of ${name} exists already`);
    const path = join(this.directory.path, name);
    this.#makeFolder(path, topicId);
    const { files, openFiles, clock } = this.directory;
    const segments = [new LogSegment(files, openFiles, path, 0, clock.nowMs())];
    const local = new LocalLog(this.directory, config, path, segments);
    local.noteNew();
    const log = new UnifiedLog({
      topic,
      partition,
      topicId,
      local,
      logStartOffset: 0,
      logEndOffset: 0,
      recoveryPoint: 0,
      producers: new ProducerState(this.directory.producerQuota),
      epochs: new LeaderEpochCache(),
      wasClean: false,
    });
    this.#logs.set(name, log);
    return log;
  }

  /** Ends the log (who waits is told) and removes its data in the background. */
  delete(topic: string, partition: number): void {
    const name = `${topic}-${partition}`;
    this.#checkUsable();
    const log = this.#logs.get(name);
    if (log === undefined && !this.offlinePartitions.has(name)) return;
    const moved = this.#moveAway(name, DELETE_SUFFIX);
    this.#logs.delete(name);
    this.offlinePartitions.delete(name);
    log?.fail(new StorageError(`Partition ${name} was deleted`));
    log?.local.closeFiles();
    log?.producers.clear();
    this.#removeInBackground(moved);
    this.#checkpoints.noteDeleted(name);
  }

  /** Resolves when the files of what was deleted so far are gone, or the directory has failed. */
  async removalsDone(): Promise<void> {
    await this.#removals;
    if (this.failure !== undefined) throw this.failure;
  }

  /** Writes recovery points and log start offsets; also done every checkpointIntervalMs. */
  checkpoint(): Promise<void> {
    this.#checkpointUnderWay ??= this.#writeCheckpoints(false).finally(() => {
      this.#checkpointUnderWay = undefined;
    });
    return this.#checkpointUnderWay;
  }

  /** Syncs and closes every log; a clean end unless the directory is offline. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#checkpointTimer?.cancel();
    await this.#checkpointUnderWay?.catch(() => undefined);
    await this.#retention?.stop();
    await this.#checkpointFiles?.settled();
    await this.#removals;
    try {
      if (this.failure === undefined) await this.#finish();
    } finally {
      this.directory.scheduler.stop();
      for (const log of this.#logs.values()) log.fail(new StorageError('The log is closed'));
      this.#closeFiles();
    }
  }

  async #load(): Promise<void> {
    const { files, path } = this.directory;
    makeDirectoriesSync(files, path);
    // The last end may have come between a checkpoint's rename and its sync: what the start removes
    // on the word of that checkpoint must not outlive it.
    await files.syncDirectory(path);
    await this.#topLevel.checkFormat();
    const checkpoints = new LogCheckpoints(this.directory, this.#topLevel, this.#logs);
    this.#checkpointFiles = checkpoints;
    this.#retention = new LogRetention(this.directory, this.#logs, checkpoints);
    const wasClean = await this.#topLevel.takeCleanMark();
    const folders = new Set<string>();
    for (const name of files.readdirSync(path)) {
      if (name.endsWith(DELETE_SUFFIX)) this.#removeInBackground(join(path, name));
      else if (PARTITION_FOLDER.test(name)) folders.add(name);
    }
    checkpoints.keepOnly(folders);
    await forEachAtOnce([...folders], LOGS_AT_ONCE, (name) => this.#loadPartition(name, wasClean));
    await files.syncDirectory(path);
  }

  get #checkpoints(): LogCheckpoints {
    if (this.#checkpointFiles === undefined) throw new Error('the log directory is not loaded');
    return this.#checkpointFiles;
  }

  async #loadPartition(name: string, wasClean: boolean): Promise<void> {
    const [, topic, partition] = PARTITION_FOLDER.exec(name) ?? [];
    if (topic === undefined) return;
    const known = this.#checkpoints.recoveryPoint(name);
    const recoveryPoint = known ?? 0;
    try {
      const log = await loadLog(this.directory, {
        topic,
        partition: Number(partition),
        path: join(this.directory.path, name),
        config: this.#configFor(topic),
        recoveryPoint,
        logStartOffset: this.#checkpoints.foundLogStart(name),
        wasClean: wasClean && known !== undefined,
      });
      if (log.topicId !== undefined) this.#logs.set(name, log);
      else this.#putAside(name, log, recoveryPoint);
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error;
      this.offlinePartitions.set(name, error);
    }
  }

  /** No topic id: its creation was never completed, or, if it was ever synced, it is damaged. */
  #putAside(name: string, log: UnifiedLog, recoveryPoint: number): void {
    log.local.closeFiles();
    log.producers.clear();
    if (recoveryPoint > 0) {
      const message = `Partition ${name} is damaged and stays offline: ${PARTITION_METADATA_FILE}`;
      this.offlinePartitions.set(name, new DamagedLogError(message));
    } else if (log.logEndOffset > 0) {
      this.#moveAway(name, STRAY_SUFFIX);
    } else {
      this.#removeInBackground(this.#moveAway(name, DELETE_SUFFIX));
    }
  }

  #checkUsable(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.#isClosed) throw new StorageError('The log directory is closed');
  }

  #makeFolder(path: string, topicId: string): void {
    const { files } = this.directory;
    try {
      // Left over from a creation that failed half-way: every real log is known.
      if (files.statSync(path) !== undefined) {
        this.#removeInBackground(this.#moveAway(basename(path), DELETE_SUFFIX));
      }
      this.#checkpoints.forgetOnDisk(basename(path));
      files.mkdirSync(path);
      files.writeFileSync(join(path, PARTITION_METADATA_FILE), formatPartitionMetadata(topicId));
    } catch (error) {
      if (!isPassing(error)) throw this.directory.fail(error);
      const reason = error instanceof Error ? error.message : String(error);
      throw new StorageError(`The partition was not created: ${reason}`, { cause: error });
    }
  }

  /** Renames a partition's folder; its new path. */
  #moveAway(name: string, suffix: string): string {
    const random = this.#random.bytes(16).toString('hex');
    const moved = `${name.slice(0, NAME_BYTES_IN_SUFFIXED)}.${random}${suffix}`;
    const path = join(this.directory.path, moved);
    try {
      this.directory.files.renameSync(join(this.directory.path, name), path);
    } catch (error) {
      throw this.directory.fail(error);
    }
    this.directory.entries.noteChange();
    return path;
  }

  /** One at a time: thousands of removals must not stand before a sync in the thread pool. */
  #removeInBackground(path: string): void {
    this.#removals = this.#removals
      .then(() => this.#remove(path))
      .catch((error: unknown) => {
        if (!this.#isClosed && !isPassing(error)) this.directory.fail(error);
      });
  }

  /** What is left when the directory closes is removed at the next start. */
  async #remove(path: string): Promise<void> {
    const { files, entries } = this.directory;
    if (this.#isClosed || files.statSync(path) === undefined) return;
    // The new name first: else a power cut could bring the log back with half of its files.
    await entries.sync(entries.noteChange());
    for (const name of files.readdirSync(path)) {
      if (this.failure !== undefined || this.#isClosed) return;
      await files.unlink(join(path, name));
    }
    files.rmdirSync(path);
  }

  #armCheckpoint(): void {
    const { clock, config } = this.directory;
    this.#checkpointTimer = clock.setTimer(config.checkpointIntervalMs, () => {
      void this.checkpoint()
        .catch(() => undefined)
        .then(() => {
          if (!this.#isClosed && this.failure === undefined) this.#armCheckpoint();
        });
    });
  }

  async #finish(): Promise<void> {
    await forEachAtOnce([...this.#logs.values()], LOGS_AT_ONCE, (log) => log.flush());
    await this.#writeCheckpoints(true);
    await this.#topLevel.writeCleanMark();
  }

  async #writeCheckpoints(isLast: boolean): Promise<void> {
    // A running broker needs the thread pool for its clients.
    const atOnce = isLast ? LOGS_AT_ONCE : 1;
    await forEachAtOnce([...this.#logs], atOnce, async ([name, log]) => {
      try {
        const point = log.failure === undefined ? await log.checkpoint(isLast) : undefined;
        const isHere = this.#logs.get(name) === log;
        if (isHere && point !== undefined) this.#checkpoints.noteRecoveryPoint(name, point);
      } catch (error) {
        // Deleted meanwhile, or no space for its files: its older point stays true.
        if (this.failure !== undefined) throw error;
      }
    });
    await this.#checkpoints.write();
  }

  #closeFiles(): void {
    for (const log of this.#logs.values()) log.local.closeFiles();
  }
}

function isPartition(partition: number): boolean {
  return Number.isInteger(partition) && partition >= 0 && partition <= 0x7fff_ffff;
}

/** Runs `run` over `items`, `atOnce` of them at a time; the first failure ends it. */
async function forEachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next]!;
      next += 1;
      await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
