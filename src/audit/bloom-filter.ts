/**
 * Owns the Bloom filter of an index: may a block hold a term? Pure.
 *
 * Invariant: a term that was added is always found again; one that was not is found about once in
 * two thousand times.
 */

/** Sixteen bits a term and eight of them set. */
const BYTES_PER_TERM = 2;
const HASHES = 8;

/** Two independent 32-bit hashes of a term, from which all positions follow. */
export interface TermHash {
  readonly first: number;
  readonly second: number;
}

/** FNV-1a, and the same multiplication from another start, each with murmur3's last mixing. */
export function hashTerm(term: string): TermHash {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let at = 0; at < term.length; at += 1) {
    const unit = term.charCodeAt(at);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ unit, 0x5bd1e995);
    second ^= second >>> 15;
  }
  return { first: mixed(first), second: mixed(second) | 1 };
}

function mixed(hash: number): number {
  let value = hash ^ (hash >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

export function bloomOf(terms: ReadonlySet<string>): Buffer {
  const filter = Buffer.alloc(Math.max(8, terms.size * BYTES_PER_TERM));
  const bits = filter.length * 8;
  for (const term of terms) {
    const { first, second } = hashTerm(term);
    for (let round = 0, at = first; round < HASHES; round += 1) {
      const bit = at % bits;
      filter[bit >>> 3]! |= 1 << (bit & 7);
      at = (at + second) >>> 0;
    }
  }
  return filter;
}

/** False: certainly not. */
export function bloomHas(filter: Buffer, { first, second }: TermHash): boolean {
  const bits = filter.length * 8;
  for (let round = 0, at = first; round < HASHES; round += 1) {
    const bit = at % bits;
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    at = (at + second) >>> 0;
  }
  return true;
}
