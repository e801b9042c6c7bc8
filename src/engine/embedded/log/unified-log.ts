/**
 * Owns one partition's log: gives offsets, queues, writes, syncs, and tells who waits.
 *
 * Three ends, always in this order: highWatermark <= writtenEndOffset <= logEndOffset.
 *   append        gives offsets and queues the batch: logEndOffset moves at once
 *   writePending  one write for all that this turn queued: writtenEndOffset (acks=1; reads to the end)
 *   sync          fdatasync of what was written before it began: highWatermark (acks=all; reads)
 * The log keeps the batch's buffer, which nobody may change, until it is written. A write that fails
 * for want of space is cut off and undone as if its batches had never come (offsets, producers,
 * epochs); any other failure takes the directory offline. Waiters are called at the end of the turn
 * or when a sync ends, or at once when there is nothing to wait for; never from within an append.
 */
import { join } from 'node:path';
import { StorageError } from '../../../base/errors.ts';
import { replaceFile, systemErrorCode } from '../../../base/file-system.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { Append, type AppendResult, duplicateAppend, refusedAppend } from './append-result.ts';
import type { FlushState, FlushTarget } from './flush-scheduler.ts';
import { type EpochEnd, LEADER_EPOCH_FILE, type LeaderEpochCache } from './leader-epoch-cache.ts';
import { isPassing, type LocalLog } from './local-log.ts';
import type { LogConfig } from './log-config.ts';
import { type ReadLimit, type ReadRequest, type ReadResult, readLog } from './log-read.ts';
import { type OffsetAndTimestamp, offsetByTimestamp, offsetOfMaxTimestamp } from './log-search.ts';
import { LogWaiters, type Waiter } from './log-waiters.ts';
import { encodeProducerSnapshot } from './producer-snapshot.ts';
import type { ProducerState } from './producer-state.ts';

export interface AppendOptions {
  readonly leaderEpoch: number;
}

/** What the loader found, or the beginning of a new log. All of it is on stable storage. */
export interface LogState {
  readonly topic: string;
  readonly partition: number;
  /** Undefined when `partition.metadata` was never completed: nothing here was acknowledged. */
  readonly topicId: string | undefined;
  readonly local: LocalLog;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** As the checkpoint file has it. */
  readonly recoveryPoint: number;
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochCache;
  /** It was closed in order, and nothing had to be made anew. */
  readonly wasClean: boolean;
}

export class UnifiedLog implements FlushTarget {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string | undefined;
  readonly local: LocalLog;
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochCache;
  flushState: FlushState = 'idle';
  /** What the directory's checkpoint files say of this log; set by who writes them. */
  readonly durable: { logStartOffset: number; recoveryPoint: number };
  #logStartOffset: number;
  #nextOffset: number;
  #writtenEndOffset: number;
  #highWatermark: number;
  #highWatermarkLimit: ReadLimit;
  #queue: Buffer[] = [];
  #queued: Append[] = [];
  #queuedBytes = 0;
  #isSyncWanted = false;
  readonly #waiters = new LogWaiters();
  /** One at a time: they write the same files. */
  #checkpoints: Promise<unknown> = Promise.resolve();
  readonly #highWatermarkListeners = new Set<(log: UnifiedLog) => void>();
  #failure: StorageError | undefined;
  /** Nothing was written since a clean end: a restart needs nothing new. */
  #isAsFound: boolean;

  constructor(state: LogState) {
    this.topic = state.topic;
    this.partition = state.partition;
    this.topicId = state.topicId;
    this.local = state.local;
    this.producers = state.producers;
    this.epochs = state.epochs;
    this.durable = { logStartOffset: state.logStartOffset, recoveryPoint: state.recoveryPoint };
    this.#logStartOffset = state.logStartOffset;
    this.#nextOffset = state.logEndOffset;
    this.#writtenEndOffset = state.logEndOffset;
    this.#highWatermark = state.logEndOffset;
    this.#highWatermarkLimit = this.#writtenLimit();
    this.#isAsFound = state.wasClean;
  }

  get config(): LogConfig {
    return this.local.config;
  }

  get flushMs(): number {
    return this.local.config.flushMs;
  }

  get logStartOffset(): number {
    return this.#logStartOffset;
  }

  /** The next offset to be given; queued batches are counted. */
  get logEndOffset(): number {
    return this.#nextOffset;
  }

  get writtenEndOffset(): number {
    return this.#writtenEndOffset;
  }

  /** Everything below is on stable storage. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** Where the high watermark stands: all before it is on stable storage. */
  get syncedLimit(): ReadLimit {
    return this.#highWatermarkLimit;
  }

  /** Why this log takes no operation, if so. */
  get failure(): StorageError | undefined {
    return this.local.directory.failure ?? this.#failure;
  }

