/**
 * Owns the bytes of a producer snapshot (`<offset>.snapshot`): the producers as they were when the
 * log ended at that offset, so that a start need not read the whole log.
 *
 * Kafka's format, version 1: version i16, CRC-32C u32 of all that follows, entry count i32, entries
 * of 46 bytes. Kafka keeps the newest batch of a producer only; a client that repeats five batches
 * after a crash needs all five, so the older ones follow in a section of our own, which Kafka's
 * readers do not look at: magic i32, then for each entry in order a count u8 and 24 bytes a batch.
 * Reading believes nothing: undefined unless every byte fits.
 */
import { crc32c } from '../../../protocol/records/crc32c.ts';
import { readInt64, writeInt64 } from '../../../protocol/records/record-batch.ts';
import type { ProducerBatch, ProducerEntry } from './producer-state.ts';

const VERSION = 1;
const CRC_AT = 2;
const BODY_AT = 6;
const ENTRY_BYTES = 46;
const HISTORY_MAGIC = 0x42574831;
const HISTORY_BATCH_BYTES = 24;
const NO_BATCH: ProducerBatch = {
  lastSequence: -1,
  lastOffset: -1,
  offsetDelta: 0,
  timestampMs: -1,
};

export function encodeProducerSnapshot(producers: Iterable<ProducerEntry>): Buffer {
  const entries = [...producers];
  let historyBytes = 4;
  for (const entry of entries) {
    historyBytes += 1 + olderBatches(entry).length * HISTORY_BATCH_BYTES;
  }
  const bytes = Buffer.alloc(BODY_AT + 4 + entries.length * ENTRY_BYTES + historyBytes);
  bytes.writeInt16BE(VERSION, 0);
  bytes.writeInt32BE(entries.length, BODY_AT);
  let at = BODY_AT + 4;
  for (const entry of entries) {
    writeEntry(bytes, at, entry);
    at += ENTRY_BYTES;
  }
  at = bytes.writeInt32BE(HISTORY_MAGIC, at);
  for (const entry of entries) at = writeHistory(bytes, at, olderBatches(entry));
  bytes.writeUInt32BE(crc32c(bytes, BODY_AT, bytes.length), CRC_AT);
  return bytes;
}

/**
 * A snapshot for an offset that lies behind: of each producer the batches that ended before it. What
 * follows the offset is read from the log again.
 */
export function snapshotAsOf(producers: Iterable<ProducerEntry>, offset: number): Buffer {
  const entries: ProducerEntry[] = [];
  for (const entry of producers) {
    const batches = entry.batches.filter(({ lastOffset }) => lastOffset < offset);
    const newest = batches.at(-1);
    if (newest === undefined) continue;
    const isOpenLater = entry.currentTxnFirstOffset >= offset;
    const currentTxnFirstOffset = isOpenLater ? -1 : entry.currentTxnFirstOffset;
    const { timestampMs } = newest;
    entries.push({ ...entry, batches, currentTxnFirstOffset, timestampMs });
  }
  return encodeProducerSnapshot(entries);
}

/** `seenMs`: the producers' idle time begins anew. */
export function decodeProducerSnapshot(bytes: Buffer, seenMs: number): ProducerEntry[] | undefined {
  if (!isSoundSnapshot(bytes)) return undefined;
  const count = bytes.readInt32BE(BODY_AT);
  const entriesEnd = BODY_AT + 4 + count * ENTRY_BYTES;
  if (count < 0 || entriesEnd > bytes.length) return undefined;
  const histories = readHistories(bytes, entriesEnd, count);
  const entries: ProducerEntry[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = BODY_AT + 4 + index * ENTRY_BYTES;
    entries.push(readEntry(bytes, at, histories?.[index] ?? [], seenMs));
  }
  return entries;
}

/** Whole, and of the version that is known. */
export function isSoundSnapshot(bytes: Buffer): boolean {
  if (bytes.length < BODY_AT + 4 || bytes.readInt16BE(0) !== VERSION) return false;
  return bytes.readUInt32BE(CRC_AT) === crc32c(bytes, BODY_AT, bytes.length);
}

function olderBatches(entry: ProducerEntry): readonly ProducerBatch[] {
  return entry.batches.slice(0, -1);
}

function writeEntry(bytes: Buffer, at: number, entry: ProducerEntry): void {
  const newest = entry.batches.at(-1) ?? NO_BATCH;
  writeInt64(bytes, at, entry.producerId);
  bytes.writeInt16BE(entry.epoch, at + 8);
  bytes.writeInt32BE(newest.lastSequence, at + 10);
  writeInt64(bytes, at + 14, newest.lastOffset);
  bytes.writeInt32BE(newest.offsetDelta, at + 22);
  writeInt64(bytes, at + 26, entry.timestampMs);
  bytes.writeInt32BE(entry.coordinatorEpoch, at + 34);
  writeInt64(bytes, at + 38, entry.currentTxnFirstOffset);
}

function readEntry(
  bytes: Buffer,
  at: number,
  older: readonly ProducerBatch[],
  seenMs: number,
): ProducerEntry {
  const timestampMs = readInt64(bytes, at + 26);
  const newest: ProducerBatch = {
    lastSequence: bytes.readInt32BE(at + 10),
    lastOffset: readInt64(bytes, at + 14),
    offsetDelta: bytes.readInt32BE(at + 22),
    timestampMs,
  };
  return {
    producerId: readInt64(bytes, at),
    epoch: bytes.readInt16BE(at + 8),
    coordinatorEpoch: bytes.readInt32BE(at + 34),
    currentTxnFirstOffset: readInt64(bytes, at + 38),
    timestampMs,
    seenMs,
    batches: newest.lastSequence < 0 ? [] : [...older, newest],
  };
}

function writeHistory(bytes: Buffer, start: number, batches: readonly ProducerBatch[]): number {
  let at = bytes.writeUInt8(batches.length, start);
  for (const batch of batches) {
    bytes.writeInt32BE(batch.lastSequence, at);
    writeInt64(bytes, at + 4, batch.lastOffset);
    bytes.writeInt32BE(batch.offsetDelta, at + 12);
    writeInt64(bytes, at + 16, batch.timestampMs);
    at += HISTORY_BATCH_BYTES;
  }
  return at;
}

/** Undefined for a snapshot that Kafka wrote. */
function readHistories(bytes: Buffer, start: number, count: number): ProducerBatch[][] | undefined {
  if (start + 4 > bytes.length || bytes.readInt32BE(start) !== HISTORY_MAGIC) return undefined;
  const histories: ProducerBatch[][] = [];
  let at = start + 4;
  for (let index = 0; index < count; index += 1) {
    if (at >= bytes.length) return undefined;
    const batchCount = bytes.readUInt8(at);
    at += 1;
    if (at + batchCount * HISTORY_BATCH_BYTES > bytes.length) return undefined;
    const batches: ProducerBatch[] = [];
    for (let number = 0; number < batchCount; number += 1) {
      batches.push({
        lastSequence: bytes.readInt32BE(at),
        lastOffset: readInt64(bytes, at + 4),
        offsetDelta: bytes.readInt32BE(at + 12),
        timestampMs: readInt64(bytes, at + 16),
      });
      at += HISTORY_BATCH_BYTES;
    }
    histories.push(batches);
  }
  return histories;
}
