/**
 * Every field of a served message that can hold a name, an id, bytes or text, and what keeps one
 * tenant's from reaching another. Topic names and group ids are found by their entityType and
 * renamed by tenant-namespace.ts; all others stand here, by message and path. A field that is in neither place
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
  /** A resource of configs (topic, group, or the tenant's brokers): renamed both ways. */
  resourceName: 'resourceName',
  /** Of rules: kept in the tenant's own names, beside the tenant that the connection gives. */
  aclField: 'aclField',
  /** Of a group's members, by themselves: goes to the members and readers of that group only. */
  memberFact: 'memberFact',
  /**
   * Names and values of configs: the topic's or group's own, the tenant's defaults, and those of the
   * broker's settings that bear on every client alike.
   */
  topicConfig: 'topicConfig',
  /** Written from the names in the request; quoted physical names become visible ones. */
  freeText: 'freeText',
  /** What devices say to each other: passed on untouched, never looked at for names. */
  userData: 'userData',
  /** About the client's software or place; kept with its own connection only. */
  clientFact: 'clientFact',
  /** A folder of the machine: tenants know it by another name (virtual-cluster.ts). */
  logDirectory: 'logDirectory',
  /** Of whom a quota, a credential or a token is: kept by tenant, told to that tenant only. */
  tenantFact: 'tenantFact',
  /** What proves an identity: used for that, kept as StoredKey and ServerKey at most, told to nobody. */
  secret: 'secret',
  /** Proves a delegation token, in its tenant only; made anew each time, told to owner and renewers. */
  tokenProof: 'tokenProof',
  /** A step of a login: from and to this client only, before or about its own identity. */
  loginStep: 'loginStep',
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
  OffsetCommitRequest: {
    memberId: 'memberFact',
    groupInstanceId: 'memberFact',
    'topics[].topicId': 'topicId',
    'topics[].partitions[].committedMetadata': 'userData',
  },
  OffsetCommitResponse: { 'topics[].topicId': 'topicId' },
  OffsetFetchRequest: {
    'groups[].memberId': 'memberFact',
    'groups[].topics[].topicId': 'topicId',
  },
  OffsetFetchResponse: {
    'topics[].partitions[].metadata': 'userData',
    'groups[].topics[].topicId': 'topicId',
    'groups[].topics[].partitions[].metadata': 'userData',
  },
  FindCoordinatorRequest: { key: 'coordinatorKey', 'coordinatorKeys[]': 'coordinatorKey' },
  FindCoordinatorResponse: {
    errorMessage: 'freeText',
    host: 'endpoint',
    'coordinators[].key': 'coordinatorKey',
    'coordinators[].host': 'endpoint',
    'coordinators[].errorMessage': 'freeText',
  },
  JoinGroupRequest: {
    memberId: 'memberFact',
    groupInstanceId: 'memberFact',
    protocolType: 'memberFact',
    'protocols[].name': 'memberFact',
    'protocols[].metadata': 'userData',
    reason: 'memberFact',
  },
  JoinGroupResponse: {
    protocolType: 'memberFact',
    protocolName: 'memberFact',
    leader: 'memberFact',
    memberId: 'memberFact',
    'members[].memberId': 'memberFact',
    'members[].groupInstanceId': 'memberFact',
    'members[].metadata': 'userData',
  },
  HeartbeatRequest: { memberId: 'memberFact', groupInstanceId: 'memberFact' },
  LeaveGroupRequest: {
    memberId: 'memberFact',
    'members[].memberId': 'memberFact',
    'members[].groupInstanceId': 'memberFact',
    'members[].reason': 'memberFact',
  },
  LeaveGroupResponse: {
    'members[].memberId': 'memberFact',
    'members[].groupInstanceId': 'memberFact',
  },
  SyncGroupRequest: {
    memberId: 'memberFact',
    groupInstanceId: 'memberFact',
    protocolType: 'memberFact',
    protocolName: 'memberFact',
    'assignments[].memberId': 'memberFact',
    'assignments[].assignment': 'userData',
  },
  SyncGroupResponse: {
    protocolType: 'memberFact',
    protocolName: 'memberFact',
    assignment: 'userData',
  },
  DescribeGroupsResponse: {
    'groups[].errorMessage': 'freeText',
    'groups[].groupState': 'vocabulary',
    'groups[].protocolType': 'memberFact',
    'groups[].protocolData': 'memberFact',
    'groups[].members[].memberId': 'memberFact',
    'groups[].members[].groupInstanceId': 'memberFact',
    'groups[].members[].clientId': 'memberFact',
    'groups[].members[].clientHost': 'memberFact',
    'groups[].members[].memberMetadata': 'userData',
    'groups[].members[].memberAssignment': 'userData',
  },
  ListGroupsRequest: { 'statesFilter[]': 'vocabulary', 'typesFilter[]': 'vocabulary' },
  ListGroupsResponse: {
    'groups[].protocolType': 'memberFact',
    'groups[].groupState': 'vocabulary',
    'groups[].groupType': 'vocabulary',
  },
  SaslHandshakeRequest: { mechanism: 'vocabulary' },
  SaslHandshakeResponse: { 'mechanisms[]': 'vocabulary' },
  SaslAuthenticateRequest: { authBytes: 'secret' },
  SaslAuthenticateResponse: { errorMessage: 'vocabulary', authBytes: 'loginStep' },
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
  DescribeAclsRequest: {
    resourceNameFilter: 'aclField',
    principalFilter: 'aclField',
    hostFilter: 'aclField',
  },
  DescribeAclsResponse: {
    errorMessage: 'freeText',
    'resources[].resourceName': 'aclField',
    'resources[].acls[].principal': 'aclField',
    'resources[].acls[].host': 'aclField',
  },
  CreateAclsRequest: {
    'creations[].resourceName': 'aclField',
    'creations[].principal': 'aclField',
    'creations[].host': 'aclField',
  },
  CreateAclsResponse: { 'results[].errorMessage': 'freeText' },
  DeleteAclsRequest: {
    'filters[].resourceNameFilter': 'aclField',
    'filters[].principalFilter': 'aclField',
    'filters[].hostFilter': 'aclField',
  },
  DeleteAclsResponse: {
    'filterResults[].errorMessage': 'freeText',
    'filterResults[].matchingAcls[].errorMessage': 'freeText',
    'filterResults[].matchingAcls[].resourceName': 'aclField',
    'filterResults[].matchingAcls[].principal': 'aclField',
    'filterResults[].matchingAcls[].host': 'aclField',
  },
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
  AlterConfigsRequest: {
    'resources[].resourceName': 'resourceName',
    'resources[].configs[].name': 'topicConfig',
    'resources[].configs[].value': 'topicConfig',
  },
  AlterConfigsResponse: {
    'responses[].errorMessage': 'freeText',
    'responses[].resourceName': 'resourceName',
  },
  CreatePartitionsResponse: { 'results[].errorMessage': 'freeText' },
  IncrementalAlterConfigsRequest: {
    'resources[].resourceName': 'resourceName',
    'resources[].configs[].name': 'topicConfig',
    'resources[].configs[].value': 'topicConfig',
  },
  IncrementalAlterConfigsResponse: {
    'responses[].errorMessage': 'freeText',
    'responses[].resourceName': 'resourceName',
  },
  ListPartitionReassignmentsResponse: { errorMessage: 'freeText' },
  AlterReplicaLogDirsRequest: { 'dirs[].path': 'logDirectory' },
  DescribeLogDirsResponse: { 'results[].logDir': 'logDirectory' },
  ElectLeadersResponse: { 'replicaElectionResults[].partitionResult[].errorMessage': 'freeText' },
  AlterPartitionReassignmentsResponse: {
    errorMessage: 'freeText',
    'responses[].partitions[].errorMessage': 'freeText',
  },
  DescribeQuorumResponse: {
    errorMessage: 'freeText',
    'topics[].partitions[].errorMessage': 'freeText',
    'topics[].partitions[].currentVoters[].replicaDirectoryId': 'replication',
    'topics[].partitions[].observers[].replicaDirectoryId': 'replication',
    'nodes[].listeners[].name': 'endpoint',
    'nodes[].listeners[].host': 'endpoint',
  },
  DescribeProducersResponse: { 'topics[].partitions[].errorMessage': 'freeText' },
  DescribeClientQuotasRequest: {
    'components[].entityType': 'vocabulary',
    'components[].match': 'tenantFact',
  },
  DescribeClientQuotasResponse: {
    errorMessage: 'freeText',
    'entries[].entity[].entityType': 'vocabulary',
    'entries[].entity[].entityName': 'tenantFact',
    'entries[].values[].key': 'vocabulary',
  },
  AlterClientQuotasRequest: {
    'entries[].entity[].entityType': 'vocabulary',
    'entries[].entity[].entityName': 'tenantFact',
    'entries[].ops[].key': 'vocabulary',
  },
  AlterClientQuotasResponse: {
    'entries[].errorMessage': 'freeText',
    'entries[].entity[].entityType': 'vocabulary',
    'entries[].entity[].entityName': 'tenantFact',
  },
  DescribeUserScramCredentialsRequest: { 'users[].name': 'tenantFact' },
  DescribeUserScramCredentialsResponse: {
    errorMessage: 'freeText',
    'results[].user': 'tenantFact',
    'results[].errorMessage': 'freeText',
  },
  AlterUserScramCredentialsRequest: {
    'deletions[].name': 'tenantFact',
    'upsertions[].name': 'tenantFact',
    'upsertions[].salt': 'secret',
    'upsertions[].saltedPassword': 'secret',
  },
  AlterUserScramCredentialsResponse: {
    'results[].user': 'tenantFact',
    'results[].errorMessage': 'freeText',
  },
  CreateDelegationTokenRequest: {
    ownerPrincipalType: 'vocabulary',
    ownerPrincipalName: 'tenantFact',
    'renewers[].principalType': 'vocabulary',
    'renewers[].principalName': 'tenantFact',
  },
  CreateDelegationTokenResponse: {
    principalType: 'vocabulary',
    principalName: 'tenantFact',
    tokenRequesterPrincipalType: 'vocabulary',
    tokenRequesterPrincipalName: 'tenantFact',
    tokenId: 'tenantFact',
    hmac: 'tokenProof',
  },
  RenewDelegationTokenRequest: { hmac: 'tokenProof' },
  ExpireDelegationTokenRequest: { hmac: 'tokenProof' },
  DescribeDelegationTokenRequest: {
    'owners[].principalType': 'vocabulary',
    'owners[].principalName': 'tenantFact',
  },
  DescribeDelegationTokenResponse: {
    'tokens[].principalType': 'vocabulary',
    'tokens[].principalName': 'tenantFact',
    'tokens[].tokenRequesterPrincipalType': 'vocabulary',
    'tokens[].tokenRequesterPrincipalName': 'tenantFact',
    'tokens[].tokenId': 'tenantFact',
    'tokens[].hmac': 'tokenProof',
    'tokens[].renewers[].principalType': 'vocabulary',
    'tokens[].renewers[].principalName': 'tenantFact',
  },
  DescribeClusterResponse: {
    errorMessage: 'freeText',
    clusterId: 'clusterId',
    'brokers[].host': 'endpoint',
    'brokers[].rack': 'endpoint',
  },
  GetTelemetrySubscriptionsRequest: { clientInstanceId: 'clientFact' },
  GetTelemetrySubscriptionsResponse: {
    clientInstanceId: 'clientFact',
    'requestedMetrics[]': 'tenantFact',
  },
  PushTelemetryRequest: { clientInstanceId: 'clientFact', metrics: 'clientFact' },
  ListConfigResourcesResponse: { 'configResources[].resourceName': 'resourceName' },
  DescribeTopicPartitionsResponse: { 'topics[].topicId': 'topicId' },
};
