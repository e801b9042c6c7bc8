/**
 * Holds what a group's members deliver against what was produced and committed.
 *
 * Rules: one value at an offset, an acknowledged one where it was acknowledged; committed offsets
 * never go down; below a committed offset nothing is delivered a second time. What lies above may
 * come again (that is at-least-once). Values that were never acknowledged may be delivered or not.
 */

export type Offsets = Readonly<Record<number, number>>;

interface Delivery {
  readonly value: string;
  readonly member: string;
}

const placeOf = (partition: number, offset: number): string =>
  `partition ${partition} offset ${offset}`;

export class GroupLedger {
  readonly #acknowledged = new Map<string, string>();
  readonly #delivered = new Map<string, Delivery>();
  readonly #committed = new Map<number, number>();
  readonly #violations: string[] = [];
  /** Records delivered more than once, each time counted. */
  repeated = 0;

  /** The broker has acknowledged a value at its place. */
  acknowledged(partition: number, offset: number, value: string): void {
    const place = placeOf(partition, offset);
    this.#acknowledged.set(place, value);
    const delivery = this.#delivered.get(place);
    if (delivery !== undefined) this.#compare(place, value, delivery.value);
  }

  delivered(member: string, partition: number, offset: number, value: string): void {
    const place = placeOf(partition, offset);
    const before = this.#delivered.get(place);
    const committed = this.#committed.get(partition) ?? 0;
    if (before !== undefined) {
      this.repeated += 1;
      this.#compare(place, before.value, value);
      if (offset < committed) {
        const who = `${member} after ${before.member}`;
        this.#violations.push(`${place} came again, to ${who}; ${committed} was committed`);
      }
    }
    const acknowledged = this.#acknowledged.get(place);
    if (acknowledged !== undefined) this.#compare(place, acknowledged, value);
    this.#delivered.set(place, { value, member });
  }

  /**
   * What the broker shows as committed, partition to offset; a partition that is absent has none.
   * To be told only when all that was delivered before has been told.
   */
  committed(offsets: Offsets): void {
    for (const [partition, before] of this.#committed) {
      const now = offsets[partition] ?? -1;
      if (now >= before) continue;
      this.#violations.push(`partition ${partition}: ${before} was committed, now it is ${now}`);
    }
    for (const [partition, offset] of Object.entries(offsets)) {
      const before = this.#committed.get(Number(partition)) ?? 0;
      this.#committed.set(Number(partition), Math.max(before, offset));
    }
  }

  /** Acknowledged places that nobody was given. */
  missing(): string[] {
    return [...this.#acknowledged.keys()].filter((place) => !this.#delivered.has(place));
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** Everything that broke a rule, in the order in which it happened. */
  violations(): readonly string[] {
    return this.#violations;
  }

  #compare(place: string, wanted: string, value: string): void {
    if (wanted !== value) this.#violations.push(`${place} is ${wanted} and ${value}`);
  }
}
