/**
 * Owns a StateLog of the embedded engine: a log in Kafka's layout and batch format in the folder
 * `__<name>-0`, with snapshots (files: state-log-files.ts, opening: state-log-recovery.ts).
 *
 * Invariants: an append is acknowledged after the fdatasync of its batch; concurrent appends share
 * one batch, and the next batch is written only after the sync of the last, so that a crash can
 * tear nothing but the last batch. The first failed sync, or any write that cannot be taken back,
 * takes the log offline: it and all later calls are refused, nothing is retried. A full disk
 * refuses the append and leaves the log as it was.
 *
 *   open -> [append: write, sync, acknowledge]* -> close
 *             |  snapshot: .tmp, sync, rename, sync folder, new segment, sync folder, unlink old
 *             v
 *          offline (until the next open)
 *
 * Concurrency: one item of the queue at a time, in the order of the calls.
 */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { StorageError } from '../../base/errors.ts';
import { type FileHandle, type FileSystem, isOutOfSpace } from '../../base/file-system.ts';
import type { NewRecord } from '../../protocol/records/record.ts';
import type { StateLog, StateRecord } from '../engine.ts';
import { encodeStateBatch, encodeStateRecord } from './state-log-batch.ts';
import {
  type AcknowledgedOffset,
  encodeSnapshot,
  segmentName,
  snapshotName,
  TEMPORARY_SUFFIX,
} from './state-log-files.ts';
import { type RecoveredStateLog, recoverStateLog } from './state-log-recovery.ts';

export interface StateLogOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  /** The folder in which `__<name>-0` lies. */
  readonly directory: string;
  readonly name: string;
  /** Told once, when the log goes offline. */
  readonly onOffline?: (failure: StorageError) => void;
}

/** Concurrent appends share a batch up to this size. */
const GROUP_BYTES_MAX = 1024 * 1024;
/** The largest single append; its JSON is held in memory until it is written. */
const APPEND_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of appends that may wait. */
const QUEUED_BYTES_MAX = 64 * 1024 * 1024;

/** The files of a log of events, as a backup takes them. */
export interface StateLogCut {
  readonly folder: string;
  readonly endOffset: number;
  readonly whole: readonly { readonly path: string; readonly sizeBytes: number }[];
  readonly active: { readonly path: string; readonly sizeBytes: number };
}

interface QueuedAppend {
  readonly records: readonly NewRecord[];
  readonly sizeBytes: number;
  readonly settle: (failure: StorageError | null) => void;
}

interface QueuedSnapshot {
  readonly snapshot: readonly StateRecord[];
  readonly settle: (failure: StorageError | null) => void;
}

export class EmbeddedStateLog implements StateLog {
  readonly #options: StateLogOptions;
  readonly #folder: string;
  readonly #acknowledged: AcknowledgedOffset;
  readonly #cutBytes: number;
  #replayable: readonly StateRecord[] | null;
  #segment: FileHandle;
  #firstOffset: number;
  #endOffset: number;
  #endPosition: number;
  #queue: (QueuedAppend | QueuedSnapshot)[] = [];
  #queuedBytes = 0;
  #working: Promise<void> | null = null;
  #failure: StorageError | null = null;

  private constructor(options: StateLogOptions, recovered: RecoveredStateLog) {
    this.#options = options;
    this.#folder = folderOf(options);
    this.#acknowledged = recovered.acknowledged;
    this.#cutBytes = recovered.cutBytes;
    this.#replayable = recovered.records;
    this.#segment = recovered.segment;
    this.#firstOffset = recovered.firstOffset;
    this.#endOffset = recovered.endOffset;
    this.#endPosition = recovered.endPosition;
  }

  /** Rejects with a StorageError, whose text says what to do, when the log cannot be trusted. */
  static async open(options: StateLogOptions): Promise<EmbeddedStateLog> {
    const { files, name } = options;
    return new EmbeddedStateLog(options, await recoverStateLog(files, folderOf(options), name));
  }

