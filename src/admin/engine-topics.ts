/**
 * The admin API's topics, on the engine: the same requests that Kafka's own tools would send, made
 * to a tenant's view, so that the engine's checks and errors are the same on both ways in.
 */
import type { Engine, EngineCall } from '../engine/engine.ts';
import { ConfigResourceType } from '../protocol/config-resource-type.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { ZERO_UUID } from '../protocol/schema.ts';
import type {
  DescribeTopicPartitionsResponse,
  DescribeTopicPartitionsResponsePartition,
} from '../protocol/schemas/75-describe-topic-partitions.ts';
import type { AdminTopics, NewTopic, TopicDetails, TopicView } from './admin-services.ts';
import { AdminError, fromKafkaError } from './problem.ts';

/** Versions in which every field used here exists. */
const CREATE_TOPICS: EngineCall = { apiVersion: 7, signal: null };
const DELETE_TOPICS: EngineCall = { apiVersion: 6, signal: null };
const DESCRIBE_CONFIGS: EngineCall = { apiVersion: 4, signal: null };
const DESCRIBE_TOPICS: EngineCall = { apiVersion: 0, signal: null };

const TIMEOUT_MS = 30_000;
/** Kafka's "the broker's default", for partitions and replicas. */
const DEFAULT_COUNT = -1;
/** In one request to the engine, which may give fewer at a time. */
const PARTITIONS_PER_PAGE = 2000;
/** ConfigSource of DescribeConfigs: set for this topic, rather than a default of any kind. */
const DYNAMIC_TOPIC_CONFIG = 1;
const PARTITIONS_SHOWN_MAX = 100_000;

export class EngineTopics implements AdminTopics {
  readonly #viewOf: (tenant: string) => Engine;

  /** `viewOf` gives the tenant's view of the engine: visible names. */
  constructor(viewOf: (tenant: string) => Engine) {
    this.#viewOf = viewOf;
  }

  list(tenant: string): readonly TopicView[] {
    return this.#viewOf(tenant)
      .topicsIn(tenant)
      .map(({ name, topicId, partitionCount }) => ({ name, topicId, partitions: partitionCount }));
  }

  async create(tenant: string, topic: NewTopic): Promise<TopicView> {
    const engine = this.#viewOf(tenant);
    const answer = await engine.createTopics(
      {
        topics: [
          {
            name: topic.name,
            numPartitions: topic.partitions ?? DEFAULT_COUNT,
            replicationFactor: DEFAULT_COUNT,
            assignments: [],
            configs: [...topic.configs].map(([name, value]) => ({ name, value })),
          },
        ],
        timeoutMs: TIMEOUT_MS,
        validateOnly: false,
      },
      CREATE_TOPICS,
    );
    const result = only(answer.topics);
    check(result.errorCode, result.errorMessage);
    const { topicId, numPartitions } = result;
    return { name: topic.name, topicId, partitions: numPartitions };
  }

  async delete(tenant: string, topic: string): Promise<void> {
    const answer = await this.#viewOf(tenant).deleteTopics(
      {
        topics: [{ name: topic, topicId: ZERO_UUID }],
        topicNames: [],
        timeoutMs: TIMEOUT_MS,
      },
      DELETE_TOPICS,
    );
    const result = only(answer.responses);
    check(result.errorCode, result.errorMessage);
  }

  async describe(tenant: string, topic: string): Promise<TopicDetails> {
    const engine = this.#viewOf(tenant);
    const identity = engine.topicByName(topic);
    if (identity === undefined) throw noSuchTopic();
    const [partitionStates, configs] = await Promise.all([
      partitionStatesOf(engine, topic),
      configsOf(engine, topic),
    ]);
    const { topicId, partitionCount } = identity;
    return { name: topic, topicId, partitions: partitionCount, partitionStates, configs };
  }
}

async function partitionStatesOf(
  engine: Engine,
  topic: string,
): Promise<TopicDetails['partitionStates']> {
  const states: TopicDetails['partitionStates'][number][] = [];
  let cursor: { topicName: string; partitionIndex: number } | null = null;
  do {
    // A new request for each page: the tenant's view renames its names in place.
    const request = {
      topics: [{ name: topic }],
      responsePartitionLimit: PARTITIONS_PER_PAGE,
      cursor,
    };
    const answer: DescribeTopicPartitionsResponse = await engine.describeTopicPartitions(
      request,
      DESCRIBE_TOPICS,
    );
    const { errorCode, partitions } = only(answer.topics);
    check(errorCode, null);
    for (const partition of partitions) states.push(partitionState(partition));
    cursor = answer.nextCursor;
  } while (cursor !== null && states.length < PARTITIONS_SHOWN_MAX);
  return states;
}

function partitionState(
  partition: DescribeTopicPartitionsResponsePartition,
): TopicDetails['partitionStates'][number] {
  return {
    partition: partition.partitionIndex,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    online: partition.errorCode === ErrorCode.NONE && partition.offlineReplicas.length === 0,
  };
}

async function configsOf(engine: Engine, topic: string): Promise<TopicDetails['configs']> {
  const request = {
    resources: [
      { resourceType: ConfigResourceType.TOPIC, resourceName: topic, configurationKeys: null },
    ],
    includeSynonyms: false,
    includeDocumentation: false,
  };
  const answer = await engine.describeConfigs(request, DESCRIBE_CONFIGS);
  const { errorCode, errorMessage, configs } = only(answer.results);
  check(errorCode, errorMessage);
  return configs.map(({ name, value, configSource, isSensitive }) => ({
    name,
    value: isSensitive ? null : value,
    isDefault: configSource !== DYNAMIC_TOPIC_CONFIG,
  }));
}

function only<T>(results: readonly T[]): T {
  const [result] = results;
  if (result === undefined) throw new AdminError(500, 'internal-error', 'The engine said nothing.');
  return result;
}

function check(errorCode: number, message: string | null): void {
  if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw noSuchTopic();
  if (errorCode !== ErrorCode.NONE) throw fromKafkaError(errorCode, message);
}

const noSuchTopic = (): AdminError =>
  new AdminError(404, 'no-such-topic', 'The tenant has no such topic: "topic list" shows them.');
