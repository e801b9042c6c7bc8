/**
 * Owns OffsetCommit, OffsetFetch and OffsetDelete.
 *
 * Invariant: an offset is shown once it is on stable storage, never before, and in the order of the
 * log. Offsets of a topic that was deleted, or deleted and made again, are as if they were not
 * there: each knows the id of its topic.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import { ZERO_UUID } from '../../../protocol/schema.ts';
import type {
  OffsetCommitRequest,
  OffsetCommitRequestTopic,
  OffsetCommitResponse,
  OffsetCommitResponseTopic,
} from '../../../protocol/schemas/08-offset-commit.ts';
import type {
  OffsetFetchRequest,
  OffsetFetchRequestGroup,
  OffsetFetchRequestTopics,
  OffsetFetchResponse,
  OffsetFetchResponseGroup,
  OffsetFetchResponsePartitions,
} from '../../../protocol/schemas/09-offset-fetch.ts';
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  OffsetDeleteResponseTopic,
} from '../../../protocol/schemas/47-offset-delete.ts';
import type { EngineCall } from '../../engine.ts';
import { offsetBytes } from './group-offsets.ts';
import { type GroupParts, groupIdError, legacyGroupIdError, outcomeError } from './group-parts.ts';
import {
  type CommittedOffset,
  NO_EXPIRY,
  type OffsetName,
  offsetRecord,
  offsetTombstone,
} from './group-records.ts';
import type { Group } from './groups.ts';

/** From this version on an unknown group is called so. */
const COMMIT_KNOWS_UNKNOWN_GROUPS = 9;

interface Write {
  readonly name: OffsetName;
  /** null: a deletion. */
  readonly committed: CommittedOffset | null;
  readonly record: NewRecord;
}

