/**
 * ListOffsets (key 2): finds offsets by timestamp or by the special timestamps -1 (latest), -2
 * (earliest) and lower.
 */
import {
  array,
  brokerId,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  message,
  struct,
  topicName,
} from '../schema.ts';

const listOffsetsPartition = struct({
  partitionIndex: int32('0+'),
  currentLeaderEpoch: int32('4+', { default: -1, ignorable: true }),
  timestamp: int64('0+'),
});
export interface ListOffsetsPartition extends Infer<typeof listOffsetsPartition> {}

const listOffsetsTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', listOffsetsPartition),
});
export interface ListOffsetsTopic extends Infer<typeof listOffsetsTopic> {}

export const listOffsetsRequest = message(
  'ListOffsetsRequest',
  { versions: '1-11', flexible: '6+' },
  {
    replicaId: brokerId('0+'),
    isolationLevel: int8('2+'),
    topics: array('0+', listOffsetsTopic),
    timeoutMs: int32('10+', { ignorable: true }),
  },
);
export interface ListOffsetsRequest extends Infer<typeof listOffsetsRequest> {}

const listOffsetsPartitionResponse = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  timestamp: int64('1+', { default: -1 }),
  offset: int64('1+', { default: -1 }),
  leaderEpoch: int32('4+', { default: -1 }),
});
export interface ListOffsetsPartitionResponse extends Infer<typeof listOffsetsPartitionResponse> {}

const listOffsetsTopicResponse = struct({
  name: topicName('0+'),
  partitions: array('0+', listOffsetsPartitionResponse),
});
export interface ListOffsetsTopicResponse extends Infer<typeof listOffsetsTopicResponse> {}

export const listOffsetsResponse = message(
  'ListOffsetsResponse',
  { versions: '1-11', flexible: '6+' },
  {
    throttleTimeMs: int32('2+', { ignorable: true }),
    topics: array('0+', listOffsetsTopicResponse),
  },
);
export interface ListOffsetsResponse extends Infer<typeof listOffsetsResponse> {}
