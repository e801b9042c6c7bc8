/**
 * Owns where the figures of a device record lie: records of a fixed size in slabs of typed arrays,
 * addressed by slot number. Slot 0 is never used and means none. Times are seconds since the epoch;
 * 0 means never.
 */

/** Doubles. */
export const Figure = { bytesIn: 0, bytesOut: 1, requests: 2 } as const;
export type Figure = (typeof Figure)[keyof typeof Figure];

/** Unsigned, 32 bits; what comes before `connections` is kept on disk. */
export const Word = {
  firstSeenS: 6,
  lastSeenS: 7,
  connectedS: 8,
  disconnectedS: 9,
  failedS: 10,
  certificateExpiresS: 11,
  certificateValidFromS: 12,
  denials: 13,
  failures: 14,
  connects: 15,
  telemetryS: 16,
  connections: 17,
  sequence: 18,
  hash: 19,
  text: 20,
  tenant: 21,
  unseenBefore: 22,
  unseenAfter: 23,
  madeBefore: 24,
  madeAfter: 25,
} as const;
export type Word = (typeof Word)[keyof typeof Word];

/** Bytes. */
export const Code = {
  kind: 104,
  isDirty: 105,
  disconnectReason: 106,
  failureReason: 107,
  authentication: 108,
  isUsed: 109,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** IPv6, or IPv4 mapped into it; all zero: none. */
export const AddressAt = { last: 112, failed: 128 } as const;
export type AddressAt = (typeof AddressAt)[keyof typeof AddressAt];

export const ADDRESS_BYTES = 16;
const RECORD_BYTES = 144;
const RECORD_WORDS = RECORD_BYTES / 4;
const RECORD_DOUBLES = RECORD_BYTES / 8;
const SLAB_BITS = 10;
const SLAB_RECORDS = 1 << SLAB_BITS;
const IN_SLAB = SLAB_RECORDS - 1;
export const WORD_MAX = 2 ** 32 - 1;

interface Slab {
  readonly doubles: Float64Array;
  readonly words: Uint32Array;
  readonly bytes: Buffer;
}

export class DeviceSlabs {
  readonly #slabs: Slab[] = [];
  readonly #free: number[] = [];
  /** The first slot that was never used. */
  #next = 1;

  get allocatedBytes(): number {
    return this.#slabs.length * SLAB_RECORDS * RECORD_BYTES;
  }

  /** Every slot that was ever used is below it. */
  get extent(): number {
    return this.#next;
  }

  /** A slot whose record is all zero. */
  take(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    const slot = this.#next++;
    if (slot >> SLAB_BITS >= this.#slabs.length) this.#slabs.push(newSlab());
    return slot;
  }

  release(slot: number): void {
    const { bytes } = this.#slabs[slot >> SLAB_BITS]!;
    const at = (slot & IN_SLAB) * RECORD_BYTES;
    bytes.fill(0, at, at + RECORD_BYTES);
    this.#free.push(slot);
  }

  figure(slot: number, which: Figure): number {
    const { doubles } = this.#slabs[slot >> SLAB_BITS]!;
    return doubles[(slot & IN_SLAB) * RECORD_DOUBLES + which]!;
  }

  setFigure(slot: number, which: Figure, value: number): void {
    const { doubles } = this.#slabs[slot >> SLAB_BITS]!;
    doubles[(slot & IN_SLAB) * RECORD_DOUBLES + which] = value;
  }

  word(slot: number, which: Word): number {
    const { words } = this.#slabs[slot >> SLAB_BITS]!;
    return words[(slot & IN_SLAB) * RECORD_WORDS + which]!;
  }

  /** What is more than 32 bits hold stays at the most that they hold. */
  setWord(slot: number, which: Word, value: number): void {
    const { words } = this.#slabs[slot >> SLAB_BITS]!;
    words[(slot & IN_SLAB) * RECORD_WORDS + which] = Math.min(Math.max(value, 0), WORD_MAX);
  }

  code(slot: number, which: Code): number {
    const { bytes } = this.#slabs[slot >> SLAB_BITS]!;
    return bytes[(slot & IN_SLAB) * RECORD_BYTES + which]!;
  }

  setCode(slot: number, which: Code, value: number): void {
    const { bytes } = this.#slabs[slot >> SLAB_BITS]!;
    bytes[(slot & IN_SLAB) * RECORD_BYTES + which] = value;
  }

  /** A view: writing to it changes the record. */
  address(slot: number, which: AddressAt): Buffer {
    const { bytes } = this.#slabs[slot >> SLAB_BITS]!;
    const at = (slot & IN_SLAB) * RECORD_BYTES + which;
    return bytes.subarray(at, at + ADDRESS_BYTES);
  }
}

function newSlab(): Slab {
  const buffer = new ArrayBuffer(SLAB_RECORDS * RECORD_BYTES);
  return {
    doubles: new Float64Array(buffer),
    words: new Uint32Array(buffer),
    bytes: Buffer.from(buffer),
  };
}