export class CommittedOffsets {
  readonly #parts: GroupParts;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  commit(
    request: OffsetCommitRequest,
    call: EngineCall,
  ): OffsetCommitResponse | Promise<OffsetCommitResponse> {
    const group = this.#groupToCommit(request, call.apiVersion);
    if (typeof group === 'number') return commitAnswer(request, group);
    const nowMs = this.#parts.clock.nowMs();
    const { retentionTimeMs } = request;
    const expireTimestampMs = retentionTimeMs < 0 ? NO_EXPIRY : nowMs + retentionTimeMs;
    const writes: Write[] = [];
    const topics = request.topics.map((topic): OffsetCommitResponseTopic => {
      const { name, topicId } = topic;
      const partitions = topic.partitions.map(({ partitionIndex }, index) => {
        const errorCode = this.#offsetError(topic, index);
        if (errorCode === ErrorCode.NONE) {
          writes.push(this.#write(request.groupId, topic, index, { nowMs, expireTimestampMs }));
        }
        return { partitionIndex, errorCode };
      });
      return { name, topicId, partitions };
    });
    const answer: OffsetCommitResponse = { throttleTimeMs: 0, topics };
    if (writes.length === 0) {
      this.#parts.groups.settle(group);
      return answer;
    }
    return this.#store(group, writes).then((errorCode) => {
      if (errorCode === ErrorCode.NONE) return answer;
      for (const { partitions } of topics) {
        for (const partition of partitions) partition.errorCode ||= errorCode;
      }
      return answer;
    });
  }

  /** Groups only: the single group of old versions has been put there. null topics: all of them. */
  fetch(request: OffsetFetchRequest): OffsetFetchResponse {
    const groups = request.groups.map((group) => this.#fetchGroup(group));
    return { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups };
  }

  delete(request: OffsetDeleteRequest): OffsetDeleteResponse | Promise<OffsetDeleteResponse> {
    const group = this.#groupToDeleteFrom(request.groupId);
    if (typeof group === 'number') return { errorCode: group, throttleTimeMs: 0, topics: [] };
    const nowMs = this.#parts.clock.nowMs();
    const writes: Write[] = [];
    const topics = request.topics.map(({ name, partitions }): OffsetDeleteResponseTopic => {
      const partitionCount = this.#parts.topicByName(name)?.partitionCount ?? 0;
      const isSubscribed = this.#parts.isSubscribed(group, name);
      return {
        name,
        partitions: partitions.map(({ partitionIndex }) => {
          let errorCode: number = ErrorCode.NONE;
          if (partitionIndex < 0 || partitionIndex >= partitionCount) {
            errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
          } else if (isSubscribed) errorCode = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC;
          else if (group.isWriting || group.offsets?.get(name, partitionIndex) !== undefined) {
            const offset = { group: group.id, topic: name, partition: partitionIndex };
            const record = offsetTombstone(offset, nowMs);
            writes.push({ name: offset, committed: null, record });
          }
          return { partitionIndex, errorCode };
        }),
      };
    });
    const answer = { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics };
    if (writes.length === 0) return answer;
    return this.#store(group, writes).then((errorCode) => ({ ...answer, errorCode }));
  }

  /** Resolves with NONE when the writes are durable; they are shown by then. */
  #store(group: Group, writes: readonly Write[]): Promise<number> {
    const { logs, groups } = this.#parts;
    const records = writes.map(({ record }) => record);
    group.beginWrite();
    return new Promise((resolve) => {
      logs.append(group.id, records, (outcome) => {
        if (outcome === 'durable') {
          for (const { name, committed } of writes) group.setOffset(name, committed);
        }
        group.endWrite();
        groups.settle(group);
        resolve(outcomeError(outcome));
      });
    });
  }

  /** The group that offsets are to be committed to, made if it is a simple one, or why not. */
  #groupToCommit(request: OffsetCommitRequest, apiVersion: number): Group | number {
    const { groups, clock } = this.#parts;
    const { groupId, memberId, groupInstanceId } = request;
    const generation = request.generationIdOrMemberEpoch;
    const errorCode = legacyGroupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    const known = groups.get(groupId);
    if (known === undefined && generation >= 0) {
      return apiVersion >= COMMIT_KNOWS_UNKNOWN_GROUPS
        ? ErrorCode.GROUP_ID_NOT_FOUND
        : ErrorCode.ILLEGAL_GENERATION;
    }
    const group = known ?? groups.getOrAdd(groupId);
    if (group === undefined) return ErrorCode.POLICY_VIOLATION;
    if (group.isBeingDeleted) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    if (!groups.hasRoom(groupId, commitBytes(request))) {
      groups.settle(group);
      return ErrorCode.POLICY_VIOLATION;
    }
    if (group.classic === null) {
      return generation < 0 ? group : ErrorCode.UNKNOWN_MEMBER_ID;
    }
    const credentials = { memberId, groupInstanceId, generation };
    return group.classic.commit(credentials, clock.monotonicMs()) || group;
  }

  #offsetError(topic: OffsetCommitRequestTopic, index: number): number {
    const { partitionIndex, committedMetadata } = topic.partitions[index]!;
    const known = this.#parts.topicByName(topic.name);
    if (known === undefined || partitionIndex < 0 || partitionIndex >= known.partitionCount) {
      return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (topic.topicId !== ZERO_UUID && topic.topicId !== known.topicId) {
      return ErrorCode.UNKNOWN_TOPIC_ID;
    }
    const chars = committedMetadata?.length ?? 0;
    return chars > this.#parts.settings.offsetMetadataCharsMax
      ? ErrorCode.OFFSET_METADATA_TOO_LARGE
      : ErrorCode.NONE;
  }

  #write(
    group: string,
    topic: OffsetCommitRequestTopic,
    index: number,
    times: { readonly nowMs: number; readonly expireTimestampMs: number },
  ): Write {
    const asked = topic.partitions[index]!;
    const name = { group, topic: topic.name, partition: asked.partitionIndex };
    const committed: CommittedOffset = {
      offset: asked.committedOffset,
      leaderEpoch: asked.committedLeaderEpoch,
      metadata: asked.committedMetadata ?? '',
      commitTimestampMs: times.nowMs,
      expireTimestampMs: times.expireTimestampMs,
      topicId: this.#parts.topicByName(topic.name)!.topicId,
    };
    return { name, committed, record: offsetRecord(name, committed) };
  }

  #fetchGroup({ groupId, topics }: OffsetFetchRequestGroup): OffsetFetchResponseGroup {
    const errorCode = legacyGroupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE) return { groupId, topics: [], errorCode };
    const group = this.#parts.groups.get(groupId);
    const wanted = topics ?? this.#everyTopic(group);
    const answered = new Map<string, Set<number>>();
    return {
      groupId,
      errorCode,
      topics: wanted.map(({ name, partitionIndexes }) => {
        const topic = this.#parts.topicByName(name);
        return {
          name,
          topicId: topic?.topicId ?? ZERO_UUID,
          partitions: firstMentions(answered, name, partitionIndexes).map((partitionIndex) =>
            shown(partitionIndex, this.#current(group, name, partitionIndex, topic?.topicId)),
          ),
        };
      }),
    };
  }

  #everyTopic(group: Group | undefined): OffsetFetchRequestTopics[] {
    const every: OffsetFetchRequestTopics[] = [];
    for (const [name, partitions] of group?.offsets?.topics() ?? []) {
      const topicId = this.#parts.topicByName(name)?.topicId;
      const partitionIndexes = [...partitions.keys()].filter(
        (partition) => this.#current(group, name, partition, topicId) !== undefined,
      );
      if (topicId !== undefined && partitionIndexes.length > 0) {
        every.push({ name, topicId, partitionIndexes });
      }
    }
    return every;
  }

  #current(
    group: Group | undefined,
    topic: string,
    partition: number,
    topicId: string | undefined,
  ): CommittedOffset | undefined {
    const committed = group?.offsets?.get(topic, partition);
    const isOfTopic =
      topicId !== undefined && (committed?.topicId === topicId || committed?.topicId === ZERO_UUID);
    return isOfTopic ? committed : undefined;
  }

  #groupToDeleteFrom(groupId: string): Group | number {
    const errorCode = groupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    const group = this.#parts.groups.get(groupId);
    if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
    if (group.isBeingDeleted) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const isOthers = group.state !== 'Empty' && group.protocolType !== 'consumer';
    return isOthers ? ErrorCode.NON_EMPTY_GROUP : group;
  }
}

function commitBytes({ topics }: OffsetCommitRequest): number {
  let sum = 0;
  for (const { partitions } of topics) {
    for (const { committedMetadata } of partitions) sum += offsetBytes(committedMetadata ?? '');
  }
  return sum;
}

function shown(
  partitionIndex: number,
  committed: CommittedOffset | undefined,
): OffsetFetchResponsePartitions {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? -1,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode: ErrorCode.NONE,
  };
}

/** Each partition once: an answer is longer than the question. */
function firstMentions(
  answered: Map<string, Set<number>>,
  topic: string,
  partitions: readonly number[],
): number[] {
  const seen = answered.get(topic) ?? new Set();
  answered.set(topic, seen);
  return partitions.filter((partition) => {
    if (seen.has(partition)) return false;
    seen.add(partition);
    return true;
  });
}

/** A group's error stands at every partition. */
function commitAnswer(request: OffsetCommitRequest, errorCode: number): OffsetCommitResponse {
  return {
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}
