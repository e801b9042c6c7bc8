/**
 * Answers who keeps the cluster's metadata (DescribeQuorum): one voter, this node, which has led
 * since the cluster began (epoch 0) and follows nobody, so that its log ends where it is durable.
 * It has no listener of its own and no directory id.
 */
import type { Clock } from '../../base/clock.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
  DescribeQuorumResponsePartitionData,
} from '../../protocol/schemas/55-describe-quorum.ts';

const METADATA_TOPIC = '__cluster_metadata';
const NODES_SINCE_VERSION = 2;

export interface MetadataQuorum {
  readonly nodeId: number;
  readonly clock: Clock;
  /** One past the last durable record. */
  readonly log: { readonly endOffset: number };
}

/** Kafka answers for its metadata partition only, and only when nothing else is asked for. */
export function describeQuorum(
  { nodeId, clock, log }: MetadataQuorum,
  { topics }: DescribeQuorumRequest,
  apiVersion: number,
): DescribeQuorumResponse {
  const isKnown =
    topics.length === 1 &&
    topics[0]!.topicName === METADATA_TOPIC &&
    topics[0]!.partitions.length === 1 &&
    topics[0]!.partitions[0]!.partitionIndex === 0;
  if (!isKnown) {
    const unknown = topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => unknownPartition(partitionIndex)),
    }));
    return { errorCode: ErrorCode.NONE, errorMessage: null, topics: unknown, nodes: [] };
  }
  const nowMs = clock.nowMs();
  const voter = {
    replicaId: nodeId,
    replicaDirectoryId: ZERO_UUID,
    logEndOffset: log.endOffset,
    lastFetchTimestamp: nowMs,
    lastCaughtUpTimestamp: nowMs,
  };
  const partition: DescribeQuorumResponsePartitionData = {
    partitionIndex: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    leaderId: nodeId,
    leaderEpoch: 0,
    highWatermark: log.endOffset,
    currentVoters: [voter],
    observers: [],
  };
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }],
    nodes: apiVersion >= NODES_SINCE_VERSION ? [{ nodeId, listeners: [] }] : [],
  };
}

function unknownPartition(partitionIndex: number): DescribeQuorumResponsePartitionData {
  return {
    partitionIndex,
    errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    errorMessage: null,
    leaderId: -1,
    leaderEpoch: -1,
    highWatermark: -1,
    currentVoters: [],
    observers: [],
  };
}
