/**
 * Owns what CreateTopics and CreatePartitions may do: pure planning against the image, one verdict a
 * topic. Nothing is written here. Errors follow Kafka's ReplicationControlManager; texts name no
 * topic, neither the request's nor any other.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../../protocol/schema.ts';
import type {
  CreatableTopic,
  CreatableTopicResult,
} from '../../../protocol/schemas/19-create-topics.ts';
import type { CreatePartitionsTopic } from '../../../protocol/schemas/37-create-partitions.ts';
import type { InheritedConfigs } from './configs-image.ts';
import type { ControllerSettings } from './controller-settings.ts';
import { effectiveConfigs } from './describe-configs.ts';
import { judgeTopicConfigs, limitProblem, resolveTopicConfig } from './topic-config.ts';
import { collisionKey, namespaceOf, topicNameProblem } from './topic-names.ts';
import type { PartitionLeader, Topic, TopicsImage } from './topics-image.ts';

/** An error of one topic: Kafka's code and a sentence. */
export interface Refusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

const refusal = (errorCode: number, errorMessage: string): Refusal => ({ errorCode, errorMessage });

export function isRefusal(verdict: object): verdict is Refusal {
  return 'errorCode' in verdict;
}

export interface PlanContext {
  readonly image: TopicsImage;
  readonly settings: ControllerSettings;
  /** What a topic of this name inherits. */
  readonly inheritedBy: (topicName: string) => InheritedConfigs;
  readonly newTopicId: () => string;
  /** Nothing will be made: what other namespaces take is then no answer, or it could be counted. */
  readonly isDryRun: boolean;
  /** The owners of new partitions. */
  readonly newLeaders: (count: number) => readonly PartitionLeader[];
}

/** Plans the topics of one request: they also count against, and collide with, each other. */
export class CreationPlanner {
  readonly #context: PlanContext;
  readonly #claims = new Set<string>();
  readonly #plannedPartitions = new Map<string, number>();
  #plannedInAll = 0;

  constructor(context: PlanContext) {
    this.#context = context;
  }

  planTopic(asked: CreatableTopic): Topic | Refusal {
    const { image, inheritedBy, newTopicId, newLeaders } = this.#context;
    const problem = topicNameProblem(asked.name);
    if (problem !== null) return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, problem);
    if (image.byName(asked.name) !== undefined) {
      return refusal(ErrorCode.TOPIC_ALREADY_EXISTS, 'The topic already exists.');
    }
    const claim = collisionKey(asked.name);
    if (image.collides(asked.name) || this.#claims.has(claim)) {
      return refusal(
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        "The name differs from another topic's only in '.' and '_'.",
      );
    }
    const count = this.#partitionCount(asked);
    if (typeof count !== 'number') return count;
    const judged = judgeTopicConfigs(asked.configs);
    if ('problem' in judged) return refusal(ErrorCode.INVALID_CONFIG, judged.problem);
    const beyond = limitProblem(judged.texts, {}, this.#context.settings.topicDefaults);
    if (beyond !== null) return refusal(ErrorCode.INVALID_CONFIG, beyond);
    const overLimit = this.#takePartitions(asked.name, count, count);
    if (overLimit !== null) return overLimit;
    this.#claims.add(claim);
    return {
      name: asked.name,
      topicId: newTopicId(),
      partitionCount: count,
      configTexts: judged.texts,
      config: resolveTopicConfig(judged.texts, inheritedBy(asked.name).texts),
      leaders: newLeaders(count),
    };
  }

