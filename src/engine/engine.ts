/**
 * The Engine interface: what stores, orders and serves records. Interfaces only.
 *
 * Authorised request data in, response data out, errors inside the response. An engine never sees
 * a principal: authority is settled before the call. Names here are physical (`<tenant>.<name>`);
 * tenancy/tenant-namespace.ts is the decorator that translates them for one tenant. The part of a
 * physical name before the first dot is its namespace; tenant names hold no dot, so a namespace is
 * a tenant's, and names that begin with `__` are the engine's own.
 */

import type { ProduceRequest, ProduceResponse } from '../protocol/schemas/00-produce.ts';
import type { FetchRequest, FetchResponse } from '../protocol/schemas/01-fetch.ts';
import type {
  ListOffsetsRequest,
  ListOffsetsResponse,
} from '../protocol/schemas/02-list-offsets.ts';
import type { MetadataRequest, MetadataResponse } from '../protocol/schemas/03-metadata.ts';
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from '../protocol/schemas/08-offset-commit.ts';
import type {
  OffsetFetchRequest,
  OffsetFetchResponse,
} from '../protocol/schemas/09-offset-fetch.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../protocol/schemas/11-join-group.ts';
import type { HeartbeatRequest, HeartbeatResponse } from '../protocol/schemas/12-heartbeat.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../protocol/schemas/13-leave-group.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../protocol/schemas/14-sync-group.ts';
import type {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../protocol/schemas/15-describe-groups.ts';
import type { ListGroupsRequest, ListGroupsResponse } from '../protocol/schemas/16-list-groups.ts';
import type {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../protocol/schemas/19-create-topics.ts';
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../protocol/schemas/20-delete-topics.ts';
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../protocol/schemas/21-delete-records.ts';
import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../protocol/schemas/22-init-producer-id.ts';
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../protocol/schemas/23-offset-for-leader-epoch.ts';
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../protocol/schemas/32-describe-configs.ts';
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from '../protocol/schemas/33-alter-configs.ts';
import type {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../protocol/schemas/34-alter-replica-log-dirs.ts';
import type {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../protocol/schemas/35-describe-log-dirs.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../protocol/schemas/37-create-partitions.ts';
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from '../protocol/schemas/42-delete-groups.ts';
import type {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../protocol/schemas/43-elect-leaders.ts';
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../protocol/schemas/44-incremental-alter-configs.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../protocol/schemas/45-alter-partition-reassignments.ts';
import type {
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from '../protocol/schemas/47-offset-delete.ts';
import type {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
} from '../protocol/schemas/55-describe-quorum.ts';
import type {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../protocol/schemas/61-describe-producers.ts';
import type {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../protocol/schemas/74-list-config-resources.ts';
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../protocol/schemas/75-describe-topic-partitions.ts';

/** What the engine can and cannot promise, as data: handlers and docs read it, nobody asks "which". */
export interface EngineFeatures {
  readonly name: 'embedded' | 'forwarding';
  /** acks=all means "on stable storage" (fsync), not only "replicated". */
  readonly acksAllIsDurable: boolean;
}

/** What an engine may know of a call beside the request itself. */
export interface EngineCall {
  /** The request's API version: some answers differ by it. */
  readonly apiVersion: number;
  /** Aborted when the client is gone: a parked call ends early and its answer is dropped. */
  readonly signal: AbortSignal | null;
  /** Who asks, for the members of groups; shown to their own tenant only. */
  readonly clientId?: string;
  /** `/` and the address, as Kafka shows it. */
  readonly clientHost?: string;
  /** Produce only: called once every batch has its place in the log, durable or not yet. */
  readonly ordered?: () => void;
  /**
   * Asked when the turn of a change has come: false once who asked may not make it any more, and
   * nothing is changed then. Absent where nobody's right can go.
   */
  readonly isStillPermitted?: () => boolean | Promise<boolean>;
  /** Told of every record batch that a Produce appends; one that was there already is none. */
  readonly appended?: (sizeBytes: number, recordCount: number) => void;
  /** Told of work that was done for the call after it had waited, in milliseconds. */
  readonly worked?: (ms: number) => void;
  /** Told of a limit of the tenant that refused something of the call. */
  readonly onLimit?: (key: string, limit: number) => void;
}

/** A topic as the engine's metadata knows it. */
export interface TopicIdentity {
  readonly name: string;
  /** Kafka text form, 22 characters. */
  readonly topicId: string;
  readonly partitionCount: number;
}

type Answer<T> = T | Promise<T>;

/** What clients are asked to push (KIP-714). */
export interface ClientMetricsSubscription {
  /** Prefixes of names; `*`: all. */
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  /** All of them must match; none: every client does. `attribute` as Kafka names it: `client_id`. */
  readonly match: readonly { readonly attribute: string; readonly pattern: string }[];
}

export interface Engine {
  readonly features: EngineFeatures;

  /** Looks a topic up by name or id without waiting; undefined when there is none. */
  topicByName(name: string): TopicIdentity | undefined;
  topicById(topicId: string): TopicIdentity | undefined;
  /** All topics of a namespace, sorted by name. */
  topicsIn(namespace: string): readonly TopicIdentity[];

  /** acks, durability and duplicates as PROTOCOL-NOTES 5-6; answers once `acks` is satisfied. */
  produce(request: ProduceRequest, call: EngineCall): Answer<ProduceResponse>;
  /** Sessionless: every partition of the request is in the answer. Parks up to maxWaitMs. */
  fetch(request: FetchRequest, call: EngineCall): Answer<FetchResponse>;
  listOffsets(request: ListOffsetsRequest, call: EngineCall): Answer<ListOffsetsResponse>;
  offsetForLeaderEpoch(
    request: OffsetForLeaderEpochRequest,
    call: EngineCall,
  ): Answer<OffsetForLeaderEpochResponse>;
  /** Ids are unique within the namespace. */
  initProducerId(
    namespace: string,
    request: InitProducerIdRequest,
    call: EngineCall,
  ): Answer<InitProducerIdResponse>;

  /**
   * Topics and partitions; `topics` is never null here (the caller lists what it may see).
   * Brokers, cluster id and controller are filled in by the server, which knows the listeners.
   */
  metadata(request: MetadataRequest, call: EngineCall): Answer<MetadataResponse>;
  /** As metadata: the request names every topic; cursor and limit are applied here. */
  describeTopicPartitions(
    request: DescribeTopicPartitionsRequest,
    call: EngineCall,
  ): Answer<DescribeTopicPartitionsResponse>;

  createTopics(request: CreateTopicsRequest, call: EngineCall): Answer<CreateTopicsResponse>;
  deleteTopics(request: DeleteTopicsRequest, call: EngineCall): Answer<DeleteTopicsResponse>;
  /** Answered when the new beginnings are durable. */
  deleteRecords(request: DeleteRecordsRequest, call: EngineCall): Answer<DeleteRecordsResponse>;
  createPartitions(
    request: CreatePartitionsRequest,
    call: EngineCall,
  ): Answer<CreatePartitionsResponse>;
  /**
   * Configs of topics, groups and brokers. A broker's resource is named `<namespace>.<node id>`, or
   * `<namespace>.` for all brokers: what is set there are the defaults of that namespace's topics.
   */
  describeConfigs(
    request: DescribeConfigsRequest,
    call: EngineCall,
  ): Answer<DescribeConfigsResponse>;
  alterConfigs(request: AlterConfigsRequest, call: EngineCall): Answer<AlterConfigsResponse>;
  incrementalAlterConfigs(
    request: IncrementalAlterConfigsRequest,
    call: EngineCall,
  ): Answer<IncrementalAlterConfigsResponse>;
  /** The namespace's subscriptions to client metrics; the same object until one changes. */
  clientMetricsSubscriptions(namespace: string): readonly ClientMetricsSubscription[];
  /** The resources of a namespace that have configs or can have them. */
  listConfigResources(
    namespace: string,
    request: ListConfigResourcesRequest,
    call: EngineCall,
  ): Answer<ListConfigResourcesResponse>;

  /** Classic groups. Parks until the group has joined, or the call's connection has gone. */
  joinGroup(request: JoinGroupRequest, call: EngineCall): Answer<JoinGroupResponse>;
  /** Parks until the leader's assignment is durable, or the call's connection has gone. */
  syncGroup(request: SyncGroupRequest, call: EngineCall): Answer<SyncGroupResponse>;
  heartbeat(request: HeartbeatRequest, call: EngineCall): Answer<HeartbeatResponse>;
  leaveGroup(request: LeaveGroupRequest, call: EngineCall): Answer<LeaveGroupResponse>;
  /** Topics by name; an id beside the name must be that topic's. Durable when it is answered. */
  offsetCommit(request: OffsetCommitRequest, call: EngineCall): Answer<OffsetCommitResponse>;
  /** In the form of version 8: `groups`, topics by name, null for all topics. */
  offsetFetch(request: OffsetFetchRequest, call: EngineCall): Answer<OffsetFetchResponse>;
  offsetDelete(request: OffsetDeleteRequest, call: EngineCall): Answer<OffsetDeleteResponse>;
  /** All groups of a namespace. */
  listGroups(
    namespace: string,
    request: ListGroupsRequest,
    call: EngineCall,
  ): Answer<ListGroupsResponse>;
  describeGroups(request: DescribeGroupsRequest, call: EngineCall): Answer<DescribeGroupsResponse>;
  deleteGroups(request: DeleteGroupsRequest, call: EngineCall): Answer<DeleteGroupsResponse>;

  /** `topics` null for all of the namespace. */
  describeLogDirs(
    namespace: string,
    request: DescribeLogDirsRequest,
    call: EngineCall,
  ): Answer<DescribeLogDirsResponse>;
  alterReplicaLogDirs(
    request: AlterReplicaLogDirsRequest,
    call: EngineCall,
  ): Answer<AlterReplicaLogDirsResponse>;
  /** `topicPartitions` null for all of the namespace. */
  electLeaders(
    namespace: string,
    request: ElectLeadersRequest,
    call: EngineCall,
  ): Answer<ElectLeadersResponse>;
  alterPartitionReassignments(
    request: AlterPartitionReassignmentsRequest,
    call: EngineCall,
  ): Answer<AlterPartitionReassignmentsResponse>;
  describeQuorum(request: DescribeQuorumRequest, call: EngineCall): Answer<DescribeQuorumResponse>;
  describeProducers(
    request: DescribeProducersRequest,
    call: EngineCall,
  ): Answer<DescribeProducersResponse>;

  /**
   * A small durable log of events for state that must survive restarts (tenants, rules). One
   * fenced writer. Damage inside it stops the start: truncating there would erase denials.
   */
  openStateLog(name: string): Promise<StateLog>;

  /** Syncs and closes everything; calls after it fail with KAFKA_STORAGE_ERROR. */
  close(): Promise<void>;
}

/** What is stored under one namespace. */
export interface NamespaceContents {
  readonly topics: number;
  readonly partitions: number;
  /** Of the partitions' logs. */
  readonly bytes: number;
  readonly groups: number;
  /** Of brokers and groups. */
  readonly configs: number;
}

/** Removal of all that a tenant ever stored; for the broker itself, never for a tenant's view. */
export interface NamespaceStore {
  namespaceContents(namespace: string): NamespaceContents;
  /**
   * Removes topics, groups with their members, offsets and configs; answers what there was. It
   * resolves when the files of the partitions are unlinked, and rejects with a StorageError when
   * something stays. Nobody of the namespace is connected.
   */
  purgeNamespace(namespace: string): Promise<NamespaceContents>;
}

/** A file for a backup, `name` relative to the data folder: bytes, or the beginning of a file. */
export type CutFile =
  | { readonly name: string; readonly bytes: Buffer }
  | {
      readonly name: string;
      readonly path: string;
      /** So much of it never changes while the file is there. */
      readonly sizeBytes: number;
      /** Nothing is ever appended to it. */
      readonly isFinal: boolean;
    };

/** What a part of the data was at one moment, durable and consistent in itself. */
export interface DataCut {
  readonly files: readonly CutFile[];
  readonly facts: Readonly<Record<string, string | number>>;
}

export interface DataPart {
  readonly name: string;
  readonly kind: 'groups' | 'partition' | 'state';
  /** What it is now; null when it is no more. Throws a StorageError when it cannot be trusted. */
  cut(): DataCut | null;
}

/** What a backup copies while the engine runs. */
export interface BackupSource {
  /** In an order such that what refers to something is cut before it: offsets, data, metadata. */
  dataParts(): readonly DataPart[];
  /** What belongs beside the parts that were cut: how much of each log is to be believed. */
  dataSummary(cuts: ReadonlyMap<DataPart, DataCut>): readonly CutFile[];
}

/** One event of a state log: a type, its version, and plain JSON data. */
export interface StateRecord {
  readonly type: string;
  readonly version: number;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface StateLog {
  /** The records that were there at the opening, oldest first (snapshot, then what followed). */
  replay(apply: (record: StateRecord) => void): Promise<void>;
  /** Appends all of `records` or none of them; resolves when they are on stable storage. */
  append(records: readonly StateRecord[]): Promise<void>;
  /** Replaces everything before now by `records` (the whole state), atomically. */
  snapshot(records: readonly StateRecord[]): Promise<void>;
  /** Bytes appended since the last snapshot: the owner's cue to take one. */
  readonly bytesSinceSnapshot: number;
}
