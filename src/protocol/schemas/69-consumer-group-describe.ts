/** ConsumerGroupDescribe (key 69): state and members of consumer groups (KIP-848). */
import {
  array,
  bool,
  embed,
  groupId,
  type Infer,
  int8,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

export const consumerGroupDescribeRequest = message(
  'ConsumerGroupDescribeRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groupIds: array('0+', groupId()),
    includeAuthorizedOperations: bool('0+'),
  },
);
export interface ConsumerGroupDescribeRequest extends Infer<typeof consumerGroupDescribeRequest> {}

const topicPartitions = struct({
  topicId: uuid('0+'),
  topicName: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface TopicPartitions extends Infer<typeof topicPartitions> {}

const assignment = struct({
  topicPartitions: array('0+', topicPartitions),
});
export interface Assignment extends Infer<typeof assignment> {}

const member = struct({
  memberId: string('0+'),
  instanceId: string('0+', { nullable: '0+', default: null }),
  rackId: string('0+', { nullable: '0+', default: null }),
  memberEpoch: int32('0+'),
  clientId: string('0+'),
  clientHost: string('0+'),
  subscribedTopicNames: array('0+', topicName()),
  subscribedTopicRegex: string('0+', { nullable: '0+', default: null }),
  assignment: embed('0+', assignment),
  targetAssignment: embed('0+', assignment),
  memberType: int8('1+', { default: -1, ignorable: true }),
});
export interface Member extends Infer<typeof member> {}

const describedGroup = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  groupId: groupId('0+'),
  groupState: string('0+'),
  groupEpoch: int32('0+'),
  assignmentEpoch: int32('0+'),
  assignorName: string('0+'),
  members: array('0+', member),
  authorizedOperations: int32('0+', { default: -2147483648 }),
});
export interface DescribedGroup extends Infer<typeof describedGroup> {}

export const consumerGroupDescribeResponse = message(
  'ConsumerGroupDescribeResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    groups: array('0+', describedGroup),
  },
);
export interface ConsumerGroupDescribeResponse
  extends Infer<typeof consumerGroupDescribeResponse> {}
