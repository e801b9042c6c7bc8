/**
 * HalfSipHash-1-3 (Aumasson, Bernstein): a hash of short names under a random key, so that a tenant
 * that chooses its devices' names cannot choose where they fall.
 */

export class KeyedHash {
  readonly #k0: number;
  readonly #k1: number;

  /** `key`: 8 random bytes. */
  constructor(key: Buffer) {
    this.#k0 = key.readInt32LE(0);
    this.#k1 = key.readInt32LE(4);
  }

  /** Of a number and the first `length` bytes, as an unsigned number of 32 bits. */
  of(number: number, bytes: Buffer, length: number): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = 0x6c796765 ^ this.#k0;
    let v3 = 0x74656462 ^ this.#k1;
    const round = (): void => {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    };
    const take = (word: number): void => {
      v3 ^= word;
      round();
      v0 ^= word;
    };
    take(number | 0);
    const whole = length & ~3;
    for (let at = 0; at < whole; at += 4) take(bytes.readInt32LE(at));
    let last = (length + 4) << 24;
    for (let at = whole; at < length; at++) last |= bytes[at]! << (8 * (at - whole));
    take(last);
    v2 ^= 0xff;
    for (let count = 0; count < 3; count++) round();
    return (v1 ^ v3) >>> 0;
  }
}

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
