/**
 * The embedded engine: one machine's log behind the Engine interface. The controller has the
 * topics, the log manager the bytes; produce, fetch and offsets meet both through PartitionLookup. The
 * group coordinator stands beside them, with logs of its own.
 *
 *   <directory>/<topic>-<partition>/   Kafka's layout, one folder a partition
 *   <directory>/metadata/__<name>-0/   state logs: cluster_metadata and those of the broker
 *   <directory>/metadata/__consumer_offsets-<n>/   groups and their offsets
 */
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { StorageError } from '../../base/errors.ts';
import { type DiskSpace, type FileSystem, makeDirectoriesSync } from '../../base/file-system.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { ProduceRequest } from '../../protocol/schemas/00-produce.ts';
import type { FetchRequest } from '../../protocol/schemas/01-fetch.ts';
import type { ListOffsetsRequest } from '../../protocol/schemas/02-list-offsets.ts';
import type { MetadataRequest } from '../../protocol/schemas/03-metadata.ts';
import type { OffsetCommitRequest } from '../../protocol/schemas/08-offset-commit.ts';
import type { OffsetFetchRequest } from '../../protocol/schemas/09-offset-fetch.ts';
import type { JoinGroupRequest } from '../../protocol/schemas/11-join-group.ts';
import type { HeartbeatRequest } from '../../protocol/schemas/12-heartbeat.ts';
import type { LeaveGroupRequest } from '../../protocol/schemas/13-leave-group.ts';
import type { SyncGroupRequest } from '../../protocol/schemas/14-sync-group.ts';
import type { DescribeGroupsRequest } from '../../protocol/schemas/15-describe-groups.ts';
import type { ListGroupsRequest } from '../../protocol/schemas/16-list-groups.ts';
import type { CreateTopicsRequest } from '../../protocol/schemas/19-create-topics.ts';
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../protocol/schemas/20-delete-topics.ts';
import type { DeleteRecordsRequest } from '../../protocol/schemas/21-delete-records.ts';
import type { InitProducerIdRequest } from '../../protocol/schemas/22-init-producer-id.ts';
import type { OffsetForLeaderEpochRequest } from '../../protocol/schemas/23-offset-for-leader-epoch.ts';
import type { DescribeConfigsRequest } from '../../protocol/schemas/32-describe-configs.ts';
import type { AlterConfigsRequest } from '../../protocol/schemas/33-alter-configs.ts';
import type { AlterReplicaLogDirsRequest } from '../../protocol/schemas/34-alter-replica-log-dirs.ts';
import type { DescribeLogDirsRequest } from '../../protocol/schemas/35-describe-log-dirs.ts';
import type { CreatePartitionsRequest } from '../../protocol/schemas/37-create-partitions.ts';
import type { DeleteGroupsRequest } from '../../protocol/schemas/42-delete-groups.ts';
import type { ElectLeadersRequest } from '../../protocol/schemas/43-elect-leaders.ts';
import type { IncrementalAlterConfigsRequest } from '../../protocol/schemas/44-incremental-alter-configs.ts';
import type { AlterPartitionReassignmentsRequest } from '../../protocol/schemas/45-alter-partition-reassignments.ts';
import type { OffsetDeleteRequest } from '../../protocol/schemas/47-offset-delete.ts';
import type { DescribeQuorumRequest } from '../../protocol/schemas/55-describe-quorum.ts';
import type { DescribeProducersRequest } from '../../protocol/schemas/61-describe-producers.ts';
import type { ListConfigResourcesRequest } from '../../protocol/schemas/74-list-config-resources.ts';
import type { DescribeTopicPartitionsRequest } from '../../protocol/schemas/75-describe-topic-partitions.ts';
import type {
  BackupSource,
  DataCut,
  DataPart,
  Engine,
  EngineCall,
  EngineFeatures,
  NamespaceStore,
  StateLog,
  TopicIdentity,
} from '../engine.ts';
import { CLUSTER_METADATA_LOG } from './controller/cluster-records.ts';
import { Controller } from './controller/controller.ts';
import type { ControllerSettings } from './controller/controller-settings.ts';
import { dataPartsOf, dataSummaryOf } from './data-cuts.ts';
import { DeletingRecords } from './delete-records.ts';
import { describeProducers } from './describe-producers.ts';
import { describeQuorum, type MetadataQuorum } from './describe-quorum.ts';
import { type EngineFigures, engineFigures } from './engine-figures.ts';
import { Fetching } from './fetch.ts';
import { GroupCoordinator } from './group/group-coordinator.ts';
import { DEFAULT_GROUP_SETTINGS, type GroupSettings } from './group/group-settings.ts';
import type { LogDirectoryConfig } from './log/log-config.ts';
import { LogManager } from './log/log-manager.ts';
import { LogDirectories } from './log-directories.ts';
import { ManagedPartitionLogs } from './managed-partition-logs.ts';
import { contentsOf, deletionOf, type NamespaceParts, purgeNamespace } from './namespace-purge.ts';
import { Offsets } from './offsets.ts';
import { PartitionLookup } from './partition-lookup.ts';
import { type ProduceLimits, Producing } from './produce.ts';
import { ReplicaPlacement } from './replica-placement.ts';
import { type EmbeddedStateLog, openStateLog } from './state-log.ts';