  /** Bytes of an unacknowledged torn tail that the opening cut off. */
  get cutBytes(): number {
    return this.#cutBytes;
  }

  /** One past the last record that is on stable storage. */
  get endOffset(): number {
    return this.#endOffset;
  }

  get bytesSinceSnapshot(): number {
    return this.#endPosition;
  }

  /** What is on stable storage now. Throws the reason why the log is offline. */
  cut(): StateLogCut {
    if (this.#failure !== null) throw this.#failure;
    const { files } = this.#options;
    const snapshot = join(this.#folder, snapshotName(this.#firstOffset));
    const sizeBytes = files.statSync(snapshot)?.sizeBytes;
    return {
      folder: this.#folder,
      endOffset: this.#endOffset,
      whole: sizeBytes === undefined ? [] : [{ path: snapshot, sizeBytes }],
      active: {
        path: join(this.#folder, segmentName(this.#firstOffset)),
        sizeBytes: this.#endPosition,
      },
    };
  }

  /** Once, before anything else: the records are let go afterwards. */
  async replay(apply: (record: StateRecord) => void): Promise<void> {
    if (this.#replayable === null) throw new Error('a state log is replayed once');
    for (const record of this.#replayable) apply(record);
    this.#replayable = null;
  }

  async append(records: readonly StateRecord[]): Promise<void> {
    if (records.length === 0) return;
    const nowMs = this.#options.clock.nowMs();
    const encoded = records.map((record) => encodeStateRecord(record, nowMs));
    const sizeBytes = encoded.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    if (sizeBytes > APPEND_BYTES_MAX)
      throw new StorageError('the change is too large to be stored');
    if (this.#queuedBytes + sizeBytes > QUEUED_BYTES_MAX) {
      throw new StorageError('too many changes are waiting to be stored');
    }
    this.#queuedBytes += sizeBytes;
    await this.#enqueue((settle) => ({ records: encoded, sizeBytes, settle }));
  }

  async snapshot(records: readonly StateRecord[]): Promise<void> {
    await this.#enqueue((settle) => ({ snapshot: records, settle }));
  }

  /** Ends what was begun and closes the files; later calls are refused. */
  async close(): Promise<void> {
    await this.#working;
    const wasOnline = this.#failure === null;
    this.#failure ??= new StorageError('the state log is closed');
    try {
      if (wasOnline) await this.#acknowledged.sync();
    } finally {
      this.#segment.closeSync();
      this.#acknowledged.close();
    }
  }

  #enqueue(
    item: (settle: (failure: StorageError | null) => void) => QueuedAppend | QueuedSnapshot,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (failure: StorageError | null): void => {
        if (failure === null) resolve();
        else reject(failure);
      };
      this.#queue.push(item(settle));
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    // One turn later: the appends of this turn share a batch.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      if ('snapshot' in first) {
        this.#queue.shift();
        first.settle(await this.#takeSnapshot(first.snapshot));
      } else {
        const group = this.#takeGroup();
        const failure = await this.#writeGroup(group);
        for (const { settle } of group) settle(failure);
      }
    }
    this.#working = null;
  }

  #takeGroup(): QueuedAppend[] {
    const group: QueuedAppend[] = [];
    let groupBytes = 0;
    for (const item of this.#queue) {
      if ('snapshot' in item) break;
      if (group.length > 0 && groupBytes + item.sizeBytes > GROUP_BYTES_MAX) break;
      group.push(item);
      groupBytes += item.sizeBytes;
    }
    this.#queue.splice(0, group.length);
    this.#queuedBytes -= groupBytes;
    return group;
  }

  /** null when the group is on stable storage. */
  async #writeGroup(group: readonly QueuedAppend[]): Promise<StorageError | null> {
    if (this.#failure !== null) return this.#failure;
    const records = group.flatMap((append) => append.records);
    const batch = encodeStateBatch(records, this.#endOffset);
    try {
      this.#segment.writevSync([batch], this.#endPosition);
    } catch (error) {
      return this.#undoWrite(error);
    }
    try {
      await this.#segment.datasync();
    } catch (error) {
      return this.#goOffline(error);
    }
    this.#endPosition += batch.length;
    this.#endOffset += records.length;
    try {
      this.#acknowledged.write(this.#endOffset);
    } catch (error) {
      // The records are durable, but a later loss of them would go unseen.
      this.#goOffline(error);
    }
    return null;
  }

  /** A full disk leaves the log as it was; whatever else fails, or fails here, is final. */
  #undoWrite(error: unknown): StorageError {
    if (!isOutOfSpace(error)) return this.#goOffline(error);
    try {
      this.#segment.truncateSync(this.#endPosition);
    } catch (truncation) {
      return this.#goOffline(truncation);
    }
    return new StorageError('the disk is full: nothing was stored', { cause: error });
  }

  async #takeSnapshot(records: readonly StateRecord[]): Promise<StorageError | null> {
    if (this.#failure !== null) return this.#failure;
    const { files, name, clock } = this.#options;
    const endOffset = this.#endOffset;
    const path = join(this.#folder, snapshotName(endOffset));
    const temporary = `${path}${TEMPORARY_SUFFIX}`;
    try {
      const bytes = encodeSnapshot({ logName: name, endOffset, records }, clock.nowMs());
      await writeSynced(files, temporary, bytes);
    } catch (error) {
      if (!isOutOfSpace(error)) return this.#goOffline(error);
      tryUnlink(files, temporary);
      return new StorageError('the disk is full: no snapshot was taken', { cause: error });
    }
    try {
      files.renameSync(temporary, path);
      await files.syncDirectory(this.#folder);
      if (endOffset > this.#firstOffset) await this.#beginSegment(endOffset);
    } catch (error) {
      // Half a switch: the next start finds the new snapshot or the old log, both of them whole.
      return this.#goOffline(error);
    }
    return null;
  }

  async #beginSegment(firstOffset: number): Promise<void> {
    const { files } = this.#options;
    const segment = files.openSync(join(this.#folder, segmentName(firstOffset)), 'create');
    try {
      segment.truncateSync(0);
      await files.syncDirectory(this.#folder);
    } catch (error) {
      segment.closeSync();
      throw error;
    }
    const before = this.#firstOffset;
    this.#segment.closeSync();
    this.#segment = segment;
    this.#firstOffset = firstOffset;
    this.#endPosition = 0;
    // What stays here is removed by the next start.
    tryUnlink(files, join(this.#folder, segmentName(before)));
    tryUnlink(files, join(this.#folder, snapshotName(before)));
  }

  #goOffline(cause: unknown): StorageError {
    if (this.#failure !== null) return this.#failure;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const failure = new StorageError(
      `The state log ${this.#options.name} is offline until a restart: ${reason}`,
      { cause },
    );
    this.#failure = failure;
    this.#options.onOffline?.(failure);
    return failure;
  }
}

/** Opens or makes the state log `name`; see EmbeddedStateLog.open. */
export function openStateLog(options: StateLogOptions): Promise<EmbeddedStateLog> {
  return EmbeddedStateLog.open(options);
}

function folderOf({ directory, name }: StateLogOptions): string {
  return join(directory, `__${name}-0`);
}

async function writeSynced(files: FileSystem, path: string, bytes: Buffer): Promise<void> {
  const handle = files.openSync(path, 'create');
  try {
    handle.truncateSync(0);
    handle.writevSync([bytes], 0);
    await handle.datasync();
  } finally {
    handle.closeSync();
  }
}

function tryUnlink(files: FileSystem, path: string): void {
  try {
    files.unlinkSync(path);
  } catch {
    // A file too many costs space only.
  }
}
