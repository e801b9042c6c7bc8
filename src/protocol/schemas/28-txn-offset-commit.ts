/** TxnOffsetCommit (key 28): stores a group's offsets within a transaction. */
import {
  array,
  groupId,
  type Infer,
  int16,
  int32,
  int64,
  message,
  producerId,
  string,
  struct,
  topicName,
  transactionalId,
} from '../schema.ts';

const txnOffsetCommitRequestPartition = struct({
  partitionIndex: int32('0+'),
  committedOffset: int64('0+'),
  committedLeaderEpoch: int32('2+', { default: -1, ignorable: true }),
  committedMetadata: string('0+', { nullable: '0+' }),
});
export interface TxnOffsetCommitRequestPartition
  extends Infer<typeof txnOffsetCommitRequestPartition> {}

const txnOffsetCommitRequestTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', txnOffsetCommitRequestPartition),
});
export interface TxnOffsetCommitRequestTopic extends Infer<typeof txnOffsetCommitRequestTopic> {}

export const txnOffsetCommitRequest = message(
  'TxnOffsetCommitRequest',
  { versions: '0-5', flexible: '3+' },
  {
    transactionalId: transactionalId('0+'),
    groupId: groupId('0+'),
    producerId: producerId('0+'),
    producerEpoch: int16('0+'),
    generationId: int32('3+', { default: -1 }),
    memberId: string('3+'),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
    topics: array('0+', txnOffsetCommitRequestTopic),
  },
);
export interface TxnOffsetCommitRequest extends Infer<typeof txnOffsetCommitRequest> {}

const txnOffsetCommitResponsePartition = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
});
export interface TxnOffsetCommitResponsePartition
  extends Infer<typeof txnOffsetCommitResponsePartition> {}

const txnOffsetCommitResponseTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', txnOffsetCommitResponsePartition),
});
export interface TxnOffsetCommitResponseTopic extends Infer<typeof txnOffsetCommitResponseTopic> {}

export const txnOffsetCommitResponse = message(
  'TxnOffsetCommitResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32('0+'),
    topics: array('0+', txnOffsetCommitResponseTopic),
  },
);
export interface TxnOffsetCommitResponse extends Infer<typeof txnOffsetCommitResponse> {}
