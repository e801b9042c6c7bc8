/**
 * Owns the texts of device records: blocks of bytes in large chunks, so that a million records cost
 * the garbage collector nothing.
 *
 * Invariants: a block is used by one record; it is of the smallest size that was free and fits, so
 * that what flows in and out of the table takes no more than its largest extent once had.
 */

const UNIT_BYTES = 16;
const UNITS_PER_CHUNK = 4096;
const CHUNK_BYTES = UNITS_PER_CHUNK * UNIT_BYTES;
/** In units; the last is the longest text. */
const CLASS_UNITS = [2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 40] as const;
/** The class and the length of what a block holds. */
const HEADER_BYTES = 3;

export const TEXT_BYTES_MAX = CLASS_UNITS.at(-1)! * UNIT_BYTES - HEADER_BYTES;

export class TextArena {
  readonly #chunks: Buffer[] = [];
  /** Where the last chunk is used up to, in units. */
  #usedUnits = UNITS_PER_CHUNK;
  readonly #free: number[][] = CLASS_UNITS.map(() => []);

  get allocatedBytes(): number {
    return this.#chunks.length * CHUNK_BYTES;
  }

  /** A new block with `bytes`, at most TEXT_BYTES_MAX. */
  put(bytes: Buffer): number {
    const needed = Math.ceil((bytes.length + HEADER_BYTES) / UNIT_BYTES);
    const smallest = CLASS_UNITS.findIndex((units) => units >= needed);
    if (smallest < 0) throw new RangeError(`a text of ${bytes.length} bytes`);
    const reference = this.#takeFree(smallest) ?? this.#extend(smallest);
    this.#fill(reference, bytes);
    return reference;
  }

  /** Replaces the text of a block; answers the block that holds it then. */
  replace(reference: number, bytes: Buffer): number {
    const capacity = CLASS_UNITS[this.#classOf(reference)]! * UNIT_BYTES - HEADER_BYTES;
    if (bytes.length > capacity) {
      this.release(reference);
      return this.put(bytes);
    }
    this.#fill(reference, bytes);
    return reference;
  }

  release(reference: number): void {
    this.#free[this.#classOf(reference)]!.push(reference);
  }

  /** A view of the block: good until the block is replaced or released. */
  bytesOf(reference: number): Buffer {
    const chunk = this.#chunkOf(reference);
    const at = offsetOf(reference);
    const from = at + HEADER_BYTES;
    return chunk.subarray(from, from + chunk.readUInt16LE(at + 1));
  }

  #takeFree(smallest: number): number | undefined {
    for (let index = smallest; index < CLASS_UNITS.length; index++) {
      const found = this.#free[index]!.pop();
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #extend(classIndex: number): number {
    const units = CLASS_UNITS[classIndex]!;
    if (this.#usedUnits + units > UNITS_PER_CHUNK) {
      this.#chunks.push(Buffer.alloc(CHUNK_BYTES));
      this.#usedUnits = 0;
    }
    const reference = (this.#chunks.length - 1) * UNITS_PER_CHUNK + this.#usedUnits;
    this.#usedUnits += units;
    this.#chunkOf(reference)[offsetOf(reference)] = classIndex;
    return reference;
  }

  #fill(reference: number, bytes: Buffer): void {
    const chunk = this.#chunkOf(reference);
    const at = offsetOf(reference);
    chunk.writeUInt16LE(bytes.length, at + 1);
    bytes.copy(chunk, at + HEADER_BYTES);
  }

  #classOf(reference: number): number {
    return this.#chunkOf(reference)[offsetOf(reference)]!;
  }

  #chunkOf(reference: number): Buffer {
    return this.#chunks[Math.floor(reference / UNITS_PER_CHUNK)]!;
  }
}

const offsetOf = (reference: number): number => (reference % UNITS_PER_CHUNK) * UNIT_BYTES;
