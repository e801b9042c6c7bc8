/**
 * Owns the search for offsets by timestamp: segments by their youngest record, then the time index,
 * then batch headers, then the records of one batch, inflated if need be. Everything is read in the
 * thread pool, as such searches go anywhere in the log.
 */
import { decompress } from '../../../protocol/records/compression.ts';
import { readRecords, type StoredRecord } from '../../../protocol/records/record.ts';
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { walkBatches } from './batch-walk.ts';
import type { LogSegment } from './log-segment.ts';
import type { UnifiedLog } from './unified-log.ts';
import { youngestBatchFrom } from './youngest-batch.ts';

export interface OffsetAndTimestamp {
  readonly offset: number;
  readonly timestampMs: number;
  readonly leaderEpoch: number;
}

/** Stored batches were validated; this only bounds what a damaged one may inflate to. */
const INFLATED_BYTES_MAX = 256 * 1024 * 1024;

export async function offsetByTimestamp(
  log: UnifiedLog,
  timestampMs: number,
): Promise<OffsetAndTimestamp | undefined> {
  const first = log.local.indexOfSegment(log.logStartOffset);
  for (const segment of log.local.segments.slice(first)) {
    if (segment.maxTimestampMs < timestampMs) continue;
    const found = await searchSegment(log, segment, timestampMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What a segment that goes during the search held is no answer any more. */
async function searchSegment(
  log: UnifiedLog,
  segment: LogSegment,
  timestampMs: number,
  knownFrom?: number,
): Promise<OffsetAndTimestamp | undefined> {
  try {
    const from = knownFrom ?? (await positionByTimestamp(log, segment, timestampMs));
    const found = await findInSegment(segment, from, log.logStartOffset, timestampMs);
    return segment.isRemoved ? undefined : found;
  } catch (error) {
    if (segment.isRemoved) return undefined;
    throw error;
  }
}

export async function offsetOfMaxTimestamp(
  log: UnifiedLog,
): Promise<OffsetAndTimestamp | undefined> {
  const { logStartOffset } = log;
  const [first, ...above] = log.local.segments.slice(log.local.indexOfSegment(logStartOffset));
  if (first === undefined) return undefined;
  let youngest = first;
  let timestampMs = -1;
  for (const segment of above) {
    if (segment.maxTimestampMs <= timestampMs) continue;
    youngest = segment;
    timestampMs = segment.maxTimestampMs;
  }
  let from: number | undefined;
  // Only the first segment may hold anything below the log's start. Of equal ones the first counts.
  if (first.maxTimestampMs >= timestampMs) {
    const isIn = first.offsetOfMaxTimestamp >= logStartOffset;
    const found = isIn ? undefined : await youngestBatchFrom(first, logStartOffset);
    const firstMs = isIn ? first.maxTimestampMs : (found?.timestampMs ?? -1);
    if (firstMs >= timestampMs) {
      youngest = first;
      timestampMs = firstMs;
      from = found?.position;
    }
  }
  if (timestampMs < 0) return undefined;
  const found = await searchSegment(log, youngest, timestampMs, from);
  return found === undefined && youngest.isRemoved ? offsetOfMaxTimestamp(log) : found;
}

async function positionByTimestamp(
  log: UnifiedLog,
  segment: LogSegment,
  timestampMs: number,
): Promise<number> {
  await segment.timeIndex.file.load();
  await segment.offsetIndex.file.load();
  const offset = Math.max(segment.timeIndex.lookup(timestampMs), log.logStartOffset);
  const position = segment.offsetIndex.lookup(offset);
  log.local.noteIndexUse(segment);
  return position;
}

/** The first record from `from` on that is neither older than asked nor before the log's start. */
async function findInSegment(
  segment: LogSegment,
  from: number,
  logStartOffset: number,
  timestampMs: number,
): Promise<OffsetAndTimestamp | undefined> {
  const end = segment.sizeBytes;
  let position = from;
  while (position < end) {
    let batch: Buffer | undefined;
    position = await segment.file.whilePinned((handle) =>
      walkBatches(handle, position, end, (buffer, at) => {
        const isCandidate =
          batchOf.maxTimestamp(buffer, at) >= timestampMs &&
          batchOf.lastOffset(buffer, at) >= logStartOffset;
        if (isCandidate) batch = Buffer.from(wholeBatch(buffer, at));
        return !isCandidate;
      }),
    );
    if (position < 0) {
      throw new Error(`no batch can stand at ${-1 - position} in ${segment.file.path}`);
    }
    if (batch === undefined) return undefined;
    const found = await findInBatch(batch, logStartOffset, timestampMs);
    if (found !== undefined) return found;
    position += batch.length;
  }
  return undefined;
}

function wholeBatch(buffer: Buffer, at: number): Buffer {
  return buffer.subarray(at, at + batchOf.batchSizeBytes(buffer, at));
}

async function findInBatch(
  batch: Buffer,
  logStartOffset: number,
  timestampMs: number,
): Promise<OffsetAndTimestamp | undefined> {
  const codec = batchOf.compressionCodec(batch, 0);
  if (!batchOf.isCodec(codec)) throw new Error(`a stored batch names the unknown codec ${codec}`);
  const section = await decompress(codec, batchOf.recordsSection(batch, 0), INFLATED_BYTES_MAX);
  const matches = (record: StoredRecord): boolean =>
    record.timestampMs >= timestampMs && record.offset >= logStartOffset;
  for (const record of readRecords(batch, 0, section)) {
    if (!matches(record)) continue;
    const leaderEpoch = batchOf.partitionLeaderEpoch(batch, 0);
    return { offset: record.offset, timestampMs: record.timestampMs, leaderEpoch };
  }
  return undefined;
}
