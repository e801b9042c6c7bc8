/**
 * Owns the opening of a log that is on disk (Kafka's LogLoader).
 *
 * Below the recovery point everything was synced: segments there are believed, and what turns out
 * to be missing or broken is damage (`DamagedLogError`), never cut off. What follows the recovery
 * point is read whole, checksums included; at the first batch that is torn, or that does not follow
 * its predecessor, the log ends and the rest is cut off. The segment that holds the recovery point
 * is read from there on where the indexes that a checkpoint left (`LocalLog.persistIndexes`) lead
 * to it, and whole otherwise; indexes beyond are made anew. What lies past the recovery point is
 * written again and synced, so that the loaded end is durable. Segments that end at or below
 * the log start offset were on their way out, in any order and in part: what they tell of
 * producers is kept.
 */
import { join } from 'node:path';
import { StorageError } from '../../../base/errors.ts';
import { isCrcValid } from '../../../protocol/records/crc32c.ts';
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { walkBatches, walkHeaders } from './batch-walk.ts';
import { LEADER_EPOCH_FILE, LeaderEpochCache } from './leader-epoch-cache.ts';
import { LocalLog } from './local-log.ts';
import type { LogConfig } from './log-config.ts';
import type { LogDirectory } from './log-directory.ts';
import {
  DELETED_SUFFIX,
  INDEX_SUFFIX,
  LOG_SUFFIX,
  LogSegment,
  SNAPSHOT_SUFFIX,
  segmentFileName,
  TIME_INDEX_SUFFIX,
} from './log-segment.ts';
import { PARTITION_METADATA_FILE, parsePartitionMetadata } from './partition-metadata.ts';
import { loadNewestSnapshot, snapshotOffsets, visitHeaders } from './producer-replay.ts';
import { ProducerState } from './producer-state.ts';
import { UnifiedLog } from './unified-log.ts';

/** Copied at a time when the tail is written again. */
const REWRITE_BYTES = 1024 * 1024;

export interface LoadRequest {
  readonly topic: string;
  readonly partition: number;
  readonly path: string;
  readonly config: LogConfig;
  /** Everything below was on stable storage. */
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
  /** The last broker ended in order: the log ends at the recovery point. */
  readonly wasClean: boolean;
}

/** Data that was on stable storage is gone or broken: this partition stays offline. */
export class DamagedLogError extends StorageError {}

export async function loadLog(directory: LogDirectory, request: LoadRequest): Promise<UnifiedLog> {
  return new LogLoader(directory, request).load();
}

class LogLoader {
  readonly #directory: LogDirectory;
  readonly #request: LoadRequest;
  readonly #names: Set<string>;
  readonly #producers: ProducerState;
  readonly #epochs = new LeaderEpochCache();
  readonly #nowMs: number;
  #isEpochFileValid = false;
  /** Read whole because they are not below the recovery point. */
  #scanned: LogSegment[] = [];
  #hasRemoved = false;
  /** Lie wholly below the log's start: to be removed, once their producers are known. */
  #deleted: LogSegment[] = [];
  /** Follow a torn end: to be removed. */
  #lost: LogSegment[] = [];
  #endOffset: number;

  constructor(directory: LogDirectory, request: LoadRequest) {
    this.#directory = directory;
    this.#request = request;
    this.#producers = new ProducerState(directory.producerQuota);
    this.#names = new Set(directory.files.readdirSync(request.path));
    this.#nowMs = directory.clock.nowMs();
    this.#endOffset = request.logStartOffset;
  }

  async load(): Promise<UnifiedLog> {
    try {
      return await this.#load();
    } catch (error) {
      this.#producers.clear();
      throw error;
    }
  }

