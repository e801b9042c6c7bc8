/**
 * One tenant's view of an engine: an Engine that takes and gives visible names, around one that
 * knows physical names `<tenant>.<name>`.
 *
 * Invariants: every topic name and group id of a request is prefixed and every one of a response
 * must bear the tenant's prefix, or the whole answer is refused (a foreign name never leaks by omission); topic
 * ids of other tenants look unknown. Fields are found by their entityType in the message tables, so
 * a new name field is covered when it is declared; the rest is classified in wire-fields.ts.
 * Requests and responses are renamed in place: they belong to this call alone.
 */
import { StorageError } from '../base/errors.ts';
import type { Engine, EngineCall, StateLog, TopicIdentity } from '../engine/engine.ts';
import type { Message } from '../protocol/schema.ts';
import * as produce from '../protocol/schemas/00-produce.ts';
import * as fetch from '../protocol/schemas/01-fetch.ts';
import * as listOffsets from '../protocol/schemas/02-list-offsets.ts';
import * as metadata from '../protocol/schemas/03-metadata.ts';
import * as offsetCommit from '../protocol/schemas/08-offset-commit.ts';
import * as offsetFetch from '../protocol/schemas/09-offset-fetch.ts';
import * as joinGroup from '../protocol/schemas/11-join-group.ts';
import * as heartbeat from '../protocol/schemas/12-heartbeat.ts';
import * as leaveGroup from '../protocol/schemas/13-leave-group.ts';
import * as syncGroup from '../protocol/schemas/14-sync-group.ts';
import * as describeGroups from '../protocol/schemas/15-describe-groups.ts';
import * as listGroups from '../protocol/schemas/16-list-groups.ts';
import * as createTopics from '../protocol/schemas/19-create-topics.ts';
import * as deleteTopics from '../protocol/schemas/20-delete-topics.ts';
import * as deleteRecords from '../protocol/schemas/21-delete-records.ts';
import type * as initProducerId from '../protocol/schemas/22-init-producer-id.ts';
import * as offsetForLeaderEpoch from '../protocol/schemas/23-offset-for-leader-epoch.ts';
import type * as describeConfigs from '../protocol/schemas/32-describe-configs.ts';
import type * as alterConfigs from '../protocol/schemas/33-alter-configs.ts';
import * as alterReplicaLogDirs from '../protocol/schemas/34-alter-replica-log-dirs.ts';
import * as describeLogDirs from '../protocol/schemas/35-describe-log-dirs.ts';
import * as createPartitions from '../protocol/schemas/37-create-partitions.ts';
import * as deleteGroups from '../protocol/schemas/42-delete-groups.ts';
import * as electLeaders from '../protocol/schemas/43-elect-leaders.ts';
import type * as incrementalAlterConfigs from '../protocol/schemas/44-incremental-alter-configs.ts';
import * as alterPartitionReassignments from '../protocol/schemas/45-alter-partition-reassignments.ts';
import * as offsetDelete from '../protocol/schemas/47-offset-delete.ts';
import type * as describeQuorum from '../protocol/schemas/55-describe-quorum.ts';
import * as describeProducers from '../protocol/schemas/61-describe-producers.ts';
import type * as listConfigResources from '../protocol/schemas/74-list-config-resources.ts';
import * as describeTopicPartitions from '../protocol/schemas/75-describe-topic-partitions.ts';
import { compileRenamer, type NameType, type Renamer } from '../protocol/walk-fields.ts';
import { hideLogDirectories, hideQuorumOffsets, toActualDirectories } from './virtual-cluster.ts';

/** Visible topic names: what remains of Kafka's 249 with a prefix of 63 characters, a dot and room. */
export const VISIBLE_TOPIC_NAME_CHARS_MAX = 184;

/** Names remembered in each direction; past it the memory starts afresh. */
const REMEMBERED_NAMES_MAX = 65_536;
const REMEMBERED_NAME_CHARS_MAX = 255;

/** The names that are renamed wherever a message table marks them. */
const RENAMED: readonly NameType[] = ['topicName', 'groupId'];

const renamers = new Map<Message, Renamer>();

/** Renames all topics and groups of a message. */
function renamerOf(message: Message): Renamer {
  let renamer = renamers.get(message);
  if (renamer === undefined) {
    const [topics, groups] = RENAMED.map((type) => compileRenamer(message, type));
    renamer = (value, rename) => {
      topics!(value, rename);
      groups!(value, rename);
    };
    renamers.set(message, renamer);
  }
  return renamer;
}

interface ConfigResourceName {
  resourceName: string;
  errorMessage?: string | null;
}

