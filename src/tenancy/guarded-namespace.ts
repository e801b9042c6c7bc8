/**
 * A tenant's view of an engine in which the broker's own topics can be read and nothing else: what
 * would make, write, alter or delete one is refused here, whatever right brought the request so far.
 *
 * Invariants: the authorizer refuses such requests as well (security/reserved-topics), but it is
 * asked about the cluster where a right on the cluster is enough; every way to an engine goes
 * through this view, Kafka's and the admin API's. Each entry of a request is answered once.
 */
import type { Engine, EngineCall } from '../engine/engine.ts';
import { ConfigResourceType } from '../protocol/config-resource-type.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { ZERO_UUID } from '../protocol/schema.ts';
import type { ProduceRequest } from '../protocol/schemas/00-produce.ts';
import type { MetadataRequest } from '../protocol/schemas/03-metadata.ts';
import type { CreateTopicsRequest } from '../protocol/schemas/19-create-topics.ts';
import type { DeleteTopicsRequest } from '../protocol/schemas/20-delete-topics.ts';
import type { DeleteRecordsRequest } from '../protocol/schemas/21-delete-records.ts';
import type { AlterConfigsRequest } from '../protocol/schemas/33-alter-configs.ts';
import type { AlterReplicaLogDirsRequest } from '../protocol/schemas/34-alter-replica-log-dirs.ts';
import type { CreatePartitionsRequest } from '../protocol/schemas/37-create-partitions.ts';
import type { IncrementalAlterConfigsRequest } from '../protocol/schemas/44-incremental-alter-configs.ts';
import type { AlterPartitionReassignmentsRequest } from '../protocol/schemas/45-alter-partition-reassignments.ts';
import type { DescribeTopicPartitionsRequest } from '../protocol/schemas/75-describe-topic-partitions.ts';
import type { BrokerTopics } from './broker-topics.ts';
import { TenantNamespace } from './tenant-namespace.ts';

const errorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const errorMessage = 'The topic is kept by the broker: it can only be read.';
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 } as const;

type Answer<T> = T | Promise<T>;

function then<T, R>(answer: Answer<T>, finish: (response: T) => R): Answer<R> {
  return answer instanceof Promise ? answer.then(finish) : finish(answer);
}

export class GuardedNamespace extends TenantNamespace {
  readonly #brokers: BrokerTopics;

  constructor(engine: Engine, tenant: string, brokers: BrokerTopics) {
    super(engine, tenant);
    this.#brokers = brokers;
  }

