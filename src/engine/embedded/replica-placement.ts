/**
 * Answers requests to change who serves a partition. Each has one replica, on the node that the
 * metadata names, which leads it while its log is sound: an election is never needed, and the only
 * reassignment that there can be is the one that changes nothing.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../../protocol/schemas/43-elect-leaders.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
  ReassignablePartitionResponse,
} from '../../protocol/schemas/45-alter-partition-reassignments.ts';
import type { Topic } from './controller/topics-image.ts';
import { Turns } from './in-turns.ts';

export interface PlacedTopics {
  topicByName(name: string): Topic | undefined;
  topicsIn(namespace: string): readonly Topic[];
}

export interface PartitionHealth {
  isOffline(topic: string, partition: number): boolean;
}

/** Refusals of one request that are explained; the rest have their code. */
const EXPLAINED_MAX = 100;
const Election = { PREFERRED: 0, UNCLEAN: 1 } as const;

export class ReplicaPlacement {
  readonly #topics: PlacedTopics;
  readonly #logs: PartitionHealth;

  constructor(topics: PlacedTopics, logs: PartitionHealth) {
    this.#topics = topics;
    this.#logs = logs;
  }

  /**
   * `topicPartitions` null: all of the namespace, of which those that need no election are left out,
   * as in Kafka.
   */
  async electLeaders(
    namespace: string,
    { electionType, topicPartitions }: ElectLeadersRequest,
  ): Promise<ElectLeadersResponse> {
    if (electionType !== Election.PREFERRED && electionType !== Election.UNCLEAN) {
      return election(ErrorCode.INVALID_REQUEST, []);
    }
    const asked = topicPartitions ?? this.#topics.topicsIn(namespace).map(allOf);
    const turns = new Turns();
    const results: ElectLeadersResponse['replicaElectionResults'] = [];
    for (const { topic, partitions } of asked) {
      if (turns.isOver) await turns.next();
      const partitionResult = [];
      for (const partitionId of partitions) {
        if (turns.isOver) await turns.next();
        const errorCode = this.#electionCode(topic, partitionId, electionType);
        const isLeftOut = topicPartitions === null && errorCode === ErrorCode.ELECTION_NOT_NEEDED;
        if (!isLeftOut) partitionResult.push({ partitionId, errorCode, errorMessage: null });
      }
      if (partitionResult.length > 0) results.push({ topic, partitionResult });
    }
    return election(ErrorCode.NONE, results);
  }

  async alterReassignments(
    request: AlterPartitionReassignmentsRequest,
  ): Promise<AlterPartitionReassignmentsResponse> {
    const turns = new Turns();
    let refusals = 0;
    const responses: AlterPartitionReassignmentsResponse['responses'] = [];
    for (const { name, partitions } of request.topics) {
      if (turns.isOver) await turns.next();
      const topic = this.#topics.topicByName(name);
      const results: ReassignablePartitionResponse[] = [];
      for (const { partitionIndex, replicas } of partitions) {
        if (turns.isOver) await turns.next();
        const result = reassignment(topic, partitionIndex, replicas);
        if (result.errorMessage !== null) refusals += 1;
        if (refusals > EXPLAINED_MAX) result.errorMessage = null;
        results.push({ partitionIndex, ...result });
      }
      responses.push({ name, partitions: results });
    }
    return {
      throttleTimeMs: 0,
      allowReplicationFactorChange: request.allowReplicationFactorChange,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      responses,
    };
  }

  #electionCode(name: string, partition: number, electionType: number): number {
    const leader = this.#topics.topicByName(name)?.leaders[partition];
    if (leader === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (!this.#logs.isOffline(name, partition)) return ErrorCode.ELECTION_NOT_NEEDED;
    return electionType === Election.PREFERRED
      ? ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
      : ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE;
  }
}

function allOf({ name, partitionCount }: Topic): { topic: string; partitions: number[] } {
  return { topic: name, partitions: Array.from({ length: partitionCount }, (_, index) => index) };
}

function election(
  errorCode: number,
  replicaElectionResults: ElectLeadersResponse['replicaElectionResults'],
): ElectLeadersResponse {
  return { throttleTimeMs: 0, errorCode, replicaElectionResults };
}

function reassignment(
  topic: Topic | undefined,
  partition: number,
  replicas: readonly number[] | null,
): Omit<ReassignablePartitionResponse, 'partitionIndex'> {
  const leader = topic?.leaders[partition];
  if (leader === undefined) {
    return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: null };
  }
  if (replicas === null) {
    return { errorCode: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, errorMessage: null };
  }
  if (replicas.length === 1 && replicas[0] === leader.nodeId) {
    return { errorCode: ErrorCode.NONE, errorMessage: null };
  }
  const errorMessage =
    replicas.length === 0
      ? 'The assignment names no broker.'
      : `The only broker is ${leader.nodeId}: each partition has its one replica there.`;
  return { errorCode: ErrorCode.INVALID_REPLICA_ASSIGNMENT, errorMessage };
}
