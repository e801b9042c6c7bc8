/**
 * The single registration of APIs: what is served, and what is not and why. A key that is missing
 * here does not compile; ApiVersions, dispatch and the audit names follow from this table.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import type { ApiDefinition } from '../define-api.ts';
import { produceApi } from './00-produce.ts';
import { fetchApi } from './01-fetch.ts';
import { listOffsetsApi } from './02-list-offsets.ts';
import { metadataApi } from './03-metadata.ts';
import { offsetCommitApi } from './08-offset-commit.ts';
import { offsetFetchApi } from './09-offset-fetch.ts';
import { findCoordinatorApi } from './10-find-coordinator.ts';
import { joinGroupApi } from './11-join-group.ts';
import { heartbeatApi } from './12-heartbeat.ts';
import { leaveGroupApi } from './13-leave-group.ts';
import { syncGroupApi } from './14-sync-group.ts';
import { describeGroupsApi } from './15-describe-groups.ts';
import { listGroupsApi } from './16-list-groups.ts';
import { saslHandshakeApi } from './17-sasl-handshake.ts';
import { apiVersionsApi } from './18-api-versions.ts';
import { createTopicsApi } from './19-create-topics.ts';
import { deleteTopicsApi } from './20-delete-topics.ts';
import { deleteRecordsApi } from './21-delete-records.ts';
import { initProducerIdApi } from './22-init-producer-id.ts';
import { offsetForLeaderEpochApi } from './23-offset-for-leader-epoch.ts';
import { describeAclsApi } from './29-describe-acls.ts';
import { createAclsApi } from './30-create-acls.ts';
import { deleteAclsApi } from './31-delete-acls.ts';
import { describeConfigsApi } from './32-describe-configs.ts';
import { alterConfigsApi } from './33-alter-configs.ts';
import { alterReplicaLogDirsApi } from './34-alter-replica-log-dirs.ts';
import { describeLogDirsApi } from './35-describe-log-dirs.ts';
import { saslAuthenticateApi } from './36-sasl-authenticate.ts';
import { createPartitionsApi } from './37-create-partitions.ts';
import { createDelegationTokenApi } from './38-create-delegation-token.ts';
import { renewDelegationTokenApi } from './39-renew-delegation-token.ts';
import { expireDelegationTokenApi } from './40-expire-delegation-token.ts';
import { describeDelegationTokenApi } from './41-describe-delegation-token.ts';
import { deleteGroupsApi } from './42-delete-groups.ts';
import { electLeadersApi } from './43-elect-leaders.ts';
import { incrementalAlterConfigsApi } from './44-incremental-alter-configs.ts';
import { alterPartitionReassignmentsApi } from './45-alter-partition-reassignments.ts';
import { listPartitionReassignmentsApi } from './46-list-partition-reassignments.ts';
import { offsetDeleteApi } from './47-offset-delete.ts';
import { describeClientQuotasApi } from './48-describe-client-quotas.ts';
import { alterClientQuotasApi } from './49-alter-client-quotas.ts';
import { describeUserScramCredentialsApi } from './50-describe-user-scram-credentials.ts';
import { alterUserScramCredentialsApi } from './51-alter-user-scram-credentials.ts';
import { describeQuorumApi } from './55-describe-quorum.ts';
import { describeClusterApi } from './60-describe-cluster.ts';
import { describeProducersApi } from './61-describe-producers.ts';
import { getTelemetrySubscriptionsApi } from './71-get-telemetry-subscriptions.ts';
import { pushTelemetryApi } from './72-push-telemetry.ts';
import { listConfigResourcesApi } from './74-list-config-resources.ts';
import { describeTopicPartitionsApi } from './75-describe-topic-partitions.ts';

export interface NotServed {
  readonly notServed: string;
}

const notServed = (why: string): NotServed => ({ notServed: why });

const CONSUMER_GROUPS = notServed('groups of the KIP-848 protocol are not built yet');
const TRANSACTIONS = notServed('transactions are not built yet');
const SHARE_GROUPS = notServed('share groups are not built');
const STREAMS_GROUPS = notServed('streams groups are not built');
const REPLICATION = notServed('the embedded engine has one replica and no quorum');

export const apis: Readonly<Record<ApiKey, ApiDefinition | NotServed>> = {
  [ApiKey.Produce]: produceApi,
  [ApiKey.Fetch]: fetchApi,
  [ApiKey.ListOffsets]: listOffsetsApi,
  [ApiKey.Metadata]: metadataApi,
  [ApiKey.OffsetCommit]: offsetCommitApi,
  [ApiKey.OffsetFetch]: offsetFetchApi,
  [ApiKey.FindCoordinator]: findCoordinatorApi,
  [ApiKey.JoinGroup]: joinGroupApi,
  [ApiKey.Heartbeat]: heartbeatApi,
  [ApiKey.LeaveGroup]: leaveGroupApi,
  [ApiKey.SyncGroup]: syncGroupApi,
  [ApiKey.DescribeGroups]: describeGroupsApi,
  [ApiKey.ListGroups]: listGroupsApi,
  [ApiKey.SaslHandshake]: saslHandshakeApi,
  [ApiKey.ApiVersions]: apiVersionsApi,
  [ApiKey.CreateTopics]: createTopicsApi,
  [ApiKey.DeleteTopics]: deleteTopicsApi,
  [ApiKey.DeleteRecords]: deleteRecordsApi,
  [ApiKey.InitProducerId]: initProducerIdApi,
  [ApiKey.OffsetForLeaderEpoch]: offsetForLeaderEpochApi,
  [ApiKey.AddPartitionsToTxn]: TRANSACTIONS,
  [ApiKey.AddOffsetsToTxn]: TRANSACTIONS,
  [ApiKey.EndTxn]: TRANSACTIONS,
  [ApiKey.WriteTxnMarkers]: TRANSACTIONS,
  [ApiKey.TxnOffsetCommit]: TRANSACTIONS,
  [ApiKey.DescribeAcls]: describeAclsApi,
  [ApiKey.CreateAcls]: createAclsApi,
  [ApiKey.DeleteAcls]: deleteAclsApi,
  [ApiKey.DescribeConfigs]: describeConfigsApi,
  [ApiKey.AlterConfigs]: alterConfigsApi,
  [ApiKey.AlterReplicaLogDirs]: alterReplicaLogDirsApi,
  [ApiKey.DescribeLogDirs]: describeLogDirsApi,
  [ApiKey.SaslAuthenticate]: saslAuthenticateApi,
  [ApiKey.CreatePartitions]: createPartitionsApi,
  [ApiKey.CreateDelegationToken]: createDelegationTokenApi,
  [ApiKey.RenewDelegationToken]: renewDelegationTokenApi,
  [ApiKey.ExpireDelegationToken]: expireDelegationTokenApi,
  [ApiKey.DescribeDelegationToken]: describeDelegationTokenApi,
  [ApiKey.DeleteGroups]: deleteGroupsApi,
  [ApiKey.ElectLeaders]: electLeadersApi,
  [ApiKey.IncrementalAlterConfigs]: incrementalAlterConfigsApi,
  [ApiKey.AlterPartitionReassignments]: alterPartitionReassignmentsApi,
  [ApiKey.ListPartitionReassignments]: listPartitionReassignmentsApi,
  [ApiKey.OffsetDelete]: offsetDeleteApi,
  [ApiKey.DescribeClientQuotas]: describeClientQuotasApi,
  [ApiKey.AlterClientQuotas]: alterClientQuotasApi,
  [ApiKey.DescribeUserScramCredentials]: describeUserScramCredentialsApi,
  [ApiKey.AlterUserScramCredentials]: alterUserScramCredentialsApi,
  [ApiKey.DescribeQuorum]: describeQuorumApi,
  [ApiKey.UpdateFeatures]: notServed('no feature has levels to choose from'),
  [ApiKey.DescribeCluster]: describeClusterApi,
  [ApiKey.DescribeProducers]: describeProducersApi,
  [ApiKey.UnregisterBroker]: REPLICATION,
  [ApiKey.DescribeTransactions]: TRANSACTIONS,
  [ApiKey.ListTransactions]: TRANSACTIONS,
  [ApiKey.ConsumerGroupHeartbeat]: CONSUMER_GROUPS,
  [ApiKey.ConsumerGroupDescribe]: CONSUMER_GROUPS,
  [ApiKey.GetTelemetrySubscriptions]: getTelemetrySubscriptionsApi,
  [ApiKey.PushTelemetry]: pushTelemetryApi,
  [ApiKey.ListConfigResources]: listConfigResourcesApi,
  [ApiKey.DescribeTopicPartitions]: describeTopicPartitionsApi,
  [ApiKey.ShareGroupHeartbeat]: SHARE_GROUPS,
  [ApiKey.ShareGroupDescribe]: SHARE_GROUPS,
  [ApiKey.ShareFetch]: SHARE_GROUPS,
  [ApiKey.ShareAcknowledge]: SHARE_GROUPS,
  [ApiKey.AddRaftVoter]: REPLICATION,
  [ApiKey.RemoveRaftVoter]: REPLICATION,
  [ApiKey.InitializeShareGroupState]: SHARE_GROUPS,
  [ApiKey.ReadShareGroupState]: SHARE_GROUPS,
  [ApiKey.WriteShareGroupState]: SHARE_GROUPS,
  [ApiKey.DeleteShareGroupState]: SHARE_GROUPS,
  [ApiKey.ReadShareGroupStateSummary]: SHARE_GROUPS,
  [ApiKey.StreamsGroupHeartbeat]: STREAMS_GROUPS,
  [ApiKey.StreamsGroupDescribe]: STREAMS_GROUPS,
  [ApiKey.DescribeShareGroupOffsets]: SHARE_GROUPS,
  [ApiKey.AlterShareGroupOffsets]: SHARE_GROUPS,
  [ApiKey.DeleteShareGroupOffsets]: SHARE_GROUPS,
};

/** The definition of a served API; undefined for any other key. */
export function servedApi(key: number): ApiDefinition | undefined {
  const entry = (apis as Readonly<Record<number, ApiDefinition | NotServed>>)[key];
  return entry !== undefined && 'handle' in entry ? entry : undefined;
}

/** Told to clients only where the operator takes telemetry: they would push in vain. */
const OF_TELEMETRY: ReadonlySet<ApiKey> = new Set([
  ApiKey.GetTelemetrySubscriptions,
  ApiKey.PushTelemetry,
]);

/** What ApiVersions says, in order of key. */
export function advertisedApis(
  hasTelemetry: boolean,
): { apiKey: number; minVersion: number; maxVersion: number }[] {
  return Object.values(apis)
    .filter((entry): entry is ApiDefinition => 'handle' in entry)
    .filter(({ key }) => hasTelemetry || !OF_TELEMETRY.has(key))
    .map(({ key, versions, advertisedMin }) => ({
      apiKey: key,
      minVersion: advertisedMin ?? versions.min,
      maxVersion: versions.max,
    }));
}
