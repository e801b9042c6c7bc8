/**
 * Owns a segment's sparse map from timestamps to offsets (Kafka's TimeIndex, `.timeindex`): 12-byte
 * entries, timestamp i64 and relative offset i32, both growing. An entry says: no record before
 * this offset is younger than this timestamp; the offset is the last one of the batch that holds it.
 */
import type { FileSystem } from '../../../base/file-system.ts';
import { readInt64, writeInt64 } from '../../../protocol/records/record-batch.ts';
import { IndexFile } from './index-file.ts';

const ENTRY_BYTES = 12;

export class TimeIndex {
  readonly file: IndexFile;
  readonly baseOffset: number;

  constructor(files: FileSystem, path: string, baseOffset: number) {
    this.file = new IndexFile(files, path, ENTRY_BYTES);
    this.baseOffset = baseOffset;
  }

  get count(): number {
    return this.file.count;
  }

  /** One entry is kept free for the segment's closing entry. */
  isFull(bytesMax: number): boolean {
    return this.file.sizeBytes + 2 * ENTRY_BYTES > bytesMax;
  }

  /** Adds an entry unless it says nothing new. */
  maybeAppend(timestampMs: number, offset: number): void {
    const last = this.count - 1;
    if (last >= 0 && (timestampMs <= this.timestamp(last) || offset <= this.offset(last))) return;
    if (timestampMs < 0) return;
    const at = this.file.addEntry();
    const entries = this.file.entries();
    writeInt64(entries, at, timestampMs);
    entries.writeInt32BE(offset - this.baseOffset, at + 8);
  }

  timestamp(index: number): number {
    return readInt64(this.file.entries(), index * ENTRY_BYTES);
  }

  offset(index: number): number {
    return this.baseOffset + this.file.entries().readInt32BE(index * ENTRY_BYTES + 8);
  }

  /** The offset of the last entry not younger than `timestampMs`; the base offset before the first. */
  lookup(timestampMs: number): number {
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.timestamp(middle) <= timestampMs) low = middle + 1;
      else high = middle - 1;
    }
    return low === 0 ? this.baseOffset : this.offset(low - 1);
  }

  /** Removes the entries at `offset` and beyond it. */
  truncateTo(offset: number): void {
    let count = this.count;
    while (count > 0 && this.offset(count - 1) >= offset) count -= 1;
    this.file.truncateTo(count);
  }

  isPlausible(): boolean {
    for (let index = 1; index < this.count; index += 1) {
      const grows = this.timestamp(index) > this.timestamp(index - 1);
      if (!grows || this.offset(index) <= this.offset(index - 1)) return false;
    }
    return this.count === 0 || this.offset(0) >= this.baseOffset;
  }
}
