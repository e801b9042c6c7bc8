/**
 * Owns OffsetCommit and OffsetDelete.
 *
 * Invariant: an offset is shown once it is on stable storage, never before, and in the order of the
 * log. What a commit comes to is worked out in turns; whether it may be made is asked, and it is
 * handed to the log, in one.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import { INT64_MAX, ZERO_UUID } from '../../../protocol/schema.ts';
import type {
  OffsetCommitRequest,
  OffsetCommitRequestPartition,
  OffsetCommitResponse,
  OffsetCommitResponseTopic,
} from '../../../protocol/schemas/08-offset-commit.ts';
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  OffsetDeleteResponseTopic,
} from '../../../protocol/schemas/47-offset-delete.ts';
import { STRING_BYTES_MAX } from '../../../protocol/wire-text.ts';
import type { EngineCall, TopicIdentity } from '../../engine.ts';
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
import { inTurns, type Steps } from './turns.ts';

/** From this version on an unknown group is called so. */
const COMMIT_KNOWS_UNKNOWN_GROUPS = 9;
/** Kafka's max.message.bytes of the offsets topic: a commit is one batch. */
const COMMIT_BYTES_MAX = 1024 * 1024;
const RECORD_OVERHEAD_BYTES = 64;
const PARTITIONS_PER_STEP = 256;
const UTF8_BYTES_MAX = 3;

interface Write {
  readonly name: OffsetName;
  /** null: a deletion. */
  readonly committed: CommittedOffset | null;
  readonly record: NewRecord;
}

interface AcceptedTopic {
  readonly topicId: string;
  /** By partition, its last mention in the request. */
  readonly latest: Map<number, OffsetCommitRequestPartition>;
}

interface CommitPlan {
  readonly topics: OffsetCommitResponseTopic[];
  readonly writes: readonly Write[];
}

