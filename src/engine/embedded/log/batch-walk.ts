/**
 * Owns the walk over the batches of a segment file: from header to header, reading small windows,
 * or batch by batch with the whole body when checksums or records are looked at.
 *
 * Invariant: nothing is believed before it is checked: a header that cannot stand there ends the
 * walk, and no buffer is larger than the file or than one batch plus a window.
 */
import type { FileHandle } from '../../../base/file-system.ts';
import {
  batchSizeBytes,
  hasSafeHeader,
  lastOffsetDelta,
  MAGIC_V2,
  magic,
  RECORD_BATCH_OVERHEAD,
} from '../../../protocol/records/record-batch.ts';

/** One header window: two index intervals, so that a look-up mostly needs one read. */
const HEADER_WINDOW_BYTES = 8192;
const BODY_WINDOW_BYTES = 1024 * 1024;

/** Sees the batch at `at` in `buffer`, which lies at `position` in the file; false ends the walk. */
export type BatchVisitor = (buffer: Buffer, at: number, position: number) => boolean;

/** Whether a batch can begin at `at`, given the bytes that the file has from there. */
export function isPlausibleBatch(buffer: Buffer, at: number, remainingBytes: number): boolean {
  if (remainingBytes < RECORD_BATCH_OVERHEAD || magic(buffer, at) !== MAGIC_V2) return false;
  const sizeBytes = batchSizeBytes(buffer, at);
  if (sizeBytes < RECORD_BATCH_OVERHEAD || sizeBytes > remainingBytes) return false;
  return hasSafeHeader(buffer, at) && lastOffsetDelta(buffer, at) >= 0;
}

/**
 * Walks the headers in [from, to): the visitor may look at the first 61 bytes of each batch.
 * Returns the position of the batch at which it was stopped, `to` at the end, or -1 - position
 * where no batch can stand.
 */
export function walkHeaders(
  handle: FileHandle,
  from: number,
  to: number,
  visit: BatchVisitor,
): number {
  const window = Buffer.allocUnsafe(Math.min(HEADER_WINDOW_BYTES, Math.max(0, to - from)));
  let windowAt = from;
  let windowEnd = from;
  let position = from;
  while (position < to) {
    if (position + RECORD_BATCH_OVERHEAD > windowEnd) {
      const wanted = window.subarray(0, Math.min(window.length, to - position));
      windowAt = position;
      windowEnd = position + handle.readSync(wanted, position);
      if (windowEnd - position < RECORD_BATCH_OVERHEAD) return -1 - position;
    }
    const at = position - windowAt;
    if (!isPlausibleBatch(window, at, to - position)) return -1 - position;
    if (!visit(window, at, position)) return position;
    position += batchSizeBytes(window, at);
  }
  return to;
}

/**
 * As walkHeaders, with the whole batch in the buffer, which is valid during the visit only. Reads
 * in the thread pool: for recovery and searches, which go over much.
 */
export async function walkBatches(
  handle: FileHandle,
  from: number,
  to: number,
  visit: BatchVisitor,
): Promise<number> {
  let buffer: Buffer = Buffer.allocUnsafe(Math.min(BODY_WINDOW_BYTES, Math.max(0, to - from)));
  let position = from;
  while (position < to) {
    const wanted = buffer.subarray(0, Math.min(buffer.length, to - position));
    const validBytes = await handle.read(wanted, position);
    const walked = visitWhole(wanted.subarray(0, validBytes), position, to, visit);
    if (walked.ended) return walked.result;
    if (walked.result === position) {
      // Not one whole batch in the window: its plausible header says how much is needed.
      if (validBytes < wanted.length || wanted.length === to - position) return -1 - position;
      buffer = Buffer.allocUnsafe(batchSizeBytes(wanted, 0));
    }
    position = walked.result;
  }
  return to;
}

/** Visits the whole batches in `bytes`; `result` is where it stopped. */
function visitWhole(
  bytes: Buffer,
  start: number,
  to: number,
  visit: BatchVisitor,
): { ended: boolean; result: number } {
  let position = start;
  while (position < to) {
    const at = position - start;
    if (at + RECORD_BATCH_OVERHEAD > bytes.length) {
      const isHopeless = to - position < RECORD_BATCH_OVERHEAD;
      return { ended: isHopeless, result: isHopeless ? -1 - position : position };
    }
    if (!isPlausibleBatch(bytes, at, to - position)) return { ended: true, result: -1 - position };
    const sizeBytes = batchSizeBytes(bytes, at);
    if (at + sizeBytes > bytes.length) return { ended: false, result: position };
    if (!visit(bytes, at, position)) return { ended: true, result: position };
    position += sizeBytes;
  }
  return { ended: true, result: to };
}
