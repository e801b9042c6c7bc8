/**
 * Owns which leader epoch began at which offset (Kafka's LeaderEpochFileCache and its file
 * `leader-epoch-checkpoint`). Epochs and start offsets both grow. The file is written before the
 * high watermark passes the first batch of a new epoch; if it is lost, the batch headers tell.
 */
import { formatCheckpoint, parseCheckpoint } from './checkpoint-file.ts';

export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint';

export interface EpochEnd {
  readonly leaderEpoch: number;
  /** Exclusive. */
  readonly endOffset: number;
}

interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

export class LeaderEpochCache {
  #entries: EpochStart[] = [];
  /** The file does not show the entries as they are. */
  isDirty = false;

  get latestEpoch(): number | undefined {
    return this.#entries.at(-1)?.epoch;
  }

  /** Notes that a batch of `epoch` stands at `startOffset`; most calls change nothing. */
  assign(epoch: number, startOffset: number): void {
    const latest = this.#entries.at(-1);
    if (epoch < 0 || (latest !== undefined && epoch <= latest.epoch)) return;
    this.#entries.push({ epoch, startOffset });
    this.isDirty = true;
  }

  /** The end of the largest epoch that is at most `epoch`; undefined if there is none. */
  endOffsetForEpoch(epoch: number, logEndOffset: number): EpochEnd | undefined {
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index]!;
      if (entry.epoch > epoch) continue;
      const endOffset = this.#entries[index + 1]?.startOffset ?? logEndOffset;
      return { leaderEpoch: entry.epoch, endOffset };
    }
    return undefined;
  }

  /** The epoch of the batch at `offset`, -1 if unknown. */
  epochForOffset(offset: number): number {
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const entry = this.#entries[index]!;
      if (entry.startOffset <= offset) return entry.epoch;
    }
    return -1;
  }

  /** Forgets epochs that began at `endOffset` or later. */
  truncateFromEnd(endOffset: number): void {
    while ((this.#entries.at(-1)?.startOffset ?? -1) >= endOffset) {
      this.#entries.pop();
      this.isDirty = true;
    }
  }

  /** Forgets epochs that ended at `startOffset` or before; the one in force there begins there. */
  truncateFromStart(startOffset: number): void {
    const first = this.#entries.findLastIndex((entry) => entry.startOffset <= startOffset);
    if (first < 0 || (first === 0 && this.#entries[0]!.startOffset === startOffset)) return;
    this.#entries.splice(0, first + 1, { epoch: this.#entries[first]!.epoch, startOffset });
    this.isDirty = true;
  }

  toBytes(): Buffer {
    return formatCheckpoint(this.#entries.map((entry) => `${entry.epoch} ${entry.startOffset}`));
  }

  /**
   * False when the bytes are no such file, or one that begins after `logStartOffset`: it was written
   * for a later beginning of the log that never became durable.
   */
  load(bytes: Buffer, logStartOffset: number): boolean {
    const entries: EpochStart[] = [];
    for (const [epoch, startOffset, ...rest] of parseCheckpoint(bytes) ?? [['']]) {
      const entry = { epoch: Number(epoch), startOffset: Number(startOffset) };
      const last = entries.at(-1);
      const grows =
        last === undefined || (entry.epoch > last.epoch && entry.startOffset >= last.startOffset);
      const fits = Number.isSafeInteger(entry.epoch) && Number.isSafeInteger(entry.startOffset);
      if (rest.length > 0 || startOffset === undefined || !fits || !grows) return false;
      entries.push(entry);
    }
    if ((entries[0]?.startOffset ?? 0) > logStartOffset) return false;
    this.#entries = entries;
    this.isDirty = false;
    return true;
  }
}