const STATE_LOG_FOLDER = 'metadata';

export interface EmbeddedEngineOptions {
  /** The data folder, locked by the caller. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly controller: ControllerSettings;
  readonly log: Partial<LogDirectoryConfig>;
  readonly produce: ProduceLimits;
  /** What is left out has Kafka's default. */
  readonly groups?: Partial<GroupSettings>;
}

/** What an operator must know of the storage. */
export interface StorageHealth {
  /** Why nothing can be stored any more; null while all is well. */
  readonly failure: string | null;
  readonly offlinePartitions: readonly string[];
}

export class EmbeddedEngine implements Engine, NamespaceStore, BackupSource {
  readonly features: EngineFeatures = { name: 'embedded', acksAllIsDurable: true };
  readonly #options: EmbeddedEngineOptions;
  readonly #logs: LogManager;
  readonly #controller: Controller;
  readonly #producing: Producing;
  readonly #fetching: Fetching;
  readonly #offsets: Offsets;
  readonly #deletingRecords: DeletingRecords;
  readonly #groups: GroupCoordinator;
  readonly #lookup: PartitionLookup;
  readonly #logDirectories: LogDirectories;
  readonly #placement: ReplicaPlacement;
  readonly #quorum: MetadataQuorum;
  readonly #stateLogs: EmbeddedStateLog[];
  readonly #stateLogNames = new Set<string>([CLUSTER_METADATA_LOG]);
  /** State logs that went offline. */
  readonly #stateFailures: StorageError[];

  private constructor(
    options: EmbeddedEngineOptions,
    logs: LogManager,
    controller: Controller,
    groups: GroupCoordinator,
    state: { readonly clusterLog: EmbeddedStateLog; readonly failures: StorageError[] },
  ) {
    const lookup = new PartitionLookup(options.controller.nodeId, controller, logs);
    this.#options = options;
    this.#logs = logs;
    this.#controller = controller;
    this.#producing = new Producing(lookup, options.clock, options.produce);
    this.#fetching = new Fetching(lookup, options.clock);
    this.#offsets = new Offsets(lookup);
    this.#deletingRecords = new DeletingRecords(lookup, logs, options.clock);
    this.#groups = groups;
    this.#lookup = lookup;
    this.#logDirectories = new LogDirectories(logs, controller, options.logger);
    this.#placement = new ReplicaPlacement(controller, new ManagedPartitionLogs(logs));
    const { nodeId } = options.controller;
    this.#quorum = { nodeId, clock: options.clock, log: state.clusterLog };
    this.#stateLogs = [state.clusterLog];
    this.#stateFailures = state.failures;
  }

  /** Recovers the logs and the metadata. Rejects with ConfigError or StorageError. */
  static async open(options: EmbeddedEngineOptions): Promise<EmbeddedEngine> {
    const { directory, fileSystem, clock, random, logger } = options;
    const logs = await LogManager.open({
      fileSystem,
      clock,
      random,
      directory,
      config: options.log,
    });
    try {
      logs.onOffline((failure) =>
        logger.fatal({ err: failure }, 'the log directory is offline until the broker restarts'),
      );
      const failures: StorageError[] = [];
      // Whether its last change will be there after a restart is not known: topics whose fate is
      // open must not take records that a removal would take with them.
      const log = await openNamedStateLog(options, CLUSTER_METADATA_LOG, failures, (failure) =>
        logs.directory.fail(failure),
      );
      const partitions = new ManagedPartitionLogs(logs);
      const settings = options.controller;
      const parts = { log, logs: partitions, clock, random, logger, settings };
      const controller = await Controller.open(parts);
      const groups = await openGroups(options, controller);
      return new EmbeddedEngine(options, logs, controller, groups, { clusterLog: log, failures });
    } catch (error) {
      await logs.close().catch(() => undefined);
      throw error;
    }
  }