  /** Takes force at once, for what waits for its sync too. */
  updateConfig(config: LogConfig): void {
    const before = this.local.config;
    this.local.config = config;
    if (config.flushMs < before.flushMs) this.local.directory.scheduler.flushMsChanged(this);
    if (this.#isFlushDue && this.failure === undefined) this.#wantSync();
  }

  /**
   * Nothing below `offset` is read any more; false when the log begins there already. `offset` is
   * at most the high watermark. Only in memory: see LogCheckpoints.persistLogStarts.
   */
  advanceLogStart(offset: number): boolean {
    if (offset <= this.#logStartOffset || offset > this.#highWatermark) return false;
    this.#logStartOffset = offset;
    this.epochs.truncateFromStart(offset);
    return true;
  }

  /** Closes the active segment, so that it can go; false when it is empty or not all is synced. */
  rollSynced(): boolean {
    if (this.#highWatermark < this.#nextOffset || this.local.active.sizeBytes === 0) return false;
    return this.#roll(this.local.directory.clock.nowMs()) === undefined;
  }

  /**
   * Called after each advance of the high watermark; returns the way to stop. While somebody waits
   * for it, what is written is synced at once instead of within flush.ms.
   */
  onHighWatermark(listener: (log: UnifiedLog) => void): () => void {
    this.#highWatermarkListeners.add(listener);
    if (this.#nextOffset > this.#highWatermark && this.failure === undefined) this.#wantSync();
    return () => this.#highWatermarkListeners.delete(listener);
  }

  /**
   * Gives the one validated batch in `batch` its offsets and queues it. Never throws for a failed
   * disk: KAFKA_STORAGE_ERROR is a value. The batch is the log's until it is written.
   */
  append(batch: Buffer, options: AppendOptions): AppendResult {
    const failure = this.failure;
    if (failure !== undefined) return refusedAppend(ErrorCode.KAFKA_STORAGE_ERROR, failure);
    if (batch.length > this.config.segmentBytes) {
      return refusedAppend(ErrorCode.RECORD_LIST_TOO_LARGE);
    }
    const hasProducer = batchOf.hasProducerId(batch, 0);
    if (hasProducer && !batchOf.isControl(batch, 0)) {
      const answer = this.#answerWithoutAppend(batch);
      if (answer !== undefined) return answer;
    }
    const nowMs = this.local.directory.clock.nowMs();
    const rollFailure = this.#rollIfNeeded(batch, nowMs);
    if (rollFailure !== undefined) {
      return refusedAppend(ErrorCode.KAFKA_STORAGE_ERROR, rollFailure);
    }
    const base = this.#nextOffset;
    batchOf.setBaseOffset(batch, 0, base);
    batchOf.setPartitionLeaderEpoch(batch, 0, options.leaderEpoch);
    this.epochs.assign(options.leaderEpoch, base);
    const append = new Append(base, batchOf.lastOffset(batch, 0), batchOf.maxTimestamp(batch, 0));
    if (hasProducer) {
      append.producerId = batchOf.producerId(batch, 0);
      append.replaced = this.producers.update(batch, 0, nowMs);
    }
    this.#nextOffset = append.lastOffset + 1;
    this.#enqueue(batch, append);
    return append;
  }

  /** Calls back when the batch is in the page cache (acks=1). */
  whenWritten(append: AppendResult, waiter: Waiter): void {
    if (append.failure !== undefined) waiter(append.failure);
    else if (append.lastOffset < this.#writtenEndOffset) waiter();
    else this.#waiters.addWritten(waiter);
  }

  /** Calls back when the batch is on stable storage (acks=all): it asks for the sync. */
  whenDurable(append: AppendResult, waiter: Waiter): void {
    const failure = append.failure ?? this.failure;
    if (append.failure === undefined && append.lastOffset < this.#highWatermark) waiter();
    else if (failure !== undefined) waiter(failure);
    else {
      this.#waiters.addDurable(append.lastOffset, waiter);
      this.#wantSync();
    }
  }

  /** Writes and syncs everything appended so far. */
  flush(): Promise<void> {
    this.writePending();
    const end: AppendResult = new Append(-1, this.#nextOffset - 1, -1);
    return new Promise((resolve, reject) => {
      this.whenDurable(end, (failure) => (failure === undefined ? resolve() : reject(failure)));
    });
  }

  /** Batches from the one that contains `fetchOffset`; at once if they are likely in memory. */
  read(request: ReadRequest): ReadResult | Promise<ReadResult> {
    return request.upTo === 'highWatermark'
      ? readLog(this, request, this.#highWatermarkLimit)
      : readLog(this, request, this.#writtenLimit());
  }

  /** The first record at or after `timestampMs`, by offset; looks at written data only. */
  fetchOffsetByTimestamp(timestampMs: number): Promise<OffsetAndTimestamp | undefined> {
    return offsetByTimestamp(this, timestampMs);
  }

  /** The youngest record, the first of them. */
  fetchOffsetOfMaxTimestamp(): Promise<OffsetAndTimestamp | undefined> {
    return offsetOfMaxTimestamp(this);
  }

  /** The end of the largest leader epoch at most `epoch`. */
  endOffsetForEpoch(epoch: number): EpochEnd | undefined {
    return this.epochs.endOffsetForEpoch(epoch, this.#nextOffset);
  }

  /** For FlushScheduler: one write for all that is queued; then waiters are told. */
  writePending(): void {
    this.#writeQueue();
    this.#waiters.tell();
  }

  /** For FlushScheduler: what is written becomes durable, or the directory goes offline. */
  async sync(): Promise<void> {
    const limit = this.#writtenLimit();
    try {
      if (this.failure === undefined) await this.local.syncFiles();
    } catch (error) {
      if (this.#failure === undefined) this.local.directory.fail(error);
    }
    if (this.failure !== undefined) return this.fail(this.failure);
    this.#advance(limit);
    if (this.#waiters.hasDurable) this.#wantSync();
    else if (this.#highWatermark < this.#writtenEndOffset) {
      this.local.directory.scheduler.noteUnsynced(this);
    }
  }

  /**
   * Makes what a restart relies on durable; the offset from which that restart has to read. With
   * `isLast` (everything is synced, nothing more will come) it need not read at all.
   */
  checkpoint(isLast: boolean): Promise<number> {
    const offset = this.#checkpoints.then(() => this.#checkpoint(isLast));
    this.#checkpoints = offset.catch(() => undefined);
    return offset;
  }

  async #checkpoint(isLast: boolean): Promise<number> {
    const { clock, config } = this.local.directory;
    this.producers.expire(clock.nowMs(), config.producerIdExpirationMs);
    try {
      // Its place may be another log's by now.
      if (this.#failure !== undefined) throw this.#failure;
      if (!isLast && this.local.mustPersistIndexes) await this.#persistIndexes();
      if (this.#failure !== undefined) throw this.#failure;
      const syncedOffset = this.#highWatermark;
      if (this.epochs.isDirty) await this.#writeEpochs();
      if (!isLast) return await this.local.recoveryPoint(syncedOffset);
      if (this.#isAsFound) return syncedOffset;
      const snapshot = (): Buffer => encodeProducerSnapshot(this.producers.entries());
      return await this.local.finish(syncedOffset, snapshot);
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure;
      throw isPassing(error) ? error : this.local.directory.fail(error);
    }
  }

  /** Ends the log: everyone who waits is told, what is queued is dropped, nothing is undone. */
  fail(failure: StorageError): void {
    this.#failure ??= failure;
    for (const append of this.#queued) append.refuse(ErrorCode.KAFKA_STORAGE_ERROR, failure);
    this.#clearQueue();
    this.#waiters.noteFailed(0, failure);
    this.local.directory.scheduler.forget(this);
    this.#waiters.tell();
  }

  /** A read met `cause`: an I/O error takes the directory offline, damage this log alone. */
  readFailed(cause: unknown): StorageError {
    const known = this.failure;
    if (known !== undefined) return known;
    const name = `${this.topic}-${this.partition}`;
    const failure = new StorageError(`Partition ${name} cannot be read`, { cause });
    if (isPassing(cause)) return failure;
    if (systemErrorCode(cause) !== undefined) return this.local.directory.fail(cause);
    this.fail(failure);
    return failure;
  }

  /** flush.messages is reached. */
  get #isFlushDue(): boolean {
    return this.#writtenEndOffset - this.#highWatermark >= this.local.config.flushMessages;
  }

  #answerWithoutAppend(batch: Buffer): Append | undefined {
    const verdict = this.producers.check(batch, 0);
    if (verdict.kind === 'append') return undefined;
    if (verdict.kind === 'refuse') return refusedAppend(ErrorCode[verdict.reason]);
    const append = duplicateAppend(verdict.of);
    // If its first copy is still queued, they share its fate.
    if (append.lastOffset >= this.#writtenEndOffset) this.#queued.push(append);
    return append;
  }

  #enqueue(batch: Buffer, append: Append): void {
    if (this.#queue.length === 0) this.local.directory.scheduler.scheduleWrite(this);
    this.#queue.push(batch);
    this.#queued.push(append);
    this.#queuedBytes += batch.length;
    if (this.#queuedBytes >= this.local.directory.config.pendingBytesMax) this.#writeQueue();
  }

  /** Tells nobody: appends and rolls come here in the midst of their work. */
  #writeQueue(): void {
    if (this.#queue.length === 0) return;
    const { scheduler } = this.local.directory;
    const failure = this.failure;
    if (failure !== undefined) {
      this.fail(failure);
      return;
    }
    this.#isAsFound = false;
    try {
      this.local.writeSync(this.#queue);
    } catch (error) {
      this.#writeFailed(error);
      return;
    }
    this.#clearQueue();
    this.#writtenEndOffset = this.#nextOffset;
    const isWaitedFor =
      this.#isSyncWanted || this.#highWatermarkListeners.size > 0 || this.#isFlushDue;
    // Near the limit of open files unsynced ones are in the way: giving one up means to wait.
    if (isWaitedFor || this.local.directory.openFiles.isCrowded) scheduler.requestSync(this);
    else scheduler.noteUnsynced(this);
    this.#isSyncWanted = false;
    this.#waiters.noteWritten();
  }

  #rollIfNeeded(batch: Buffer, nowMs: number): StorageError | undefined {
    const last = this.#nextOffset + batchOf.lastOffsetDelta(batch, 0);
    if (!this.local.mustRoll(this.#queuedBytes, batch.length, last, nowMs)) return undefined;
    const queued = this.#queued.at(-1);
    this.#writeQueue();
    return queued?.failure ?? this.#roll(nowMs);
  }

  #roll(nowMs: number): StorageError | undefined {
    this.#isAsFound = false;
    try {
      this.local.roll(this.#nextOffset, nowMs);
      this.local.writeSnapshot(this.#nextOffset, encodeProducerSnapshot(this.producers.entries()));
    } catch (error) {
      return isPassing(error) ? notWritten(error) : this.local.directory.fail(error);
    }
    return undefined;
  }

  #wantSync(): void {
    if (this.#queue.length > 0) this.#isSyncWanted = true;
    else this.local.directory.scheduler.requestSync(this);
  }

  /** No space: as if the queued batches had never come. Anything else: the directory is offline. */
  #writeFailed(cause: unknown): void {
    const failure = this.#afterFailedWrite(cause);
    if (this.local.directory.failure !== undefined) {
      this.fail(failure);
      return;
    }
    const queued = this.#queued;
    const first = this.#writtenEndOffset;
    this.#clearQueue();
    for (let index = queued.length - 1; index >= 0; index -= 1) {
      const append = queued[index]!;
      if (append.producerId >= 0) this.producers.restore(append.producerId, append.replaced);
      append.refuse(ErrorCode.KAFKA_STORAGE_ERROR, failure);
    }
    this.epochs.truncateFromEnd(first);
    this.#nextOffset = first;
    this.#isSyncWanted = false;
    this.#waiters.noteFailed(first, failure);
    if (this.#waiters.hasDurable) this.#wantSync();
  }

  #afterFailedWrite(cause: unknown): StorageError {
    if (!isPassing(cause)) return this.local.directory.fail(cause);
    try {
      this.local.active.cutFailedWrite();
    } catch (error) {
      // Without a descriptor it is cut before the next write.
      if (!isPassing(error)) return this.local.directory.fail(error);
    }
    return notWritten(cause);
  }

  /** The snapshot is of use to a restart only once everything before it is durable. */
  async #persistIndexes(): Promise<void> {
    this.writePending();
    const offset = this.#nextOffset;
    const snapshot = encodeProducerSnapshot(this.producers.entries());
    const isDurable = await this.flush().then(
      () => true,
      () => false,
    );
    if (!isDurable || this.failure !== undefined) return;
    await this.local.persistIndexes(offset, snapshot);
  }

  async #writeEpochs(): Promise<void> {
    const path = join(this.local.path, LEADER_EPOCH_FILE);
    const bytes = this.epochs.toBytes();
    this.epochs.isDirty = false;
    try {
      await replaceFile(this.local.directory.files, path, bytes);
    } catch (error) {
      this.epochs.isDirty = true;
      throw error;
    }
  }

  #clearQueue(): void {
    this.#queue = [];
    this.#queued = [];
    this.#queuedBytes = 0;
  }

  #writtenLimit(): ReadLimit {
    const segment = this.local.active;
    return { segment, position: segment.sizeBytes, offset: this.#writtenEndOffset };
  }

  #advance(limit: ReadLimit): void {
    if (limit.offset <= this.#highWatermark) return;
    this.#highWatermark = limit.offset;
    this.#highWatermarkLimit = limit;
    this.#waiters.noteDurable(limit.offset);
    this.#waiters.tell();
    for (const listener of this.#highWatermarkListeners) listener(this);
  }
}

function notWritten(cause: unknown): StorageError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(`The batch was not written: ${reason}`, { cause });
}