function settled<T>(answer: T | Promise<T>, finish: (response: T) => T): T | Promise<T> {
  return answer instanceof Promise ? answer.then(finish) : finish(answer);
}

export class TenantNamespace implements Engine {
  readonly #engine: Engine;
  readonly #prefix: string;
  readonly #tenant: string;
  readonly #physical = new Map<string, string>();
  readonly #toPhysical = (name: string): string => this.#physicalName(name);
  readonly #toVisible = (name: string): string => this.#visibleName(name);

  constructor(engine: Engine, tenant: string) {
    this.#engine = engine;
    this.#tenant = tenant;
    this.#prefix = `${tenant}.`;
  }

  get features(): Engine['features'] {
    return this.#engine.features;
  }

  topicByName(name: string): TopicIdentity | undefined {
    return this.#visibleTopic(this.#engine.topicByName(this.#physicalName(name)));
  }

  topicById(topicId: string): TopicIdentity | undefined {
    const topic = this.#engine.topicById(topicId);
    return topic?.name.startsWith(this.#prefix) ? this.#visibleTopic(topic) : undefined;
  }

  topicsIn(): readonly TopicIdentity[] {
    return this.#engine.topicsIn(this.#tenant).map((topic) => this.#visibleTopic(topic)!);
  }

  produce(request: produce.ProduceRequest, call: EngineCall) {
    this.#inward(produce.produceRequest, request);
    return this.#outward(produce.produceResponse, this.#engine.produce(request, call), (answer) => {
      for (const topic of answer.responses) {
        for (const partition of topic.partitionResponses) {
          partition.errorMessage = this.#text(partition.errorMessage);
          for (const record of partition.recordErrors) {
            record.batchIndexErrorMessage = this.#text(record.batchIndexErrorMessage);
          }
        }
      }
    });
  }

  fetch(request: fetch.FetchRequest, call: EngineCall) {
    this.#inward(fetch.fetchRequest, request);
    return this.#outward(fetch.fetchResponse, this.#engine.fetch(request, call));
  }

  listOffsets(request: listOffsets.ListOffsetsRequest, call: EngineCall) {
    this.#inward(listOffsets.listOffsetsRequest, request);
    return this.#outward(listOffsets.listOffsetsResponse, this.#engine.listOffsets(request, call));
  }

  offsetForLeaderEpoch(
    request: offsetForLeaderEpoch.OffsetForLeaderEpochRequest,
    call: EngineCall,
  ) {
    this.#inward(offsetForLeaderEpoch.offsetForLeaderEpochRequest, request);
    return this.#outward(
      offsetForLeaderEpoch.offsetForLeaderEpochResponse,
      this.#engine.offsetForLeaderEpoch(request, call),
    );
  }

  initProducerId(
    _namespace: string,
    request: initProducerId.InitProducerIdRequest,
    call: EngineCall,
  ) {
    if (request.transactionalId !== null) {
      request.transactionalId = this.#prefix + request.transactionalId;
    }
    return this.#engine.initProducerId(this.#tenant, request, call);
  }

  metadata(request: metadata.MetadataRequest, call: EngineCall) {
    this.#inward(metadata.metadataRequest, request);
    return this.#outward(metadata.metadataResponse, this.#engine.metadata(request, call));
  }

  describeTopicPartitions(
    request: describeTopicPartitions.DescribeTopicPartitionsRequest,
    call: EngineCall,
  ) {
    this.#inward(describeTopicPartitions.describeTopicPartitionsRequest, request);
    return this.#outward(
      describeTopicPartitions.describeTopicPartitionsResponse,
      this.#engine.describeTopicPartitions(request, call),
    );
  }

  createTopics(request: createTopics.CreateTopicsRequest, call: EngineCall) {
    this.#inward(createTopics.createTopicsRequest, request);
    const answer = this.#engine.createTopics(request, call);
    return this.#outward(createTopics.createTopicsResponse, answer, ({ topics }) => {
      for (const topic of topics) topic.errorMessage = this.#text(topic.errorMessage);
    });
  }

  deleteTopics(request: deleteTopics.DeleteTopicsRequest, call: EngineCall) {
    this.#inward(deleteTopics.deleteTopicsRequest, request);
    const answer = this.#engine.deleteTopics(request, call);
    return this.#outward(deleteTopics.deleteTopicsResponse, answer, ({ responses }) => {
      for (const topic of responses) topic.errorMessage = this.#text(topic.errorMessage);
    });
  }

  deleteRecords(request: deleteRecords.DeleteRecordsRequest, call: EngineCall) {
    this.#inward(deleteRecords.deleteRecordsRequest, request);
    const answer = this.#engine.deleteRecords(request, call);
    return this.#outward(deleteRecords.deleteRecordsResponse, answer);
  }

  createPartitions(request: createPartitions.CreatePartitionsRequest, call: EngineCall) {
    this.#inward(createPartitions.createPartitionsRequest, request);
    const answer = this.#engine.createPartitions(request, call);
    return this.#outward(createPartitions.createPartitionsResponse, answer, ({ results }) => {
      for (const topic of results) topic.errorMessage = this.#text(topic.errorMessage);
    });
  }

  describeConfigs(request: describeConfigs.DescribeConfigsRequest, call: EngineCall) {
    this.#resourcesInward(request.resources);
    const answer = this.#engine.describeConfigs(request, call);
    return settled(answer, (response) => this.#resourcesOutward(response, response.results));
  }

  alterConfigs(request: alterConfigs.AlterConfigsRequest, call: EngineCall) {
    this.#resourcesInward(request.resources);
    const answer = this.#engine.alterConfigs(request, call);
    return settled(answer, (response) => this.#resourcesOutward(response, response.responses));
  }

  incrementalAlterConfigs(
    request: incrementalAlterConfigs.IncrementalAlterConfigsRequest,
    call: EngineCall,
  ) {
    this.#resourcesInward(request.resources);
    const answer = this.#engine.incrementalAlterConfigs(request, call);
    return settled(answer, (response) => this.#resourcesOutward(response, response.responses));
  }

  clientMetricsSubscriptions() {
    return this.#engine.clientMetricsSubscriptions(this.#tenant);
  }

  listConfigResources(
    _namespace: string,
    request: listConfigResources.ListConfigResourcesRequest,
    call: EngineCall,
  ) {
    const answer = this.#engine.listConfigResources(this.#tenant, request, call);
    return settled(answer, (response) => {
      return this.#resourcesOutward(response, response.configResources);
    });
  }

  joinGroup(request: joinGroup.JoinGroupRequest, call: EngineCall) {
    this.#inward(joinGroup.joinGroupRequest, request);
    return this.#engine.joinGroup(request, call);
  }

  syncGroup(request: syncGroup.SyncGroupRequest, call: EngineCall) {
    this.#inward(syncGroup.syncGroupRequest, request);
    return this.#engine.syncGroup(request, call);
  }

  heartbeat(request: heartbeat.HeartbeatRequest, call: EngineCall) {
    this.#inward(heartbeat.heartbeatRequest, request);
    return this.#engine.heartbeat(request, call);
  }

  leaveGroup(request: leaveGroup.LeaveGroupRequest, call: EngineCall) {
    this.#inward(leaveGroup.leaveGroupRequest, request);
    return this.#engine.leaveGroup(request, call);
  }

  offsetCommit(request: offsetCommit.OffsetCommitRequest, call: EngineCall) {
    this.#inward(offsetCommit.offsetCommitRequest, request);
    const answer = this.#engine.offsetCommit(request, call);
    return this.#outward(offsetCommit.offsetCommitResponse, answer);
  }

  offsetFetch(request: offsetFetch.OffsetFetchRequest, call: EngineCall) {
    this.#inward(offsetFetch.offsetFetchRequest, request);
    const answer = this.#engine.offsetFetch(request, call);
    return this.#outward(offsetFetch.offsetFetchResponse, answer);
  }

  offsetDelete(request: offsetDelete.OffsetDeleteRequest, call: EngineCall) {
    this.#inward(offsetDelete.offsetDeleteRequest, request);
    const answer = this.#engine.offsetDelete(request, call);
    return this.#outward(offsetDelete.offsetDeleteResponse, answer);
  }

  listGroups(_namespace: string, request: listGroups.ListGroupsRequest, call: EngineCall) {
    const answer = this.#engine.listGroups(this.#tenant, request, call);
    return this.#outward(listGroups.listGroupsResponse, answer);
  }

  describeGroups(request: describeGroups.DescribeGroupsRequest, call: EngineCall) {
    this.#inward(describeGroups.describeGroupsRequest, request);
    const answer = this.#engine.describeGroups(request, call);
    return this.#outward(describeGroups.describeGroupsResponse, answer, ({ groups }) => {
      for (const group of groups) group.errorMessage = this.#text(group.errorMessage);
    });
  }

  deleteGroups(request: deleteGroups.DeleteGroupsRequest, call: EngineCall) {
    this.#inward(deleteGroups.deleteGroupsRequest, request);
    const answer = this.#engine.deleteGroups(request, call);
    return this.#outward(deleteGroups.deleteGroupsResponse, answer);
  }

  describeLogDirs(
    _namespace: string,
    request: describeLogDirs.DescribeLogDirsRequest,
    call: EngineCall,
  ) {
    this.#inward(describeLogDirs.describeLogDirsRequest, request);
    const answer = this.#engine.describeLogDirs(this.#tenant, request, call);
    return this.#outward(describeLogDirs.describeLogDirsResponse, answer, hideLogDirectories);
  }

  async alterReplicaLogDirs(
    request: alterReplicaLogDirs.AlterReplicaLogDirsRequest,
    call: EngineCall,
  ) {
    this.#inward(alterReplicaLogDirs.alterReplicaLogDirsRequest, request);
    const directories = await this.#engine.describeLogDirs(this.#tenant, { topics: [] }, call);
    toActualDirectories(request, directories);
    const answer = await this.#engine.alterReplicaLogDirs(request, call);
    return this.#outward(alterReplicaLogDirs.alterReplicaLogDirsResponse, answer);
  }

  electLeaders(_namespace: string, request: electLeaders.ElectLeadersRequest, call: EngineCall) {
    this.#inward(electLeaders.electLeadersRequest, request);
    const answer = this.#engine.electLeaders(this.#tenant, request, call);
    return this.#outward(electLeaders.electLeadersResponse, answer);
  }

  alterPartitionReassignments(
    request: alterPartitionReassignments.AlterPartitionReassignmentsRequest,
    call: EngineCall,
  ) {
    this.#inward(alterPartitionReassignments.alterPartitionReassignmentsRequest, request);
    const answer = this.#engine.alterPartitionReassignments(request, call);
    return this.#outward(alterPartitionReassignments.alterPartitionReassignmentsResponse, answer);
  }

  /** Its one topic is the engine's own: names stay as they are. */
  async describeQuorum(request: describeQuorum.DescribeQuorumRequest, call: EngineCall) {
    const answer = await this.#engine.describeQuorum(request, call);
    hideQuorumOffsets(answer);
    return answer;
  }

  describeProducers(request: describeProducers.DescribeProducersRequest, call: EngineCall) {
    this.#inward(describeProducers.describeProducersRequest, request);
    const answer = this.#engine.describeProducers(request, call);
    return this.#outward(describeProducers.describeProducersResponse, answer);
  }

  /** State logs are the broker's own; no tenant has any. */
  openStateLog(): Promise<StateLog> {
    return Promise.reject(new StorageError('a tenant has no state logs'));
  }

  /** The engine outlives every view of it. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Topics, groups and brokers alike: the brokers of a tenant are `<tenant>.` and `<tenant>.1`. */
  #resourcesInward(resources: readonly ConfigResourceName[]): void {
    for (const resource of resources) {
      resource.resourceName = this.#physicalName(resource.resourceName);
    }
  }

  #resourcesOutward<T>(response: T, resources: readonly ConfigResourceName[]): T {
    for (const resource of resources) {
      resource.resourceName = this.#visibleName(resource.resourceName);
      if (resource.errorMessage !== undefined) {
        resource.errorMessage = this.#text(resource.errorMessage);
      }
    }
    return response;
  }

  #inward(message: Message, request: object): void {
    renamerOf(message)(request, this.#toPhysical);
  }

  #outward<T extends object>(
    message: Message,
    answer: T | Promise<T>,
    also?: (response: T) => void,
  ): T | Promise<T> {
    return settled(answer, (response) => {
      renamerOf(message)(response, this.#toVisible);
      also?.(response);
      return response;
    });
  }

  #physicalName(name: string): string {
    let physical = this.#physical.get(name);
    if (physical === undefined) {
      physical = this.#prefix + name;
      // No topic and no group has so long a name: it is not worth the memory.
      if (name.length > REMEMBERED_NAME_CHARS_MAX) return physical;
      if (this.#physical.size >= REMEMBERED_NAMES_MAX) this.#physical.clear();
      this.#physical.set(name, physical);
    }
    return physical;
  }

  /** '' stands for "no name" (asked by id, or denied) and has nothing to hide. */
  #visibleName(name: string): string {
    if (name === '') return name;
    if (!name.startsWith(this.#prefix)) {
      throw new StorageError(`a foreign name was about to reach tenant ${this.#tenant}`);
    }
    return name.slice(this.#prefix.length);
  }

  #visibleTopic(topic: TopicIdentity | undefined): TopicIdentity | undefined {
    if (topic === undefined) return undefined;
    return { ...topic, name: this.#visibleName(topic.name) };
  }

  /** The engine quotes names as it was given them: quoted physical names become visible ones. */
  #text(message: string | null): string | null {
    return message === null ? null : message.replaceAll(`'${this.#prefix}`, `'`);
  }
}