  get health(): StorageHealth {
    const failure = this.#logs.failure ?? this.#stateFailures[0];
    return {
      failure: failure?.message ?? null,
      offlinePartitions: [...this.#logs.offlinePartitions.keys(), ...this.#groups.offline],
    };
  }

  /** Of the file system of the data folder. */
  diskSpace(): Promise<DiskSpace> {
    return this.#options.fileSystem.space(this.#options.directory);
  }

  /** What there is, counted in turns: see engine-figures. */
  figures(): Generator<void, EngineFigures> {
    return engineFigures(this.#logs, this.#groups.all());
  }

  topicByName(name: string): TopicIdentity | undefined {
    return this.#controller.topicByName(name);
  }

  topicById(topicId: string): TopicIdentity | undefined {
    return this.#controller.topicById(topicId);
  }

  topicsIn(namespace: string): readonly TopicIdentity[] {
    return this.#controller.topicsIn(namespace);
  }

  produce(request: ProduceRequest, call: EngineCall) {
    return this.#producing.produce(request, call);
  }

  fetch(request: FetchRequest, call: EngineCall) {
    return this.#fetching.fetch(request, call);
  }

  listOffsets(request: ListOffsetsRequest, call: EngineCall) {
    return this.#offsets.list(request, call);
  }

  offsetForLeaderEpoch(request: OffsetForLeaderEpochRequest) {
    return this.#offsets.forLeaderEpoch(request);
  }

  initProducerId(namespace: string, request: InitProducerIdRequest) {
    return this.#controller.initProducerId(namespace, request);
  }

  metadata(request: MetadataRequest) {
    return this.#controller.metadata(request);
  }

  describeTopicPartitions(request: DescribeTopicPartitionsRequest) {
    return this.#controller.describeTopicPartitions(request);
  }

  createTopics(request: CreateTopicsRequest, call?: EngineCall) {
    return this.#controller.createTopics(request, call);
  }

  async deleteTopics(
    request: DeleteTopicsRequest,
    call?: EngineCall,
  ): Promise<DeleteTopicsResponse> {
    const answer = await this.#controller.deleteTopics(request, call);
    const deleted = answer.responses.flatMap(({ name, errorCode }) =>
      name !== null && errorCode === ErrorCode.NONE ? [name] : [],
    );
    // Their offsets are hidden already; that they leave the disk need not be waited for.
    if (deleted.length > 0) {
      this.#groups.topicsDeleted(deleted).catch((err: unknown) => {
        this.#options.logger.error({ err }, 'offsets of deleted topics could not be removed');
      });
    }
    return answer;
  }

  deleteRecords(request: DeleteRecordsRequest) {
    return this.#deletingRecords.delete(request);
  }

  createPartitions(request: CreatePartitionsRequest, call?: EngineCall) {
    return this.#controller.createPartitions(request, call);
  }

  describeConfigs(request: DescribeConfigsRequest) {
    return this.#controller.describeConfigs(request);
  }

  alterConfigs(request: AlterConfigsRequest, call?: EngineCall) {
    return this.#controller.alterConfigs(request, call);
  }

  incrementalAlterConfigs(request: IncrementalAlterConfigsRequest, call?: EngineCall) {
    return this.#controller.incrementalAlterConfigs(request, call);
  }

  clientMetricsSubscriptions(namespace: string) {
    return this.#controller.clientMetricsSubscriptions(namespace);
  }

  listConfigResources(namespace: string, request: ListConfigResourcesRequest, call: EngineCall) {
    return this.#controller.listConfigResources(namespace, request, call.apiVersion);
  }

  joinGroup(request: JoinGroupRequest, call: EngineCall) {
    return this.#groups.joinGroup(request, call);
  }

  syncGroup(request: SyncGroupRequest, call: EngineCall) {
    return this.#groups.syncGroup(request, call);
  }

