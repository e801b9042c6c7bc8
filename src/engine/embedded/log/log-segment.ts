/**
 * Owns one segment: the `.log` file named by its base offset, and its two indexes.
 *
 * Invariant: `sizeBytes` is what was written completely; a failed write is cut off again before the
 * next one, and readers never look beyond. The indexes follow each write. Only the last segment of
 * a log is written to. Unsynced bytes are counted by the file (`PooledFile.isUnsynced`).
 */
import { join } from 'node:path';
import type { FileSystem } from '../../../base/file-system.ts';
import { crc32c } from '../../../protocol/records/crc32c.ts';
import { lastOffset, maxTimestamp } from '../../../protocol/records/record-batch.ts';
import { walkHeaders } from './batch-walk.ts';
import { type LogConfig, SEGMENT_MS_MIN } from './log-config.ts';
import { OffsetIndex } from './offset-index.ts';
import type { OpenFiles, PooledFile } from './open-files.ts';
import { TimeIndex } from './time-index.ts';

/** Relative offsets and positions in the indexes are 32-bit. */
const INT32_MAX = 0x7fff_ffff;

export const LOG_SUFFIX = '.log';
export const INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const SNAPSHOT_SUFFIX = '.snapshot';
/** Follows the name of a file that was taken out of a log and waits for its removal. */
export const DELETED_SUFFIX = '.deleted';

/** Kafka's file names: the offset in 20 digits. */
export function segmentFileName(offset: number, suffix: string): string {
  return offset.toString().padStart(20, '0') + suffix;
}

export class LogSegment {
  readonly baseOffset: number;
  readonly file: PooledFile;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  /** When the segment began, for segment.ms. */
  createdMs: number;
  sizeBytes = 0;
  /** The youngest batch so far and its last offset; -1 while empty. */
  maxTimestampMs = -1;
  offsetOfMaxTimestamp = -1;
  /** Taken out of the log: its files are gone, or are about to go. */
  isRemoved = false;
  #bytesSinceIndexEntry = 0;
  /** -1: not computed yet. */
  #jitterShare = -1;
  /** There may be more in the file than `sizeBytes`. */
  #mustCut = false;

  constructor(
    files: FileSystem,
    openFiles: OpenFiles,
    directory: string,
    base: number,
    createdMs: number,
  ) {
    this.baseOffset = base;
    this.createdMs = createdMs;
    const path = (suffix: string): string => join(directory, segmentFileName(base, suffix));
    this.file = openFiles.file(path(LOG_SUFFIX));
    this.offsetIndex = new OffsetIndex(files, path(INDEX_SUFFIX), base);
    this.timeIndex = new TimeIndex(files, path(TIME_INDEX_SUFFIX), base);
  }

  /** Whether a batch must go to a new segment; this one or the queue holds something. */
  mustRoll(config: LogConfig, queuedBytes: number, batchBytes: number, last: number): boolean {
    return (
      this.sizeBytes + queuedBytes + batchBytes > config.segmentBytes ||
      last - this.baseOffset > INT32_MAX ||
      this.offsetIndex.isFull(config.segmentIndexBytes) ||
      this.timeIndex.isFull(config.segmentIndexBytes)
    );
  }

  /** segment.ms less this segment's share of segment.jitter.ms, the same after a restart. */
  ageMaxMs({ segmentMs, segmentJitterMs }: LogConfig): number {
    if (segmentJitterMs <= 0) return segmentMs;
    if (this.#jitterShare < 0) {
      const path = Buffer.from(this.file.path);
      this.#jitterShare = crc32c(path, 0, path.length) / 2 ** 32;
    }
    const ageMs = segmentMs - this.#jitterShare * segmentJitterMs;
    return Math.max(Math.min(segmentMs, SEGMENT_MS_MIN), ageMs);
  }

  /** The time of the youngest record, or of the segment's beginning if its records have none. */
  get youngestMs(): number {
    return this.maxTimestampMs >= 0 ? this.maxTimestampMs : this.createdMs;
  }

  /** Writes whole batches, one a buffer. Throws the system's error; see `cutFailedWrite`. */
  writeSync(batches: readonly Buffer[], indexIntervalBytes: number): void {
    this.cutIfNeeded();
    this.#mustCut = true;
    this.file.handle().writevSync(batches, this.sizeBytes);
    this.#mustCut = false;
    this.file.isUnsynced = true;
    for (const batch of batches) this.noteBatch(batch, 0, batch.length, indexIntervalBytes);
  }

