/** AlterShareGroupOffsets (key 91): moves the start offset of a share group's partitions. */
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

const alterShareGroupOffsetsRequestPartition = struct({
  partitionIndex: int32('0+'),
  startOffset: int64('0+'),
});
export interface AlterShareGroupOffsetsRequestPartition
  extends Infer<typeof alterShareGroupOffsetsRequestPartition> {}

const alterShareGroupOffsetsRequestTopic = struct({
  topicName: topicName('0+'),
  partitions: array('0+', alterShareGroupOffsetsRequestPartition),
});
export interface AlterShareGroupOffsetsRequestTopic
  extends Infer<typeof alterShareGroupOffsetsRequestTopic> {}

export const alterShareGroupOffsetsRequest = message(
  'AlterShareGroupOffsetsRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: groupId('0+'),
    topics: array('0+', alterShareGroupOffsetsRequestTopic),
  },
);
export interface AlterShareGroupOffsetsRequest
  extends Infer<typeof alterShareGroupOffsetsRequest> {}

const alterShareGroupOffsetsResponsePartition = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface AlterShareGroupOffsetsResponsePartition
  extends Infer<typeof alterShareGroupOffsetsResponsePartition> {}

const alterShareGroupOffsetsResponseTopic = struct({
  topicName: topicName('0+'),
  topicId: uuid('0+'),
  partitions: array('0+', alterShareGroupOffsetsResponsePartition),
});
export interface AlterShareGroupOffsetsResponseTopic
  extends Infer<typeof alterShareGroupOffsetsResponseTopic> {}

export const alterShareGroupOffsetsResponse = message(
  'AlterShareGroupOffsetsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    responses: array('0+', alterShareGroupOffsetsResponseTopic),
  },
);
export interface AlterShareGroupOffsetsResponse
  extends Infer<typeof alterShareGroupOffsetsResponse> {}
