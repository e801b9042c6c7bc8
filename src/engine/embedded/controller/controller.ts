/**
 * Owns the cluster's metadata on this node: topics, who serves each partition, topic configs,
 * producer ids. It implements the metadata half of the Engine interface.
 *
 * Invariants: a topic exists from the moment its record is on stable storage until the record of its
 * removal is. Its folders are made before the former and removed after the latter, so a crash leaves
 * only orphans, which the next start removes. What a request reads, it reads from the image, which
 * holds durable facts only.
 *
 * Concurrency: changes run one at a time, the namespaces in turn (ChangeQueue); reads never wait.
 */
import type { Clock } from '../../../base/clock.ts';
import { ConfigError, StorageError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { type Random, randomUuid } from '../../../base/random.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { MetadataRequest, MetadataResponse } from '../../../protocol/schemas/03-metadata.ts';
import type {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../protocol/schemas/19-create-topics.ts';
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../protocol/schemas/20-delete-topics.ts';
import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../protocol/schemas/22-init-producer-id.ts';
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../protocol/schemas/32-describe-configs.ts';
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from '../../../protocol/schemas/33-alter-configs.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../protocol/schemas/37-create-partitions.ts';
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../protocol/schemas/44-incremental-alter-configs.ts';
import type {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../../protocol/schemas/74-list-config-resources.ts';
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../../protocol/schemas/75-describe-topic-partitions.ts';
import type { StateLog } from '../../engine.ts';
import { ConfigAlterer } from './alter-configs.ts';
import { BrokerConfigs } from './broker-configs.ts';
import { ChangeQueue, ENGINE, type Turn } from './change-queue.ts';
import { type ClusterRecord, toStateRecord } from './cluster-records.ts';
import { ClusterState, topicRecord } from './cluster-state.ts';
import type { ControllerSettings } from './controller-settings.ts';
import {
  CreationPlanner,
  createdResult,
  isRefusal,
  type Refusal,
  refusedResult,
} from './create-topics.ts';
import { planDeletions } from './delete-topics.ts';
import { ConfigDescriber } from './describe-configs.ts';
import { TopicDescriber } from './describe-topics.ts';
import { PERMUTATION_KEY_BYTES } from './id-permutation.ts';
import { initProducerId } from './init-producer-id.ts';
import { PartitionFolders } from './partition-folders.ts';
import type { PartitionLogs } from './partition-logs.ts';
import { ProducerIdAllocator } from './producer-id-allocator.ts';
import { checkTopicDefaults } from './topic-config.ts';
import { namespaceOf } from './topic-names.ts';
import type { PartitionLeader, Topic } from './topics-image.ts';

export interface ControllerOptions {
  /** The state log named CLUSTER_METADATA_LOG, just opened. */
  readonly log: StateLog;
  readonly logs: PartitionLogs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: ControllerSettings;
}

const NOT_STORED: Refusal = {
  errorCode: ErrorCode.KAFKA_STORAGE_ERROR,
  errorMessage: 'The broker could not store the change.',
};
const TIMED_OUT: Refusal = {
  errorCode: ErrorCode.REQUEST_TIMED_OUT,
  errorMessage: 'Other changes took too long; nothing was changed.',
};
const TOO_MANY: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'The request names too many topics.',
};
const NAMED_TWICE: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'The topic stands in the request more than once.',
};

export class Controller {
  readonly #log: StateLog;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #settings: ControllerSettings;
  readonly #state: ClusterState;
  readonly #folders: PartitionFolders;
  readonly #changes: ChangeQueue;
  readonly #topicDescriber: TopicDescriber;
  readonly #configDescriber: ConfigDescriber;
  readonly #configAlterer: ConfigAlterer;
  readonly #producerIdKey: Buffer;
  /** Of each namespace that asked: how many ids one was given another cannot see. */
  readonly #producerIds = new Map<string, ProducerIdAllocator>();

  private constructor(options: ControllerOptions, state: ClusterState, producerIdKey: Buffer) {
    const { log, logs, clock, random, logger, settings } = options;
    this.#log = log;
    this.#random = random;
    this.#logger = logger;
    this.#settings = settings;
    this.#state = state;
    this.#folders = new PartitionFolders(logs, logger);
    this.#changes = new ChangeQueue(clock, settings.limits.waitingChangesMax);
    this.#topicDescriber = new TopicDescriber(state.topics, logs);
    const brokers = new BrokerConfigs(settings);
    this.#configDescriber = new ConfigDescriber(state, brokers, settings.nodeId, clock);
    const changes = this.#changes;
    const store = (records: readonly ClusterRecord[]) => this.#store(records);
    const parts = { state, brokers, logs, changes, clock, settings, store };
    this.#configAlterer = new ConfigAlterer(parts);
    this.#producerIdKey = producerIdKey;
  }

  /** Replays the metadata, opens every partition's log and removes the folders of no topic. */
  static async open(options: ControllerOptions): Promise<Controller> {
    const { log, logs, random, logger, settings } = options;
    const topicDefaults = checkTopicDefaults(settings.topicDefaults);
    const state = new ClusterState(topicDefaults, settings.nodeId);
    await log.replay((record) => state.replay(record));
    state.replayed();
    checkOwner(state, settings.nodeId);
    const found = await logs.listLogs();
    if (state.producerIdKey === null && found.length > 0) {
      throw new StorageError(
        'The data folder holds topics but no cluster metadata that knows them: ' +
          'restore the folder __cluster_metadata-0, or start on an empty data folder.',
      );
    }
    const producerIdKey = state.producerIdKey ?? (await makeProducerIdKey(log, random, state));
    const folders = new PartitionFolders(logs, logger);
    await folders.removeOrphans(found, state.topics);
    for (const topic of state.topics.all()) await folders.make(topic, 0);
    return new Controller(options, state, producerIdKey);
  }

  topicByName(name: string): Topic | undefined {
    return this.#state.topics.byName(name);
  }

  topicById(topicId: string): Topic | undefined {
    return this.#state.topics.byId(topicId);
  }

  /** The topics of a namespace, sorted by name. */
  topicsIn(namespace: string): readonly Topic[] {
    return this.#state.topics.inNamespace(namespace);
  }

  /** Who serves the partition, by the metadata; undefined when there is no such partition. */
  leaderOf(topic: string, partition: number): PartitionLeader | undefined {
    return this.#state.topics.byName(topic)?.leaders[partition];
  }

  metadata(request: MetadataRequest): MetadataResponse {
    return this.#topicDescriber.metadata(request);
  }

  describeTopicPartitions(
    request: DescribeTopicPartitionsRequest,
  ): DescribeTopicPartitionsResponse {
    return this.#topicDescriber.describeTopicPartitions(request);
  }

  describeConfigs(
    request: DescribeConfigsRequest,
  ): DescribeConfigsResponse | Promise<DescribeConfigsResponse> {
    return this.#configDescriber.describe(request);
  }

  alterConfigs(request: AlterConfigsRequest): Promise<AlterConfigsResponse> {
    return this.#configAlterer.alter(request);
  }

  incrementalAlterConfigs(
    request: IncrementalAlterConfigsRequest,
  ): Promise<IncrementalAlterConfigsResponse> {
    return this.#configAlterer.alterIncrementally(request);
  }

  listConfigResources(
    namespace: string,
    request: ListConfigResourcesRequest,
    apiVersion: number,
  ): ListConfigResourcesResponse {
    return this.#configAlterer.list(namespace, request, apiVersion);
  }

  initProducerId(
    namespace: string,
    request: InitProducerIdRequest,
  ): InitProducerIdResponse | Promise<InitProducerIdResponse> {
    return initProducerId(request, this.#producerIdsOf(namespace), this.#logger);
  }

  #producerIdsOf(namespace: string): ProducerIdAllocator {
    const known = this.#producerIds.get(namespace);
    if (known !== undefined) return known;
    const firstFree = this.#state.nextProducerNumber(namespace);
    const made = new ProducerIdAllocator(this.#producerIdKey, firstFree, (next) =>
      this.#reserveProducerNumbers(namespace, next),
    );
    this.#producerIds.set(namespace, made);
    return made;
  }

  async createTopics(request: CreateTopicsRequest): Promise<CreateTopicsResponse> {
    const names = namesOf(request.topics);
    const refuseAll = (refusal: Refusal): CreateTopicsResponse => ({
      throttleTimeMs: 0,
      topics: [...names.keys()].map((name) => refusedResult(name, refusal)),
    });
    if (names.size > this.#settings.limits.topicsPerRequestMax) return refuseAll(TOO_MANY);
    const turn = await this.#changes.run(
      namespaceOfFirst(request.topics),
      async () => {
        const planner = this.#planner(request.validateOnly);
        const verdicts = new Map<string, Topic | Refusal>();
        for (const asked of request.topics) {
          const isTwice = names.get(asked.name)! > 1;
          verdicts.set(asked.name, isTwice ? NAMED_TWICE : planner.planTopic(asked));
        }
        if (!request.validateOnly) await this.#carryOut(verdicts, topicRecord);
        return verdicts;
      },
      request.timeoutMs,
    );
    const verdicts = this.#outcome(turn);
    if (verdicts === undefined) return refuseAll(TIMED_OUT);
    return {
      throttleTimeMs: 0,
      topics: Array.from(verdicts, ([name, verdict]) =>
        isRefusal(verdict)
          ? refusedResult(name, verdict)
          : createdResult(verdict, this.#state.inheritedBy(verdict.name)),
      ),
    };
  }

  async createPartitions(request: CreatePartitionsRequest): Promise<CreatePartitionsResponse> {
    const names = namesOf(request.topics);
    const turn = await this.#changes.run(
      namespaceOfFirst(request.topics),
      async () => {
        const planner = this.#planner(request.validateOnly);
        const verdicts = new Map<string, Topic | Refusal>();
        for (const asked of request.topics) {
          const isTwice = names.get(asked.name)! > 1;
          verdicts.set(asked.name, isTwice ? NAMED_TWICE : planner.planPartitions(asked));
        }
        if (!request.validateOnly) {
          await this.#carryOut(verdicts, (topic) => this.#partitionsAdded(topic));
        }
        return verdicts;
      },
      request.timeoutMs,
    );
    const verdicts = this.#outcome(turn);
    return {
      throttleTimeMs: 0,
      results: [...names.keys()].map((name) => {
        const verdict = verdicts === undefined ? TIMED_OUT : verdicts.get(name)!;
        if (isRefusal(verdict)) return { name, ...verdict };
        return { name, errorCode: ErrorCode.NONE, errorMessage: null };
      }),
    };
  }

  /** Results stand in the request's order; the caller shuffles them where order would tell. */
  async deleteTopics(request: DeleteTopicsRequest): Promise<DeleteTopicsResponse> {
    const turn = await this.#changes.run(
      this.#namespaceOfDeletion(request),
      async () => {
        const plan = planDeletions(request, this.#state.topics);
        const topics = plan.topics.map(({ topic }) => topic);
        const isStored = await this.#store(
          topics.map(({ topicId }) => ({ type: 'topic-removed', topicId })),
        );
        if (!isStored) {
          for (const { resultIndex } of plan.topics) {
            Object.assign(plan.results[resultIndex]!, NOT_STORED);
          }
          return plan.results;
        }
        for (const topic of topics) await this.#folders.remove(topic, 0);
        return plan.results;
      },
      request.timeoutMs,
    );
    const responses = this.#outcome(turn);
    if (responses !== undefined) return { throttleTimeMs: 0, responses };
    const { results } = planDeletions(request, this.#state.topics);
    return { throttleTimeMs: 0, responses: results.map((r) => ({ ...r, ...TIMED_OUT })) };
  }

  /** Resolves when the changes that were begun have ended; the logs are their owners' to close. */
  async close(): Promise<void> {
    await this.#changes.idle();
  }

  #planner(isDryRun: boolean): CreationPlanner {
    const { nodeId } = this.#settings;
    return new CreationPlanner({
      image: this.#state.topics,
      settings: this.#settings,
      inheritedBy: (name) => this.#state.inheritedBy(name),
      isDryRun,
      newTopicId: () => randomUuid(this.#random),
      newLeaders: (count) => this.#state.leadersFor(new Array<number>(count).fill(nodeId)),
    });
  }

  /**
   * Makes the folders of the planned topics, then the records durable: all of them at once. A topic
   * whose folders or record cannot be stored becomes a refusal, and its new folders go again.
   */
  async #carryOut(
    verdicts: Map<string, Topic | Refusal>,
    toRecord: (topic: Topic) => ClusterRecord,
  ): Promise<void> {
    const made: Topic[] = [];
    for (const [name, topic] of verdicts) {
      if (isRefusal(topic)) continue;
      if (await this.#folders.tryMake(topic, this.#partitionCountNow(name))) made.push(topic);
      else verdicts.set(name, NOT_STORED);
    }
    if (await this.#store(made.map(toRecord))) return;
    for (const topic of made) {
      await this.#folders.remove(topic, this.#partitionCountNow(topic.name));
      verdicts.set(topic.name, NOT_STORED);
    }
  }

  #partitionCountNow(name: string): number {
    return this.#state.topics.byName(name)?.partitionCount ?? 0;
  }

  #partitionsAdded(topic: Topic): ClusterRecord {
    const added = topic.leaders.slice(this.#partitionCountNow(topic.name));
    const leaders = added.map(({ nodeId }) => nodeId);
    return { type: 'partitions-added', topicId: topic.topicId, leaders };
  }

  /** Makes the records durable, then applies them; false, with nothing applied, when it fails. */
  async #store(records: readonly ClusterRecord[]): Promise<boolean> {
    if (records.length === 0) return true;
    try {
      await this.#append(records);
      return true;
    } catch (err) {
      this.#logger.error({ err }, 'cluster metadata could not be stored');
      return false;
    }
  }

  async #append(records: readonly ClusterRecord[]): Promise<void> {
    await this.#log.append(records.map(toStateRecord));
    for (const record of records) this.#state.apply(record);
    if (this.#log.bytesSinceSnapshot < this.#settings.snapshotAfterBytes) return;
    try {
      await this.#log.snapshot(this.#state.snapshot());
    } catch (err) {
      // The records themselves are durable: the log is longer than it need be, no more.
      this.#logger.error({ err }, 'the snapshot of the cluster metadata failed');
    }
  }

  #namespaceOfDeletion({ topics, topicNames }: DeleteTopicsRequest): string {
    const [first] = topics;
    const byId = first === undefined ? undefined : this.#state.topics.byId(first.topicId);
    return namespaceOf(first?.name ?? topicNames[0] ?? byId?.name ?? '');
  }

  async #reserveProducerNumbers(namespace: string, next: number): Promise<void> {
    const turn = await this.#changes.run(ENGINE, () =>
      this.#append([{ type: 'producer-numbers', namespace, next }]),
    );
    if ('refused' in turn) throw new StorageError('too many changes of the metadata are waiting');
  }

  #outcome<T>(turn: Turn<T>): T | undefined {
    return 'refused' in turn ? undefined : turn.outcome;
  }
}

/** Whose request it is: all names in one are of one namespace. */
function namespaceOfFirst(topics: readonly { readonly name: string | null }[]): string {
  return namespaceOf(topics[0]?.name ?? '');
}

/** How often each name stands in a request, in the order of first mention. */
function namesOf(topics: readonly { readonly name: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function checkOwner(state: ClusterState, nodeId: number): void {
  for (const { leaders } of state.topics.all()) {
    const other = leaders.find((leader) => leader.nodeId !== nodeId);
    if (other === undefined) continue;
    throw new ConfigError(
      `The partitions in this data folder belong to node ${other.nodeId}, but this broker is ` +
        `configured as node ${nodeId}: set the node id back, or start on another data folder.`,
    );
  }
}

async function makeProducerIdKey(
  log: StateLog,
  random: Random,
  state: ClusterState,
): Promise<Buffer> {
  const key = random.bytes(PERMUTATION_KEY_BYTES);
  const keyBase64 = key.toString('base64');
  await log.append([toStateRecord({ type: 'producer-id-key', keyBase64 })]);
  state.apply({ type: 'producer-id-key', keyBase64 });
  return key;
}
