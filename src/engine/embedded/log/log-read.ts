/**
 * Owns reading: from an offset to the bytes of whole batches, up to a limit that the log gives.
 *
 * Invariant: never beyond the limit (the high watermark or the written end), never a part of a
 * first batch. Bytes near the log's end are expected in the page cache and are read at once; older
 * ones in the thread pool, so that a slow disk does not hold up the event loop. Segments may leave
 * the log while they are read: that is an offset out of range, never a failure of the disk.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import { batchSizeBytes, RECORD_BATCH_OVERHEAD } from '../../../protocol/records/record-batch.ts';
import type { LogSegment } from './log-segment.ts';
import type { UnifiedLog } from './unified-log.ts';

export interface ReadRequest {
  readonly fetchOffset: number;
  readonly maxBytes: number;
  /** The first batch is returned even if it alone exceeds maxBytes. */
  readonly minOneMessage: boolean;
  readonly upTo: 'highWatermark' | 'logEnd';
  /** Where the bytes go; Buffer.allocUnsafe unless given. */
  readonly allocate?: (sizeBytes: number) => Buffer;
}

export interface ReadResult {
  /** NONE, OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR. */
  readonly errorCode: number;
  /** Begins with a whole batch; the last one may be cut. Empty with an error. */
  readonly records: Buffer;
  /** -1 with OFFSET_OUT_OF_RANGE. */
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

/** The end of what a reader may see: `offset` lies at `position` of `segment`. */
export interface ReadLimit {
  readonly segment: LogSegment;
  readonly position: number;
  readonly offset: number;
}

interface Place {
  readonly segment: LogSegment;
  readonly position: number;
  /** Bytes of this segment from `position` that may be read. */
  readonly availableBytes: number;
}

const NO_RECORDS = Buffer.alloc(0);
/** What a look-up in a cold segment reads first, so that the walk after it finds it in memory. */
const WARM_UP_BYTES = 16 * 1024;

export function readLog(
  log: UnifiedLog,
  request: ReadRequest,
  limit: ReadLimit,
): ReadResult | Promise<ReadResult> {
  if (log.failure !== undefined) return answer(log, ErrorCode.KAFKA_STORAGE_ERROR, NO_RECORDS);
  const { fetchOffset } = request;
  if (fetchOffset < log.logStartOffset || fetchOffset > log.writtenEndOffset) {
    return answer(log, ErrorCode.OFFSET_OUT_OF_RANGE, NO_RECORDS);
  }
  if (fetchOffset >= limit.offset) return answer(log, ErrorCode.NONE, NO_RECORDS);
  try {
    const index = log.local.indexOfSegment(fetchOffset);
    if (!isHot(log, index, fetchOffset)) {
      return readCold(log, request, limit, index).catch((error) => failed(log, request, error));
    }
    const place = findPlace(log, fetchOffset, limit, index);
    if (place === undefined) return answer(log, ErrorCode.NONE, NO_RECORDS);
    return answer(log, ErrorCode.NONE, readHot(request, place));
  } catch (error) {
    return failed(log, request, error);
  }
}

function failed(log: UnifiedLog, { fetchOffset }: ReadRequest, error: unknown): ReadResult {
  // The segment went while it was read: no failure of the disk.
  if (fetchOffset < log.logStartOffset) {
    return answer(log, ErrorCode.OFFSET_OUT_OF_RANGE, NO_RECORDS);
  }
  log.readFailed(error);
  return answer(log, ErrorCode.KAFKA_STORAGE_ERROR, NO_RECORDS);
}

function answer(log: UnifiedLog, errorCode: number, records: Buffer): ReadResult {
  const isOutOfRange = errorCode === ErrorCode.OFFSET_OUT_OF_RANGE;
  return {
    errorCode,
    records,
    highWatermark: isOutOfRange ? -1 : log.highWatermark,
    logStartOffset: log.logStartOffset,
  };
}

/** Whether the bytes from `fetchOffset` lie near the log's end; the index is in memory there. */
function isHot(log: UnifiedLog, index: number, fetchOffset: number): boolean {
  const { segments, directory } = log.local;
  if (index !== segments.length - 1) return false;
  const segment = segments[index]!;
  const { hotBytes } = directory.config;
  return (
    segment.sizeBytes <= hotBytes ||
    segment.sizeBytes - segment.offsetIndex.lookup(fetchOffset) <= hotBytes
  );
}

/** The first batch that contains `fetchOffset` or lies after it, and below the limit. */
function findPlace(
  log: UnifiedLog,
  fetchOffset: number,
  limit: ReadLimit,
  firstIndex: number,
): Place | undefined {
  const { segments } = log.local;
  for (let index = firstIndex; index < segments.length; index += 1) {
    const segment = segments[index]!;
    const end = segment === limit.segment ? limit.position : segment.sizeBytes;
    const position = segment.positionOf(fetchOffset, end);
    log.local.noteIndexUse(segment);
    if (position < end) return { segment, position, availableBytes: end - position };
    if (segment === limit.segment) return undefined;
  }
  return undefined;
}

function wantedBytes(request: ReadRequest, place: Place): number {
  const leastBytes = request.minOneMessage ? RECORD_BATCH_OVERHEAD : 0;
  return Math.min(place.availableBytes, Math.max(request.maxBytes, leastBytes));
}

/** What the first read came to: enough, nothing, or how many bytes the first batch alone needs. */
function missingBytes(request: ReadRequest, bytes: Buffer): number | 'nothing' | 'enough' {
  const canTell = bytes.length >= RECORD_BATCH_OVERHEAD;
  if (canTell && batchSizeBytes(bytes, 0) <= bytes.length) return 'enough';
  return canTell && request.minOneMessage ? batchSizeBytes(bytes, 0) : 'nothing';
}

function readHot(request: ReadRequest, place: Place): Buffer {
  const allocate = request.allocate ?? Buffer.allocUnsafe;
  const handle = place.segment.file.handle();
  const bytes = allocate(wantedBytes(request, place));
  checkFull(bytes, handle.readSync(bytes, place.position));
  const missing = missingBytes(request, bytes);
  if (missing === 'enough') return bytes;
  if (missing === 'nothing') return NO_RECORDS;
  const whole = allocate(missing);
  checkFull(whole, handle.readSync(whole, place.position));
  return whole;
}

async function readCold(
  log: UnifiedLog,
  request: ReadRequest,
  limit: ReadLimit,
  index: number,
): Promise<ReadResult> {
  const allocate = request.allocate ?? Buffer.allocUnsafe;
  const segment = log.local.segments[index]!;
  await segment.offsetIndex.file.load();
  const near = segment.offsetIndex.lookup(request.fetchOffset);
  await segment.file.whilePinned((handle) => handle.read(Buffer.alloc(WARM_UP_BYTES), near));
  const { fetchOffset } = request;
  if (fetchOffset < log.logStartOffset) {
    return answer(log, ErrorCode.OFFSET_OUT_OF_RANGE, NO_RECORDS);
  }
  // Segments before this one may have gone meanwhile.
  const place = findPlace(log, fetchOffset, limit, log.local.indexOfSegment(fetchOffset));
  if (place === undefined) return answer(log, ErrorCode.NONE, NO_RECORDS);
  const readAt = (bytes: Buffer): Promise<Buffer> =>
    place.segment.file.whilePinned(async (handle) => {
      checkFull(bytes, await handle.read(bytes, place.position));
      return bytes;
    });
  const bytes = await readAt(allocate(wantedBytes(request, place)));
  const missing = missingBytes(request, bytes);
  if (missing === 'enough') return answer(log, ErrorCode.NONE, bytes);
  if (missing === 'nothing') return answer(log, ErrorCode.NONE, NO_RECORDS);
  return answer(log, ErrorCode.NONE, await readAt(allocate(missing)));
}

function checkFull(bytes: Buffer, count: number): void {
  if (count < bytes.length) throw new Error('a segment file is shorter than what was written');
}
