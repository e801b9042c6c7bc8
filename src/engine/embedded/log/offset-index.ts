/**
 * Owns a segment's sparse map from offsets to file positions (Kafka's OffsetIndex, `.index`):
 * 8-byte entries, relative offset i32 and position i32, both growing. An entry holds the LAST
 * offset of the batch that begins at its position, as Kafka's dump tool expects.
 */
import type { FileSystem } from '../../../base/file-system.ts';
import { IndexFile } from './index-file.ts';

const ENTRY_BYTES = 8;

export class OffsetIndex {
  readonly file: IndexFile;
  readonly baseOffset: number;

  constructor(files: FileSystem, path: string, baseOffset: number) {
    this.file = new IndexFile(files, path, ENTRY_BYTES);
    this.baseOffset = baseOffset;
  }

  get count(): number {
    return this.file.count;
  }

  isFull(bytesMax: number): boolean {
    return this.file.sizeBytes + ENTRY_BYTES > bytesMax;
  }

  append(offset: number, position: number): void {
    const at = this.file.addEntry();
    const entries = this.file.entries();
    entries.writeInt32BE(offset - this.baseOffset, at);
    entries.writeInt32BE(position, at + 4);
  }

  /** The position of the last entry whose offset is at most `offset`; 0 before the first. */
  lookup(offset: number): number {
    const index = this.#lastAtMost(offset);
    return index < 0 ? 0 : this.position(index);
  }

  offset(index: number): number {
    return this.baseOffset + this.file.entries().readInt32BE(index * ENTRY_BYTES);
  }

  position(index: number): number {
    return this.file.entries().readInt32BE(index * ENTRY_BYTES + 4);
  }

  /** Removes the entries that reach `offset` or lie beyond it. */
  truncateTo(offset: number): void {
    this.file.truncateTo(this.#lastAtMost(offset - 1) + 1);
  }

  /** Cheap signs of damage: entries must grow and stay inside the log. */
  isPlausible(logBytes: number): boolean {
    let lastOffset = this.baseOffset - 1;
    let lastPosition = -1;
    for (let index = 0; index < this.count; index += 1) {
      const offset = this.offset(index);
      const position = this.position(index);
      if (offset <= lastOffset || position <= lastPosition || position >= logBytes) return false;
      lastOffset = offset;
      lastPosition = position;
    }
    return true;
  }

  #lastAtMost(offset: number): number {
    const entries = this.count === 0 ? undefined : this.file.entries();
    const relative = offset - this.baseOffset;
    let low = 0;
    let high = this.count - 1;
    while (entries !== undefined && low <= high) {
      const middle = (low + high) >>> 1;
      if (entries.readInt32BE(middle * ENTRY_BYTES) <= relative) low = middle + 1;
      else high = middle - 1;
    }
    return low - 1;
  }
}