  heartbeat(request: HeartbeatRequest) {
    return this.#groups.heartbeat(request);
  }

  leaveGroup(request: LeaveGroupRequest, call: EngineCall) {
    return this.#groups.leaveGroup(request, call);
  }

  offsetCommit(request: OffsetCommitRequest, call: EngineCall) {
    return this.#groups.offsetCommit(request, call);
  }

  offsetFetch(request: OffsetFetchRequest) {
    return this.#groups.offsetFetch(request);
  }

  offsetDelete(request: OffsetDeleteRequest) {
    return this.#groups.offsetDelete(request);
  }

  listGroups(namespace: string, request: ListGroupsRequest) {
    return this.#groups.listGroups(namespace, request);
  }

  describeGroups(request: DescribeGroupsRequest, call: EngineCall) {
    return this.#groups.describeGroups(request, call);
  }

  deleteGroups(request: DeleteGroupsRequest) {
    return this.#groups.deleteGroups(request);
  }

  describeLogDirs(namespace: string, request: DescribeLogDirsRequest) {
    return this.#logDirectories.describe(namespace, request);
  }

  alterReplicaLogDirs(request: AlterReplicaLogDirsRequest) {
    return this.#logDirectories.alterReplicas(request);
  }

  electLeaders(namespace: string, request: ElectLeadersRequest) {
    return this.#placement.electLeaders(namespace, request);
  }

  alterPartitionReassignments(request: AlterPartitionReassignmentsRequest) {
    return this.#placement.alterReassignments(request);
  }

  describeQuorum(request: DescribeQuorumRequest, call: EngineCall) {
    return describeQuorum(this.#quorum, request, call.apiVersion);
  }

  describeProducers(request: DescribeProducersRequest) {
    return describeProducers(this.#lookup, request);
  }

  namespaceContents(namespace: string) {
    return contentsOf(this.#namespaceParts, namespace);
  }

  purgeNamespace(namespace: string) {
    return purgeNamespace(this.#namespaceParts, namespace);
  }

  dataParts() {
    const parts = { logs: this.#logs, groups: this.#groups, stateLogs: this.#stateLogs };
    return dataPartsOf(parts, this.#options.directory);
  }

  dataSummary(cuts: ReadonlyMap<DataPart, DataCut>) {
    return dataSummaryOf(cuts);
  }

  get #namespaceParts(): NamespaceParts {
    const deleteTopics = (names: readonly string[]) => this.deleteTopics(deletionOf(names));
    return { controller: this.#controller, groups: this.#groups, logs: this.#logs, deleteTopics };
  }

  async openStateLog(name: string): Promise<StateLog & { readonly endOffset: number }> {
    if (this.#stateLogNames.has(name)) throw new Error(`state log ${name} is open already`);
    this.#stateLogNames.add(name);
    const log = await openNamedStateLog(this.#options, name, this.#stateFailures);
    this.#stateLogs.push(log);
    return log;
  }

  async close(): Promise<void> {
    await this.#controller.close();
    await this.#groups.close();
    for (const log of this.#stateLogs) await log.close();
    await this.#logs.close();
  }
}

function openGroups(
  options: EmbeddedEngineOptions,
  controller: Controller,
): Promise<GroupCoordinator> {
  const { fileSystem, directory, clock, random, logger, groups } = options;
  return GroupCoordinator.open({
    files: fileSystem,
    directory: join(directory, STATE_LOG_FOLDER),
    clock,
    random,
    logger,
    settings: { ...DEFAULT_GROUP_SETTINGS, ...groups },
    topicByName: (name) => controller.topicByName(name),
  });
}

async function openNamedStateLog(
  { directory, fileSystem, clock, logger }: EmbeddedEngineOptions,
  name: string,
  failures: StorageError[],
  onOffline?: (failure: StorageError) => void,
): Promise<EmbeddedStateLog> {
  const folder = join(directory, STATE_LOG_FOLDER);
  makeDirectoriesSync(fileSystem, folder);
  return openStateLog({
    files: fileSystem,
    clock,
    directory: folder,
    name,
    onOffline: (failure) => {
      logger.fatal({ err: failure, log: name }, 'a state log is offline until the broker restarts');
      failures.push(failure);
      onOffline?.(failure);
    },
  });
}
