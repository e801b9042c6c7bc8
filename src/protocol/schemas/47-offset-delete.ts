/** OffsetDelete (key 47): deletes stored offsets of a group. */
import { array, groupId, type Infer, int16, int32, message, struct, topicName } from '../schema.ts';

const offsetDeleteRequestPartition = struct({
  partitionIndex: int32('0+'),
});
export interface OffsetDeleteRequestPartition extends Infer<typeof offsetDeleteRequestPartition> {}

const offsetDeleteRequestTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', offsetDeleteRequestPartition),
});
export interface OffsetDeleteRequestTopic extends Infer<typeof offsetDeleteRequestTopic> {}

export const offsetDeleteRequest = message(
  'OffsetDeleteRequest',
  { versions: '0', flexible: 'none' },
  {
    groupId: groupId('0+'),
    topics: array('0+', offsetDeleteRequestTopic),
  },
);
export interface OffsetDeleteRequest extends Infer<typeof offsetDeleteRequest> {}

const offsetDeleteResponsePartition = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
});
export interface OffsetDeleteResponsePartition
  extends Infer<typeof offsetDeleteResponsePartition> {}

const offsetDeleteResponseTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', offsetDeleteResponsePartition),
});
export interface OffsetDeleteResponseTopic extends Infer<typeof offsetDeleteResponseTopic> {}

export const offsetDeleteResponse = message(
  'OffsetDeleteResponse',
  { versions: '0', flexible: 'none' },
  {
    errorCode: int16('0+'),
    throttleTimeMs: int32('0+', { ignorable: true }),
    topics: array('0+', offsetDeleteResponseTopic),
  },
);
export interface OffsetDeleteResponse extends Infer<typeof offsetDeleteResponse> {}
