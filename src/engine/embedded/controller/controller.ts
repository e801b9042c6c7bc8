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
import { ChangeQueue, OWN } from '../../../base/change-queue.ts';
import type { Clock } from '../../../base/clock.ts';
import { ConfigError, StorageError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Random } from '../../../base/random.ts';
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
import type { ClientMetricsSubscription, StateLog } from '../../engine.ts';
import { ConfigAlterer } from './alter-configs.ts';
import { BrokerConfigs } from './broker-configs.ts';
import { type ClusterRecord, toStateRecord } from './cluster-records.ts';
import { ClusterState } from './cluster-state.ts';
import type { ConfigsImage } from './configs-image.ts';
import type { ControllerSettings } from './controller-settings.ts';
import { ConfigDescriber } from './describe-configs.ts';
import { TopicDescriber } from './describe-topics.ts';
import { PERMUTATION_KEY_BYTES } from './id-permutation.ts';
import { initProducerId } from './init-producer-id.ts';
import { PartitionFolders } from './partition-folders.ts';
import type { PartitionLogs } from './partition-logs.ts';
import { ProducerIdAllocator } from './producer-id-allocator.ts';
import { type ChangeCall, TopicChanges } from './topic-changes.ts';
import { checkTopicDefaults } from './topic-config.ts';
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

export class Controller {
  readonly #log: StateLog;
  readonly #logger: Logger;
  readonly #settings: ControllerSettings;
  readonly #state: ClusterState;
  readonly #changes: ChangeQueue;
  readonly #topicDescriber: TopicDescriber;
  readonly #configDescriber: ConfigDescriber;
  readonly #configAlterer: ConfigAlterer;
  readonly #topicChanges: TopicChanges;
  readonly #producerIdKey: Buffer;
  /** Of each namespace that asked: how many ids one was given another cannot see. */
  readonly #producerIds = new Map<string, ProducerIdAllocator>();

  private constructor(options: ControllerOptions, state: ClusterState, producerIdKey: Buffer) {
    const { log, logs, clock, random, logger, settings } = options;
    this.#log = log;
    this.#logger = logger;
    this.#settings = settings;
    this.#state = state;
    this.#changes = new ChangeQueue(clock, settings.limits.waitingChangesMax);
    this.#topicDescriber = new TopicDescriber(state.topics, logs);
    const brokers = new BrokerConfigs(settings);
    this.#configDescriber = new ConfigDescriber(state, brokers, settings.nodeId, clock);
    const changes = this.#changes;
    const store = (records: readonly ClusterRecord[]) => this.#store(records);
    const parts = { state, brokers, logs, changes, clock, settings, store };
    this.#configAlterer = new ConfigAlterer(parts);
    const folders = new PartitionFolders(logs, logger);
    this.#topicChanges = new TopicChanges({ state, folders, changes, random, settings, store });
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

  alterConfigs(request: AlterConfigsRequest, call: ChangeCall = {}): Promise<AlterConfigsResponse> {
    return this.#configAlterer.alter(request, call.isStillPermitted);
  }

  incrementalAlterConfigs(
    request: IncrementalAlterConfigsRequest,
    call: ChangeCall = {},
  ): Promise<IncrementalAlterConfigsResponse> {
    return this.#configAlterer.alterIncrementally(request, call.isStillPermitted);
  }

  /** The namespace's subscriptions to client metrics. */
  clientMetricsSubscriptions(namespace: string): readonly ClientMetricsSubscription[] {
    return this.#state.configs.clientMetrics.subscriptionsIn(namespace);
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

  createTopics(request: CreateTopicsRequest, call: ChangeCall = {}): Promise<CreateTopicsResponse> {
    return this.#topicChanges.createTopics(request, call);
  }

  createPartitions(
    request: CreatePartitionsRequest,
    call: ChangeCall = {},
  ): Promise<CreatePartitionsResponse> {
    return this.#topicChanges.createPartitions(request, call);
  }

  deleteTopics(request: DeleteTopicsRequest, call: ChangeCall = {}): Promise<DeleteTopicsResponse> {
    return this.#topicChanges.deleteTopics(request, call);
  }

  /** How many configs of brokers and groups the namespace has set. */
  configCountIn(namespace: string): number {
    return configRemovals(this.#state.configs, namespace).length;
  }

  /** Removes what the namespace has set for brokers and groups. Rejects with a StorageError. */
  async removeConfigsOf(namespace: string): Promise<void> {
    const turn = await this.#changes.run(OWN, async () => {
      const records = configRemovals(this.#state.configs, namespace);
      if (records.length > 0) await this.#append(records);
    });
    if ('refused' in turn) throw new StorageError('too many changes of the metadata are waiting');
  }

  /** Resolves when the changes that were begun have ended; the logs are their owners' to close. */
  async close(): Promise<void> {
    await this.#changes.idle();
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

  async #reserveProducerNumbers(namespace: string, next: number): Promise<void> {
    const turn = await this.#changes.run(OWN, () =>
      this.#append([{ type: 'producer-numbers', namespace, next }]),
    );
    if ('refused' in turn) throw new StorageError('too many changes of the metadata are waiting');
  }
}

function configRemovals(configs: ConfigsImage, namespace: string): ClusterRecord[] {
  const none = {};
  const records: ClusterRecord[] = configs
    .groupsIn(namespace)
    .map((group) => ({ type: 'group-configs', group, configs: none }));
  for (const brokerId of configs.brokersIn(namespace)) {
    records.push({ type: 'broker-configs', namespace, brokerId, configs: none });
  }
  return records;
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
