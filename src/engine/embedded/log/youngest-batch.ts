/**
 * Owns what is known of the youngest batch in a segment's part above the log's start, where the
 * segment's own youngest batch lies below it: neither index knows that, so headers are read.
 *
 * Invariant: what was read once is not read again before the batch that was found lies below the
 * start itself; a repeated question costs what was appended since, and no more.
 */
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { walkBatches } from './batch-walk.ts';
import type { LogSegment } from './log-segment.ts';

export interface YoungestBatch {
  readonly timestampMs: number;
  /** Where it stands in the segment, and the last offset in it. */
  readonly position: number;
  readonly lastOffset: number;
}

interface Known {
  readonly youngest: YoungestBatch;
  /** Up to here the segment has been read. */
  readonly endPosition: number;
}

const known = new WeakMap<LogSegment, Known>();

/** Undefined where the segment has no batch above `logStartOffset`, or has been removed. */
export async function youngestBatchFrom(
  segment: LogSegment,
  logStartOffset: number,
): Promise<YoungestBatch | undefined> {
  const end = segment.sizeBytes;
  const before = known.get(segment);
  const isUsable = before !== undefined && before.youngest.lastOffset >= logStartOffset;
  let youngest = isUsable ? before.youngest : undefined;
  try {
    await segment.offsetIndex.file.load();
    const from = isUsable ? before.endPosition : segment.offsetIndex.lookup(logStartOffset);
    if (from < end) {
      await segment.file.whilePinned((handle) =>
        walkBatches(handle, from, end, (buffer, at, position) => {
          const lastOffset = batchOf.lastOffset(buffer, at);
          const timestampMs = batchOf.maxTimestamp(buffer, at);
          const isIn = lastOffset >= logStartOffset;
          if (isIn && timestampMs > (youngest?.timestampMs ?? -1)) {
            youngest = { timestampMs, position, lastOffset };
          }
          return true;
        }),
      );
    }
  } catch (error) {
    if (!segment.isRemoved) throw error;
  }
  if (segment.isRemoved) return undefined;
  if (youngest !== undefined) known.set(segment, { youngest, endPosition: end });
  return youngest;
}
