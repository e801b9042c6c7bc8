/**
 * StreamsGroupHeartbeat (key 88): membership, topology and assignment in a streams group
 * (KIP-1071).
 */
import {
  array,
  bool,
  embed,
  groupId,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  topicName,
  uint16,
} from '../schema.ts';

const keyValue = struct({
  key: string('0+'),
  value: string('0+'),
});
export interface KeyValue extends Infer<typeof keyValue> {}

const topicInfo = struct({
  name: topicName('0+'),
  partitions: int32('0+'),
  replicationFactor: int16('0+'),
  topicConfigs: array('0+', keyValue),
});
export interface TopicInfo extends Infer<typeof topicInfo> {}

const copartitionGroup = struct({
  sourceTopics: array('0+', int16()),
  sourceTopicRegex: array('0+', int16()),
  repartitionSourceTopics: array('0+', int16()),
});
export interface CopartitionGroup extends Infer<typeof copartitionGroup> {}

const subtopology = struct({
  subtopologyId: string('0+'),
  sourceTopics: array('0+', topicName()),
  sourceTopicRegex: array('0+', string()),
  stateChangelogTopics: array('0+', topicInfo),
  repartitionSinkTopics: array('0+', topicName()),
  repartitionSourceTopics: array('0+', topicInfo),
  copartitionGroups: array('0+', copartitionGroup),
});
export interface Subtopology extends Infer<typeof subtopology> {}

const topology = struct({
  epoch: int32('0+'),
  subtopologies: array('0+', subtopology),
});
export interface Topology extends Infer<typeof topology> {}

const taskIds = struct({
  subtopologyId: string('0+'),
  partitions: array('0+', int32()),
});
export interface TaskIds extends Infer<typeof taskIds> {}

const endpoint = struct({
  host: string('0+'),
  port: uint16('0+'),
});
export interface Endpoint extends Infer<typeof endpoint> {}

const taskOffset = struct({
  subtopologyId: string('0+'),
  partition: int32('0+'),
  offset: int64('0+'),
});
export interface TaskOffset extends Infer<typeof taskOffset> {}

export const streamsGroupHeartbeatRequest = message(
  'StreamsGroupHeartbeatRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: groupId('0+'),
    memberId: string('0+'),
    memberEpoch: int32('0+'),
    endpointInformationEpoch: int32('0+'),
    instanceId: string('0+', { nullable: '0+', default: null }),
    rackId: string('0+', { nullable: '0+', default: null }),
    rebalanceTimeoutMs: int32('0+', { default: -1 }),
    topology: embed('0+', topology, { nullable: '0+', default: null }),
    activeTasks: array('0+', taskIds, { nullable: '0+', default: null }),
    standbyTasks: array('0+', taskIds, { nullable: '0+', default: null }),
    warmupTasks: array('0+', taskIds, { nullable: '0+', default: null }),
    processId: string('0+', { nullable: '0+', default: null }),
    userEndpoint: embed('0+', endpoint, { nullable: '0+', default: null }),
    clientTags: array('0+', keyValue, { nullable: '0+', default: null }),
    taskOffsets: array('0+', taskOffset, { nullable: '0+', default: null }),
    taskEndOffsets: array('0+', taskOffset, { nullable: '0+', default: null }),
    shutdownApplication: bool('0+'),
  },
);
export interface StreamsGroupHeartbeatRequest extends Infer<typeof streamsGroupHeartbeatRequest> {}

const status = struct({
  statusCode: int8('0+'),
  statusDetail: string('0+'),
});
export interface Status extends Infer<typeof status> {}

const topicPartition = struct({
  topic: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface TopicPartition extends Infer<typeof topicPartition> {}

const endpointToPartitions = struct({
  userEndpoint: embed('0+', endpoint),
  activePartitions: array('0+', topicPartition),
  standbyPartitions: array('0+', topicPartition),
});
export interface EndpointToPartitions extends Infer<typeof endpointToPartitions> {}

export const streamsGroupHeartbeatResponse = message(
  'StreamsGroupHeartbeatResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    memberId: string('0+'),
    memberEpoch: int32('0+'),
    heartbeatIntervalMs: int32('0+'),
    acceptableRecoveryLag: int32('0+'),
    taskOffsetIntervalMs: int32('0+'),
    status: array('0+', status, { nullable: '0+' }),
    activeTasks: array('0+', taskIds, { nullable: '0+', default: null }),
    standbyTasks: array('0+', taskIds, { nullable: '0+', default: null }),
    warmupTasks: array('0+', taskIds, { nullable: '0+', default: null }),
    endpointInformationEpoch: int32('0+'),
    partitionsByUserEndpoint: array('0+', endpointToPartitions, { nullable: '0+', default: null }),
  },
);
export interface StreamsGroupHeartbeatResponse
  extends Infer<typeof streamsGroupHeartbeatResponse> {}
