/**
 * Owns who has how many of something, and who has most. Invariant: every step is O(1), so that a
 * flood cannot make the counting itself dear.
 */
export class CrowdRanking<K> {
  readonly #counts = new Map<K, number>();
  /** Who has exactly so many. */
  readonly #byCount = new Map<number, Set<K>>();
  #most = 0;

  countOf(key: K): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: K): void {
    const count = this.countOf(key) + 1;
    this.#move(key, count);
    if (count > this.#most) this.#most = count;
  }

  /** One less; a key that has none is left alone. */
  remove(key: K): void {
    const count = this.countOf(key);
    if (count === 0) return;
    this.#move(key, count - 1);
    // The key itself has one less now, so the most is at least that.
    if (count === this.#most && !this.#byCount.has(count)) this.#most = count - 1;
  }

  /** The one that has had most for longest; undefined when nobody has any. */
  top(): K | undefined {
    const [first] = this.#byCount.get(this.#most) ?? [];
    return first;
  }

  #move(key: K, count: number): void {
    const before = this.countOf(key);
    const level = this.#byCount.get(before);
    level?.delete(key);
    if (level?.size === 0) this.#byCount.delete(before);
    if (count === 0) {
      this.#counts.delete(key);
      return;
    }
    this.#counts.set(key, count);
    const next = this.#byCount.get(count);
    if (next === undefined) this.#byCount.set(count, new Set([key]));
    else next.add(key);
  }
}
