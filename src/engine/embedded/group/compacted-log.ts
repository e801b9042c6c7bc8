/**
 * Owns one compacted log: appends in groups, each durable before anyone is told, and rewrites its
 * older part once that is worth it (files: compacted-log-files.ts, opening:
 * compacted-log-recovery.ts, rewriting: compaction.ts).
 *
 * Invariants: `done` of the appends is called in the order of the log, from the event loop, when
 * their records are on stable storage or will never be; concurrent appends share a batch, and the
 * next batch is written after the sync of the last, so that a crash tears nothing but the last. The
 * first failed sync, or a write that cannot be taken back, takes the log offline until a restart. A
 * full disk refuses the append and leaves the log as it was. The folder is made by the first append.
 *
 *   append -> queue -> one batch: write, sync -> done
 *   compaction: new segment, sync folder | write .tmp, sync, rename, sync folder, unlink the older
 */
import { join } from 'node:path';
import { StorageError } from '../../../base/errors.ts';
import { type FileSystem, isOutOfSpace } from '../../../base/file-system.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import type { StateLogCut } from '../state-log.ts';
import { encodeStateBatch } from '../state-log-batch.ts';
import {
  compactedName,
  type RecordVisitor,
  segmentName,
  TEMPORARY_SUFFIX,
} from './compacted-log-files.ts';
import { type RecoveredLog, recoverLog } from './compacted-log-recovery.ts';
import { compact } from './compaction.ts';
import type { Turnstile } from './turnstile.ts';

export interface CompactedLogOptions {
  readonly files: FileSystem;
  readonly folder: string;
  /** Places for syncs, shared by logs: who waits for one gathers more appends. */
  readonly syncs: Turnstile;
  /** Places for compactions, which hold the keys of a log in memory. */
  readonly compactions: Turnstile;
  /** The older part is rewritten when this much, and as much as it holds, was appended. */
  readonly compactAfterBytes: number;
  /** Told once, when the log goes offline. */
  readonly onOffline: (failure: StorageError) => void;
  /** Told when a compaction was given up for want of space. */
  readonly onNoSpace: (failure: unknown) => void;
}

/** 'refused': not now, the log is as it was. 'offline': not before a restart. */
export type AppendOutcome = 'durable' | 'refused' | 'offline';

/** Concurrent appends share a batch up to this size. */
const GROUP_BYTES_MAX = 1024 * 1024;
/** Bytes of appends that may wait. */
const QUEUED_BYTES_MAX = 8 * 1024 * 1024;

interface QueuedAppend {
  readonly records: readonly NewRecord[];
  readonly sizeBytes: number;
  readonly done: (outcome: AppendOutcome) => void;
}

type OpenLog = { -readonly [K in keyof RecoveredLog]: RecoveredLog[K] };

const NO_RECORDS: RecordVisitor = () => {
  throw new Error('a log that was not there holds records');
};

export class CompactedLog {
  readonly #options: CompactedLogOptions;
  #log: OpenLog | null;
  #queue: QueuedAppend[] = [];
  #queuedBytes = 0;
  #working: Promise<void> | null = null;
  #compacting: Promise<void> | null = null;
  #compactAtBytes: number;
  #failure: StorageError | null = null;
  #isClosing = false;

  private constructor(options: CompactedLogOptions, log: RecoveredLog | null) {
    this.#options = options;
    this.#log = log;
    this.#compactAtBytes = options.compactAfterBytes;
    if (log !== null) this.#setCompactionPoint(log);
  }

  /** Opens a log that is there, and replays its records. Rejects with a StorageError. */
  static async open(options: CompactedLogOptions, visit: RecordVisitor): Promise<CompactedLog> {
    return new CompactedLog(options, await recoverLog(options.files, options.folder, visit));
  }

  /** A log whose folder is not there yet. */
  static absent(options: CompactedLogOptions): CompactedLog {
    return new CompactedLog(options, null);
  }

  get failure(): StorageError | null {
    return this.#failure;
  }

  /** Bytes of a torn tail that the opening cut off. */
  get cutBytes(): number {
    return this.#log?.cutBytes ?? 0;
  }

