/**
 * Every field of a served message that can hold a name, an id, bytes or text, and what keeps one
 * tenant's from reaching another. Topic names are found by their entityType and renamed by
 * tenant-namespace.ts; all others stand here, by message and path. A field that is in neither place
 * fails test/tenancy/wire-fields.test.ts, so a new one is thought about before it is served.
 */

export const FieldClass = {
  /** Ids of topics: of another tenant they look unknown (TenantNamespace.topicById). */
  topicId: 'topicId',
  /** The tenant's own cluster id outward; inward it must be the same. */
  clusterId: 'clusterId',
  /** Where clients connect: the listener's advertised address, the same for every tenant. */
  endpoint: 'endpoint',
  /** Prefixed with the tenant inward; never given out. */
  transactionalId: 'transactionalId',
  /** A group or transactional id by its key type: decided and echoed in the tenant's own names. */
  coordinatorKey: 'coordinatorKey',
  /** A resource by its type: only topics exist for tenants, renamed both ways; others are refused. */
  resourceName: 'resourceName',
  /** Names and values of topic configurations: the topic's own, and the broker's public defaults. */
  topicConfig: 'topicConfig',
  /** Written from the names in the request; quoted physical names become visible ones. */
  freeText: 'freeText',
  /** What devices say to each other: passed on untouched, never looked at for names. */
  userData: 'userData',
  /** About the client's software or place; kept with its own connection only. */
  clientFact: 'clientFact',
  /** The broker's own vocabulary, the same for everybody. */
  vocabulary: 'vocabulary',
  /** For followers; nobody is a follower here, so it is not read. */
  replication: 'replication',
} as const;
export type FieldClass = keyof typeof FieldClass;

export const WIRE_FIELDS: Readonly<Record<string, Readonly<Record<string, FieldClass>>>> = {
  ProduceRequest: {
    transactionalId: 'transactionalId',
    'topicData[].topicId': 'topicId',
    'topicData[].partitionData[].records': 'userData',
  },
  ProduceResponse: {
    'responses[].topicId': 'topicId',
    'responses[].partitionResponses[].recordErrors[].batchIndexErrorMessage': 'freeText',
    'responses[].partitionResponses[].errorMessage': 'freeText',
    'nodeEndpoints[].host': 'endpoint',
    'nodeEndpoints[].rack': 'endpoint',
  },
  FetchRequest: {
    clusterId: 'clusterId',
    'topics[].topicId': 'topicId',
    'topics[].partitions[].replicaDirectoryId': 'replication',
    'forgottenTopicsData[].topicId': 'topicId',
    rackId: 'clientFact',
  },
  FetchResponse: {
    'responses[].topicId': 'topicId',
    'responses[].partitions[].records': 'userData',
    'nodeEndpoints[].host': 'endpoint',
    'nodeEndpoints[].rack': 'endpoint',
  },
  MetadataRequest: { 'topics[].topicId': 'topicId' },
  MetadataResponse: {
    'brokers[].host': 'endpoint',
    'brokers[].rack': 'endpoint',
    clusterId: 'clusterId',
    'topics[].topicId': 'topicId',
  },
  FindCoordinatorRequest: { key: 'coordinatorKey', 'coordinatorKeys[]': 'coordinatorKey' },
  FindCoordinatorResponse: {
    errorMessage: 'freeText',
    host: 'endpoint',
    'coordinators[].key': 'coordinatorKey',
    'coordinators[].host': 'endpoint',
    'coordinators[].errorMessage': 'freeText',
  },
  ApiVersionsRequest: { clientSoftwareName: 'clientFact', clientSoftwareVersion: 'clientFact' },
  ApiVersionsResponse: {
    'supportedFeatures[].name': 'vocabulary',
    'finalizedFeatures[].name': 'vocabulary',
  },
  CreateTopicsRequest: {
    'topics[].configs[].name': 'topicConfig',
    'topics[].configs[].value': 'topicConfig',
  },
  CreateTopicsResponse: {
    'topics[].topicId': 'topicId',
    'topics[].errorMessage': 'freeText',
    'topics[].configs[].name': 'topicConfig',
    'topics[].configs[].value': 'topicConfig',
  },
  DeleteTopicsRequest: { 'topics[].topicId': 'topicId' },
  DeleteTopicsResponse: {
    'responses[].topicId': 'topicId',
    'responses[].errorMessage': 'freeText',
  },
  InitProducerIdRequest: { transactionalId: 'transactionalId' },
  DescribeConfigsRequest: {
    'resources[].resourceName': 'resourceName',
    'resources[].configurationKeys[]': 'topicConfig',
  },
  DescribeConfigsResponse: {
    'results[].errorMessage': 'freeText',
    'results[].resourceName': 'resourceName',
    'results[].configs[].name': 'topicConfig',
    'results[].configs[].value': 'topicConfig',
    'results[].configs[].synonyms[].name': 'topicConfig',
    'results[].configs[].synonyms[].value': 'topicConfig',
    'results[].configs[].documentation': 'vocabulary',
  },
  CreatePartitionsResponse: { 'results[].errorMessage': 'freeText' },
  ListPartitionReassignmentsResponse: { errorMessage: 'freeText' },
  DescribeClusterResponse: {
    errorMessage: 'freeText',
    clusterId: 'clusterId',
    'brokers[].host': 'endpoint',
    'brokers[].rack': 'endpoint',
  },
  DescribeTopicPartitionsResponse: { 'topics[].topicId': 'topicId' },
};