interface DeletionPlan {
  readonly topics: OffsetDeleteResponseTopic[];
  /** By topic, those of the named partitions that it has. */
  readonly existing: ReadonlyMap<string, ReadonlySet<number>>;
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
    const plan = inTurns(this.#parts.clock, this.#plan(request));
    return plan instanceof Promise
      ? plan.then((made) => this.#commit(request, call, made))
      : this.#commit(request, call, plan);
  }

  #commit(
    request: OffsetCommitRequest,
    call: EngineCall,
    { topics, writes }: CommitPlan,
  ): OffsetCommitResponse | Promise<OffsetCommitResponse> {
    const group = this.#groupToCommit(request, call.apiVersion);
    if (typeof group === 'number') return commitAnswer(request, group);
    const answer: OffsetCommitResponse = { throttleTimeMs: 0, topics };
    if (writes.length === 0) {
      this.#parts.groups.settle(group);
      return answer;
    }
    return this.#store(group, writes).then((errorCode) => {
      if (errorCode !== ErrorCode.NONE) failAccepted(topics, errorCode);
      return answer;
    });
  }

  delete(request: OffsetDeleteRequest): OffsetDeleteResponse | Promise<OffsetDeleteResponse> {
    const plan = inTurns(this.#parts.clock, this.#planDeletion(request));
    return plan instanceof Promise
      ? plan.then((made) => this.#delete(request.groupId, made))
      : this.#delete(request.groupId, plan);
  }

  #delete(
    groupId: string,
    { topics, existing }: DeletionPlan,
  ): OffsetDeleteResponse | Promise<OffsetDeleteResponse> {
    const group = this.#groupToDeleteFrom(groupId);
    if (typeof group === 'number') return { errorCode: group, throttleTimeMs: 0, topics: [] };
    const nowMs = this.#parts.clock.nowMs();
    const writes: Write[] = [];
    for (const [topic, partitions] of existing) {
      if (this.#parts.isSubscribed(group, topic)) {
        const ofTopic = topics.filter(({ name }) => name === topic);
        failAccepted(ofTopic, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC);
        continue;
      }
      for (const partition of partitions) {
        if (!group.isWriting && group.offsets?.get(topic, partition) === undefined) continue;
        const name = { group: group.id, topic, partition };
        writes.push({ name, committed: null, record: offsetTombstone(name, nowMs) });
      }
    }
    const answer = { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics };
    if (writes.length === 0) return answer;
    return this.#store(group, writes).then((errorCode) => ({ ...answer, errorCode }));
  }

  /** What is to be answered as far as the group plays no part, and the partitions that are there. */
  *#planDeletion(request: OffsetDeleteRequest): Steps<DeletionPlan> {
    const topics: OffsetDeleteResponseTopic[] = [];
    const existing = new Map<string, Set<number>>();
    for (const { name, partitions: asked } of request.topics) {
      yield;
      const partitionCount = this.#parts.topicByName(name)?.partitionCount ?? 0;
      const partitions: OffsetDeleteResponseTopic['partitions'] = [];
      for (const { partitionIndex } of asked) {
        if (partitions.length % PARTITIONS_PER_STEP === 0) yield;
        const isThere = partitionIndex >= 0 && partitionIndex < partitionCount;
        if (isThere) existing.set(name, (existing.get(name) ?? new Set()).add(partitionIndex));
        const errorCode = isThere ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        partitions.push({ partitionIndex, errorCode });
      }
      topics.push({ name, partitions });
    }
    return { topics, existing };
  }

  /** What is to be answered and written if the group takes it; of a partition the last mention. */
  *#plan(request: OffsetCommitRequest): Steps<CommitPlan> {
    const topics: OffsetCommitResponseTopic[] = [];
    const accepted = new Map<string, AcceptedTopic>();
    for (const topic of request.topics) {
      yield;
      const { name, topicId } = topic;
      const known = this.#parts.topicByName(name);
      const partitions: OffsetCommitResponseTopic['partitions'] = [];
      for (const asked of topic.partitions) {
        if (partitions.length % PARTITIONS_PER_STEP === 0) yield;
        const errorCode = this.#offsetError(known, topicId, asked);
        if (errorCode === ErrorCode.NONE) {
          const ofTopic = accepted.get(name) ?? { topicId: known!.topicId, latest: new Map() };
          accepted.set(name, ofTopic);
          ofTopic.latest.set(asked.partitionIndex, asked);
        }
        partitions.push({ partitionIndex: asked.partitionIndex, errorCode });
      }
      topics.push({ name, topicId, partitions });
    }
    if (recordBytes(request.groupId, accepted) > COMMIT_BYTES_MAX) {
      failAccepted(topics, ErrorCode.INVALID_COMMIT_OFFSET_SIZE);
      return { topics, writes: [] };
    }
    return { topics, writes: yield* this.#writes(request, accepted) };
  }

  *#writes(
    { groupId: group, retentionTimeMs }: OffsetCommitRequest,
    accepted: ReadonlyMap<string, AcceptedTopic>,
  ): Steps<Write[]> {
    const commitTimestampMs = this.#parts.clock.nowMs();
    const expireTimestampMs =
      retentionTimeMs < 0
        ? NO_EXPIRY
        : Math.min(commitTimestampMs + retentionTimeMs, Number.MAX_SAFE_INTEGER);
    const writes: Write[] = [];
    for (const [topic, { topicId, latest }] of accepted) {
      for (const asked of latest.values()) {
        if (writes.length % PARTITIONS_PER_STEP === 0) yield;
        const name = { group, topic, partition: asked.partitionIndex };
        const committed: CommittedOffset = {
          offset: asked.committedOffset,
          leaderEpoch: asked.committedLeaderEpoch,
          metadata: asked.committedMetadata ?? '',
          commitTimestampMs,
          expireTimestampMs,
          topicId,
        };
        writes.push({ name, committed, record: offsetRecord(name, committed) });
      }
    }
    return writes;
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

  #offsetError(
    known: TopicIdentity | undefined,
    topicId: string,
    { partitionIndex, committedOffset, committedMetadata }: OffsetCommitRequestPartition,
  ): number {
    if (known === undefined || partitionIndex < 0 || partitionIndex >= known.partitionCount) {
      return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (topicId !== ZERO_UUID && topicId !== known.topicId) return ErrorCode.UNKNOWN_TOPIC_ID;
    // Kafka takes any number; one that was rounded on its way in is not stored for another.
    const isExact =
      Number.isSafeInteger(committedOffset) || Math.abs(committedOffset) === INT64_MAX;
    if (!isExact) return ErrorCode.OFFSET_OUT_OF_RANGE;
    const text = committedMetadata ?? '';
    return text.length > this.#parts.settings.offsetMetadataCharsMax || !fitsString(text)
      ? ErrorCode.OFFSET_METADATA_TOO_LARGE
      : ErrorCode.NONE;
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

/** About what the records take in the log; a few bytes more than they do. */
function recordBytes(groupId: string, accepted: ReadonlyMap<string, AcceptedTopic>): number {
  let sum = 0;
  for (const [name, { latest }] of accepted) {
    const overheadBytes = RECORD_OVERHEAD_BYTES + groupId.length + name.length;
    for (const { committedMetadata } of latest.values()) {
      sum += overheadBytes + (committedMetadata?.length ?? 0);
    }
  }
  return sum;
}

/** Text of a client can be longer when it is written than it was when it was read. */
function fitsString(text: string): boolean {
  return (
    UTF8_BYTES_MAX * text.length <= STRING_BYTES_MAX || Buffer.byteLength(text) <= STRING_BYTES_MAX
  );
}

/** What is answered to partitions that have no error of their own. */
function failAccepted(
  topics: readonly { readonly partitions: readonly { errorCode: number }[] }[],
  errorCode: number,
): void {
  for (const { partitions } of topics) {
    for (const partition of partitions) partition.errorCode ||= errorCode;
  }
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
