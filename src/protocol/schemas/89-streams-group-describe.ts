/** StreamsGroupDescribe (key 89): state, topology and members of streams groups (KIP-1071). */
import {
  array,
  bool,
  embed,
  groupId,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  topicName,
  uint16,
} from '../schema.ts';

export const streamsGroupDescribeRequest = message(
  'StreamsGroupDescribeRequest',
  { versions: '0', flexible: '0+' },
  {
    groupIds: array('0+', groupId()),
    includeAuthorizedOperations: bool('0+'),
  },
);
export interface StreamsGroupDescribeRequest extends Infer<typeof streamsGroupDescribeRequest> {}

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

const subtopology = struct({
  subtopologyId: string('0+'),
  sourceTopics: array('0+', topicName()),
  repartitionSinkTopics: array('0+', topicName()),
  stateChangelogTopics: array('0+', topicInfo),
  repartitionSourceTopics: array('0+', topicInfo),
});
export interface Subtopology extends Infer<typeof subtopology> {}

const topology = struct({
  epoch: int32('0+'),
  subtopologies: array('0+', subtopology, { nullable: '0+', default: null }),
});
export interface Topology extends Infer<typeof topology> {}

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

const taskIds = struct({
  subtopologyId: string('0+'),
  partitions: array('0+', int32()),
});
export interface TaskIds extends Infer<typeof taskIds> {}

const assignment = struct({
  activeTasks: array('0+', taskIds),
  standbyTasks: array('0+', taskIds),
  warmupTasks: array('0+', taskIds),
});
export interface Assignment extends Infer<typeof assignment> {}

const member = struct({
  memberId: string('0+'),
  memberEpoch: int32('0+'),
  instanceId: string('0+', { nullable: '0+', default: null }),
  rackId: string('0+', { nullable: '0+', default: null }),
  clientId: string('0+'),
  clientHost: string('0+'),
  topologyEpoch: int32('0+'),
  processId: string('0+'),
  userEndpoint: embed('0+', endpoint, { nullable: '0+', default: null }),
  clientTags: array('0+', keyValue),
  taskOffsets: array('0+', taskOffset),
  taskEndOffsets: array('0+', taskOffset),
  assignment: embed('0+', assignment),
  targetAssignment: embed('0+', assignment),
  isClassic: bool('0+'),
});
export interface Member extends Infer<typeof member> {}

const describedGroup = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  groupId: groupId('0+'),
  groupState: string('0+'),
  groupEpoch: int32('0+'),
  assignmentEpoch: int32('0+'),
  topology: embed('0+', topology, { nullable: '0+', default: null }),
  members: array('0+', member),
  authorizedOperations: int32('0+', { default: -2147483648 }),
});
export interface DescribedGroup extends Infer<typeof describedGroup> {}

export const streamsGroupDescribeResponse = message(
  'StreamsGroupDescribeResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    groups: array('0+', describedGroup),
  },
);
export interface StreamsGroupDescribeResponse extends Infer<typeof streamsGroupDescribeResponse> {}