  override produce(request: ProduceRequest, call: EngineCall) {
    const { open, kept } = this.#split(request.topicData, ({ name }) => name);
    if (kept.length === 0) return super.produce(request, call);
    const refused = kept.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({
        index,
        errorCode,
        baseOffset: -1,
        logAppendTimeMs: -1,
        logStartOffset: -1,
        recordErrors: [],
        errorMessage,
        currentLeader: { ...NO_LEADER },
      })),
    }));
    request.topicData = open;
    return then(super.produce(request, call), (answer) => {
      answer.responses.push(...refused);
      return answer;
    });
  }

  override createTopics(request: CreateTopicsRequest, call: EngineCall) {
    const { open, kept } = this.#split(request.topics, ({ name }) => name);
    if (kept.length === 0) return super.createTopics(request, call);
    const refused = kept.map(({ name }) => ({
      name,
      topicId: ZERO_UUID,
      errorCode,
      errorMessage,
      topicConfigErrorCode: ErrorCode.NONE,
      numPartitions: -1,
      replicationFactor: -1,
      configs: [],
    }));
    request.topics = open;
    return then(super.createTopics(request, call), (answer) => {
      answer.topics.push(...refused);
      return answer;
    });
  }

  override deleteTopics(request: DeleteTopicsRequest, call: EngineCall) {
    const named = this.#split(request.topicNames, (name) => name);
    const { open, kept } = this.#split(
      request.topics,
      ({ name, topicId }) => name ?? this.topicById(topicId)?.name ?? '',
    );
    if (kept.length === 0 && named.kept.length === 0) return super.deleteTopics(request, call);
    const refused = [...named.kept.map((name) => ({ name, topicId: ZERO_UUID })), ...kept].map(
      ({ name, topicId }) => ({ name, topicId, errorCode, errorMessage }),
    );
    request.topicNames = named.open;
    request.topics = open;
    return then(super.deleteTopics(request, call), (answer) => {
      answer.responses.push(...refused);
      return answer;
    });
  }

  override deleteRecords(request: DeleteRecordsRequest, call: EngineCall) {
    const { open, kept } = this.#split(request.topics, ({ name }) => name);
    if (kept.length === 0) return super.deleteRecords(request, call);
    const refused = kept.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        lowWatermark: -1,
        errorCode,
      })),
    }));
    request.topics = open;
    return then(super.deleteRecords(request, call), (answer) => {
      answer.topics.push(...refused);
      return answer;
    });
  }

  override createPartitions(request: CreatePartitionsRequest, call: EngineCall) {
    const { open, kept } = this.#split(request.topics, ({ name }) => name);
    if (kept.length === 0) return super.createPartitions(request, call);
    request.topics = open;
    return then(super.createPartitions(request, call), (answer) => {
      answer.results.push(...kept.map(({ name }) => ({ name, errorCode, errorMessage })));
      return answer;
    });
  }

  override alterConfigs(request: AlterConfigsRequest, call: EngineCall) {
    const mark = this.#takeConfigs(request);
    return then(super.alterConfigs(request, call), mark);
  }

  override incrementalAlterConfigs(request: IncrementalAlterConfigsRequest, call: EngineCall) {
    const mark = this.#takeConfigs(request);
    return then(super.incrementalAlterConfigs(request, call), mark);
  }

  override async alterReplicaLogDirs(request: AlterReplicaLogDirsRequest, call: EngineCall) {
    const refused: { topicName: string; partitions: number[] }[] = [];
    for (const dir of request.dirs) {
      const { open, kept } = this.#split(dir.topics, ({ name }) => name);
      dir.topics = open;
      for (const { name, partitions } of kept) refused.push({ topicName: name, partitions });
    }
    const answer = await super.alterReplicaLogDirs(request, call);
    for (const { topicName, partitions } of refused) {
      const results = partitions.map((partitionIndex) => ({ partitionIndex, errorCode }));
      answer.results.push({ topicName, partitions: results });
    }
    return answer;
  }

  override alterPartitionReassignments(
    request: AlterPartitionReassignmentsRequest,
    call: EngineCall,
  ) {
    const { open, kept } = this.#split(request.topics, ({ name }) => name);
    if (kept.length === 0) return super.alterPartitionReassignments(request, call);
    request.topics = open;
    return then(super.alterPartitionReassignments(request, call), (answer) => {
      for (const { name, partitions } of kept) {
        const refuse = ({ partitionIndex }: { readonly partitionIndex: number }) => ({
          partitionIndex,
          errorCode,
          errorMessage,
        });
        answer.responses.push({ name, partitions: partitions.map(refuse) });
      }
      return answer;
    });
  }

  override metadata(request: MetadataRequest, call: EngineCall) {
    return then(super.metadata(request, call), (answer) => {
      for (const topic of answer.topics) this.#markInternal(topic);
      return answer;
    });
  }

  override describeTopicPartitions(request: DescribeTopicPartitionsRequest, call: EngineCall) {
    return then(super.describeTopicPartitions(request, call), (answer) => {
      for (const topic of answer.topics) this.#markInternal(topic);
      return answer;
    });
  }

  #markInternal(topic: { name: string | null; errorCode: number; isInternal: boolean }): void {
    if (topic.errorCode === ErrorCode.NONE && this.#brokers.has(topic.name ?? '')) {
      topic.isInternal = true;
    }
  }

  #split<T>(items: T[], nameOf: (item: T) => string): { readonly open: T[]; readonly kept: T[] } {
    const isKept = (item: T): boolean => this.#brokers.reserves(nameOf(item));
    if (!items.some(isKept)) return { open: items, kept: [] };
    return { open: items.filter((item) => !isKept(item)), kept: items.filter(isKept) };
  }

  /** Takes out what is refused; what it returns puts the refusals where they stood. */
  #takeConfigs<T extends { resourceType: number; resourceName: string }>(request: {
    resources: T[];
  }) {
    const isKept = ({ resourceType, resourceName }: T): boolean =>
      resourceType === ConfigResourceType.TOPIC && this.#brokers.reserves(resourceName);
    const refused = [...request.resources.entries()]
      .filter(([, resource]) => isKept(resource))
      .map(([index, { resourceType, resourceName }]) => ({ index, resourceType, resourceName }));
    if (refused.length > 0) {
      request.resources = request.resources.filter((resource) => !isKept(resource));
    }
    return <R extends { responses: ConfigRefusal[] }>(answer: R): R => {
      for (const { index, resourceType, resourceName } of refused) {
        answer.responses.splice(index, 0, { resourceType, resourceName, errorCode, errorMessage });
      }
      return answer;
    };
  }
}

interface ConfigRefusal {
  resourceType: number;
  resourceName: string;
  errorCode: number;
  errorMessage: string | null;
}