  /** The topic as it would be with more partitions. */
  planPartitions(asked: CreatePartitionsTopic): Topic | Refusal {
    const topic = this.#context.image.byName(asked.name);
    if (topic === undefined) {
      return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic.');
    }
    const added = asked.count - topic.partitionCount;
    if (added === 0) {
      const message = `The topic already has ${asked.count} partitions.`;
      return refusal(ErrorCode.INVALID_PARTITIONS, message);
    }
    if (added < 0) {
      return refusal(
        ErrorCode.INVALID_PARTITIONS,
        `The topic has ${topic.partitionCount} partitions, and a partition cannot be removed.`,
      );
    }
    const { assignments } = asked;
    if (assignments !== null) {
      if (assignments.length !== added) {
        return refusal(
          ErrorCode.INVALID_REPLICA_ASSIGNMENT,
          `${added} partitions are to be added, but ${assignments.length} are assigned.`,
        );
      }
      const misplaced = this.#misplaced(assignments);
      if (misplaced !== null) return misplaced;
    }
    const overLimit = this.#takePartitions(asked.name, added, asked.count);
    if (overLimit !== null) return overLimit;
    return {
      ...topic,
      partitionCount: asked.count,
      leaders: [...topic.leaders, ...this.#context.newLeaders(added)],
    };
  }

  #partitionCount(asked: CreatableTopic): number | Refusal {
    if (asked.assignments.length > 0) return this.#assignedCount(asked);
    const { replicationFactor, numPartitions } = asked;
    if (replicationFactor !== -1 && replicationFactor !== 1) {
      const message = 'The replication factor must be 1, or -1 for the default.';
      return refusal(ErrorCode.INVALID_REPLICATION_FACTOR, message);
    }
    if (numPartitions === -1) return this.#context.settings.numPartitions;
    if (numPartitions > 0) return numPartitions;
    const message = 'The number of partitions must be above 0, or -1 for the default.';
    return refusal(ErrorCode.INVALID_PARTITIONS, message);
  }

  #assignedCount(asked: CreatableTopic): number | Refusal {
    const { assignments } = asked;
    if (asked.numPartitions !== -1 || asked.replicationFactor !== -1) {
      return refusal(
        ErrorCode.INVALID_REQUEST,
        'With a manual assignment, partition count and replication factor must both be -1.',
      );
    }
    const indexes = new Set(assignments.map(({ partitionIndex }) => partitionIndex));
    const isGapless = assignments.every((_, index) => indexes.has(index));
    if (indexes.size !== assignments.length || !isGapless) {
      return refusal(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        'The assigned partitions must be 0, 1, 2 and so on, each once.',
      );
    }
    return this.#misplaced(assignments) ?? assignments.length;
  }

  /** Each partition has one replica, here: there is no other node. */
  #misplaced(assignments: readonly { readonly brokerIds: readonly number[] }[]): Refusal | null {
    const { nodeId } = this.#context.settings;
    for (const { brokerIds } of assignments) {
      if (brokerIds.length === 1 && brokerIds[0] === nodeId) continue;
      return refusal(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `Each partition must be assigned to exactly one broker, and to broker ${nodeId}.`,
      );
    }
    return null;
  }

  /** Counts `added` partitions against the limits, those planned before included. */
  #takePartitions(name: string, added: number, topicTotal: number): Refusal | null {
    const { image, settings, isDryRun } = this.#context;
    const { partitionsPerTopicMax, partitionsPerNamespaceMax, partitionsMax } = settings.limits;
    if (topicTotal > partitionsPerTopicMax) {
      const message = `A topic may have at most ${partitionsPerTopicMax} partitions.`;
      return refusal(ErrorCode.INVALID_PARTITIONS, message);
    }
    const namespace = namespaceOf(name);
    const planned = this.#plannedPartitions.get(namespace) ?? 0;
    if (image.partitionCountIn(namespace) + planned + added > partitionsPerNamespaceMax) {
      const message = `All topics together may have at most ${partitionsPerNamespaceMax} partitions.`;
      return refusal(ErrorCode.POLICY_VIOLATION, message);
    }
    if (!isDryRun && image.partitionCount + this.#plannedInAll + added > partitionsMax) {
      const message = 'The broker takes no more partitions: ask its operator.';
      return refusal(ErrorCode.POLICY_VIOLATION, message);
    }
    this.#plannedPartitions.set(namespace, planned + added);
    this.#plannedInAll += added;
    return null;
  }
}

export function createdResult(topic: Topic, inherited: InheritedConfigs): CreatableTopicResult {
  return {
    name: topic.name,
    topicId: topic.topicId,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    topicConfigErrorCode: ErrorCode.NONE,
    numPartitions: topic.partitionCount,
    replicationFactor: 1,
    configs: effectiveConfigs(topic.configTexts, inherited),
  };
}

export function refusedResult(
  name: string,
  { errorCode, errorMessage }: Refusal,
): CreatableTopicResult {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode,
    errorMessage,
    topicConfigErrorCode: ErrorCode.NONE,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}
