/**
 * Owns OffsetFetch: what is shown of committed offsets. An offset of a topic that was deleted, or
 * deleted and made again, is as if it were not there: each knows the id of its topic.
 *
 * Invariant: the answer is bounded by what one group holds, or ANSWER_BYTES_MAX where that is more:
 * groups that have no room in it are to be asked for again (clients do so by themselves).
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../../protocol/schema.ts';
import type {
  OffsetFetchRequest,
  OffsetFetchRequestGroup,
  OffsetFetchRequestTopics,
  OffsetFetchResponse,
  OffsetFetchResponseGroup,
  OffsetFetchResponsePartitions,
  OffsetFetchResponseTopics,
} from '../../../protocol/schemas/09-offset-fetch.ts';
import { offsetBytes } from './group-offsets.ts';
import { type GroupParts, legacyGroupIdError } from './group-parts.ts';
import type { CommittedOffset } from './group-records.ts';
import type { Group } from './groups.ts';
import { inTurns, type Steps } from './turns.ts';

/** Memory that an answer may take before further groups have no room in it. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const PARTITIONS_PER_STEP = 256;

/** What a topic is asked for: these partitions, or all that are there. */
interface Wanted {
  readonly name: string;
  readonly partitions: Iterable<number>;
}

export class OffsetFetch {
  readonly #parts: GroupParts;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  /** Groups only: the single group of old versions has been put there. null topics: all of them. */
  fetch(request: OffsetFetchRequest): OffsetFetchResponse | Promise<OffsetFetchResponse> {
    return inTurns(this.#parts.clock, this.#answer(request));
  }

  *#answer(request: OffsetFetchRequest): Steps<OffsetFetchResponse> {
    const groups: OffsetFetchResponseGroup[] = [];
    let answerBytes = 0;
    for (const asked of request.groups) {
      yield;
      if (answerBytes > ANSWER_BYTES_MAX) {
        const errorCode = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
        groups.push({ groupId: asked.groupId, topics: [], errorCode });
        continue;
      }
      const answered = yield* this.#group(asked);
      answerBytes += answered.bytes;
      groups.push(answered.group);
    }
    return { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups };
  }

  *#group({
    groupId,
    topics: asked,
  }: OffsetFetchRequestGroup): Steps<{ group: OffsetFetchResponseGroup; bytes: number }> {
    const errorCode = legacyGroupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE)
      return { group: { groupId, topics: [], errorCode }, bytes: 0 };
    const group = this.#parts.groups.get(groupId);
    const topics: OffsetFetchResponseTopics[] = [];
    let bytes = 0;
    for (const wanted of asked === null ? everyTopic(group) : namedTopics(asked)) {
      yield;
      const topic = yield* this.#topic(group, wanted, asked === null);
      for (const { metadata } of topic.partitions) bytes += offsetBytes(metadata ?? '');
      if (asked !== null || topic.partitions.length > 0) topics.push(topic);
    }
    return { group: { groupId, topics, errorCode }, bytes };
  }

  *#topic(
    group: Group | undefined,
    { name, partitions }: Wanted,
    isPresentOnly: boolean,
  ): Steps<OffsetFetchResponseTopics> {
    const topicId = this.#parts.topicByName(name)?.topicId;
    const answered: OffsetFetchResponsePartitions[] = [];
    let count = 0;
    for (const partition of partitions) {
      count += 1;
      if (count % PARTITIONS_PER_STEP === 0) yield;
      const committed = current(group, name, partition, topicId);
      if (committed !== undefined || !isPresentOnly) answered.push(shown(partition, committed));
    }
    return { name, topicId: topicId ?? ZERO_UUID, partitions: answered };
  }
}

function* everyTopic(group: Group | undefined): Generator<Wanted> {
  for (const [name, partitions] of group?.offsets?.topics() ?? []) {
    yield { name, partitions: partitions.keys() };
  }
}

/** Each partition once: an answer is longer than the question. */
function* namedTopics(topics: readonly OffsetFetchRequestTopics[]): Generator<Wanted> {
  const mentioned = new Map<string, Set<number>>();
  for (const { name, partitionIndexes } of topics) {
    const seen = mentioned.get(name) ?? new Set();
    mentioned.set(name, seen);
    yield { name, partitions: firstMentions(partitionIndexes, seen) };
  }
}

function* firstMentions(partitions: readonly number[], seen: Set<number>): Generator<number> {
  for (const partition of partitions) {
    if (seen.has(partition)) continue;
    seen.add(partition);
    yield partition;
  }
}

/** Of the topic as it is now. */
function current(
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
