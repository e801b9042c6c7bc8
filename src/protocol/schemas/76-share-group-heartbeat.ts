/** ShareGroupHeartbeat (key 76): membership and assignment in a share group (KIP-932). */
import {
  array,
  embed,
  groupId,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

export const shareGroupHeartbeatRequest = message(
  'ShareGroupHeartbeatRequest',
  { versions: '1', flexible: '0+' },
  {
    groupId: groupId('0+'),
    memberId: string('0+'),
    memberEpoch: int32('0+'),
    rackId: string('0+', { nullable: '0+', default: null }),
    subscribedTopicNames: array('0+', topicName(), { nullable: '0+', default: null }),
  },
);
export interface ShareGroupHeartbeatRequest extends Infer<typeof shareGroupHeartbeatRequest> {}

const topicPartitions = struct({
  topicId: uuid('0+'),
  partitions: array('0+', int32()),
});
export interface TopicPartitions extends Infer<typeof topicPartitions> {}

const assignment = struct({
  topicPartitions: array('0+', topicPartitions),
});
export interface Assignment extends Infer<typeof assignment> {}

export const shareGroupHeartbeatResponse = message(
  'ShareGroupHeartbeatResponse',
  { versions: '1', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    memberId: string('0+', { nullable: '0+', default: null }),
    memberEpoch: int32('0+'),
    heartbeatIntervalMs: int32('0+'),
    assignment: embed('0+', assignment, { nullable: '0+', default: null }),
  },
);
export interface ShareGroupHeartbeatResponse extends Infer<typeof shareGroupHeartbeatResponse> {}
