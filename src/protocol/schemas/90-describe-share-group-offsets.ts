/** DescribeShareGroupOffsets (key 90): start offset and lag of the partitions of share groups. */
import {
  array,
  groupId,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

const describeShareGroupOffsetsRequestTopic = struct({
  topicName: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface DescribeShareGroupOffsetsRequestTopic
  extends Infer<typeof describeShareGroupOffsetsRequestTopic> {}

const describeShareGroupOffsetsRequestGroup = struct({
  groupId: groupId('0+'),
  topics: array('0+', describeShareGroupOffsetsRequestTopic, { nullable: '0+' }),
});
export interface DescribeShareGroupOffsetsRequestGroup
  extends Infer<typeof describeShareGroupOffsetsRequestGroup> {}

export const describeShareGroupOffsetsRequest = message(
  'DescribeShareGroupOffsetsRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groups: array('0+', describeShareGroupOffsetsRequestGroup),
  },
);
export interface DescribeShareGroupOffsetsRequest
  extends Infer<typeof describeShareGroupOffsetsRequest> {}

const describeShareGroupOffsetsResponsePartition = struct({
  partitionIndex: int32('0+'),
  startOffset: int64('0+'),
  leaderEpoch: int32('0+'),
  lag: int64('1+', { default: -1, ignorable: true }),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface DescribeShareGroupOffsetsResponsePartition
  extends Infer<typeof describeShareGroupOffsetsResponsePartition> {}

const describeShareGroupOffsetsResponseTopic = struct({
  topicName: topicName('0+'),
  topicId: uuid('0+'),
  partitions: array('0+', describeShareGroupOffsetsResponsePartition),
});
export interface DescribeShareGroupOffsetsResponseTopic
  extends Infer<typeof describeShareGroupOffsetsResponseTopic> {}

const describeShareGroupOffsetsResponseGroup = struct({
  groupId: groupId('0+'),
  topics: array('0+', describeShareGroupOffsetsResponseTopic),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface DescribeShareGroupOffsetsResponseGroup
  extends Infer<typeof describeShareGroupOffsetsResponseGroup> {}

export const describeShareGroupOffsetsResponse = message(
  'DescribeShareGroupOffsetsResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    groups: array('0+', describeShareGroupOffsetsResponseGroup),
  },
);
export interface DescribeShareGroupOffsetsResponse
  extends Infer<typeof describeShareGroupOffsetsResponse> {}
