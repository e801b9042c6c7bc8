/**
 * Owns what the two checkpoint files of a log directory say: each log's recovery point, and where
 * it begins once its beginning was deleted.
 *
 * Invariants: one write at a time, of what is true when it begins; a log's `durable` is set after
 * the files that say so are durable. A recovery point is noted only after what lies below it is
 * durable, indexes included. After the directory went offline nothing is written.
 */
import { StorageError } from '../../../base/errors.ts';
import { isPassing } from './local-log.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogDirectoryFiles } from './log-directory-files.ts';
import type { UnifiedLog } from './unified-log.ts';

/** What one write of the files says. */
interface Statement {
  readonly recoveryPoints: ReadonlyMap<string, number>;
  readonly logStarts: ReadonlyMap<string, number>;
  /** Whom to tell, with the offsets, when it is durable. */
  readonly of: readonly (readonly [UnifiedLog, UnifiedLog['durable']])[];
}

/** A write can be made void by a quicker one; more often than this is a fault. */
const WRITES_FOR_LOG_STARTS_MAX = 10;

export class LogCheckpoints {
  readonly #directory: LogDirectory;
  readonly #files: LogDirectoryFiles;
  readonly #logs: ReadonlyMap<string, UnifiedLog>;
  /** As last checkpointed; of logs that are here, offline ones included. */
  readonly #recoveryPoints: Map<string, number>;
  /** Where logs began at the start, offline ones included. */
  readonly #foundLogStarts: ReadonlyMap<string, number>;
  /** Named in a checkpoint file, whether they are here or not. */
  #namesOnDisk: Set<string>;
  #lastWrite: Promise<void> = Promise.resolve();
  #nextWrite: Promise<void> | undefined;
  /** Grows when the files were written at once: a slower write that began before is void. */
  #immediateWrites = 0;

  constructor(
    directory: LogDirectory,
    files: LogDirectoryFiles,
    logs: ReadonlyMap<string, UnifiedLog>,
  ) {
    this.#directory = directory;
    this.#files = files;
    this.#logs = logs;
    this.#recoveryPoints = files.readRecoveryPoints();
    this.#foundLogStarts = files.readLogStarts();
    this.#namesOnDisk = new Set([...this.#recoveryPoints.keys(), ...this.#foundLogStarts.keys()]);
  }

  /** Undefined when the files do not know the log. */
  recoveryPoint(name: string): number | undefined {
    return this.#recoveryPoints.get(name);
  }

  foundLogStart(name: string): number {
    return this.#foundLogStarts.get(name) ?? 0;
  }

  /** Forgets logs that are not there. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#recoveryPoints.keys()) {
      if (!names.has(name)) this.#recoveryPoints.delete(name);
    }
  }

  /** For the next write. */
  noteRecoveryPoint(name: string, offset: number): void {
    this.#recoveryPoints.set(name, offset);
  }

  /** The log was deleted; it leaves the files in its own time. */
  noteDeleted(name: string): void {
    this.#recoveryPoints.delete(name);
    if (this.#namesOnDisk.has(name)) void this.write().catch(() => undefined);
  }

  /** At once: a new log must not inherit the offsets of a deleted one of its name. */
  forgetOnDisk(name: string): void {
    if (!this.#namesOnDisk.has(name)) return;
    const statement = this.#state();
    this.#immediateWrites += 1;
    this.#files.writeCheckpointsSync(statement);
    this.#namesOnDisk = namesIn(statement);
    tell(statement);
  }

  /** Calls before the write begins share it. Rejects when there is no space: all stays true. */
  write(): Promise<void> {
    this.#nextWrite ??= this.#lastWrite
      .catch(() => undefined)
      .then(() => {
        this.#nextWrite = undefined;
        this.#lastWrite = this.#writeNow();
        return this.#lastWrite;
      });
    return this.#nextWrite;
  }

  /** Resolves when the logs begin, after a restart too, where they begin now. */
  async persistLogStarts(logs: readonly UnifiedLog[]): Promise<void> {
    const wanted = logs.map((log) => [log, log.logStartOffset] as const);
    const isBehind = (): boolean =>
      wanted.some(([log, offset]) => log.durable.logStartOffset < offset && this.#isHere(log));
    for (let count = 0; isBehind(); count += 1) {
      if (count === WRITES_FOR_LOG_STARTS_MAX) throw new StorageError('The checkpoint is not made');
      await this.write();
    }
  }

  /** Resolves when no write is under way or waits. */
  async settled(): Promise<void> {
    await (this.#nextWrite ?? this.#lastWrite).catch(() => undefined);
  }

  #isHere(log: UnifiedLog): boolean {
    return this.#logs.get(`${log.topic}-${log.partition}`) === log;
  }

  async #writeNow(): Promise<void> {
    const { failure } = this.#directory;
    if (failure !== undefined) throw failure;
    const statement = this.#state();
    const names = namesIn(statement);
    for (const name of names) this.#namesOnDisk.add(name);
    const writes = this.#immediateWrites;
    const isWanted = (): boolean =>
      writes === this.#immediateWrites && this.#directory.failure === undefined;
    try {
      await this.#files.writeCheckpoints(statement, isWanted);
    } catch (error) {
      throw isPassing(error) ? error : this.#directory.fail(error);
    }
    if (this.#directory.failure !== undefined) throw this.#directory.failure;
    if (!isWanted()) return;
    this.#namesOnDisk = names;
    tell(statement);
  }

  #state(): Statement {
    const logStarts = new Map<string, number>();
    const of: [UnifiedLog, UnifiedLog['durable']][] = [];
    for (const [name, log] of this.#logs) {
      const { logStartOffset } = log;
      if (logStartOffset > 0) logStarts.set(name, logStartOffset);
      of.push([log, { logStartOffset, recoveryPoint: this.#recoveryPoints.get(name) ?? 0 }]);
    }
    for (const [name, logStartOffset] of this.#foundLogStarts) {
      const isOffline = !this.#logs.has(name) && this.#recoveryPoints.has(name);
      if (isOffline) logStarts.set(name, logStartOffset);
    }
    return { recoveryPoints: new Map(this.#recoveryPoints), logStarts, of };
  }
}

function tell({ of }: Statement): void {
  for (const [log, offsets] of of) Object.assign(log.durable, offsets);
}

function namesIn({ recoveryPoints, logStarts }: Statement): Set<string> {
  return new Set([...recoveryPoints.keys(), ...logStarts.keys()]);
}
