/**
 * Owns the files of a state log's folder `__<name>-0`, and what a good one looks like:
 *
 *   <first offset>.log              the records since the snapshot (Kafka's segment name and format)
 *   <end offset>-<epoch>.checkpoint the snapshot of all before (Kafka's name; ends with a footer)
 *   acknowledged                    two slots; the higher sound one is an offset below which every
 *                                   record was on stable storage
 *
 * Reading refuses with a StorageError whose text is a reason; state-log-recovery.ts makes the
 * sentence of it.
 */
import { join } from 'node:path';
import { StorageError } from '../../base/errors.ts';
import type { FileHandle, FileSystem } from '../../base/file-system.ts';
import { crc32c } from '../../protocol/records/crc32c.ts';
import type { NewRecord } from '../../protocol/records/record.ts';
import { readInt64, writeInt64 } from '../../protocol/records/record-batch.ts';
import type { StateRecord } from '../engine.ts';
import {
  decodeStateBatch,
  encodeStateBatch,
  encodeStateRecord,
  STATE_LOG_EPOCH,
  stateBatchAt,
} from './state-log-batch.ts';

const OFFSET_DIGITS = 20;
const EPOCH_DIGITS = 10;
const SEGMENT_NAME = /^(\d{20})\.log$/;
const SNAPSHOT_NAME = /^(\d{20})-(\d{10})\.checkpoint$/;
export const TEMPORARY_SUFFIX = '.tmp';

export function segmentName(firstOffset: number): string {
  return `${String(firstOffset).padStart(OFFSET_DIGITS, '0')}.log`;
}

export function snapshotName(endOffset: number): string {
  const offset = String(endOffset).padStart(OFFSET_DIGITS, '0');
  return `${offset}-${String(STATE_LOG_EPOCH).padStart(EPOCH_DIGITS, '0')}.checkpoint`;
}

/** The first offset of a segment by its file name, or undefined. */
export function segmentOffset(fileName: string): number | undefined {
  const digits = SEGMENT_NAME.exec(fileName)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The end offset of a snapshot by its file name, or undefined. */
export function snapshotOffset(fileName: string): number | undefined {
  const digits = SNAPSHOT_NAME.exec(fileName)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** A snapshot's last record: what the file holds, so that no cut or change goes unseen. */
const FOOTER_TYPE = 'snapshot-end';
const FOOTER_VERSION = 1;
const SNAPSHOT_BATCH_BYTES = 1024 * 1024;

export interface SnapshotContents {
  readonly logName: string;
  readonly endOffset: number;
  readonly records: readonly StateRecord[];
}

export function encodeSnapshot({ logName, endOffset, records }: SnapshotContents, nowMs: number) {
  const batches: Buffer[] = [];
  let pending: NewRecord[] = [];
  let pendingBytes = 0;
  let written = 0;
  const flush = (): void => {
    if (pending.length === 0) return;
    batches.push(encodeStateBatch(pending, written));
    written += pending.length;
    pending = [];
    pendingBytes = 0;
  };
  for (const record of records) {
    const encoded = encodeStateRecord(record, nowMs);
    pending.push(encoded);
    pendingBytes += encoded.value?.length ?? 0;
    if (pendingBytes >= SNAPSHOT_BATCH_BYTES) flush();
  }
  flush();
  const body = Buffer.concat(batches);
  const data = { log: logName, endOffset, records: written, crc32c: crc32c(body, 0, body.length) };
  const footer = { type: FOOTER_TYPE, version: FOOTER_VERSION, data };
  return Buffer.concat([body, encodeStateBatch([encodeStateRecord(footer, nowMs)], written)]);
}

/** The records of a snapshot; throws a StorageError unless it is exactly what was written. */
export function decodeSnapshot(bytes: Buffer, logName: string, endOffset: number): StateRecord[] {
  const records: StateRecord[] = [];
  let at = 0;
  let footerAt = 0;
  while (at < bytes.length) {
    const batch = stateBatchAt(bytes, at);
    if (batch === undefined) throw new StorageError(`its snapshot is damaged at byte ${at}`);
    for (const record of decodeStateBatch(bytes, at)) records.push(record);
    footerAt = at;
    at = batch.endPosition;
  }
  const footer = records.pop();
  if (footer?.type !== FOOTER_TYPE) throw new StorageError('its snapshot is cut short');
  const { data } = footer;
  const isWhole =
    footer.version === FOOTER_VERSION &&
    data.log === logName &&
    data.endOffset === endOffset &&
    data.records === records.length &&
    data.crc32c === crc32c(bytes, 0, footerAt);
  if (!isWhole) throw new StorageError('its snapshot was changed after it was written');
  return records;
}

export const ACKNOWLEDGED_NAME = 'acknowledged';
const SLOT_BYTES = 12;
/** One slot a sector: a torn write spoils one of them. */
const SLOT_STRIDE_BYTES = 512;

/**
 * A lower bound of the offsets that were acknowledged. It is written after the sync of the records,
 * and never waited for, so it cannot run ahead of them; after a power cut it may lag.
 */
export class AcknowledgedOffset {
  readonly #handle: FileHandle;
  #slot = 0;
  readonly #initial: number;

  constructor(files: FileSystem, folder: string) {
    this.#handle = files.openSync(join(folder, ACKNOWLEDGED_NAME), 'create');
    const bytes = Buffer.alloc(SLOT_STRIDE_BYTES + SLOT_BYTES);
    const validBytes = this.#handle.readSync(bytes, 0);
    const slots = [0, 1].map((slot) => readSlot(bytes.subarray(0, validBytes), slot));
    this.#initial = Math.max(...slots);
    this.#slot = slots[0]! >= slots[1]! ? 1 : 0;
  }

  /** What the file said when it was opened; 0 without a sound slot. */
  get initial(): number {
    return this.#initial;
  }

  /** Overwrites the older slot. */
  write(offset: number): void {
    this.#handle.writevSync([acknowledgedSlot(offset)], this.#slot * SLOT_STRIDE_BYTES);
    this.#slot = 1 - this.#slot;
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): void {
    this.#handle.closeSync();
  }
}

/** The file of a log that is known to end at `offset`: one slot. */
export function acknowledgedSlot(offset: number): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  writeInt64(slot, 0, offset);
  slot.writeUInt32BE(crc32c(slot, 0, 8), 8);
  return slot;
}

function readSlot(bytes: Buffer, slot: number): number {
  const at = slot * SLOT_STRIDE_BYTES;
  if (at + SLOT_BYTES > bytes.length) return 0;
  return bytes.readUInt32BE(at + 8) === crc32c(bytes, at, at + 8) ? readInt64(bytes, at) : 0;
}
