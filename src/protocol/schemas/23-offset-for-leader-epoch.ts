/**
 * OffsetForLeaderEpoch (key 23): the end offset of a leader epoch, by which a consumer or follower
 * finds where its log diverges.
 */
import {
  array,
  brokerId,
  type Infer,
  int16,
  int32,
  int64,
  message,
  struct,
  topicName,
} from '../schema.ts';

const offsetForLeaderPartition = struct({
  partition: int32('0+'),
  currentLeaderEpoch: int32('2+', { default: -1, ignorable: true }),
  leaderEpoch: int32('0+'),
});
export interface OffsetForLeaderPartition extends Infer<typeof offsetForLeaderPartition> {}

const offsetForLeaderTopic = struct({
  topic: topicName('0+'),
  partitions: array('0+', offsetForLeaderPartition),
});
export interface OffsetForLeaderTopic extends Infer<typeof offsetForLeaderTopic> {}

export const offsetForLeaderEpochRequest = message(
  'OffsetForLeaderEpochRequest',
  { versions: '2-4', flexible: '4+' },
  {
    replicaId: brokerId('3+', { default: -2, ignorable: true }),
    topics: array('0+', offsetForLeaderTopic),
  },
);
export interface OffsetForLeaderEpochRequest extends Infer<typeof offsetForLeaderEpochRequest> {}

const epochEndOffset = struct({
  errorCode: int16('0+'),
  partition: int32('0+'),
  leaderEpoch: int32('1+', { default: -1, ignorable: true }),
  endOffset: int64('0+', { default: -1 }),
});
export interface EpochEndOffset extends Infer<typeof epochEndOffset> {}

const offsetForLeaderTopicResult = struct({
  topic: topicName('0+'),
  partitions: array('0+', epochEndOffset),
});
export interface OffsetForLeaderTopicResult extends Infer<typeof offsetForLeaderTopicResult> {}

export const offsetForLeaderEpochResponse = message(
  'OffsetForLeaderEpochResponse',
  { versions: '2-4', flexible: '4+' },
  {
    throttleTimeMs: int32('2+', { ignorable: true }),
    topics: array('0+', offsetForLeaderTopicResult),
  },
);
export interface OffsetForLeaderEpochResponse extends Infer<typeof offsetForLeaderEpochResponse> {}
