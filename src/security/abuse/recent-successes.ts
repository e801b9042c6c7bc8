/**
 * Owns who authenticated lately, or is connected now: what spares a good device the consequences of
 * somebody else's failures. Invariant: memory is bounded by `entriesMax` and by open connections; the
 * longest ago is forgotten first. Only who holds a credential can add to it.
 */
export class RecentSuccesses {
  readonly #entriesMax: number;
  readonly #lastsMs: number;
  /** Key -> when, the longest ago first. */
  readonly #lastMs = new Map<string, number>();
  readonly #open = new Map<string, number>();

  constructor(options: { readonly entriesMax: number; readonly lastsMs: number }) {
    this.#entriesMax = options.entriesMax;
    this.#lastsMs = options.lastsMs;
  }

  get size(): number {
    return this.#lastMs.size;
  }

  has(key: string, nowMs: number): boolean {
    if (this.#open.has(key)) return true;
    const lastMs = this.#lastMs.get(key);
    return lastMs !== undefined && nowMs - lastMs <= this.#lastsMs;
  }

  opened(key: string, nowMs: number): void {
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
    this.#remember(key, nowMs);
  }

  closed(key: string, nowMs: number): void {
    const left = (this.#open.get(key) ?? 1) - 1;
    if (left > 0) this.#open.set(key, left);
    else this.#open.delete(key);
    this.#remember(key, nowMs);
  }

  #remember(key: string, nowMs: number): void {
    this.#lastMs.delete(key);
    this.#lastMs.set(key, nowMs);
    for (const [oldest, atMs] of this.#lastMs) {
      if (this.#lastMs.size <= this.#entriesMax && nowMs - atMs <= this.#lastsMs) return;
      this.#lastMs.delete(oldest);
    }
  }
}
