/**
 * Owns the Bloom filters of an index, one a block, laid out by bit: a row holds one bit of every
 * block, so that who asks for a term reads a few short rows and no filter whole. Pure.
 *
 * Invariant: a term that was added to a block is always found again; one that was not is found about
 * once in two thousand times.
 */

/** Sixteen bits a term of the fullest block, and eight of them set. */
const BITS_PER_TERM = 16;
const HASHES = 8;

/** Two independent 32-bit hashes of a term, from which all positions follow. */
export interface TermHash {
  readonly first: number;
  readonly second: number;
}

/** FNV-1a, and another multiplication from another start, each with murmur3's last mixing. */
export function hashTerm(term: string): TermHash {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let at = 0; at < term.length; at += 1) {
    const unit = term.charCodeAt(at);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ unit, 0x5bd1e995);
    second ^= second >>> 15;
  }
  return { first: mixed(first), second: (mixed(second) | 1) >>> 0 };
}

function mixed(hash: number): number {
  let value = hash ^ (hash >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** The rows in which a block's bit is set for a term. */
export function rowsOf({ first, second }: TermHash, rows: number): number[] {
  const found: number[] = [];
  for (let round = 0, at = first; round < HASHES; round += 1) {
    found.push(at % rows);
    at = (at + second) >>> 0;
  }
  return found;
}

export const rowCountFor = (termsMax: number): number => Math.max(64, termsMax * BITS_PER_TERM);

/** The terms of a block, hashed: pairs of numbers, to be kept until the number of rows is known. */
export function hashTerms(terms: ReadonlySet<string>): Uint32Array {
  const hashes = new Uint32Array(terms.size * 2);
  let at = 0;
  for (const term of terms) {
    const { first, second } = hashTerm(term);
    hashes[at] = first;
    hashes[at + 1] = second;
    at += 2;
  }
  return hashes;
}

/** Sets the bit of block number `block` in `rows`, of `stride` bytes each, for all of `hashes`. */
export function addToRows(
  rows: Buffer,
  { count, stride }: { readonly count: number; readonly stride: number },
  block: number,
  hashes: Uint32Array,
): void {
  const byte = block >>> 3;
  const mask = 1 << (block & 7);
  for (let term = 0; term < hashes.length; term += 2) {
    let at = hashes[term]!;
    const step = hashes[term + 1]!;
    for (let round = 0; round < HASHES; round += 1) {
      rows[(at % count) * stride + byte]! |= mask;
      at = (at + step) >>> 0;
    }
  }
}
