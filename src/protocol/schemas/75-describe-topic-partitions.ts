/** DescribeTopicPartitions (key 75): topics and their partitions, in pages behind a cursor. */
import {
  array,
  bool,
  brokerId,
  embed,
  type Infer,
  int16,
  int32,
  message,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

const topicRequest = struct({
  name: topicName('0+'),
});
export interface TopicRequest extends Infer<typeof topicRequest> {}

const cursor = struct({
  topicName: topicName('0+'),
  partitionIndex: int32('0+'),
});
export interface Cursor extends Infer<typeof cursor> {}

export const describeTopicPartitionsRequest = message(
  'DescribeTopicPartitionsRequest',
  { versions: '0', flexible: '0+' },
  {
    topics: array('0+', topicRequest),
    responsePartitionLimit: int32('0+', { default: 2000 }),
    cursor: embed('0+', cursor, { nullable: '0+', default: null }),
  },
);
export interface DescribeTopicPartitionsRequest
  extends Infer<typeof describeTopicPartitionsRequest> {}

const describeTopicPartitionsResponsePartition = struct({
  errorCode: int16('0+'),
  partitionIndex: int32('0+'),
  leaderId: brokerId('0+'),
  leaderEpoch: int32('0+', { default: -1, ignorable: true }),
  replicaNodes: array('0+', brokerId()),
  isrNodes: array('0+', brokerId()),
  eligibleLeaderReplicas: array('0+', brokerId(), { nullable: '0+', default: null }),
  lastKnownElr: array('0+', brokerId(), { nullable: '0+', default: null }),
  offlineReplicas: array('0+', brokerId(), { ignorable: true }),
});
export interface DescribeTopicPartitionsResponsePartition
  extends Infer<typeof describeTopicPartitionsResponsePartition> {}

const describeTopicPartitionsResponseTopic = struct({
  errorCode: int16('0+'),
  name: topicName('0+', { nullable: '0+' }),
  topicId: uuid('0+', { ignorable: true }),
  isInternal: bool('0+', { ignorable: true }),
  partitions: array('0+', describeTopicPartitionsResponsePartition),
  topicAuthorizedOperations: int32('0+', { default: -2147483648 }),
});
export interface DescribeTopicPartitionsResponseTopic
  extends Infer<typeof describeTopicPartitionsResponseTopic> {}

export const describeTopicPartitionsResponse = message(
  'DescribeTopicPartitionsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+', { ignorable: true }),
    topics: array('0+', describeTopicPartitionsResponseTopic),
    nextCursor: embed('0+', cursor, { nullable: '0+', default: null }),
  },
);
export interface DescribeTopicPartitionsResponse
  extends Infer<typeof describeTopicPartitionsResponse> {}
