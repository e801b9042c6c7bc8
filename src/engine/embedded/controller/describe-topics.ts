/**
 * Owns the topics and partitions of Metadata and DescribeTopicPartitions: answers from the image
 * for the topics that the request names. Brokers, cluster id, controller and authorized operations
 * are the server's to fill in; creating a missing topic is the caller's, through createTopics.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../../protocol/schema.ts';
import type {
  MetadataRequest,
  MetadataRequestTopic,
  MetadataResponse,
  MetadataResponsePartition,
  MetadataResponseTopic,
} from '../../../protocol/schemas/03-metadata.ts';
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
  DescribeTopicPartitionsResponsePartition,
  DescribeTopicPartitionsResponseTopic,
} from '../../../protocol/schemas/75-describe-topic-partitions.ts';
import type { PartitionLogs } from './partition-logs.ts';
import { topicNameProblem } from './topic-names.ts';
import type { Topic, TopicsImage } from './topics-image.ts';

/** "Not asked for", as the schema has it. */
const OPERATIONS_NOT_ASKED = -2147483648;
const NO_LEADER = -1;
/** max.request.partition.size.limit of Kafka. */
const PARTITIONS_PER_PAGE_MAX = 2000;

export class TopicDescriber {
  readonly #image: TopicsImage;
  readonly #logs: Pick<PartitionLogs, 'isOffline'>;
  /** One-element lists by node id: partitions share them, nobody changes them. */
  readonly #nodeLists = new Map<number, number[]>();

  constructor(image: TopicsImage, logs: Pick<PartitionLogs, 'isOffline'>) {
    this.#image = image;
    this.#logs = logs;
  }

  metadata(request: MetadataRequest): MetadataResponse {
    return {
      throttleTimeMs: 0,
      brokers: [],
      clusterId: null,
      controllerId: -1,
      topics: (request.topics ?? []).map((asked) => this.#metadataTopic(asked)),
      clusterAuthorizedOperations: OPERATIONS_NOT_ASKED,
      errorCode: ErrorCode.NONE,
    };
  }

  /** Sorted by name, from the cursor on, up to the limit; the answer's cursor says what follows. */
  describeTopicPartitions(
    request: DescribeTopicPartitionsRequest,
  ): DescribeTopicPartitionsResponse {
    const { cursor } = request;
    const names = [...new Set(request.topics.map(({ name }) => name))].sort();
    if (cursor !== null && cursor.partitionIndex < 0) {
      const topics = names.map((name) => unknownPage(name, ErrorCode.INVALID_REQUEST));
      return { throttleTimeMs: 0, topics, nextCursor: null };
    }
    const limit = Math.min(request.responsePartitionLimit, PARTITIONS_PER_PAGE_MAX);
    let left = Math.max(limit, 1);
    const topics: DescribeTopicPartitionsResponseTopic[] = [];
    for (const name of names) {
      if (cursor !== null && name < cursor.topicName) continue;
      const from = cursor?.topicName === name ? cursor.partitionIndex : 0;
      if (left === 0) return page(topics, name, from);
      const topic = this.#image.byName(name);
      if (topic === undefined) {
        topics.push(unknownPage(name, unknownCode(name)));
        continue;
      }
      const to = Math.min(topic.partitionCount, from + left);
      topics.push(this.#topicPage(topic, from, to));
      left -= Math.max(0, to - from);
      if (to < topic.partitionCount) return page(topics, name, to);
    }
    return { throttleTimeMs: 0, topics, nextCursor: null };
  }

  #metadataTopic(asked: MetadataRequestTopic): MetadataResponseTopic {
    const byId = asked.name === null;
    const topic = byId ? this.#image.byId(asked.topicId) : this.#image.byName(asked.name!);
    if (topic === undefined) {
      return {
        errorCode: byId ? ErrorCode.UNKNOWN_TOPIC_ID : unknownCode(asked.name!),
        name: asked.name,
        topicId: byId ? asked.topicId : ZERO_UUID,
        isInternal: false,
        partitions: [],
        topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
      };
    }
    return {
      errorCode: ErrorCode.NONE,
      name: topic.name,
      topicId: topic.topicId,
      isInternal: false,
      partitions: topic.leaders.map((_, partition) => this.#partition(topic, partition)),
      topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
    };
  }

  #partition(topic: Topic, partitionIndex: number): MetadataResponsePartition {
    const { nodeId, leaderEpoch } = topic.leaders[partitionIndex]!;
    const nodes = this.#nodeList(nodeId);
    const isOffline = this.#logs.isOffline(topic.name, partitionIndex);
    return {
      errorCode: isOffline ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
      partitionIndex,
      leaderId: isOffline ? NO_LEADER : nodeId,
      leaderEpoch,
      replicaNodes: nodes,
      isrNodes: nodes,
      offlineReplicas: isOffline ? nodes : [],
    };
  }

  #topicPage(topic: Topic, from: number, to: number): DescribeTopicPartitionsResponseTopic {
    const partitions: DescribeTopicPartitionsResponsePartition[] = [];
    for (let partition = from; partition < to; partition++) {
      partitions.push({
        ...this.#partition(topic, partition),
        eligibleLeaderReplicas: [],
        lastKnownElr: [],
      });
    }
    return {
      errorCode: ErrorCode.NONE,
      name: topic.name,
      topicId: topic.topicId,
      isInternal: false,
      partitions,
      topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
    };
  }

  #nodeList(nodeId: number): number[] {
    let list = this.#nodeLists.get(nodeId);
    if (list === undefined) {
      list = [nodeId];
      this.#nodeLists.set(nodeId, list);
    }
    return list;
  }
}

function unknownCode(name: string): number {
  return topicNameProblem(name) === null
    ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    : ErrorCode.INVALID_TOPIC_EXCEPTION;
}

function unknownPage(name: string, errorCode: number): DescribeTopicPartitionsResponseTopic {
  return {
    errorCode,
    name,
    topicId: ZERO_UUID,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
  };
}

function page(
  topics: DescribeTopicPartitionsResponseTopic[],
  topicName: string,
  partitionIndex: number,
): DescribeTopicPartitionsResponse {
  return { throttleTimeMs: 0, topics, nextCursor: { topicName, partitionIndex } };
}
