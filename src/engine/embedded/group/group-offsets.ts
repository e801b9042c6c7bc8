/** Owns the committed offsets of one group, and when each of them expires. */
import { type CommittedOffset, NO_EXPIRY } from './group-records.ts';

/** An offset in memory, without its metadata. */
const OFFSET_OVERHEAD_BYTES = 128;

export class GroupOffsets {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>();
  #heldBytes = 0;

  /** About what they take in memory. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set(topic: string, partition: number, committed: CommittedOffset): void {
    const partitions = this.#topics.get(topic);
    this.#heldBytes += bytesOf(committed) - bytesOf(partitions?.get(partition));
    if (partitions === undefined) this.#topics.set(topic, new Map([[partition, committed]]));
    else partitions.set(partition, committed);
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) return;
    this.#heldBytes -= bytesOf(partitions.get(partition));
    partitions.delete(partition);
    if (partitions.size === 0) this.#topics.delete(topic);
  }

  topics(): Iterable<readonly [string, ReadonlyMap<number, CommittedOffset>]> {
    return this.#topics;
  }

  partitionsOf(topic: string): ReadonlyMap<number, CommittedOffset> | undefined {
    return this.#topics.get(topic);
  }
}

/** About what an offset with this metadata takes in memory. */
export function offsetBytes(metadata: string): number {
  return OFFSET_OVERHEAD_BYTES + 2 * metadata.length;
}

function bytesOf(committed: CommittedOffset | undefined): number {
  return committed === undefined ? 0 : offsetBytes(committed.metadata);
}

export interface Retention {
  readonly nowMs: number;
  readonly retentionMs: number;
  /** From when the retention counts; null: from the commit. */
  readonly sinceMs: number | null;
}

/** An explicit expiry of an old commit request wins over the retention. */
export function isExpired(committed: CommittedOffset, retention: Retention): boolean {
  const { expireTimestampMs, commitTimestampMs } = committed;
  if (expireTimestampMs !== NO_EXPIRY) return retention.nowMs >= expireTimestampMs;
  const sinceMs = retention.sinceMs ?? commitTimestampMs;
  return retention.nowMs - sinceMs >= retention.retentionMs;
}