  /** All of `records` in one batch, or none of them. */
  append(records: readonly NewRecord[], done: (outcome: AppendOutcome) => void): void {
    const sizeBytes = sizeBytesOf(records);
    const isFull = this.#queuedBytes > 0 && this.#queuedBytes + sizeBytes > QUEUED_BYTES_MAX;
    if (this.#failure !== null || isFull || this.#isClosing) {
      const outcome = this.#failure === null && isFull ? 'refused' : 'offline';
      queueMicrotask(() => done(outcome));
      return;
    }
    this.#queue.push({ records, sizeBytes, done });
    this.#queuedBytes += sizeBytes;
    this.#working ??= this.#work();
  }

  /** What is on stable storage now; null while there is no log. Throws why it is offline. */
  cut(): StateLogCut | null {
    if (this.#failure !== null) throw this.#failure;
    const log = this.#log;
    if (log === null) return null;
    const { files, folder } = this.#options;
    const whole = log.closed.map(segmentName);
    if (log.compactedBytes > 0) whole.unshift(compactedName(log.compactedEnd));
    return {
      folder,
      endOffset: log.endOffset,
      whole: whole.map((name) => {
        const path = join(folder, name);
        return { path, sizeBytes: files.statSync(path)?.sizeBytes ?? 0 };
      }),
      active: { path: join(folder, segmentName(log.firstOffset)), sizeBytes: log.endPosition },
    };
  }

  /** The next append is followed by a compaction, however small the log is. */
  compactSoon(): void {
    this.#compactAtBytes = 0;
  }

  /** Ends what was begun and closes the files; later appends are refused. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#working;
    await this.#compacting;
    const log = this.#log;
    if (log === null) return;
    this.#log = null;
    try {
      if (this.#failure === null) await log.acknowledged.sync();
    } finally {
      log.segment.closeSync();
      log.acknowledged.close();
    }
  }

  async #work(): Promise<void> {
    // One turn later: the appends of this turn share a batch.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      await this.#options.syncs.enter();
      const group = this.#takeGroup();
      const outcome = await this.#writeGroup(group).finally(() => this.#options.syncs.leave());
      for (const { done } of group) done(outcome);
      await this.#maybeCompact();
    }
    this.#working = null;
  }

  #takeGroup(): QueuedAppend[] {
    let count = 0;
    let groupBytes = 0;
    for (const { sizeBytes } of this.#queue) {
      if (count > 0 && groupBytes + sizeBytes > GROUP_BYTES_MAX) break;
      count += 1;
      groupBytes += sizeBytes;
    }
    this.#queuedBytes -= groupBytes;
    return this.#queue.splice(0, count);
  }

  async #writeGroup(group: readonly QueuedAppend[]): Promise<AppendOutcome> {
    if (this.#failure !== null) return 'offline';
    const log = this.#log ?? (await this.#create());
    if (typeof log === 'string') return log;
    const records = group.flatMap((append) => append.records);
    const batch = encodeStateBatch(records, log.endOffset);
    try {
      log.segment.writevSync([batch], log.endPosition);
    } catch (error) {
      return this.#undoWrite(log, error);
    }
    try {
      await log.segment.datasync();
    } catch (error) {
      return this.#goOffline(error);
    }
    log.endPosition += batch.length;
    log.endOffset += records.length;
    try {
      log.acknowledged.write(log.endOffset);
    } catch (error) {
      // The records are durable, but a later loss of them would go unseen.
      this.#goOffline(error);
    }
    return 'durable';
  }

  async #create(): Promise<OpenLog | AppendOutcome> {
    try {
      const log = await recoverLog(this.#options.files, this.#options.folder, NO_RECORDS);
      this.#log = log;
      return log;
    } catch (error) {
      return isOutOfSpace(error) ? 'refused' : this.#goOffline(error);
    }
  }

  /** A full disk leaves the log as it was; whatever else fails, or fails here, is final. */
  #undoWrite(log: OpenLog, error: unknown): AppendOutcome {
    if (!isOutOfSpace(error)) return this.#goOffline(error);
    try {
      log.segment.truncateSync(log.endPosition);
    } catch (truncation) {
      return this.#goOffline(truncation);
    }
    return 'refused';
  }

