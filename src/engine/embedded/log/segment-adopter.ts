/**
 * Owns what is believed of a segment without reading all of it: its indexes as they are on disk, or
 * made anew where they are missing or implausible.
 *
 * Invariant: what was on stable storage and turns out to be broken is a DamagedLogError, never cut
 * off; the one exception is what a failed write left behind a closed segment.
 */
import { StorageError } from '../../../base/errors.ts';
import { isCrcValid } from '../../../protocol/records/crc32c.ts';
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { walkBatches, walkHeaders } from './batch-walk.ts';
import type { LogSegment } from './log-segment.ts';

/** Data that was on stable storage is gone or broken: this partition stays offline. */
export class DamagedLogError extends StorageError {}

export interface SegmentAdopterOptions {
  readonly indexIntervalBytes: number;
  /** Everything below was on stable storage. */
  readonly recoveryPoint: number;
  /** The error that says of the partition what is broken. */
  readonly damage: (what: string) => DamagedLogError;
}

export class SegmentAdopter {
  readonly #options: SegmentAdopterOptions;

  constructor(options: SegmentAdopterOptions) {
    this.#options = options;
  }

  /**
   * Takes over the part of a segment that lies below the recovery point, if the indexes on disk
   * lead to a batch that begins there; the segment then ends at that point until it is scanned.
   * In doubt it is false: a scan of the whole segment tells what is damaged.
   */
  adoptStart(segment: LogSegment): boolean {
    const { recoveryPoint } = this.#options;
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
    return true;
  }

  /**
   * As `adopt`, for a segment whose successor begins at `next`. What a failed write left behind was
   * cut off before that one was begun; a power cut may bring it back, and it is cut off again.
   */
  async adoptUpTo(segment: LogSegment, next: number): Promise<number> {
    const { sizeBytes } = segment;
    let end = -1;
    let damage: unknown;
    try {
      end = await this.adopt(segment, false);
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
    const { indexIntervalBytes } = this.#options;
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
  async adopt(segment: LogSegment, isLast: boolean): Promise<number> {
    try {
      const hasIndexes = segment.offsetIndex.file.adopt() && segment.timeIndex.file.adopt();
      if (!hasIndexes || !isPlausible(segment)) await this.#rebuildIndexes(segment, isLast);
      segment.readMaxTimestamp();
      return segment.readNextOffset();
    } catch (error) {
      if (error instanceof DamagedLogError || !(error instanceof Error)) throw error;
      if ('code' in error) throw error;
      throw this.#options.damage(error.message);
    }
  }

  async #rebuildIndexes(segment: LogSegment, isLast: boolean): Promise<void> {
    const sizeBytes = segment.sizeBytes;
    segment.resetForScan();
    const { indexIntervalBytes } = this.#options;
    const end = await segment.file.whilePinned((handle) =>
      walkBatches(handle, 0, sizeBytes, (buffer, at) => {
        if (!isCrcValid(buffer, at)) return false;
        const bytes = batchOf.batchSizeBytes(buffer, at);
        segment.noteBatch(buffer, at, bytes, indexIntervalBytes);
        return true;
      }),
    );
    if (end !== sizeBytes) throw this.#options.damage(`${segment.file.path} is broken at ${end}`);
    // The last one still grows: its indexes stay in memory.
    if (isLast) return;
    segment.writeIndexes();
    await segment.syncIndexes();
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
