/**
 * Owns the way from a hash to the slots that have it: open addressing in many small tables, each of
 * which grows by itself, so that no turn of the event loop ever moves more than a few thousand.
 *
 * Invariant: a slot stands in the table of its hash, reachable from its home without a gap (deletion
 * shifts back, there are no tombstones). Slot 0 means none.
 */

const TABLES = 1024;
const TABLE_BITS = 10;
const FIRST_SIZE = 8;

export class SlotIndex {
  readonly #tables: Uint32Array[] = [];
  readonly #counts = new Uint32Array(TABLES);
  readonly #hashOf: (slot: number) => number;

  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf;
    for (let index = 0; index < TABLES; index++) this.#tables.push(new Uint32Array(FIRST_SIZE));
  }

  get allocatedBytes(): number {
    return this.#tables.reduce((sum, table) => sum + table.byteLength, 0);
  }

  /** The slot with that hash that `matches`; 0: none. */
  find(hash: number, matches: (slot: number) => boolean): number {
    const table = this.#tables[hash % TABLES]!;
    const mask = table.length - 1;
    for (let at = homeOf(hash) & mask; ; at = (at + 1) & mask) {
      const slot = table[at]!;
      if (slot === 0 || (this.#hashOf(slot) === hash && matches(slot))) return slot;
    }
  }

  /** The slot must not be there yet. */
  add(slot: number): void {
    const hash = this.#hashOf(slot);
    const number = hash % TABLES;
    let table = this.#tables[number]!;
    if (4 * (this.#counts[number]! + 1) > 3 * table.length) table = this.#grow(number, table);
    put(table, homeOf(hash), slot);
    this.#counts[number]!++;
  }

  remove(slot: number): void {
    const hash = this.#hashOf(slot);
    const number = hash % TABLES;
    const table = this.#tables[number]!;
    const mask = table.length - 1;
    let gap = homeOf(hash) & mask;
    while (table[gap] !== slot) {
      if (table[gap] === 0) return;
      gap = (gap + 1) & mask;
    }
    for (let at = (gap + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const home = homeOf(this.#hashOf(table[at]!)) & mask;
      // It may fill the gap when its home does not lie between the gap and where it is.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      table[gap] = table[at]!;
      gap = at;
    }
    table[gap] = 0;
    this.#counts[number]!--;
  }

  #grow(number: number, table: Uint32Array): Uint32Array {
    const larger = new Uint32Array(2 * table.length);
    for (const slot of table) if (slot !== 0) put(larger, homeOf(this.#hashOf(slot)), slot);
    this.#tables[number] = larger;
    return larger;
  }
}

const homeOf = (hash: number): number => hash >>> TABLE_BITS;

function put(table: Uint32Array, home: number, slot: number): void {
  const mask = table.length - 1;
  let at = home & mask;
  while (table[at] !== 0) at = (at + 1) & mask;
  table[at] = slot;
}
