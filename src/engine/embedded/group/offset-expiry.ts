/**
 * Owns the end of offsets that nobody deletes: those that have expired, those of deleted topics, and
 * the groups that are left with nothing (Kafka's OffsetExpirationCondition and cleanup).
 *
 * Works in slices, so that requests get their turn in between. A group with a write under way is
 * left for the next time: what it is about to commit must not be buried.
 */
import type { Timer } from '../../../base/clock.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import { ZERO_UUID } from '../../../protocol/schema.ts';
import { isExpired, type Retention } from './group-offsets.ts';
import type { GroupParts } from './group-parts.ts';
import {
  type CommittedOffset,
  groupTombstone,
  type OffsetName,
  offsetTombstone,
} from './group-records.ts';
import type { Group } from './groups.ts';

const GROUPS_PER_SLICE = 500;

export class OffsetExpiry {
  readonly #parts: GroupParts;
  #timer: Timer | null = null;
  #isStopped = false;
  #sweeping: Promise<void> | null = null;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#isStopped) return;
    const { clock, settings, logger } = this.#parts;
    this.#timer = clock.setTimer(settings.offsetsRetentionCheckIntervalMs, () => {
      this.sweep()
        .catch((err: unknown) => logger.error({ err }, 'expired offsets could not be removed'))
        .finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#sweeping?.catch(() => undefined);
  }

  /** Removes what has expired; resolves when it is gone from the log too. */
  sweep(): Promise<void> {
    const nowMs = this.#parts.clock.nowMs();
    return this.#visitAll((group) => this.#expire(group, nowMs));
  }

  /** Topics are gone: so are the offsets that name them. */
  topicsDeleted(topics: readonly string[]): Promise<void> {
    return this.#visitAll(async (group) => {
      const names = topics.flatMap((topic) => {
        const partitions = group.offsets?.partitionsOf(topic) ?? new Map();
        return [...partitions].flatMap(([partition, committed]): OffsetName[] => {
          const isStale = this.#isStale(topic, committed);
          return isStale ? [{ group: group.id, topic, partition }] : [];
        });
      });
      if (names.length > 0 && !group.isWriting) await this.#remove(group, names, false);
    });
  }

  #visitAll(visit: (group: Group) => Promise<void> | undefined): Promise<void> {
    const walk = async (): Promise<void> => {
      let slice: Promise<void>[] = [];
      let count = 0;
      for (const group of [...this.#parts.groups.all()]) {
        if (this.#isStopped) break;
        const visited = visit(group);
        if (visited !== undefined) slice.push(visited);
        count += 1;
        if (count % GROUPS_PER_SLICE > 0) continue;
        await Promise.all(slice);
        slice = [];
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(slice);
    };
    const before = this.#sweeping ?? Promise.resolve();
    this.#sweeping = before.catch(() => undefined).then(walk);
    return this.#sweeping;
  }

  #expire(group: Group, nowMs: number): Promise<void> | undefined {
    if (group.isWriting || group.isBeingDeleted) return undefined;
    const retention = this.#retentionOf(group, nowMs);
    const names: OffsetName[] = [];
    let keptCount = 0;
    for (const [topic, partitions] of group.offsets?.topics() ?? []) {
      const isInUse = this.#parts.isSubscribed(group, topic);
      for (const [partition, committed] of partitions) {
        const isOver = retention !== null && !isInUse && isExpired(committed, retention);
        if (isOver || this.#isStale(topic, committed)) {
          names.push({ group: group.id, topic, partition });
        } else keptCount += 1;
      }
    }
    const isOver = keptCount === 0 && group.classic === null;
    if (names.length === 0 && !isOver) return undefined;
    return this.#remove(group, names, isOver);
  }

  /** From when the group's offsets age; null while they do not. */
  #retentionOf(group: Group, nowMs: number): Retention | null {
    const { offsetsRetentionMs: retentionMs } = this.#parts.settings;
    if (group.protocolType === null) return { nowMs, retentionMs, sinceMs: null };
    if (group.state === 'Empty') {
      const emptySinceMs = group.resting?.emptySinceMs ?? -1;
      return { nowMs, retentionMs, sinceMs: emptySinceMs < 0 ? null : emptySinceMs };
    }
    const isKnown = group.state === 'Stable' && group.classic?.subscribedTopics != null;
    return isKnown ? { nowMs, retentionMs, sinceMs: null } : null;
  }

  /** Committed for a topic that is no more, even if there is another of that name now. */
  #isStale(topic: string, { topicId }: CommittedOffset): boolean {
    const known = this.#parts.topicByName(topic);
    return known === undefined || (topicId !== ZERO_UUID && topicId !== known.topicId);
  }

  #remove(group: Group, names: readonly OffsetName[], isWhole: boolean): Promise<void> {
    const { clock, groups, logs } = this.#parts;
    const nowMs = clock.nowMs();
    const records: NewRecord[] = names.map((name) => offsetTombstone(name, nowMs));
    if (isWhole) records.push(groupTombstone(group.id, nowMs));
    group.beginWrite();
    return new Promise((resolve) => {
      logs.append(group.id, records, (outcome) => {
        if (outcome === 'durable') {
          for (const name of names) group.setOffset(name, null);
          // Somebody may have come meanwhile: then the group goes on, with nothing stored.
          if (isWhole && group.classic === null) group.resting = null;
        }
        group.endWrite();
        groups.settle(group);
        resolve();
      });
    });
  }
}
