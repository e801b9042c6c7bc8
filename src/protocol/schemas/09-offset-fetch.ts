/**
 * OffsetFetch (key 9): reads the stored offsets of a group. Up to version 7 the request names one
 * group in its top-level fields, from version 8 a list of groups; from version 10 a topic is named
 * by its id.
 */
import {
  array,
  bool,
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

const offsetFetchRequestTopic = struct({
  name: topicName('0-7'),
  partitionIndexes: array('0-7', int32()),
});
export interface OffsetFetchRequestTopic extends Infer<typeof offsetFetchRequestTopic> {}

const offsetFetchRequestTopics = struct({
  name: topicName('8-9', { ignorable: true }),
  topicId: uuid('10+', { ignorable: true }),
  partitionIndexes: array('8+', int32()),
});
export interface OffsetFetchRequestTopics extends Infer<typeof offsetFetchRequestTopics> {}

const offsetFetchRequestGroup = struct({
  groupId: groupId('8+'),
  memberId: string('9+', { nullable: '9+', default: null, ignorable: true }),
  memberEpoch: int32('9+', { default: -1, ignorable: true }),
  topics: array('8+', offsetFetchRequestTopics, { nullable: '8+' }),
});
export interface OffsetFetchRequestGroup extends Infer<typeof offsetFetchRequestGroup> {}

export const offsetFetchRequest = message(
  'OffsetFetchRequest',
  { versions: '1-10', flexible: '6+' },
  {
    groupId: groupId('0-7'),
    topics: array('0-7', offsetFetchRequestTopic, { nullable: '2-7' }),
    groups: array('8+', offsetFetchRequestGroup),
    requireStable: bool('7+'),
  },
);
export interface OffsetFetchRequest extends Infer<typeof offsetFetchRequest> {}

const offsetFetchResponsePartition = struct({
  partitionIndex: int32('0-7'),
  committedOffset: int64('0-7'),
  committedLeaderEpoch: int32('5-7', { default: -1, ignorable: true }),
  metadata: string('0-7', { nullable: '0-7' }),
  errorCode: int16('0-7'),
});
export interface OffsetFetchResponsePartition extends Infer<typeof offsetFetchResponsePartition> {}

const offsetFetchResponseTopic = struct({
  name: topicName('0-7'),
  partitions: array('0-7', offsetFetchResponsePartition),
});
export interface OffsetFetchResponseTopic extends Infer<typeof offsetFetchResponseTopic> {}

const offsetFetchResponsePartitions = struct({
  partitionIndex: int32('8+'),
  committedOffset: int64('8+'),
  committedLeaderEpoch: int32('8+', { default: -1, ignorable: true }),
  metadata: string('8+', { nullable: '8+' }),
  errorCode: int16('8+'),
});
export interface OffsetFetchResponsePartitions
  extends Infer<typeof offsetFetchResponsePartitions> {}

const offsetFetchResponseTopics = struct({
  name: topicName('8-9', { ignorable: true }),
  topicId: uuid('10+', { ignorable: true }),
  partitions: array('8+', offsetFetchResponsePartitions),
});
export interface OffsetFetchResponseTopics extends Infer<typeof offsetFetchResponseTopics> {}

const offsetFetchResponseGroup = struct({
  groupId: groupId('8+'),
  topics: array('8+', offsetFetchResponseTopics),
  errorCode: int16('8+'),
});
export interface OffsetFetchResponseGroup extends Infer<typeof offsetFetchResponseGroup> {}

export const offsetFetchResponse = message(
  'OffsetFetchResponse',
  { versions: '1-10', flexible: '6+' },
  {
    throttleTimeMs: int32('3+', { ignorable: true }),
    topics: array('0-7', offsetFetchResponseTopic),
    errorCode: int16('2-7', { ignorable: true }),
    groups: array('8+', offsetFetchResponseGroup),
  },
);
export interface OffsetFetchResponse extends Infer<typeof offsetFetchResponse> {}