  #setCompactionPoint(log: OpenLog): void {
    const { compactAfterBytes } = this.#options;
    this.#compactAtBytes = Math.max(compactAfterBytes, log.compactedBytes);
  }

  /** Begins a new segment and, in the background, the rewriting of all before it. */
  async #maybeCompact(): Promise<void> {
    const log = this.#log;
    if (log === null || this.#failure !== null || this.#compacting !== null) return;
    if (this.#isClosing || log.endPosition + log.closedBytes < this.#compactAtBytes) return;
    if (log.endPosition > 0 && !(await this.#beginSegment(log))) return;
    this.#compacting = this.#compact(log).finally(() => {
      this.#compacting = null;
    });
  }

  async #beginSegment(log: OpenLog): Promise<boolean> {
    const { files, folder } = this.#options;
    let next: OpenLog['segment'] | null = null;
    try {
      next = files.openSync(join(folder, segmentName(log.endOffset)), 'create');
      next.truncateSync(0);
      await files.syncDirectory(folder);
    } catch (error) {
      next?.closeSync();
      if (isOutOfSpace(error)) this.#postpone(log, error);
      else this.#goOffline(error);
      return false;
    }
    log.segment.closeSync();
    log.segment = next;
    log.closed = [...log.closed, log.firstOffset];
    log.closedBytes += log.endPosition;
    log.firstOffset = log.endOffset;
    log.endPosition = 0;
    return true;
  }

  async #compact(log: OpenLog): Promise<void> {
    const { compactions } = this.#options;
    await compactions.enter();
    try {
      if (!this.#isClosing) await this.#rewrite(log, log.firstOffset);
    } catch (error) {
      if (isOutOfSpace(error)) this.#postpone(log, error);
      else this.#goOffline(error);
    } finally {
      compactions.leave();
    }
  }

  async #rewrite(log: OpenLog, endOffset: number): Promise<void> {
    const { files, folder } = this.#options;
    const older = log.closed.map(segmentName);
    if (log.compactedBytes > 0) older.unshift(compactedName(log.compactedEnd));
    const path = join(folder, compactedName(endOffset));
    const temporary = `${path}${TEMPORARY_SUFFIX}`;
    const output = files.openSync(temporary, 'create');
    let sizeBytes = 0;
    let isWhole = false;
    const inputs: OpenLog['segment'][] = [];
    try {
      for (const name of older) inputs.push(files.openSync(join(folder, name), 'read'));
      output.truncateSync(0);
      const write = (batch: Buffer): void => {
        output.writevSync([batch], sizeBytes);
        sizeBytes += batch.length;
      };
      isWhole = await compact(inputs, endOffset, write, () => !this.#isClosing);
      if (isWhole) await output.datasync();
    } finally {
      for (const input of inputs) input.closeSync();
      output.closeSync();
      if (!isWhole) tryUnlink(files, temporary);
    }
    if (!isWhole) return;
    files.renameSync(temporary, path);
    await files.syncDirectory(folder);
    log.compactedEnd = endOffset;
    log.compactedBytes = sizeBytes;
    log.closed = [];
    log.closedBytes = 0;
    this.#setCompactionPoint(log);
    // What stays here is removed by the next start.
    for (const name of older) tryUnlink(files, join(folder, name));
  }

  /** No room to rewrite: try again when the log has grown by as much again. */
  #postpone(log: OpenLog, error: unknown): void {
    this.#compactAtBytes = 2 * (log.endPosition + log.closedBytes);
    this.#options.onNoSpace(error);
  }

  #goOffline(cause: unknown): AppendOutcome {
    if (this.#failure !== null) return 'offline';
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#failure = new StorageError(
      `The log in ${this.#options.folder} is offline until a restart: ${reason}`,
      { cause },
    );
    this.#options.onOffline(this.#failure);
    return 'offline';
  }
}

/** About what records take in the queue and in the log. */
export function sizeBytesOf(records: readonly NewRecord[]): number {
  let sum = 0;
  for (const { key, value } of records) sum += (key?.length ?? 0) + (value?.length ?? 0) + 32;
  return sum;
}

function tryUnlink(files: FileSystem, path: string): void {
  try {
    files.unlinkSync(path);
  } catch {
    // A file too many costs space only.
  }
}
