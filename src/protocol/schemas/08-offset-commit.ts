/**
 * OffsetCommit (key 8): stores the offsets of a group. From version 10 a topic is named by its id.
 */
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

const offsetCommitRequestPartition = struct({
  partitionIndex: int32('0+'),
  committedOffset: int64('0+'),
  committedLeaderEpoch: int32('6+', { default: -1, ignorable: true }),
  committedMetadata: string('0+', { nullable: '0+' }),
});
export interface OffsetCommitRequestPartition extends Infer<typeof offsetCommitRequestPartition> {}

const offsetCommitRequestTopic = struct({
  name: topicName('0-9', { ignorable: true }),
  topicId: uuid('10+', { ignorable: true }),
  partitions: array('0+', offsetCommitRequestPartition),
});
export interface OffsetCommitRequestTopic extends Infer<typeof offsetCommitRequestTopic> {}

export const offsetCommitRequest = message(
  'OffsetCommitRequest',
  { versions: '2-10', flexible: '8+' },
  {
    groupId: groupId('0+'),
    generationIdOrMemberEpoch: int32('1+', { default: -1, ignorable: true }),
    memberId: string('1+', { ignorable: true }),
    groupInstanceId: string('7+', { nullable: '7+', default: null }),
    retentionTimeMs: int64('2-4', { default: -1, ignorable: true }),
    topics: array('0+', offsetCommitRequestTopic),
  },
);
export interface OffsetCommitRequest extends Infer<typeof offsetCommitRequest> {}

const offsetCommitResponsePartition = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
});
export interface OffsetCommitResponsePartition
  extends Infer<typeof offsetCommitResponsePartition> {}

const offsetCommitResponseTopic = struct({
  name: topicName('0-9', { ignorable: true }),
  topicId: uuid('10+', { ignorable: true }),
  partitions: array('0+', offsetCommitResponsePartition),
});
export interface OffsetCommitResponseTopic extends Infer<typeof offsetCommitResponseTopic> {}

export const offsetCommitResponse = message(
  'OffsetCommitResponse',
  { versions: '2-10', flexible: '8+' },
  {
    throttleTimeMs: int32('3+', { ignorable: true }),
    topics: array('0+', offsetCommitResponseTopic),
  },
);
export interface OffsetCommitResponse extends Infer<typeof offsetCommitResponse> {}
