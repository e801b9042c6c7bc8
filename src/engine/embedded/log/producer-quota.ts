/**
 * Owns how many producers a log directory remembers in all. Producer ids are the clients' to choose,
 * so that without a bound whoever invents them takes all memory.
 *
 * Invariant: beyond the limit the partitions that remember most forget their longest idle producers,
 * down to a common level, until a tenth of the room is free again; small partitions lose nothing.
 */
export interface RememberedProducers {
  readonly size: number;
  /** Forgets the longest idle until at most `sizeMax` are left. */
  shrinkTo(sizeMax: number): void;
}

const KEPT_SHARE = 0.9;

export class ProducerQuota {
  readonly perPartitionMax: number;
  readonly #totalMax: number;
  readonly #partitions = new Set<RememberedProducers>();
  #total = 0;

  constructor(perPartitionMax: number, totalMax: number) {
    this.perPartitionMax = perPartitionMax;
    this.#totalMax = totalMax;
  }

  get total(): number {
    return this.#total;
  }

  /** `added` producers more, or fewer, are remembered in a partition. */
  note(partition: RememberedProducers, added: number): void {
    this.#total += added;
    if (partition.size > 0) this.#partitions.add(partition);
    else this.#partitions.delete(partition);
    if (added > 0 && this.#total > this.#totalMax) this.#level();
  }

  #level(): void {
    const wanted = Math.floor(this.#totalMax * KEPT_SHARE);
    const sizes = Array.from(this.#partitions, ({ size }) => size).sort((a, b) => a - b);
    let left = wanted;
    let level = 0;
    // The level at which those above it, cut down to it, fit beside those below it.
    for (const [index, size] of sizes.entries()) {
      level = Math.floor(left / (sizes.length - index));
      if (size >= level) break;
      left -= size;
    }
    for (const partition of [...this.#partitions]) partition.shrinkTo(level);
  }
}
