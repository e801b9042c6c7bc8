/**
 * Owns what a fetch session remembers of its partitions: what was asked, what was answered last, and
 * so what is news. Invariant: the order of the map is the order of serving; what returned data goes
 * to the end.
 */
import { ZERO_UUID } from '../protocol/schema.ts';
import type {
  FetchableTopicResponse,
  FetchPartition,
  FetchTopic,
  PartitionData,
} from '../protocol/schemas/01-fetch.ts';

export interface CachedPartition {
  readonly topic: string;
  readonly topicId: string;
  request: FetchPartition;
  highWatermark: number;
  logStartOffset: number;
}

interface RememberingSession {
  readonly partitions: Map<string, CachedPartition>;
}

/** As Kafka reads a request: a partition named again replaces its first mention. */
export function eachOnce(topics: FetchTopic[]): FetchTopic[] {
  if (topics.length <= 1 && (topics[0]?.partitions.length ?? 0) <= 1) return topics;
  const byTopic = new Map<string, { topic: FetchTopic; partitions: Map<number, FetchPartition> }>();
  let isRepeated = false;
  for (const topic of topics) {
    const key = `${topic.topicId}:${topic.topic}`;
    let known = byTopic.get(key);
    if (known === undefined) {
      known = { topic, partitions: new Map() };
      byTopic.set(key, known);
    } else isRepeated = true;
    for (const asked of topic.partitions) {
      if (known.partitions.has(asked.partition)) isRepeated = true;
      known.partitions.set(asked.partition, asked);
    }
  }
  if (!isRepeated) return topics;
  return Array.from(byTopic.values(), ({ topic, partitions }) => ({
    ...topic,
    partitions: [...partitions.values()],
  }));
}

export function partitionKey(topic: { topic: string; topicId: string }, partition: number): string {
  return `${topic.topicId === ZERO_UUID ? topic.topic : topic.topicId}:${partition}`;
}

export function addPartitions(
  into: Map<string, CachedPartition>,
  topics: readonly FetchTopic[],
): void {
  for (const topic of topics) {
    for (const request of topic.partitions) {
      const key = partitionKey(topic, request.partition);
      const known = into.get(key);
      if (known !== undefined) known.request = request;
      else {
        into.set(key, {
          topic: topic.topic,
          topicId: topic.topicId,
          request,
          highWatermark: -1,
          logStartOffset: -1,
        });
      }
    }
  }
}

/** In serving order; neighbours of one topic share an entry. */
export function groupByTopic(partitions: Map<string, CachedPartition>): FetchTopic[] {
  const topics: FetchTopic[] = [];
  for (const { topic, topicId, request } of partitions.values()) {
    const last = topics.at(-1);
    if (last !== undefined && last.topic === topic && last.topicId === topicId) {
      last.partitions.push(request);
    } else topics.push({ topic, topicId, partitions: [request] });
  }
  return topics;
}

/** Notes what was answered; after an error the watermark counts as unknown, so recovery shows. */
export function remember(
  session: RememberingSession,
  topic: FetchableTopicResponse,
  partition: PartitionData,
): CachedPartition | undefined {
  const cached = session.partitions.get(partitionKey(topic, partition.partitionIndex));
  if (cached === undefined) return undefined;
  cached.highWatermark = partition.errorCode === 0 ? partition.highWatermark : -1;
  cached.logStartOffset = partition.logStartOffset;
  return cached;
}

export function changedSince(
  session: RememberingSession,
  topics: readonly FetchableTopicResponse[],
): FetchableTopicResponse[] {
  const changed: FetchableTopicResponse[] = [];
  for (const topic of topics) {
    const partitions = topic.partitions.filter((partition) => {
      const key = partitionKey(topic, partition.partitionIndex);
      const cached = session.partitions.get(key);
      if (cached === undefined) return false;
      const hasRecords = partition.records !== null && partition.records.length > 0;
      const isNews =
        hasRecords ||
        partition.errorCode !== 0 ||
        partition.highWatermark !== cached.highWatermark ||
        partition.logStartOffset !== cached.logStartOffset ||
        partition.divergingEpoch.epoch >= 0 ||
        partition.preferredReadReplica >= 0;
      remember(session, topic, partition);
      if (hasRecords) {
        session.partitions.delete(key);
        session.partitions.set(key, cached);
      }
      return isNews;
    });
    if (partitions.length > 0) changed.push({ ...topic, partitions });
  }
  return changed;
}
