/**
 * Which groups a tenant has, for the limit of their number: listed at most once a second, and those
 * that were let in since are among them. Invariant: two new groups at the same time do not take the
 * last place together.
 */
import type { Clock } from '../base/clock.ts';

const LISTED_EVERY_MS = 1000;

export class KnownGroups {
  readonly #clock: Clock;
  readonly #list: () => Promise<readonly string[]>;
  #groups = new Set<string>();
  readonly #admitted = new Map<string, number>();
  #listedMs = Number.NEGATIVE_INFINITY;
  #listing: Promise<void> | null = null;
  #outdated = 0;

  constructor(clock: Clock, list: () => Promise<readonly string[]>) {
    this.#clock = clock;
    this.#list = list;
  }

  /** A group came, or may have, that nobody asked about: the last list does not count any more. */
  outdate(): void {
    this.#outdated += 1;
    this.#listedMs = Number.NEGATIVE_INFINITY;
  }

  /** Was it there when the tenant's groups were listed last, or let in since? */
  has(group: string): boolean {
    return this.#groups.has(group) || this.#admitted.has(group);
  }

  async count(): Promise<number> {
    await this.#refresh();
    const toCome = [...this.#admitted.keys()].filter((group) => !this.#groups.has(group));
    return this.#groups.size + toCome.length;
  }

  /** Lets a group in that is new, where there are fewer than `most`. */
  async admit(group: string, most: number): Promise<boolean> {
    await this.#refresh();
    if (this.has(group)) return true;
    if ((await this.count()) >= most) return false;
    if (this.has(group)) return true;
    this.#admitted.set(group, this.#clock.monotonicMs());
    return true;
  }

  async #refresh(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#listedMs < LISTED_EVERY_MS) return;
    this.#listing ??= this.#relist().finally(() => {
      this.#listing = null;
    });
    await this.#listing;
  }

  async #relist(): Promise<void> {
    const beganMs = this.#clock.monotonicMs();
    const before = this.#outdated;
    this.#groups = new Set(await this.#list());
    if (this.#outdated === before) this.#listedMs = this.#clock.monotonicMs();
    // Those that never came about give their place back.
    for (const [group, admittedMs] of this.#admitted) {
      if (this.#groups.has(group) || beganMs - admittedMs > LISTED_EVERY_MS) {
        this.#admitted.delete(group);
      }
    }
  }
}
