/**
 * Owns a keyed permutation of the numbers below 2^52: a balanced Feistel network of two 26-bit
 * halves whose round function is HMAC-SHA-256 (Luby and Rackoff; eight rounds).
 *
 * Invariant: distinct inputs give distinct outputs, and without the key an output tells neither its
 * input nor its neighbours. 2^52 keeps every output an exact JavaScript number.
 */
import { createHmac } from 'node:crypto';

const HALF_BITS = 26;
const HALF = 2 ** HALF_BITS;
const HALF_MASK = HALF - 1;
const ROUNDS = 8;

/** How many numbers the permutation maps onto each other. */
export const PERMUTATION_SIZE = HALF * HALF;

export const PERMUTATION_KEY_BYTES = 32;

/** The image of `number` (0 to 2^52 - 1) under the permutation that `key` selects. */
export function permute(key: Buffer, number: number): number {
  if (!Number.isSafeInteger(number) || number < 0 || number >= PERMUTATION_SIZE) {
    throw new RangeError(`not a number below 2^52: ${number}`);
  }
  let left = Math.floor(number / HALF);
  let right = number % HALF;
  const input = Buffer.alloc(5);
  for (let round = 0; round < ROUNDS; round++) {
    input.writeUInt8(round, 0);
    input.writeUInt32BE(right, 1);
    const digest = createHmac('sha256', key).update(input).digest();
    const next = left ^ (digest.readUInt32BE(0) & HALF_MASK);
    left = right;
    right = next;
  }
  return left * HALF + right;
}
