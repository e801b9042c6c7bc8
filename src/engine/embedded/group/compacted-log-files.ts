/**
 * Owns the files of a compacted log's folder, and their reading:
 *
 *   <first offset>.log            records in the order of their offsets; the last one is appended to
 *   <end offset>.compacted.log    of all records below the end offset the last one of each key
 *   acknowledged                  an offset below which every record was on stable storage
 *
 * Batches and records are Kafka's, so that its dump tool reads the files. A compacted file always
 * holds the record just below its end, tombstone or not: a file cut short is noticed.
 */
import { StorageError } from '../../../base/errors.ts';
import * as batchOf from '../../../protocol/records/record-batch.ts';
import { RecordCursor } from '../../../protocol/records/record-cursor.ts';
import { findStateBatch, stateBatchAt } from '../state-log-batch.ts';

const OFFSET_DIGITS = 20;
const SEGMENT_NAME = /^(\d{20})\.log$/;
const COMPACTED_NAME = /^(\d{20})\.compacted\.log$/;
export const TEMPORARY_SUFFIX = '.tmp';

const digits = (offset: number): string => String(offset).padStart(OFFSET_DIGITS, '0');

export const segmentName = (firstOffset: number): string => `${digits(firstOffset)}.log`;
export const compactedName = (endOffset: number): string => `${digits(endOffset)}.compacted.log`;

export interface FolderContents {
  /** End offset of the compacted file that counts; 0 without one. */
  readonly compactedEnd: number;
  readonly hasCompacted: boolean;
  /** First offsets of the segments behind it, ascending. */
  readonly segments: readonly number[];
  /** Files that an interrupted compaction left, or did not remove. */
  readonly obsolete: readonly string[];
}

export function readContents(names: readonly string[]): FolderContents {
  const ends = names.flatMap((name) => COMPACTED_NAME.exec(name)?.[1] ?? []).map(Number);
  const compactedEnd = Math.max(0, ...ends);
  const segments = names
    .flatMap((name) => SEGMENT_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  return {
    compactedEnd,
    hasCompacted: ends.length > 0,
    segments: segments.filter((first) => first >= compactedEnd),
    obsolete: [
      ...segments.filter((first) => first < compactedEnd).map(segmentName),
      ...ends.filter((end) => end < compactedEnd).map(compactedName),
      ...names.filter((name) => name.endsWith(TEMPORARY_SUFFIX)),
    ],
  };
}

export type RecordVisitor = (
  offset: number,
  timestampMs: number,
  key: Buffer,
  value: Buffer | null,
) => void;

/** Visits the records of the sound batch at `at`; keys and values share memory with `bytes`. */
export function visitBatch(bytes: Buffer, at: number, visit: RecordVisitor): void {
  if (batchOf.compressionCodec(bytes, at) !== 0) {
    throw new StorageError('it holds a compressed batch, which this log never does');
  }
  const firstOffset = batchOf.baseOffset(bytes, at);
  const firstTimestampMs = batchOf.baseTimestamp(bytes, at);
  const section = batchOf.recordsSection(bytes, at);
  const cursor = new RecordCursor(section, 0, section.length);
  for (let left = batchOf.recordCount(bytes, at); left > 0; left--) {
    cursor.next();
    const key = cursor.key();
    if (key === null) throw new StorageError('it holds a record without a key');
    const timestampMs = firstTimestampMs + cursor.timestampDelta;
    visit(firstOffset + cursor.offsetDelta, timestampMs, key, cursor.value());
  }
}

export interface WalkedFile {
  /** The offset behind the last sound record. */
  readonly endOffset: number;
  /** The byte behind the last sound batch. */
  readonly endPosition: number;
}

/** Where a file's records begin, and whether their offsets follow without a gap. */
export interface FileRange {
  readonly firstOffset: number;
  readonly isDense: boolean;
}

/**
 * Visits every record of a file up to its end or the first batch that is not sound. The base offset
 * is outside the checksum: a torn write may lack it alone, and has zeros there.
 */
function walkFile(bytes: Buffer, range: FileRange, visit: RecordVisitor): WalkedFile {
  let endOffset = range.firstOffset;
  let at = 0;
  for (;;) {
    const batch = stateBatchAt(bytes, at);
    if (batch === undefined || batch.baseOffset < endOffset) return { endOffset, endPosition: at };
    if (range.isDense && batch.baseOffset > endOffset) {
      throw new StorageError(
        `record ${endOffset} is expected at byte ${at}, not ${batch.baseOffset}`,
      );
    }
    visitBatch(bytes, at, visit);
    endOffset = batchOf.nextOffset(bytes, at);
    at = batch.endPosition;
  }
}

export type WholeRange = FileRange & { readonly endOffset: number };

/** As walkFile, for a file that was synced as a whole: it must be sound to its end. */
export function walkWholeFile(
  name: string,
  bytes: Buffer,
  range: WholeRange,
  visit: RecordVisitor,
): void {
  const endPosition = walkClosedFile(name, bytes, range, visit);
  if (endPosition < bytes.length) {
    throw new StorageError(`${name} is damaged at byte ${endPosition}`);
  }
}

/**
 * As walkFile, for a segment that another one follows: every record up to that one must be there.
 * Returns the byte behind the last; what stands there was left by a write that was refused, cut off,
 * and brought back by a power cut.
 */
export function walkClosedFile(
  name: string,
  bytes: Buffer,
  range: WholeRange,
  visit: RecordVisitor,
): number {
  const { endOffset, endPosition } = walkFile(bytes, range, visit);
  if (endOffset !== range.endOffset) {
    throw new StorageError(
      endPosition < bytes.length
        ? `${name} is damaged at byte ${endPosition}`
        : `${name} ends with record ${endOffset}, not with ${range.endOffset}`,
    );
  }
  return endPosition;
}

/** As walkFile, for the segment that was appended to: its tail may be torn past `acknowledged`. */
export function walkTail(
  bytes: Buffer,
  firstOffset: number,
  acknowledged: number,
  visit: RecordVisitor,
): WalkedFile {
  const tail = walkFile(bytes, { firstOffset, isDense: true }, visit);
  if (tail.endOffset < acknowledged) {
    const lost = acknowledged - tail.endOffset;
    throw new StorageError(`it is damaged or cut: ${lost} stored records are lost`);
  }
  if (findStateBatch(bytes, tail.endPosition + 1) !== -1) {
    throw new StorageError(`it is damaged at byte ${tail.endPosition}, with sound records behind`);
  }
  return tail;
}