  async #load(): Promise<UnifiedLog> {
    const { topic, partition, path, config, recoveryPoint } = this.#request;
    this.#loadEpochs();
    const found = this.#withoutDeleted(this.#findSegments());
    const segments = await this.#recover(found);
    if (segments.length === 0) segments.push(this.#segment(this.#endOffset));
    if (this.#endOffset < recoveryPoint) {
      throw this.#damage(`the log ends at ${this.#endOffset}, but ${recoveryPoint} was durable`);
    }
    const local = new LocalLog(this.#directory, config, path, segments);
    if (this.#deleted.length > 0) {
      await local.keepProducers(segments[0]!.baseOffset, this.#producers);
    }
    // Nothing was removed so far: a damaged log stays as it is.
    for (const segment of [...this.#deleted, ...this.#lost]) this.#removeSegment(segment);
    this.#epochs.truncateFromEnd(this.#endOffset);
    const logStartOffset = Math.max(this.#request.logStartOffset, segments[0]!.baseOffset);
    this.#epochs.truncateFromStart(logStartOffset);
    this.#removeLeftovers();
    this.#removeSnapshots(segments);
    for (const segment of segments) this.#removeStaleIndexes(segment);
    this.#dateActive(segments.at(-1)!);
    local.notePersisted();
    local.noteUnindexed(this.#scanned.filter((segment) => segment !== segments.at(-1)));
    const topicId = this.#readTopicId();
    await this.#syncScanned(topicId);
    // What was removed must not come back beside what is appended from now on.
    // And what is gone from the front is gone for good once it was told.
    const isShorter = logStartOffset > this.#request.logStartOffset;
    if (this.#hasRemoved || isShorter) await this.#directory.files.syncDirectory(path);
    // After a kill an empty log's folder may be in the cache only.
    if (this.#endOffset === 0 && !this.#request.wasClean) local.noteNew();
    return new UnifiedLog({
      topic,
      partition,
      topicId,
      local,
      logStartOffset,
      logEndOffset: this.#endOffset,
      recoveryPoint,
      producers: this.#producers,
      epochs: this.#epochs,
      wasClean: this.#request.wasClean && this.#scanned.length === 0,
    });
  }

  /** For segment.ms: as old as its first batch says, as a restart makes nothing younger. */
  #dateActive(segment: LogSegment): void {
    const firstMs = segment.firstTimestampMs();
    if (firstMs !== undefined && firstMs >= 0) segment.createdMs = Math.min(firstMs, this.#nowMs);
  }

  #path(name: string): string {
    return join(this.#request.path, name);
  }

  #segment(base: number): LogSegment {
    const { files, openFiles } = this.#directory;
    return new LogSegment(files, openFiles, this.#request.path, base, this.#nowMs);
  }

  #damage(what: string): DamagedLogError {
    const { topic, partition } = this.#request;
    return new DamagedLogError(
      `Partition ${topic}-${partition} is damaged and stays offline: ${what}`,
    );
  }

  #remove(name: string): void {
    this.#directory.files.unlinkSync(this.#path(name));
    this.#names.delete(name);
    this.#hasRemoved = true;
  }

  /** Half-written replacements, half-removed segments, and indexes whose segment is gone. */
  #removeLeftovers(): void {
    for (const name of [...this.#names]) {
      const suffix = [INDEX_SUFFIX, TIME_INDEX_SUFFIX].find((end) => name.endsWith(end));
      const isOrphan =
        suffix !== undefined && !this.#names.has(name.slice(0, -suffix.length) + LOG_SUFFIX);
      const isHalfGone = name.endsWith('.tmp') || name.endsWith(DELETED_SUFFIX);
      if (isOrphan || isHalfGone) this.#remove(name);
    }
  }

  /** An index that differs from what was read must not be believed by a later start. */
  #removeStaleIndexes(segment: LogSegment): void {
    if (!segment.offsetIndex.file.isStale && !segment.timeIndex.file.isStale) return;
    segment.offsetIndex.file.forgetFile();
    segment.timeIndex.file.forgetFile();
    for (const suffix of [INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      const name = segmentFileName(segment.baseOffset, suffix);
      if (this.#names.has(name)) this.#remove(name);
    }
  }

  #loadEpochs(): void {
    if (!this.#names.has(LEADER_EPOCH_FILE)) return;
    const bytes = this.#directory.files.readFileSync(this.#path(LEADER_EPOCH_FILE));
    this.#isEpochFileValid = this.#epochs.load(bytes, this.#request.logStartOffset);
  }

  #readTopicId(): string | undefined {
    if (!this.#names.has(PARTITION_METADATA_FILE)) return undefined;
    const bytes = this.#directory.files.readFileSync(this.#path(PARTITION_METADATA_FILE));
    return parsePartitionMetadata(bytes);
  }

  #findSegments(): LogSegment[] {
    const bases: number[] = [];
    for (const name of this.#names) {
      if (/^\d{20}\.log$/.test(name)) bases.push(Number.parseInt(name, 10));
    }
    return bases.sort((one, other) => one - other).map((base) => this.#segment(base));
  }

  /** A segment whose successor begins at or below the log's start holds nothing that counts. */
  #withoutDeleted(found: LogSegment[]): LogSegment[] {
    const { logStartOffset } = this.#request;
    const first = found.findLastIndex((segment) => segment.baseOffset <= logStartOffset);
    this.#deleted = found.slice(0, Math.max(0, first));
    for (const segment of this.#deleted) segment.sizeBytes = segment.file.handle().sizeBytesSync();
    return found.slice(Math.max(0, first));
  }

  /** The segments to keep; sets the end, the producers and the epochs. */
  async #recover(found: LogSegment[]): Promise<LogSegment[]> {
    const firstScanned = await this.#believeSynced(found);
    const partly = found[firstScanned];
    const isPartlyBelieved = partly !== undefined && this.#believeStart(partly);
    const scanFrom = isPartlyBelieved ? this.#endOffset : (partly?.baseOffset ?? this.#endOffset);
    this.#replaySynced(found.slice(0, firstScanned + (isPartlyBelieved ? 1 : 0)), scanFrom);
    for (let index = firstScanned; index < found.length; index += 1) {
      const segment = found[index]!;
      const isContinued = isPartlyBelieved && segment === partly;
      const follows =
        isContinued ||
        (index === 0 ? this.#canBeFirst(segment) : segment.baseOffset === this.#endOffset);
      if (index === 0 && follows && !isContinued) this.#endOffset = segment.baseOffset;
      const isWhole = follows && (await this.#scan(segment, isContinued));
      if (isWhole) continue;
      const kept = follows ? index + 1 : index;
      this.#lost = found.slice(kept);
      return found.slice(0, kept);
    }
    return found;
  }

  /**
   * A first segment beyond both points follows one that never reached the disk. (What removes old
   * segments makes the new log start offset durable first, or removes below the recovery point.)
   */
  #canBeFirst(segment: LogSegment): boolean {
    const { logStartOffset, recoveryPoint } = this.#request;
    return segment.baseOffset <= Math.max(logStartOffset, recoveryPoint);
  }

  /** Takes over the segments below the recovery point; the index of the first one to be read. */
  async #believeSynced(found: LogSegment[]): Promise<number> {
    const { recoveryPoint, wasClean } = this.#request;
    for (const [index, segment] of found.entries()) {
      const next = found[index + 1];
      const isBelow = next !== undefined && next.baseOffset <= recoveryPoint;
      if (!isBelow && (!wasClean || next !== undefined)) return index;
      segment.sizeBytes = segment.file.handle().sizeBytesSync();
      const end = isBelow
        ? await this.#adoptUpTo(segment, next.baseOffset)
        : await this.#adopt(segment, next === undefined);
      if (!isBelow && end !== recoveryPoint) return index;
      if (next !== undefined && end !== next.baseOffset) {
        throw this.#damage(`${segment.file.path} ends at ${end}, the next begins elsewhere`);
      }
      this.#endOffset = next?.baseOffset ?? end;
    }
    return found.length;
  }

  /**
   * Takes over the part of a segment that lies below the recovery point, if the indexes on disk
   * lead to a batch that begins there; the segment then ends at that point until it is scanned.
   * In doubt it is false: a scan of the whole segment tells what is damaged.
   */
  #believeStart(segment: LogSegment): boolean {
    const { recoveryPoint, logStartOffset } = this.#request;
    const canBe = segment.baseOffset < recoveryPoint && logStartOffset < recoveryPoint;
    if (!canBe || !this.#isEpochFileValid) return false;
    const sizeBytes = segment.file.handle().sizeBytesSync();
    const hasIndexes = segment.offsetIndex.file.adopt() && segment.timeIndex.file.adopt();
    if (!hasIndexes) return false;
    // There may be entries of batches that never reached the disk.
    segment.offsetIndex.truncateTo(recoveryPoint);
    segment.timeIndex.truncateTo(recoveryPoint);
    segment.sizeBytes = sizeBytes;
    const position = isPlausible(segment) ? positionAt(segment, recoveryPoint) : undefined;
    if (position === undefined) return false;
    segment.sizeBytes = position;
    segment.readMaxTimestamp();
    this.#endOffset = recoveryPoint;
    return true;
  }

  /**
   * As `#adopt`, for a segment whose successor begins at `next`. What a failed write left behind was
   * cut off before that one was begun; a power cut may bring it back, and it is cut off again.
   */
  async #adoptUpTo(segment: LogSegment, next: number): Promise<number> {
    const { sizeBytes } = segment;
    let end = -1;
    let damage: unknown;
    try {
      end = await this.#adopt(segment, false);
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error;
      damage = error;
    }
    if (end === next || (await this.#cutOverhang(segment, sizeBytes, next))) return next;
    if (damage !== undefined) throw damage;
    return end;
  }

  /** True when sound batches lead to `next` exactly: then nothing that counts lies behind them. */
  async #cutOverhang(segment: LogSegment, sizeBytes: number, next: number): Promise<boolean> {
    const { indexIntervalBytes } = this.#request.config;
    let end = segment.baseOffset;
    segment.resetForScan();
    await segment.file.whilePinned((handle) =>
      walkBatches(handle, 0, sizeBytes, (buffer, at) => {
        const isOurs = end < next && batchOf.baseOffset(buffer, at) >= end;
        if (!isOurs || !isCrcValid(buffer, at)) return false;
        segment.noteBatch(buffer, at, batchOf.batchSizeBytes(buffer, at), indexIntervalBytes);
        end = batchOf.nextOffset(buffer, at);
        return true;
      }),
    );
    if (end !== next) return false;
    segment.cutFailedWrite();
    await segment.file.datasync();
    segment.writeIndexes();
    await segment.syncIndexes();
    return true;
  }

  /** Indexes as they are, or made anew; the offset at which the segment ends. */
  async #adopt(segment: LogSegment, isLast: boolean): Promise<number> {
    try {
      const hasIndexes = segment.offsetIndex.file.adopt() && segment.timeIndex.file.adopt();
      if (!hasIndexes || !isPlausible(segment)) await this.#rebuildIndexes(segment, isLast);
      segment.readMaxTimestamp();
      return segment.readNextOffset();
    } catch (error) {
      if (error instanceof DamagedLogError || !(error instanceof Error)) throw error;
      if ('code' in error) throw error;
      throw this.#damage(error.message);
    }
  }

  async #rebuildIndexes(segment: LogSegment, isLast: boolean): Promise<void> {
    const sizeBytes = segment.sizeBytes;
    segment.resetForScan();
    const { indexIntervalBytes } = this.#request.config;
    const end = await segment.file.whilePinned((handle) =>
      walkBatches(handle, 0, sizeBytes, (buffer, at) => {
        if (!isCrcValid(buffer, at)) return false;
        const bytes = batchOf.batchSizeBytes(buffer, at);
        segment.noteBatch(buffer, at, bytes, indexIntervalBytes);
        return true;
      }),
    );
    if (end !== sizeBytes) throw this.#damage(`${segment.file.path} is broken at ${end}`);
    // The last one still grows: its indexes stay in memory.
    if (isLast) return;
    segment.writeIndexes();
    await segment.syncIndexes();
  }

  /** Producers (and epochs, if their file is lost) from the segments that are not read whole. */
  #replaySynced(synced: readonly LogSegment[], scanFrom: number): void {
    const segments = [...this.#deleted, ...synced];
    const oldestBase = segments[0]?.baseOffset ?? scanFrom;
    const snapshotOffset = loadNewestSnapshot(this.#directory.files, this.#request.path, scanFrom, {
      producers: this.#producers,
      nowMs: this.#nowMs,
      oldestBase,
    });
    let knownTo = Math.max(oldestBase, snapshotOffset);
    // Of what was on its way out a part may be gone: what is known before a gap is out of date.
    const reach = (offset: number): void => {
      if (offset !== knownTo) this.#producers.clear();
    };
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1]?.baseOffset ?? scanFrom;
      if (this.#isEpochFileValid && next <= snapshotOffset) continue;
      const from = this.#isEpochFileValid ? snapshotOffset : segment.baseOffset;
      visitHeaders(segment, from, (buffer, at) => {
        if (!this.#isEpochFileValid) this.#noteEpoch(buffer, at);
        const base = batchOf.baseOffset(buffer, at);
        if (base < snapshotOffset) return;
        reach(base);
        knownTo = batchOf.nextOffset(buffer, at);
        this.#noteProducer(buffer, at);
      });
    }
    reach(scanFrom);
  }

  /**
   * Reads the segment, or what follows its believed part, and cuts it at the first batch that is
   * not sound; true if none was.
   */
  async #scan(segment: LogSegment, isContinued: boolean): Promise<boolean> {
    const sizeBytes = segment.file.handle().sizeBytesSync();
    if (!isContinued) segment.resetForScan();
    if (!isContinued || segment.sizeBytes < sizeBytes) this.#scanned.push(segment);
    const { indexIntervalBytes } = this.#request.config;
    await segment.file.whilePinned((handle) =>
      walkBatches(handle, segment.sizeBytes, sizeBytes, (buffer, at) => {
        if (batchOf.baseOffset(buffer, at) < this.#endOffset || !isCrcValid(buffer, at))
          return false;
        segment.noteBatch(buffer, at, batchOf.batchSizeBytes(buffer, at), indexIntervalBytes);
        this.#noteEpoch(buffer, at);
        this.#noteProducer(buffer, at);
        this.#endOffset = batchOf.nextOffset(buffer, at);
        return true;
      }),
    );
    if (segment.sizeBytes === sizeBytes) return true;
    if (this.#endOffset < this.#request.recoveryPoint) {
      throw this.#damage(`${segment.file.path} is broken at ${segment.sizeBytes}`);
    }
    segment.cutFailedWrite();
    return false;
  }

  #noteEpoch(buffer: Buffer, at: number): void {
    this.#epochs.assign(batchOf.partitionLeaderEpoch(buffer, at), batchOf.baseOffset(buffer, at));
  }

  #noteProducer(buffer: Buffer, at: number): void {
    if (batchOf.hasProducerId(buffer, at)) this.#producers.update(buffer, at, this.#nowMs);
  }

  /** Keeps those at the beginning of a segment, and the newest that the log reaches. */
  #removeSnapshots(segments: readonly LogSegment[]): void {
    const kept = new Set(segments.map((segment) => segment.baseOffset));
    const offsets = snapshotOffsets(this.#names);
    kept.add(offsets.find((offset) => offset <= this.#endOffset) ?? this.#endOffset);
    for (const offset of offsets) {
      if (!kept.has(offset)) this.#remove(segmentFileName(offset, SNAPSHOT_SUFFIX));
    }
  }

  #removeSegment(segment: LogSegment): void {
    segment.file.retire();
    for (const suffix of [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      const name = segmentFileName(segment.baseOffset, suffix);
      if (this.#names.has(name)) this.#remove(name);
    }
  }

  /** The bytes that were read may be in the page cache only. */
  async #syncScanned(topicId: string | undefined): Promise<void> {
    const { files } = this.#directory;
    const { recoveryPoint, path } = this.#request;
    const [first] = this.#scanned;
    if (first === undefined || this.#endOffset === recoveryPoint) return;
    for (const segment of this.#scanned) {
      await this.#rewrite(segment);
      await segment.file.datasync();
    }
    // Its name was durable with what it held below the recovery point, and so was the topic id.
    if (first.baseOffset < recoveryPoint && this.#scanned.length === 1) return;
    if (topicId !== undefined) await this.#rewriteTopicId();
    await files.syncDirectory(path);
  }

  /** In place, as the log itself: a full disk must not keep a broker from starting. */
  async #rewriteTopicId(): Promise<void> {
    const { files } = this.#directory;
    const path = this.#path(PARTITION_METADATA_FILE);
    const bytes = files.readFileSync(path);
    const handle = files.openSync(path, 'readWrite');
    try {
      handle.writevSync([bytes], 0);
      await handle.datasync();
    } finally {
      handle.closeSync();
    }
  }

  /**
   * Writes the bytes beyond the recovery point again, in place. Where a sync failed before, the
   * kernel keeps pages that never reached the disk and calls them clean, so that a new sync alone
   * would say nothing about them.
   */
  async #rewrite(segment: LogSegment): Promise<void> {
    const { recoveryPoint } = this.#request;
    const { sizeBytes } = segment;
    const isBeyond = segment.baseOffset >= recoveryPoint;
    const from = isBeyond ? 0 : segment.positionOf(recoveryPoint, sizeBytes);
    const buffer = Buffer.allocUnsafe(Math.min(REWRITE_BYTES, sizeBytes - from));
    await segment.file.whilePinned(async (handle) => {
      for (let position = from; position < sizeBytes; position += buffer.length) {
        const chunk = buffer.subarray(0, Math.min(buffer.length, sizeBytes - position));
        const count = await handle.read(chunk, position);
        if (count < chunk.length) throw new Error(`${segment.file.path} became shorter`);
        handle.writevSync([chunk], position);
      }
    });
  }
}

function isPlausible(segment: LogSegment): boolean {
  return segment.offsetIndex.isPlausible(segment.sizeBytes) && segment.timeIndex.isPlausible();
}

/** Where the batch that begins at `offset` stands or would be appended; undefined if neither. */
function positionAt(segment: LogSegment, offset: number): number | undefined {
  const { offsetIndex, sizeBytes } = segment;
  const entry = offsetIndex.count - 1;
  const from = entry < 0 ? 0 : offsetIndex.position(entry);
  let next = -1;
  let isEntryTrue = entry < 0;
  const found = walkHeaders(segment.file.handle(), from, sizeBytes, (buffer, at) => {
    const last = batchOf.lastOffset(buffer, at);
    isEntryTrue ||= last === offsetIndex.offset(entry);
    if (!isEntryTrue || last >= offset) {
      next = batchOf.baseOffset(buffer, at);
      return false;
    }
    next = last + 1;
    return true;
  });
  // A batch torn right there is the scan's business.
  const position = found < 0 ? -1 - found : found;
  return isEntryTrue && next === offset ? position : undefined;
}
