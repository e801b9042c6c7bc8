/**
 * Owns the rewriting of a log's older part: of each key the last record stays, and tombstones go,
 * since nothing older is left that they could hide. The last record of all stays in any case: it
 * tells where the file ends. Reads a window at a time, so that a large log does not have to fit into
 * memory and requests get their turn in between.
 */
import type { FileHandle } from '../../../base/file-system.ts';
import { nextTurn } from '../../../protocol/records/event-loop-slices.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import { batchSizeBytes, RECORD_BATCH_OVERHEAD } from '../../../protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../../protocol/records/record-batch-builder.ts';
import { STATE_LOG_EPOCH, stateBatchAt } from '../state-log-batch.ts';
import { type RecordVisitor, visitBatch } from './compacted-log-files.ts';

const BATCH_BYTES = 256 * 1024;
/** Bytes read at a time, and looked at between two turns of the event loop; a batch may need more. */
const WINDOW_BYTES = 256 * 1024;
/** A batch's offsets are int32 deltas to its first. */
const OFFSET_SPAN_MAX = 2 ** 30;

/**
 * Hands the batches of the compacted file to `write`; gives up when `isWanted` says no.
 * `endOffset` is the offset behind the last record of the files.
 */
export async function compact(
  files: readonly FileHandle[],
  endOffset: number,
  write: (batch: Buffer) => void,
  isWanted: () => boolean,
): Promise<boolean> {
  const latest = new Map<string, number>();
  const noting: RecordVisitor = (offset, _timestampMs, key) => {
    latest.set(key.toString('latin1'), offset);
  };
  if (!(await walkInSlices(files, noting, isWanted))) return false;
  const output = new Output(write);
  const keeping: RecordVisitor = (offset, timestampMs, key, value) => {
    const isLast = latest.get(key.toString('latin1')) === offset;
    if (!isLast || (value === null && offset !== endOffset - 1)) return;
    output.add(offset, { timestampMs, key, value });
  };
  if (!(await walkInSlices(files, keeping, isWanted))) return false;
  output.flush();
  return true;
}

async function walkInSlices(
  files: readonly FileHandle[],
  visit: RecordVisitor,
  isWanted: () => boolean,
): Promise<boolean> {
  for (const file of files) {
    const sizeBytes = file.sizeBytesSync();
    let at = 0;
    while (at < sizeBytes) {
      const window = await windowAt(file, at, sizeBytes);
      at += visitWindow(window, visit);
      await nextTurn();
      if (!isWanted()) return false;
    }
  }
  return true;
}

/** What stands from `at` on: one batch at least. */
async function windowAt(file: FileHandle, at: number, sizeBytes: number): Promise<Buffer> {
  const window = await read(file, at, Math.min(WINDOW_BYTES, sizeBytes - at));
  if (window.length < RECORD_BATCH_OVERHEAD) return window;
  const batchBytes = batchSizeBytes(window, 0);
  const isLarger = batchBytes > window.length && batchBytes <= sizeBytes - at;
  return isLarger ? read(file, at, batchBytes) : window;
}

async function read(file: FileHandle, at: number, count: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(count);
  return bytes.subarray(0, await file.read(bytes, at));
}

/** The bytes of the whole batches in it. */
function visitWindow(window: Buffer, visit: RecordVisitor): number {
  let at = 0;
  for (;;) {
    const batch = stateBatchAt(window, at);
    if (batch === undefined) break;
    visitBatch(window, at, visit);
    at = batch.endPosition;
  }
  if (at === 0) throw new Error('a synced segment is no longer sound');
  return at;
}

class Output {
  readonly #write: (batch: Buffer) => void;
  #records: NewRecord[] = [];
  #bytes = 0;
  #baseOffset = 0;

  constructor(write: (batch: Buffer) => void) {
    this.#write = write;
  }

  add(offset: number, record: NewRecord): void {
    const isFar = offset - this.#baseOffset > OFFSET_SPAN_MAX;
    if (this.#bytes >= BATCH_BYTES || isFar) this.flush();
    if (this.#records.length === 0) this.#baseOffset = offset;
    this.#records.push({ ...record, offsetDelta: offset - this.#baseOffset });
    this.#bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
  }

  flush(): void {
    if (this.#records.length === 0) return;
    const header = { baseOffset: this.#baseOffset, partitionLeaderEpoch: STATE_LOG_EPOCH };
    this.#write(buildRecordBatch(this.#records, header));
    this.#records = [];
    this.#bytes = 0;
  }
}
