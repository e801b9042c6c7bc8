/**
 * Owns the registry: for each API of a broker listener its two message tables and its versions.
 * Invariant: the only list of schemas; whatever serves or sends an API looks it up here by key.
 */
import { ApiKey, apiName } from '../api-keys.ts';
import type { Fields, Infer, Init, Message } from '../schema.ts';
import { produceRequest, produceResponse } from './00-produce.ts';
import { fetchRequest, fetchResponse } from './01-fetch.ts';
import { listOffsetsRequest, listOffsetsResponse } from './02-list-offsets.ts';
import { metadataRequest, metadataResponse } from './03-metadata.ts';
import { offsetCommitRequest, offsetCommitResponse } from './08-offset-commit.ts';
import { offsetFetchRequest, offsetFetchResponse } from './09-offset-fetch.ts';
import { findCoordinatorRequest, findCoordinatorResponse } from './10-find-coordinator.ts';
import { joinGroupRequest, joinGroupResponse } from './11-join-group.ts';
import { heartbeatRequest, heartbeatResponse } from './12-heartbeat.ts';
import { leaveGroupRequest, leaveGroupResponse } from './13-leave-group.ts';
import { syncGroupRequest, syncGroupResponse } from './14-sync-group.ts';
import { describeGroupsRequest, describeGroupsResponse } from './15-describe-groups.ts';
import { listGroupsRequest, listGroupsResponse } from './16-list-groups.ts';
import { saslHandshakeRequest, saslHandshakeResponse } from './17-sasl-handshake.ts';
import { apiVersionsRequest, apiVersionsResponse } from './18-api-versions.ts';
import { createTopicsRequest, createTopicsResponse } from './19-create-topics.ts';
import { deleteTopicsRequest, deleteTopicsResponse } from './20-delete-topics.ts';
import { deleteRecordsRequest, deleteRecordsResponse } from './21-delete-records.ts';
import { initProducerIdRequest, initProducerIdResponse } from './22-init-producer-id.ts';
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from './23-offset-for-leader-epoch.ts';
import {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
} from './24-add-partitions-to-txn.ts';
import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from './25-add-offsets-to-txn.ts';
import { endTxnRequest, endTxnResponse } from './26-end-txn.ts';
import { writeTxnMarkersRequest, writeTxnMarkersResponse } from './27-write-txn-markers.ts';
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from './28-txn-offset-commit.ts';
import { describeAclsRequest, describeAclsResponse } from './29-describe-acls.ts';
import { createAclsRequest, createAclsResponse } from './30-create-acls.ts';
import { deleteAclsRequest, deleteAclsResponse } from './31-delete-acls.ts';
import { describeConfigsRequest, describeConfigsResponse } from './32-describe-configs.ts';
import { alterConfigsRequest, alterConfigsResponse } from './33-alter-configs.ts';
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from './34-alter-replica-log-dirs.ts';
import { describeLogDirsRequest, describeLogDirsResponse } from './35-describe-log-dirs.ts';
import { saslAuthenticateRequest, saslAuthenticateResponse } from './36-sasl-authenticate.ts';
import { createPartitionsRequest, createPartitionsResponse } from './37-create-partitions.ts';
import {
  createDelegationTokenRequest,
  createDelegationTokenResponse,
} from './38-create-delegation-token.ts';
import {
  renewDelegationTokenRequest,
  renewDelegationTokenResponse,
} from './39-renew-delegation-token.ts';
import {
  expireDelegationTokenRequest,
  expireDelegationTokenResponse,
} from './40-expire-delegation-token.ts';
import {
  describeDelegationTokenRequest,
  describeDelegationTokenResponse,
} from './41-describe-delegation-token.ts';
import { deleteGroupsRequest, deleteGroupsResponse } from './42-delete-groups.ts';
import { electLeadersRequest, electLeadersResponse } from './43-elect-leaders.ts';
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from './44-incremental-alter-configs.ts';
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from './45-alter-partition-reassignments.ts';
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './46-list-partition-reassignments.ts';
import { offsetDeleteRequest, offsetDeleteResponse } from './47-offset-delete.ts';
import {
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from './48-describe-client-quotas.ts';
import { alterClientQuotasRequest, alterClientQuotasResponse } from './49-alter-client-quotas.ts';
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from './50-describe-user-scram-credentials.ts';
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from './51-alter-user-scram-credentials.ts';
import { describeQuorumRequest, describeQuorumResponse } from './55-describe-quorum.ts';
import { updateFeaturesRequest, updateFeaturesResponse } from './57-update-features.ts';
import { describeClusterRequest, describeClusterResponse } from './60-describe-cluster.ts';
import { describeProducersRequest, describeProducersResponse } from './61-describe-producers.ts';
import { unregisterBrokerRequest, unregisterBrokerResponse } from './64-unregister-broker.ts';
import {
  describeTransactionsRequest,
  describeTransactionsResponse,
} from './65-describe-transactions.ts';
import { listTransactionsRequest, listTransactionsResponse } from './66-list-transactions.ts';
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from './68-consumer-group-heartbeat.ts';
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from './69-consumer-group-describe.ts';
import {
  getTelemetrySubscriptionsRequest,
  getTelemetrySubscriptionsResponse,
} from './71-get-telemetry-subscriptions.ts';
import { pushTelemetryRequest, pushTelemetryResponse } from './72-push-telemetry.ts';
import {
  listConfigResourcesRequest,
  listConfigResourcesResponse,
} from './74-list-config-resources.ts';
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from './75-describe-topic-partitions.ts';
import {
  shareGroupHeartbeatRequest,
  shareGroupHeartbeatResponse,
} from './76-share-group-heartbeat.ts';
import {
  shareGroupDescribeRequest,
  shareGroupDescribeResponse,
} from './77-share-group-describe.ts';
import { shareFetchRequest, shareFetchResponse } from './78-share-fetch.ts';
import { shareAcknowledgeRequest, shareAcknowledgeResponse } from './79-share-acknowledge.ts';
import { addRaftVoterRequest, addRaftVoterResponse } from './80-add-raft-voter.ts';
import { removeRaftVoterRequest, removeRaftVoterResponse } from './81-remove-raft-voter.ts';
import {
  initializeShareGroupStateRequest,
  initializeShareGroupStateResponse,
} from './83-initialize-share-group-state.ts';
import {
  readShareGroupStateRequest,
  readShareGroupStateResponse,
} from './84-read-share-group-state.ts';
import {
  writeShareGroupStateRequest,
  writeShareGroupStateResponse,
} from './85-write-share-group-state.ts';
import {
  deleteShareGroupStateRequest,
  deleteShareGroupStateResponse,
} from './86-delete-share-group-state.ts';
import {
  readShareGroupStateSummaryRequest,
  readShareGroupStateSummaryResponse,
} from './87-read-share-group-state-summary.ts';
import {
  streamsGroupHeartbeatRequest,
  streamsGroupHeartbeatResponse,
} from './88-streams-group-heartbeat.ts';
import {
  streamsGroupDescribeRequest,
  streamsGroupDescribeResponse,
} from './89-streams-group-describe.ts';
import {
  describeShareGroupOffsetsRequest,
  describeShareGroupOffsetsResponse,
} from './90-describe-share-group-offsets.ts';
import {
  alterShareGroupOffsetsRequest,
  alterShareGroupOffsetsResponse,
} from './91-alter-share-group-offsets.ts';
import {
  deleteShareGroupOffsetsRequest,
  deleteShareGroupOffsetsResponse,
} from './92-delete-share-group-offsets.ts';

export interface ApiSchema<Q extends Fields = Fields, R extends Fields = Fields> {
  readonly key: ApiKey;
  readonly name: string;
  readonly request: Message<Q>;
  readonly response: Message<R>;
  /** The versions that the tables can read and write. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** The versions that Apache Kafka advertises: not always those of the tables. */
  readonly advertisedMin: number;
  readonly advertisedMax: number;
  /** The first flexible version; Infinity if there is none. */
  readonly flexible: number;
}

interface Exceptions {
  readonly advertised?: readonly [min: number, max: number];
}

function api<Q extends Fields, R extends Fields>(
  key: ApiKey,
  request: Message<Q>,
  response: Message<R>,
  { advertised }: Exceptions = {},
): ApiSchema<Q, R> {
  const { min, max } = request.versions;
  return {
    key,
    name: apiName(key),
    request,
    response,
    minVersion: min,
    maxVersion: max,
    advertisedMin: advertised?.[0] ?? min,
    advertisedMax: advertised?.[1] ?? max,
    flexible: request.flexible.min,
  };
}

export const apiSchemas = {
  [ApiKey.Produce]: api(ApiKey.Produce, produceRequest, produceResponse, { advertised: [0, 13] }),
  [ApiKey.Fetch]: api(ApiKey.Fetch, fetchRequest, fetchResponse),
  [ApiKey.ListOffsets]: api(ApiKey.ListOffsets, listOffsetsRequest, listOffsetsResponse),
  [ApiKey.Metadata]: api(ApiKey.Metadata, metadataRequest, metadataResponse),
  [ApiKey.OffsetCommit]: api(ApiKey.OffsetCommit, offsetCommitRequest, offsetCommitResponse),
  [ApiKey.OffsetFetch]: api(ApiKey.OffsetFetch, offsetFetchRequest, offsetFetchResponse),
  [ApiKey.FindCoordinator]: api(
    ApiKey.FindCoordinator,
    findCoordinatorRequest,
    findCoordinatorResponse,
  ),
  [ApiKey.JoinGroup]: api(ApiKey.JoinGroup, joinGroupRequest, joinGroupResponse),
  [ApiKey.Heartbeat]: api(ApiKey.Heartbeat, heartbeatRequest, heartbeatResponse),
  [ApiKey.LeaveGroup]: api(ApiKey.LeaveGroup, leaveGroupRequest, leaveGroupResponse),
  [ApiKey.SyncGroup]: api(ApiKey.SyncGroup, syncGroupRequest, syncGroupResponse),
  [ApiKey.DescribeGroups]: api(
    ApiKey.DescribeGroups,
    describeGroupsRequest,
    describeGroupsResponse,
  ),
  [ApiKey.ListGroups]: api(ApiKey.ListGroups, listGroupsRequest, listGroupsResponse),
  [ApiKey.SaslHandshake]: api(ApiKey.SaslHandshake, saslHandshakeRequest, saslHandshakeResponse),
  [ApiKey.ApiVersions]: api(ApiKey.ApiVersions, apiVersionsRequest, apiVersionsResponse),
  [ApiKey.CreateTopics]: api(ApiKey.CreateTopics, createTopicsRequest, createTopicsResponse),
  [ApiKey.DeleteTopics]: api(ApiKey.DeleteTopics, deleteTopicsRequest, deleteTopicsResponse),
  [ApiKey.DeleteRecords]: api(ApiKey.DeleteRecords, deleteRecordsRequest, deleteRecordsResponse),
  [ApiKey.InitProducerId]: api(
    ApiKey.InitProducerId,
    initProducerIdRequest,
    initProducerIdResponse,
    { advertised: [0, 5] },
  ),
  [ApiKey.OffsetForLeaderEpoch]: api(
    ApiKey.OffsetForLeaderEpoch,
    offsetForLeaderEpochRequest,
    offsetForLeaderEpochResponse,
  ),
  [ApiKey.AddPartitionsToTxn]: api(
    ApiKey.AddPartitionsToTxn,
    addPartitionsToTxnRequest,
    addPartitionsToTxnResponse,
  ),
  [ApiKey.AddOffsetsToTxn]: api(
    ApiKey.AddOffsetsToTxn,
    addOffsetsToTxnRequest,
    addOffsetsToTxnResponse,
  ),
  [ApiKey.EndTxn]: api(ApiKey.EndTxn, endTxnRequest, endTxnResponse),
  [ApiKey.WriteTxnMarkers]: api(
    ApiKey.WriteTxnMarkers,
    writeTxnMarkersRequest,
    writeTxnMarkersResponse,
  ),
  [ApiKey.TxnOffsetCommit]: api(
    ApiKey.TxnOffsetCommit,
    txnOffsetCommitRequest,
    txnOffsetCommitResponse,
  ),
  [ApiKey.DescribeAcls]: api(ApiKey.DescribeAcls, describeAclsRequest, describeAclsResponse),
  [ApiKey.CreateAcls]: api(ApiKey.CreateAcls, createAclsRequest, createAclsResponse),
  [ApiKey.DeleteAcls]: api(ApiKey.DeleteAcls, deleteAclsRequest, deleteAclsResponse),
  [ApiKey.DescribeConfigs]: api(
    ApiKey.DescribeConfigs,
    describeConfigsRequest,
    describeConfigsResponse,
  ),
  [ApiKey.AlterConfigs]: api(ApiKey.AlterConfigs, alterConfigsRequest, alterConfigsResponse),
  [ApiKey.AlterReplicaLogDirs]: api(
    ApiKey.AlterReplicaLogDirs,
    alterReplicaLogDirsRequest,
    alterReplicaLogDirsResponse,
  ),
  [ApiKey.DescribeLogDirs]: api(
    ApiKey.DescribeLogDirs,
    describeLogDirsRequest,
    describeLogDirsResponse,
  ),
  [ApiKey.SaslAuthenticate]: api(
    ApiKey.SaslAuthenticate,
    saslAuthenticateRequest,
    saslAuthenticateResponse,
  ),
  [ApiKey.CreatePartitions]: api(
    ApiKey.CreatePartitions,
    createPartitionsRequest,
    createPartitionsResponse,
  ),
  [ApiKey.CreateDelegationToken]: api(
    ApiKey.CreateDelegationToken,
    createDelegationTokenRequest,
    createDelegationTokenResponse,
  ),
  [ApiKey.RenewDelegationToken]: api(
    ApiKey.RenewDelegationToken,
    renewDelegationTokenRequest,
    renewDelegationTokenResponse,
  ),
  [ApiKey.ExpireDelegationToken]: api(
    ApiKey.ExpireDelegationToken,
    expireDelegationTokenRequest,
    expireDelegationTokenResponse,
  ),
  [ApiKey.DescribeDelegationToken]: api(
    ApiKey.DescribeDelegationToken,
    describeDelegationTokenRequest,
    describeDelegationTokenResponse,
  ),
  [ApiKey.DeleteGroups]: api(ApiKey.DeleteGroups, deleteGroupsRequest, deleteGroupsResponse),
  [ApiKey.ElectLeaders]: api(ApiKey.ElectLeaders, electLeadersRequest, electLeadersResponse),
  [ApiKey.IncrementalAlterConfigs]: api(
    ApiKey.IncrementalAlterConfigs,
    incrementalAlterConfigsRequest,
    incrementalAlterConfigsResponse,
  ),
  [ApiKey.AlterPartitionReassignments]: api(
    ApiKey.AlterPartitionReassignments,
    alterPartitionReassignmentsRequest,
    alterPartitionReassignmentsResponse,
  ),
  [ApiKey.ListPartitionReassignments]: api(
    ApiKey.ListPartitionReassignments,
    listPartitionReassignmentsRequest,
    listPartitionReassignmentsResponse,
  ),
  [ApiKey.OffsetDelete]: api(ApiKey.OffsetDelete, offsetDeleteRequest, offsetDeleteResponse),
  [ApiKey.DescribeClientQuotas]: api(
    ApiKey.DescribeClientQuotas,
    describeClientQuotasRequest,
    describeClientQuotasResponse,
  ),
  [ApiKey.AlterClientQuotas]: api(
    ApiKey.AlterClientQuotas,
    alterClientQuotasRequest,
    alterClientQuotasResponse,
  ),
  [ApiKey.DescribeUserScramCredentials]: api(
    ApiKey.DescribeUserScramCredentials,
    describeUserScramCredentialsRequest,
    describeUserScramCredentialsResponse,
  ),
  [ApiKey.AlterUserScramCredentials]: api(
    ApiKey.AlterUserScramCredentials,
    alterUserScramCredentialsRequest,
    alterUserScramCredentialsResponse,
  ),
  [ApiKey.DescribeQuorum]: api(
    ApiKey.DescribeQuorum,
    describeQuorumRequest,
    describeQuorumResponse,
  ),
  [ApiKey.UpdateFeatures]: api(
    ApiKey.UpdateFeatures,
    updateFeaturesRequest,
    updateFeaturesResponse,
  ),
  [ApiKey.DescribeCluster]: api(
    ApiKey.DescribeCluster,
    describeClusterRequest,
    describeClusterResponse,
  ),
  [ApiKey.DescribeProducers]: api(
    ApiKey.DescribeProducers,
    describeProducersRequest,
    describeProducersResponse,
  ),
  [ApiKey.UnregisterBroker]: api(
    ApiKey.UnregisterBroker,
    unregisterBrokerRequest,
    unregisterBrokerResponse,
  ),
  [ApiKey.DescribeTransactions]: api(
    ApiKey.DescribeTransactions,
    describeTransactionsRequest,
    describeTransactionsResponse,
  ),
  [ApiKey.ListTransactions]: api(
    ApiKey.ListTransactions,
    listTransactionsRequest,
    listTransactionsResponse,
  ),
  [ApiKey.ConsumerGroupHeartbeat]: api(
    ApiKey.ConsumerGroupHeartbeat,
    consumerGroupHeartbeatRequest,
    consumerGroupHeartbeatResponse,
  ),
  [ApiKey.ConsumerGroupDescribe]: api(
    ApiKey.ConsumerGroupDescribe,
    consumerGroupDescribeRequest,
    consumerGroupDescribeResponse,
  ),
  [ApiKey.GetTelemetrySubscriptions]: api(
    ApiKey.GetTelemetrySubscriptions,
    getTelemetrySubscriptionsRequest,
    getTelemetrySubscriptionsResponse,
  ),
  [ApiKey.PushTelemetry]: api(ApiKey.PushTelemetry, pushTelemetryRequest, pushTelemetryResponse),
  [ApiKey.ListConfigResources]: api(
    ApiKey.ListConfigResources,
    listConfigResourcesRequest,
    listConfigResourcesResponse,
  ),
  [ApiKey.DescribeTopicPartitions]: api(
    ApiKey.DescribeTopicPartitions,
    describeTopicPartitionsRequest,
    describeTopicPartitionsResponse,
  ),
  [ApiKey.ShareGroupHeartbeat]: api(
    ApiKey.ShareGroupHeartbeat,
    shareGroupHeartbeatRequest,
    shareGroupHeartbeatResponse,
  ),
  [ApiKey.ShareGroupDescribe]: api(
    ApiKey.ShareGroupDescribe,
    shareGroupDescribeRequest,
    shareGroupDescribeResponse,
  ),
  [ApiKey.ShareFetch]: api(ApiKey.ShareFetch, shareFetchRequest, shareFetchResponse),
  [ApiKey.ShareAcknowledge]: api(
    ApiKey.ShareAcknowledge,
    shareAcknowledgeRequest,
    shareAcknowledgeResponse,
  ),
  [ApiKey.AddRaftVoter]: api(ApiKey.AddRaftVoter, addRaftVoterRequest, addRaftVoterResponse),
  [ApiKey.RemoveRaftVoter]: api(
    ApiKey.RemoveRaftVoter,
    removeRaftVoterRequest,
    removeRaftVoterResponse,
  ),
  [ApiKey.InitializeShareGroupState]: api(
    ApiKey.InitializeShareGroupState,
    initializeShareGroupStateRequest,
    initializeShareGroupStateResponse,
  ),
  [ApiKey.ReadShareGroupState]: api(
    ApiKey.ReadShareGroupState,
    readShareGroupStateRequest,
    readShareGroupStateResponse,
  ),
  [ApiKey.WriteShareGroupState]: api(
    ApiKey.WriteShareGroupState,
    writeShareGroupStateRequest,
    writeShareGroupStateResponse,
  ),
  [ApiKey.DeleteShareGroupState]: api(
    ApiKey.DeleteShareGroupState,
    deleteShareGroupStateRequest,
    deleteShareGroupStateResponse,
  ),
  [ApiKey.ReadShareGroupStateSummary]: api(
    ApiKey.ReadShareGroupStateSummary,
    readShareGroupStateSummaryRequest,
    readShareGroupStateSummaryResponse,
  ),
  [ApiKey.StreamsGroupHeartbeat]: api(
    ApiKey.StreamsGroupHeartbeat,
    streamsGroupHeartbeatRequest,
    streamsGroupHeartbeatResponse,
  ),
  [ApiKey.StreamsGroupDescribe]: api(
    ApiKey.StreamsGroupDescribe,
    streamsGroupDescribeRequest,
    streamsGroupDescribeResponse,
  ),
  [ApiKey.DescribeShareGroupOffsets]: api(
    ApiKey.DescribeShareGroupOffsets,
    describeShareGroupOffsetsRequest,
    describeShareGroupOffsetsResponse,
  ),
  [ApiKey.AlterShareGroupOffsets]: api(
    ApiKey.AlterShareGroupOffsets,
    alterShareGroupOffsetsRequest,
    alterShareGroupOffsetsResponse,
  ),
  [ApiKey.DeleteShareGroupOffsets]: api(
    ApiKey.DeleteShareGroupOffsets,
    deleteShareGroupOffsetsRequest,
    deleteShareGroupOffsetsResponse,
  ),
} as const satisfies Record<ApiKey, unknown>;

type ApiSchemas = typeof apiSchemas;
export type RequestOf<K extends ApiKey> = Infer<ApiSchemas[K]['request']>;
export type ResponseOf<K extends ApiKey> = Infer<ApiSchemas[K]['response']>;
export type RequestInit<K extends ApiKey> = Init<ApiSchemas[K]['request']>;
export type ResponseInit<K extends ApiKey> = Init<ApiSchemas[K]['response']>;

const byKey = new Map<number, ApiSchema>(
  Object.values(apiSchemas).map((schema) => [schema.key, schema]),
);

/** The schema of an API by the key on the wire; undefined for a key that is not served. */
export function apiSchema(key: number): ApiSchema | undefined {
  return byKey.get(key);
}
