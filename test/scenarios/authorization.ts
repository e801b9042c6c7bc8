/**
 * Which right each served API needs, as data (Kafka's table of required operations): what to send,
 * which error stands in the answer without the right, and the rule that lifts it. `all` that a
 * request needs are granted one after the other; each removes its own error.
 */
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import type { Operation, ResourceTypeName } from '../../src/security/acl/operation.ts';

export const TOPIC = 'matrix-topic';
export const GROUP = 'matrix-group';
export const TRANSACTIONAL_ID = 'matrix-transaction';

export interface NeededRight {
  readonly resourceType: ResourceTypeName;
  readonly resourceName: string;
  readonly operation: Operation;
}

export interface AuthorizationCase {
  readonly api: string;
  readonly key: ApiKey;
  readonly version: number;
  readonly body: object;
  readonly error: number;
  /** Held from the beginning: a right that is asked for before the one in question. */
  readonly given?: NeededRight;
  /** Any one of them is enough. */
  readonly anyOf: readonly NeededRight[];
}

const onTopic = (operation: Operation): NeededRight => ({
  resourceType: 'TOPIC',
  resourceName: TOPIC,
  operation,
});
const onCluster = (operation: Operation): NeededRight => ({
  resourceType: 'CLUSTER',
  resourceName: 'kafka-cluster',
  operation,
});
const onGroup = (operation: Operation): NeededRight => ({
  resourceType: 'GROUP',
  resourceName: GROUP,
  operation,
});
const ofGroup = ErrorCode.GROUP_AUTHORIZATION_FAILED;
const ofCluster = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
const ofTopic = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };
const commit = {
  groupId: GROUP,
  topics: [
    { name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }] },
  ],
};
const fetchOffsets = {
  groups: [{ groupId: GROUP, topics: [{ name: TOPIC, partitionIndexes: [0] }] }],
};
const deleteOffsets = {
  groupId: GROUP,
  topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }],
};
const anyAcl = {
  resourceTypeFilter: 1,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
};
const membership = { groupId: GROUP, generationId: 1, memberId: 'nobody' };

