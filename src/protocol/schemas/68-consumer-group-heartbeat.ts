/**
 * ConsumerGroupHeartbeat (key 68): membership, subscription and assignment in a consumer group
 * (KIP-848).
 */
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

const topicPartitions = struct({
  topicId: uuid('0+'),
  partitions: array('0+', int32()),
});
export interface TopicPartitions extends Infer<typeof topicPartitions> {}

export const consumerGroupHeartbeatRequest = message(
  'ConsumerGroupHeartbeatRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groupId: groupId('0+'),
    memberId: string('0+'),
    memberEpoch: int32('0+'),
    instanceId: string('0+', { nullable: '0+', default: null }),
    rackId: string('0+', { nullable: '0+', default: null }),
    rebalanceTimeoutMs: int32('0+', { default: -1 }),
    subscribedTopicNames: array('0+', topicName(), { nullable: '0+', default: null }),
    subscribedTopicRegex: string('1+', { nullable: '1+', default: null }),
    serverAssignor: string('0+', { nullable: '0+', default: null }),
    topicPartitions: array('0+', topicPartitions, { nullable: '0+', default: null }),
  },
);
export interface ConsumerGroupHeartbeatRequest
  extends Infer<typeof consumerGroupHeartbeatRequest> {}

const assignment = struct({
  topicPartitions: array('0+', topicPartitions),
});
export interface Assignment extends Infer<typeof assignment> {}

export const consumerGroupHeartbeatResponse = message(
  'ConsumerGroupHeartbeatResponse',
  { versions: '0-1', flexible: '0+' },
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
export interface ConsumerGroupHeartbeatResponse
  extends Infer<typeof consumerGroupHeartbeatResponse> {}
