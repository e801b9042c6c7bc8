/**
 * Owns the files of one log (Kafka's LocalLog): its folder, its segments, and what of them is
 * durable. Knows nothing of producers, waiters or the high watermark.
 *
 * Invariants: only the last segment grows. `syncFiles` makes everything written before the call
 * durable, older segments before newer ones, then the names of new files. Index files are synced
 * only by checkpoints: `recoveryPoint` never passes a closed segment whose indexes are not durable,
 * and `persistIndexes` leaves those of the active one, so that a start after a crash reads little
 * more than what is dirty. An index file holds no entry that memory lacks.
 */
import { join } from 'node:path';
import { isOutOfSpace, systemErrorCode } from '../../../base/file-system.ts';
import type { LogConfig } from './log-config.ts';
import { type LogDirectory, SyncedEntries } from './log-directory.ts';
import { LogSegment, SNAPSHOT_SUFFIX, segmentFileName } from './log-segment.ts';
import { PARTITION_METADATA_FILE } from './partition-metadata.ts';

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
    return nowMs - active.createdMs >= this.config.segmentMs;
  }

  /** Writes whole batches, one a buffer; throws the system's error. */
  writeSync(batches: readonly Buffer[]): void {
    if (this.#active.sizeBytes === 0) this.#entriesChange = this.#entries.noteChange();
    this.#active.writeSync(batches, this.config.indexIntervalBytes);
  }

  /** Closes the active segment and begins a new one at `offset`, whose file comes with a write. */
  roll(offset: number, nowMs: number): void {
    this.#active.cutIfNeeded();
    this.#unsynced.push(this.#active);
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
    for (const segment of closed) await segment.file.datasync();
    if (active.file.isUnsynced) await active.file.datasync();
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
    const sizeBytes = active.sizeBytes;
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
  async recoveryPoint(syncedOffset: number): Promise<number> {
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
    if (segment === this.#active || this.#unindexed.includes(segment)) return;
    this.directory.indexMemory.touch(segment.offsetIndex.file);
    this.directory.indexMemory.touch(segment.timeIndex.file);
  }

  /** Cuts everything from `offset` on; snapshots beyond it go too. */
  truncateTo(offset: number, nowMs: number): void {
    while (this.segments.length > 0 && this.segments.at(-1)!.baseOffset >= offset) {
      this.#removeSegment(this.segments.pop()!);
    }
    if (this.segments.length === 0) this.segments.push(this.newSegment(offset, nowMs));
    this.#active = this.segments.at(-1)!;
    for (const list of [this.#unsynced, this.#unindexed]) {
      const at = list.indexOf(this.#active);
      if (at >= 0) list.splice(at, 1);
    }
    if (this.#active.sizeBytes > 0) this.#active.truncateTo(offset);
    for (const { file } of [this.#active.offsetIndex, this.#active.timeIndex]) {
      this.removeIfPresent(file.path);
      file.forgetFile();
    }
    this.#persistedBytes = 0;
    for (const name of this.directory.files.readdirSync(this.path)) {
      if (!name.endsWith(SNAPSHOT_SUFFIX) || Number.parseInt(name, 10) <= offset) continue;
      this.removeIfPresent(join(this.path, name));
    }
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

  #removeSegment(segment: LogSegment): void {
    for (const list of [this.#unsynced, this.#unindexed]) {
      const at = list.indexOf(segment);
      if (at >= 0) list.splice(at, 1);
    }
    segment.file.retire();
    this.directory.indexMemory.forget(segment.offsetIndex.file);
    this.directory.indexMemory.forget(segment.timeIndex.file);
    for (const path of segment.paths()) this.removeIfPresent(path);
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
