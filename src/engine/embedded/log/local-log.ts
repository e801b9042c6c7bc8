/**
 * Owns the files of one log (Kafka's LocalLog): its folder, its segments, and what of them is
 * durable. Knows nothing of producers, waiters or the high watermark.
 *
 * Invariants: only the last segment grows. `syncFiles` makes everything written before the call
 * durable, older segments before newer ones, then the names of new files. Index files are synced
 * only by checkpoints: `recoveryPoint` never passes a closed segment whose indexes are not durable,
 * and `persistIndexes` leaves those of the active one, so that a start after a crash reads little
 * more than what is dirty. An index file holds no entry that memory lacks. Segments leave at the
 * front one by one, settled ones only, after the log start offset behind them is durable
 * (`log-retention.ts`).
 */
import { join } from 'node:path';
import { isOutOfSpace, systemErrorCode } from '../../../base/file-system.ts';
import type { LogConfig } from './log-config.ts';
import { type LogDirectory, SyncedEntries } from './log-directory.ts';
import { DELETED_SUFFIX, LogSegment, SNAPSHOT_SUFFIX, segmentFileName } from './log-segment.ts';
import { PARTITION_METADATA_FILE } from './partition-metadata.ts';
import { isSoundSnapshot, snapshotAsOf } from './producer-snapshot.ts';
import type { ProducerState } from './producer-state.ts';

/** Up to this a start reads a segment instead of its indexes. */
const SMALL_SEGMENT_BYTES = 128 * 1024;

/** The failure may pass by itself: no space, or no descriptors. Nothing on disk is in doubt. */
export function isPassing(error: unknown): boolean {
  const code = systemErrorCode(error);
  return isOutOfSpace(error) || code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM';
}

export class LocalLog {
  readonly directory: LogDirectory;
  /** At least one, by base offset. */
  readonly segments: LogSegment[];
  /** May change while the log is open. */
  config: LogConfig;
  readonly path: string;
  #active: LogSegment;
  #entries: SyncedEntries;
  #entriesChange = 0;
  #parentChange = 0;
  #isMetadataUnsynced = false;
  #isClosed = false;
  /** Bytes of the active segment that its index files on disk speak of. */
  #persistedBytes = 0;
  /** Producer snapshots inside a segment, oldest first: a restart may need the older one. */
  #innerSnapshots: number[] = [];
  /** Closed, not yet synced, oldest first. */
  #unsynced: LogSegment[] = [];
  /** Closed, indexes not yet durable, oldest first. */
  readonly #unindexed: LogSegment[] = [];
  #settling: Promise<unknown> = Promise.resolve();

  constructor(directory: LogDirectory, config: LogConfig, path: string, segments: LogSegment[]) {
    this.directory = directory;
    this.config = config;
    this.segments = segments;
    this.path = path;
    this.#active = segments.at(-1)!;
    this.#entries = new SyncedEntries(directory.files, path);
  }

  /** Folder and metadata file were just made: they are synced with the first batch. */
  noteNew(): void {
    this.#isMetadataUnsynced = true;
    this.#parentChange = this.directory.entries.noteChange();
  }

  /** For the loader: closed segments whose indexes were made anew. */
  noteUnindexed(segments: readonly LogSegment[]): void {
    this.#unindexed.push(...segments);
  }

  /** For the loader: the active segment's indexes on disk are as in memory. */
  notePersisted(): void {
    const { offsetIndex, timeIndex, sizeBytes } = this.#active;
    const isPersisted = !offsetIndex.file.isStale && !timeIndex.file.isStale;
    this.#persistedBytes = isPersisted ? sizeBytes : 0;
  }

  get sizeBytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  get active(): LogSegment {
    return this.#active;
  }

  /** The segment that holds `offset` if any does, and its index in `segments`. */
  indexOfSegment(offset: number): number {
    let low = 0;
    let high = this.segments.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.segments[middle]!.baseOffset <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return Math.max(0, low - 1);
  }

  /** Whether a batch that ends at `last` must go to a new segment, `queuedBytes` before it. */
  mustRoll(queuedBytes: number, batchBytes: number, last: number, nowMs: number): boolean {
    const active = this.#active;
    if (active.sizeBytes + queuedBytes === 0) {
      // Its age begins with its first batch.
      active.createdMs = nowMs;
      return false;
    }
    if (active.mustRoll(this.config, queuedBytes, batchBytes, last)) return true;
    return nowMs - active.createdMs >= active.ageMaxMs(this.config);
  }