export const AUTHORIZATION_CASES: readonly AuthorizationCase[] = [
  {
    api: 'Metadata',
    key: ApiKey.Metadata,
    version: 12,
    body: { topics: [{ name: TOPIC }], allowAutoTopicCreation: false },
    error: ofTopic,
    anyOf: [onTopic('DESCRIBE'), onTopic('READ'), onTopic('WRITE'), onTopic('ALTER')],
  },
  {
    api: 'DescribeTopicPartitions',
    key: ApiKey.DescribeTopicPartitions,
    version: 0,
    body: { topics: [{ name: TOPIC }] },
    error: ofTopic,
    anyOf: [onTopic('DESCRIBE')],
  },
  {
    api: 'Produce',
    key: ApiKey.Produce,
    version: 9,
    body: {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: null }] }],
    },
    error: ofTopic,
    anyOf: [onTopic('WRITE')],
  },
  {
    api: 'Fetch',
    key: ApiKey.Fetch,
    version: 11,
    body: { topics: [{ topic: TOPIC, partitions: [partition] }] },
    error: ofTopic,
    anyOf: [onTopic('READ')],
  },
  {
    api: 'ListOffsets',
    key: ApiKey.ListOffsets,
    version: 7,
    body: { topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1 }] }] },
    error: ofTopic,
    anyOf: [onTopic('DESCRIBE')],
  },
  {
    api: 'OffsetForLeaderEpoch',
    key: ApiKey.OffsetForLeaderEpoch,
    version: 4,
    body: { topics: [{ topic: TOPIC, partitions: [{ partition: 0, leaderEpoch: 0 }] }] },
    error: ofTopic,
    anyOf: [onTopic('DESCRIBE')],
  },
  {
    api: 'CreateTopics',
    key: ApiKey.CreateTopics,
    version: 7,
    body: {
      topics: [{ name: TOPIC, numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 1000,
      validateOnly: true,
    },
    error: ofTopic,
    anyOf: [onTopic('CREATE'), onCluster('CREATE')],
  },
  {
    api: 'DeleteRecords',
    key: ApiKey.DeleteRecords,
    version: 2,
    body: {
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, offset: 0 }] }],
      timeoutMs: 1000,
    },
    error: ofTopic,
    anyOf: [onTopic('DELETE')],
  },
  {
    api: 'CreatePartitions',
    key: ApiKey.CreatePartitions,
    version: 3,
    body: { topics: [{ name: TOPIC, count: 9 }], timeoutMs: 1000, validateOnly: true },
    error: ofTopic,
    anyOf: [onTopic('ALTER')],
  },
  {
    api: 'DescribeConfigs',
    key: ApiKey.DescribeConfigs,
    version: 4,
    body: { resources: [{ resourceType: 2, resourceName: TOPIC, configurationKeys: null }] },
    error: ofTopic,
    anyOf: [onTopic('DESCRIBE_CONFIGS'), onTopic('ALTER_CONFIGS')],
  },
  {
    api: 'DescribeConfigs of a group',
    key: ApiKey.DescribeConfigs,
    version: 4,
    body: { resources: [{ resourceType: 32, resourceName: GROUP, configurationKeys: null }] },
    error: ofGroup,
    anyOf: [onGroup('DESCRIBE_CONFIGS'), onGroup('ALTER_CONFIGS')],
  },
  {
    api: 'DescribeConfigs of a broker',
    key: ApiKey.DescribeConfigs,
    version: 4,
    body: { resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }] },
    error: ofCluster,
    anyOf: [onCluster('DESCRIBE_CONFIGS'), onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'AlterConfigs',
    key: ApiKey.AlterConfigs,
    version: 2,
    body: { resources: [{ resourceType: 2, resourceName: TOPIC, configs: [] }] },
    error: ofTopic,
    anyOf: [onTopic('ALTER_CONFIGS')],
  },
  {
    api: 'AlterConfigs of a group',
    key: ApiKey.AlterConfigs,
    version: 2,
    body: { resources: [{ resourceType: 32, resourceName: GROUP, configs: [] }] },
    error: ofGroup,
    anyOf: [onGroup('ALTER_CONFIGS')],
  },
  {
    api: 'AlterConfigs of all brokers',
    key: ApiKey.AlterConfigs,
    version: 2,
    body: { resources: [{ resourceType: 4, resourceName: '', configs: [] }] },
    error: ofCluster,
    anyOf: [onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'IncrementalAlterConfigs',
    key: ApiKey.IncrementalAlterConfigs,
    version: 1,
    body: { resources: [{ resourceType: 2, resourceName: TOPIC, configs: [] }] },
    error: ofTopic,
    anyOf: [onTopic('ALTER_CONFIGS')],
  },
  {
    api: 'IncrementalAlterConfigs of a group',
    key: ApiKey.IncrementalAlterConfigs,
    version: 1,
    body: { resources: [{ resourceType: 32, resourceName: GROUP, configs: [] }] },
    error: ofGroup,
    anyOf: [onGroup('ALTER_CONFIGS')],
  },
  {
    api: 'IncrementalAlterConfigs of all brokers',
    key: ApiKey.IncrementalAlterConfigs,
    version: 1,
    body: { resources: [{ resourceType: 4, resourceName: '', configs: [] }] },
    error: ofCluster,
    anyOf: [onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'IncrementalAlterConfigs of client metrics',
    key: ApiKey.IncrementalAlterConfigs,
    version: 1,
    body: { resources: [{ resourceType: 16, resourceName: 'x', configs: [] }] },
    error: ofCluster,
    anyOf: [onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'ListConfigResources',
    key: ApiKey.ListConfigResources,
    version: 1,
    body: { resourceTypes: [] },
    error: ofCluster,
    anyOf: [onCluster('DESCRIBE_CONFIGS'), onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'FindCoordinator of a group',
    key: ApiKey.FindCoordinator,
    version: 4,
    body: { keyType: 0, coordinatorKeys: [GROUP] },
    error: ofGroup,
    anyOf: [onGroup('DESCRIBE'), onGroup('READ')],
  },
  {
    api: 'JoinGroup',
    key: ApiKey.JoinGroup,
    version: 9,
    body: {
      groupId: GROUP,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    },
    error: ofGroup,
    anyOf: [onGroup('READ')],
  },
  {
    api: 'SyncGroup',
    key: ApiKey.SyncGroup,
    version: 4,
    body: { ...membership, assignments: [] },
    error: ofGroup,
    anyOf: [onGroup('READ')],
  },
  {
    api: 'Heartbeat',
    key: ApiKey.Heartbeat,
    version: 4,
    body: membership,
    error: ofGroup,
    anyOf: [onGroup('READ')],
  },
  {
    api: 'LeaveGroup',
    key: ApiKey.LeaveGroup,
    version: 5,
    body: { groupId: GROUP, members: [{ memberId: 'nobody' }] },
    error: ofGroup,
    anyOf: [onGroup('READ')],
  },
  {
    api: 'OffsetCommit, the group',
    key: ApiKey.OffsetCommit,
    version: 9,
    body: commit,
    error: ofGroup,
    anyOf: [onGroup('READ')],
  },
  {
    api: 'OffsetCommit, the topic',
    key: ApiKey.OffsetCommit,
    version: 9,
    body: commit,
    error: ofTopic,
    given: onGroup('READ'),
    anyOf: [onTopic('READ')],
  },
  {
    api: 'OffsetFetch, the group',
    key: ApiKey.OffsetFetch,
    version: 9,
    body: fetchOffsets,
    error: ofGroup,
    anyOf: [onGroup('DESCRIBE'), onGroup('READ'), onGroup('DELETE')],
  },
  {
    api: 'OffsetFetch, the topic',
    key: ApiKey.OffsetFetch,
    version: 9,
    body: fetchOffsets,
    error: ofTopic,
    given: onGroup('DESCRIBE'),
    anyOf: [onTopic('DESCRIBE'), onTopic('READ')],
  },
  {
    api: 'DescribeGroups',
    key: ApiKey.DescribeGroups,
    version: 5,
    body: { groups: [GROUP] },
    error: ofGroup,
    anyOf: [onGroup('DESCRIBE'), onGroup('READ')],
  },
  {
    api: 'OffsetDelete, the group',
    key: ApiKey.OffsetDelete,
    version: 0,
    body: deleteOffsets,
    error: ofGroup,
    anyOf: [onGroup('DELETE')],
  },
  {
    api: 'OffsetDelete, the topic',
    key: ApiKey.OffsetDelete,
    version: 0,
    body: deleteOffsets,
    error: ofTopic,
    given: onGroup('DELETE'),
    anyOf: [onTopic('READ')],
  },
  {
    api: 'DeleteGroups',
    key: ApiKey.DeleteGroups,
    version: 2,
    body: { groupsNames: [GROUP] },
    error: ofGroup,
    anyOf: [onGroup('DELETE')],
  },
  {
    api: 'FindCoordinator of a transaction',
    key: ApiKey.FindCoordinator,
    version: 4,
    body: { keyType: 1, coordinatorKeys: [TRANSACTIONAL_ID] },
    error: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    anyOf: [
      {
        resourceType: 'TRANSACTIONAL_ID',
        resourceName: TRANSACTIONAL_ID,
        operation: 'DESCRIBE',
      },
    ],
  },
  {
    api: 'InitProducerId without a transaction',
    key: ApiKey.InitProducerId,
    version: 4,
    body: { transactionalId: null, transactionTimeoutMs: 1000 },
    error: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    anyOf: [onCluster('IDEMPOTENT_WRITE'), onTopic('WRITE')],
  },
  {
    api: 'ListPartitionReassignments',
    key: ApiKey.ListPartitionReassignments,
    version: 0,
    body: { topics: null },
    error: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    anyOf: [onCluster('DESCRIBE')],
  },
  {
    api: 'AlterReplicaLogDirs',
    key: ApiKey.AlterReplicaLogDirs,
    version: 2,
    body: { dirs: [{ path: 'log-dir-0', topics: [{ name: TOPIC, partitions: [0] }] }] },
    error: ofCluster,
    anyOf: [onCluster('ALTER')],
  },
  {
    api: 'DescribeLogDirs',
    key: ApiKey.DescribeLogDirs,
    version: 5,
    body: { topics: null },
    error: ofCluster,
    anyOf: [onCluster('DESCRIBE'), onCluster('ALTER')],
  },
  {
    api: 'ElectLeaders',
    key: ApiKey.ElectLeaders,
    version: 2,
    body: { electionType: 0, topicPartitions: [{ topic: TOPIC, partitions: [0] }] },
    error: ofCluster,
    anyOf: [onCluster('ALTER')],
  },
  {
    api: 'AlterPartitionReassignments',
    key: ApiKey.AlterPartitionReassignments,
    version: 1,
    body: { topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, replicas: null }] }] },
    error: ofCluster,
    anyOf: [onCluster('ALTER')],
  },
  {
    api: 'DescribeClientQuotas',
    key: ApiKey.DescribeClientQuotas,
    version: 1,
    body: { components: [], strict: false },
    error: ofCluster,
    anyOf: [onCluster('DESCRIBE_CONFIGS'), onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'AlterClientQuotas',
    key: ApiKey.AlterClientQuotas,
    version: 1,
    body: {
      entries: [
        {
          entity: [{ entityType: 'user', entityName: 'device-1' }],
          ops: [{ key: 'producer_byte_rate', value: 1024, remove: false }],
        },
      ],
      validateOnly: true,
    },
    error: ofCluster,
    anyOf: [onCluster('ALTER_CONFIGS')],
  },
  {
    api: 'CreateDelegationToken',
    key: ApiKey.CreateDelegationToken,
    version: 3,
    body: {
      ownerPrincipalType: 'User',
      ownerPrincipalName: 'service-1',
      renewers: [],
      maxLifetimeMs: -1,
    },
    error: ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
    anyOf: [{ resourceType: 'USER', resourceName: 'User:service-1', operation: 'CREATE_TOKENS' }],
  },
  {
    api: 'DescribeUserScramCredentials',
    key: ApiKey.DescribeUserScramCredentials,
    version: 0,
    body: { users: null },
    error: ofCluster,
    anyOf: [onCluster('DESCRIBE')],
  },
  {
    api: 'AlterUserScramCredentials',
    key: ApiKey.AlterUserScramCredentials,
    version: 0,
    body: { deletions: [{ name: 'nobody', mechanism: 1 }], upsertions: [] },
    error: ofCluster,
    anyOf: [onCluster('ALTER')],
  },
  {
    api: 'DescribeQuorum',
    key: ApiKey.DescribeQuorum,
    version: 2,
    body: { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] },
    error: ofCluster,
    anyOf: [onCluster('DESCRIBE')],
  },
  {
    api: 'DescribeProducers',
    key: ApiKey.DescribeProducers,
    version: 0,
    body: { topics: [{ name: TOPIC, partitionIndexes: [0] }] },
    error: ofTopic,
    anyOf: [onTopic('READ')],
  },
  {
    api: 'DescribeAcls',
    key: ApiKey.DescribeAcls,
    version: 3,
    body: { ...anyAcl, resourceNameFilter: 'matrix-nothing' },
    error: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    anyOf: [onCluster('DESCRIBE'), onCluster('ALTER')],
  },
  {
    api: 'CreateAcls',
    key: ApiKey.CreateAcls,
    version: 3,
    body: {
      creations: [
        {
          resourceType: 2,
          resourceName: 'matrix-nothing',
          resourcePatternType: 3,
          principal: 'User:matrix-nobody',
          host: '*',
          operation: 3,
          permissionType: 3,
        },
      ],
    },
    error: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    anyOf: [onCluster('ALTER')],
  },
  {
    api: 'DeleteAcls',
    key: ApiKey.DeleteAcls,
    version: 3,
    body: { filters: [{ ...anyAcl, resourceNameFilter: 'matrix-nothing' }] },
    error: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    anyOf: [onCluster('ALTER')],
  },
  // Last: it deletes the topic.
  {
    api: 'DeleteTopics',
    key: ApiKey.DeleteTopics,
    version: 6,
    body: { topics: [{ name: TOPIC }], timeoutMs: 1000 },
    error: ofTopic,
    anyOf: [onTopic('DELETE')],
  },
];
