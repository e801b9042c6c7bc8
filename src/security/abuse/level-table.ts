/**
 * Owns how guilty somebody is: a level for each key that every failure raises by one and that drains
 * evenly, `allowance` of it in a window. A level beyond the allowance holds the key up for a while
 * that doubles with each further failure.
 *
 * Invariant: memory is bounded, and filling it helps nobody. When the table is full the least guilty
 * goes, so nobody can push out a key without being guiltier; and who comes in its place takes its
 * level over, up to the edge of the allowance, so that to come and go does not wash clean, while one
 * failure still holds up nobody. All levels drain alike, so the order of keys never changes with
 * time: a heap on the moment at which each will be empty finds the least guilty, and the forgiven.
 */

export interface LevelTableOptions {
  readonly entriesMax: number;
  /** Failures in a window that have no consequence. */
  readonly allowance: number;
  readonly windowMs: number;
  /** The hold after the first failure beyond the allowance, and the longest. */
  readonly firstHoldMs: number;
  readonly longestHoldMs: number;
}

interface Entry {
  readonly key: string;
  /** When the level has drained to nothing. */
  emptyAtMs: number;
  holdUntilMs: number;
  /** Its place in the heap. */
  at: number;
}

/** A level stops rising at so many allowances: who stops failing is forgiven in so many windows. */
export const LEVEL_CAP_ALLOWANCES = 12;

export class LevelTable {
  readonly #options: LevelTableOptions;
  readonly #stepMs: number;
  readonly #entries = new Map<string, Entry>();
  /** A binary heap: the least guilty first. */
  readonly #heap: Entry[] = [];

  constructor(options: LevelTableOptions) {
    this.#options = options;
    this.#stepMs = options.windowMs / options.allowance;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Failures not drained yet: rounded up, so that the first counts at once and as a whole. */
  levelOf(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : this.#level(entry, nowMs);
  }

  /** Milliseconds that the key is held up for from now; 0: it is not. */
  holdOf(key: string, nowMs: number): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.holdUntilMs - nowMs);
  }

  /** Counts a failure; answers the hold that it led to, which is 0 within `allowance` failures. */
  fail(key: string, nowMs: number, allowance = this.#options.allowance): number {
    const entry = this.#entries.get(key) ?? this.#enter(key, nowMs);
    const { windowMs, firstHoldMs, longestHoldMs } = this.#options;
    const fromMs = Math.max(entry.emptyAtMs, nowMs) + this.#stepMs;
    entry.emptyAtMs = Math.min(fromMs, nowMs + LEVEL_CAP_ALLOWANCES * windowMs);
    this.#settle(entry);
    const beyond = this.#level(entry, nowMs) - allowance;
    if (beyond <= 0) return 0;
    const holdMs = Math.min(longestHoldMs, firstHoldMs * 2 ** (beyond - 1));
    entry.holdUntilMs = Math.max(entry.holdUntilMs, nowMs + holdMs);
    return holdMs;
  }

  /** Everything is forgiven. */
  clear(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
  }

  #level({ emptyAtMs }: Entry, nowMs: number): number {
    return emptyAtMs <= nowMs ? 0 : Math.ceil((emptyAtMs - nowMs) / this.#stepMs - 1e-9);
  }

  #enter(key: string, nowMs: number): Entry {
    const inheritedMs = this.#makeRoom(nowMs);
    const entry = { key, emptyAtMs: nowMs + inheritedMs, holdUntilMs: 0, at: this.#heap.length };
    this.#entries.set(key, entry);
    this.#heap.push(entry);
    this.#rise(entry);
    return entry;
  }

  /** Lets go whoever is forgiven, two at a time, or else the least guilty: what it leaves behind. */
  #makeRoom(nowMs: number): number {
    for (let count = 0; count < 2; count++) {
      const least = this.#heap[0];
      if (least !== undefined && least.emptyAtMs <= nowMs) this.#remove(least);
    }
    const least = this.#heap[0];
    if (least === undefined || this.#heap.length < this.#options.entriesMax) return 0;
    this.#remove(least);
    const edgeMs = (this.#options.allowance - 1) * this.#stepMs;
    return Math.min(least.emptyAtMs - nowMs, edgeMs);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    last.at = entry.at;
    this.#heap[last.at] = last;
    this.#settle(last);
  }

  #settle(entry: Entry): void {
    this.#rise(entry);
    this.#sink(entry);
  }

  #rise(entry: Entry): void {
    while (entry.at > 0) {
      const above = this.#heap[(entry.at - 1) >> 1]!;
      if (above.emptyAtMs <= entry.emptyAtMs) return;
      this.#swap(entry, above);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.at + 1];
      const right = this.#heap[2 * entry.at + 2];
      if (left === undefined) return;
      const less = right !== undefined && right.emptyAtMs < left.emptyAtMs ? right : left;
      if (less.emptyAtMs >= entry.emptyAtMs) return;
      this.#swap(entry, less);
    }
  }

  #swap(a: Entry, b: Entry): void {
    [a.at, b.at] = [b.at, a.at];
    this.#heap[a.at] = a;
    this.#heap[b.at] = b;
  }
}