  /** Cuts off what a failed write may have left behind; the next write tries it again. */
  cutFailedWrite(): void {
    this.file.handle().truncateSync(this.sizeBytes);
    this.file.isUnsynced = true;
    this.#mustCut = false;
  }

  /** Before anything that relies on the file's size: a write, a roll, a close. */
  cutIfNeeded(): void {
    if (this.#mustCut) this.cutFailedWrite();
  }

  /** Accounts for a batch of `bytes` that stands at the end: size, indexes, youngest timestamp. */
  noteBatch(buffer: Buffer, at: number, bytes: number, indexIntervalBytes: number): void {
    const last = lastOffset(buffer, at);
    const timestampMs = maxTimestamp(buffer, at);
    if (timestampMs > this.maxTimestampMs) {
      this.maxTimestampMs = timestampMs;
      this.offsetOfMaxTimestamp = last;
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      this.offsetIndex.append(last, this.sizeBytes);
      this.timeIndex.maybeAppend(this.maxTimestampMs, this.offsetOfMaxTimestamp);
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += bytes;
    this.sizeBytes += bytes;
  }

  /** Where the batch that contains `offset` begins, or the first after it; `limit` if none. */
  positionOf(offset: number, limit: number): number {
    const from = this.offsetIndex.lookup(offset);
    const found = walkHeaders(
      this.file.handle(),
      from,
      limit,
      (buffer, at) => lastOffset(buffer, at) < offset,
    );
    if (found < 0) throw new Error(`no batch can stand at ${-1 - found} in ${this.file.path}`);
    return found;
  }

  /** The offset after the last batch; reads from the last index entry on. */
  readNextOffset(): number {
    const from = this.offsetIndex.lookup(Number.MAX_SAFE_INTEGER);
    let next = this.baseOffset;
    const end = walkHeaders(this.file.handle(), from, this.sizeBytes, (buffer, at) => {
      next = lastOffset(buffer, at) + 1;
      return true;
    });
    if (end < 0) throw new Error(`no batch can stand at ${-1 - end} in ${this.file.path}`);
    return next;
  }

  /** From the last time index entry and what follows it. */
  readMaxTimestamp(): void {
    const last = this.timeIndex.count - 1;
    this.maxTimestampMs = last < 0 ? -1 : this.timeIndex.timestamp(last);
    this.offsetOfMaxTimestamp = last < 0 ? -1 : this.timeIndex.offset(last);
    const from = last < 0 ? 0 : this.offsetIndex.lookup(this.offsetOfMaxTimestamp);
    walkHeaders(this.file.handle(), from, this.sizeBytes, (buffer, at) => {
      if (maxTimestamp(buffer, at) > this.maxTimestampMs) {
        this.maxTimestampMs = maxTimestamp(buffer, at);
        this.offsetOfMaxTimestamp = lastOffset(buffer, at);
      }
      return true;
    });
    const indexed = this.offsetIndex.count - 1;
    this.#bytesSinceIndexEntry =
      this.sizeBytes - (indexed < 0 ? 0 : this.offsetIndex.position(indexed));
  }

  /** The max timestamp of the first batch, or undefined while empty. */
  firstTimestampMs(): number | undefined {
    let first: number | undefined;
    if (this.sizeBytes === 0) return undefined;
    walkHeaders(this.file.handle(), 0, this.sizeBytes, (buffer, at) => {
      first = maxTimestamp(buffer, at);
      return false;
    });
    return first;
  }

  /** At the roll and at the close: the closing time entry, both index files brought up to date. */
  writeIndexes(): void {
    this.timeIndex.maybeAppend(this.maxTimestampMs, this.offsetOfMaxTimestamp);
    this.offsetIndex.file.writeSync();
    this.timeIndex.file.writeSync();
  }

  async syncIndexes(): Promise<void> {
    await this.offsetIndex.file.datasync();
    await this.timeIndex.file.datasync();
  }

  /** Starts the indexes anew; the caller goes over the batches with `noteBatch`. */
  resetForScan(): void {
    this.sizeBytes = 0;
    this.maxTimestampMs = -1;
    this.offsetOfMaxTimestamp = -1;
    this.#bytesSinceIndexEntry = 0;
    this.offsetIndex.file.clear();
    this.timeIndex.file.clear();
  }

  paths(): string[] {
    return [this.file.path, this.offsetIndex.file.path, this.timeIndex.file.path];
  }
}