  /** Writes whole batches, one a buffer; throws the system's error. */
  writeSync(batches: readonly Buffer[]): void {
    if (this.#active.sizeBytes === 0) this.#entriesChange = this.#entries.noteChange();
    this.#active.writeSync(batches, this.config.indexIntervalBytes);
  }

  /** Closes the active segment and begins a new one at `offset`, whose file comes with a write. */
  roll(offset: number, nowMs: number): void {
    this.#active.cutIfNeeded();
    // What a sync under way covers is durable before the high watermark passes it.
    if (this.#active.file.isUnsynced) this.#unsynced.push(this.#active);
    this.#unindexed.push(this.#active);
    this.#active = this.newSegment(offset, nowMs);
    this.#persistedBytes = 0;
    this.segments.push(this.#active);
  }

  newSegment(offset: number, nowMs: number): LogSegment {
    const { files, openFiles } = this.directory;
    return new LogSegment(files, openFiles, this.path, offset, nowMs);
  }

  /** A convenience for a later start: when it cannot be written, that start reads more. */
  writeSnapshot(offset: number, bytes: Buffer): void {
    const path = this.#snapshotPath(offset);
    try {
      this.directory.files.writeFileSync(path, bytes);
      this.#entriesChange = this.#entries.noteChange();
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.removeIfPresent(path);
    }
  }

  removeIfPresent(path: string): void {
    if (this.directory.files.statSync(path) === undefined) return;
    this.directory.files.unlinkSync(path);
    this.#entriesChange = this.#entries.noteChange();
  }

  async syncFiles(): Promise<void> {
    const active = this.#active;
    const closed = this.#unsynced.slice();
    const [entriesChange, parentChange] = [this.#entriesChange, this.#parentChange];
    // Retention may remove them meanwhile.
    for (const { file } of closed) if (!file.isRetired) await file.datasync();
    if (active.file.isUnsynced && !active.file.isRetired) await active.file.datasync();
    if (this.#isMetadataUnsynced) await this.#syncFile(PARTITION_METADATA_FILE);
    this.#isMetadataUnsynced = false;
    await this.#entries.sync(entriesChange);
    await this.directory.entries.sync(parentChange);
    this.#unsynced = this.#unsynced.filter((segment) => !closed.includes(segment));
  }

  /** Whether the active segment has grown so much that a start after a crash would read long. */
  get mustPersistIndexes(): boolean {
    const unpersisted = this.#active.sizeBytes - this.#persistedBytes;
    return unpersisted >= this.directory.config.indexPersistBytes;
  }

  /**
   * Makes the indexes of the active segment durable, and a snapshot of the producers at `offset`.
   * Entries of batches that are not durable yet are cut off by the loader.
   */
  async persistIndexes(offset: number, snapshot: Buffer): Promise<void> {
    const active = this.#active;
    const { sizeBytes } = active;
    try {
      active.writeIndexes();
      this.writeSnapshot(offset, snapshot);
      await active.syncIndexes();
      await this.#syncSnapshot(offset);
      this.#entriesChange = this.#entries.noteChange();
    } catch (error) {
      if (!isPassing(error)) throw error;
      return;
    }
    if (active === this.#active) this.#persistedBytes = sizeBytes;
    this.#innerSnapshots.push(offset);
    while (this.#innerSnapshots.length > 2) {
      const old = this.#innerSnapshots.shift()!;
      const isBase = this.segments.some((segment) => segment.baseOffset === old);
      if (!isBase && !this.#isClosed) this.removeIfPresent(this.#snapshotPath(old));
    }
  }

  /**
   * Makes indexes and snapshots of closed segments durable and returns the offset from which a
   * restart has to read; at most `syncedOffset`.
   */
  recoveryPoint(syncedOffset: number): Promise<number> {
    // One at a time: nobody may still be at work on a segment that another has found settled.
    const settled = this.#settling.then(() => this.#settle(syncedOffset));
    this.#settling = settled.catch(() => undefined);
    return settled;
  }

  async #settle(syncedOffset: number): Promise<number> {
    while (this.#unindexed.length > 0 && !this.#isClosed) {
      const segment = this.#unindexed[0]!;
      const next = this.segments[this.segments.indexOf(segment) + 1];
      if (next === undefined || next.baseOffset > syncedOffset) break;
      try {
        // At once, before the path can be another log's.
        segment.writeIndexes();
        await segment.syncIndexes();
        await this.#syncSnapshot(next.baseOffset);
        this.#entriesChange = this.#entries.noteChange();
      } catch (error) {
        if (segment.isRemoved) continue;
        if (!isPassing(error)) throw error;
        break;
      }
      if (this.#unindexed[0] === segment) this.#unindexed.shift();
      this.noteIndexUse(segment);
    }
    await this.#entries.sync(this.#entriesChange);
    const behind = this.#unindexed[0];
    return behind === undefined ? syncedOffset : Math.min(behind.baseOffset, syncedOffset);
  }

  /**
   * For a clean end, when all is written: what a restart would otherwise make anew. A small active
   * segment gets no indexes and no snapshot: reading it again is cheaper than three more syncs.
   */
  async finish(endOffset: number, snapshot: () => Buffer): Promise<number> {
    const active = this.#active;
    active.cutIfNeeded();
    // An empty log's folder, too: nothing else would sync it.
    await this.syncFiles();
    if (active.sizeBytes > SMALL_SEGMENT_BYTES) {
      active.writeIndexes();
      await active.syncIndexes();
      this.writeSnapshot(endOffset, snapshot());
      await this.#syncSnapshot(endOffset);
    } else {
      this.removeIfPresent(active.offsetIndex.file.path);
      this.removeIfPresent(active.timeIndex.file.path);
    }
    return this.recoveryPoint(endOffset);
  }

  /** An index of a segment was used: closed segments share a bounded memory. */
  noteIndexUse(segment: LogSegment): void {
    if (segment === this.#active || segment.isRemoved) return;
    if (this.#unindexed.includes(segment)) return;
    this.directory.indexMemory.touch(segment.offsetIndex.file);
    this.directory.indexMemory.touch(segment.timeIndex.file);
  }

  /** How many of the oldest segments are durable with indexes and snapshots; never the active one. */
  get settledCount(): number {
    const unsettled = [this.#unsynced[0], this.#unindexed[0], this.#active];
    const bases = unsettled.map((segment) => segment?.baseOffset ?? Number.POSITIVE_INFINITY);
    return this.indexOfSegment(Math.min(...bases));
  }

  /**
   * Before segments below `offset` go: a restart has to know producers whose last batches go. The
   * roll wrote a snapshot for that, which after a kill may be in the cache only; where there was no
   * room for it then, or a power cut tore it, it is written now. If there still is no room the
   * segments go all the same: a full disk is worse than a duplicate of an idle producer.
   */
  async keepProducers(offset: number, producers: ProducerState): Promise<void> {
    if (producers.size === 0) return;
    const path = this.#snapshotPath(offset);
    const { files } = this.directory;
    const isThere = files.statSync(path) !== undefined && isSoundSnapshot(files.readFileSync(path));
    try {
      if (!isThere) this.writeSnapshot(offset, snapshotAsOf(producers.entries(), offset));
      await this.#syncSnapshot(offset);
      this.#entriesChange = this.#entries.noteChange();
      await this.syncEntries();
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }

  /** The active segment's file, durable by name: something must stand where a log begins. */
  async materializeActive(): Promise<void> {
    const { file } = this.#active;
    if (this.directory.files.statSync(file.path) === undefined) {
      file.handle();
      this.#entriesChange = this.#entries.noteChange();
    }
    await this.#entries.sync(this.#entriesChange);
  }

  /** Makes creations and removals in the folder durable. */
  syncEntries(): Promise<void> {
    return this.#entries.sync(this.#entriesChange);
  }

  /**
   * Takes the oldest segment out. Its files are renamed at once, as the path may soon be another
   * log's, and are the caller's to remove; who reads from them may go on.
   */
  detachOldest(): string[] {
    if (this.settledCount < 1) throw new Error('the oldest segment is not settled');
    const segment = this.segments.shift()!;
    this.#retire(segment);
    const detached: string[] = [];
    for (const path of [...segment.paths(), this.#snapshotPath(segment.baseOffset)]) {
      if (this.directory.files.statSync(path) === undefined) continue;
      this.directory.files.renameSync(path, path + DELETED_SUFFIX);
      detached.push(path + DELETED_SUFFIX);
    }
    this.#entriesChange = this.#entries.noteChange();
    return detached;
  }

  /** For good: nothing of this log is opened any more. */
  closeFiles(): void {
    this.#isClosed = true;
    for (const segment of this.segments) {
      segment.file.retire();
      this.directory.indexMemory.forget(segment.offsetIndex.file);
      this.directory.indexMemory.forget(segment.timeIndex.file);
    }
  }

  #retire(segment: LogSegment): void {
    segment.isRemoved = true;
    segment.file.retire();
    this.directory.indexMemory.forget(segment.offsetIndex.file);
    this.directory.indexMemory.forget(segment.timeIndex.file);
  }

  async #syncSnapshot(offset: number): Promise<void> {
    if (this.directory.files.statSync(this.#snapshotPath(offset)) === undefined) return;
    await this.#syncFile(segmentFileName(offset, SNAPSHOT_SUFFIX));
  }

  #snapshotPath(offset: number): string {
    return join(this.path, segmentFileName(offset, SNAPSHOT_SUFFIX));
  }

  async #syncFile(name: string): Promise<void> {
    const handle = this.directory.files.openSync(join(this.path, name), 'readWrite');
    try {
      await handle.datasync();
    } finally {
      handle.closeSync();
    }
  }
}
