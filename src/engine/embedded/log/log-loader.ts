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
import { isCrcValid } from '../../../protocol/records/crc32c.ts';
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { walkBatches } from './batch-walk.ts';
import { LEADER_EPOCH_FILE, LeaderEpochCache } from './leader-epoch-cache.ts';
import { LocalLog } from './local-log.ts';
import type { LogConfig } from './log-config.ts';
import type { LogDirectory } from './log-directory.ts';
import { LogFolder } from './log-folder.ts';
import { LogSegment } from './log-segment.ts';
import { loadNewestSnapshot, visitHeaders } from './producer-replay.ts';
import { ProducerState } from './producer-state.ts';
import { DamagedLogError, SegmentAdopter } from './segment-adopter.ts';
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

export async function loadLog(directory: LogDirectory, request: LoadRequest): Promise<UnifiedLog> {
  return new LogLoader(directory, request).load();
}

class LogLoader {
  readonly #directory: LogDirectory;
  readonly #request: LoadRequest;
  readonly #folder: LogFolder;
  readonly #adopter: SegmentAdopter;
  readonly #producers: ProducerState;
  readonly #epochs = new LeaderEpochCache();
  readonly #nowMs: number;
  #isEpochFileValid = false;
  /** Read whole because they are not below the recovery point. */
  #scanned: LogSegment[] = [];
  /** Lie wholly below the log's start: to be removed, once their producers are known. */
  #deleted: LogSegment[] = [];
  /** Follow a torn end: to be removed. */
  #lost: LogSegment[] = [];
  #endOffset: number;

  constructor(directory: LogDirectory, request: LoadRequest) {
    this.#directory = directory;
    this.#request = request;
    this.#producers = new ProducerState(directory.producerQuota);
    this.#folder = new LogFolder(directory.files, request.path);
    this.#adopter = new SegmentAdopter({
      indexIntervalBytes: request.config.indexIntervalBytes,
      recoveryPoint: request.recoveryPoint,
      damage: (what) => this.#damage(what),
    });
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
    const found = this.#withoutDeleted(
      this.#folder.segmentBases().map((base) => this.#segment(base)),
    );
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
    for (const segment of [...this.#deleted, ...this.#lost]) this.#folder.removeSegment(segment);
    this.#epochs.truncateFromEnd(this.#endOffset);
    const logStartOffset = Math.max(this.#request.logStartOffset, segments[0]!.baseOffset);
    this.#epochs.truncateFromStart(logStartOffset);
    this.#folder.removeLeftovers();
    this.#folder.removeSnapshots(segments, this.#endOffset);
    for (const segment of segments) this.#folder.removeStaleIndexes(segment);
    this.#dateActive(segments.at(-1)!);
    local.notePersisted();
    local.noteUnindexed(this.#scanned.filter((segment) => segment !== segments.at(-1)));
    const topicId = this.#folder.readTopicId();
    await this.#syncScanned(topicId);
    // What was removed must not come back beside what is appended from now on.
    // And what is gone from the front is gone for good once it was told.
    const isShorter = logStartOffset > this.#request.logStartOffset;
    if (this.#folder.hasRemoved || isShorter) await this.#directory.files.syncDirectory(path);
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

  #loadEpochs(): void {
    const bytes = this.#folder.read(LEADER_EPOCH_FILE);
    if (bytes === undefined) return;
    this.#isEpochFileValid = this.#epochs.load(bytes, this.#request.logStartOffset);
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
        ? await this.#adopter.adoptUpTo(segment, next.baseOffset)
        : await this.#adopter.adopt(segment, next === undefined);
      if (!isBelow && end !== recoveryPoint) return index;
      if (next !== undefined && end !== next.baseOffset) {
        throw this.#damage(`${segment.file.path} ends at ${end}, the next begins elsewhere`);
      }
      this.#endOffset = next?.baseOffset ?? end;
    }
    return found.length;
  }

  /** Whether the part of the segment below the recovery point need not be read. */
  #believeStart(segment: LogSegment): boolean {
    const { recoveryPoint, logStartOffset } = this.#request;
    const canBe = segment.baseOffset < recoveryPoint && logStartOffset < recoveryPoint;
    if (!canBe || !this.#isEpochFileValid || !this.#adopter.adoptStart(segment)) return false;
    this.#endOffset = recoveryPoint;
    return true;
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
    if (topicId !== undefined) await this.#folder.rewriteTopicId();
    await files.syncDirectory(path);
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
