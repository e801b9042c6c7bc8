/** DeleteShareGroupOffsets (key 92): deletes the offsets of a share group for whole topics. */
import {
  array,
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

const deleteShareGroupOffsetsRequestTopic = struct({
  topicName: topicName('0+'),
});
export interface DeleteShareGroupOffsetsRequestTopic
  extends Infer<typeof deleteShareGroupOffsetsRequestTopic> {}

export const deleteShareGroupOffsetsRequest = message(
  'DeleteShareGroupOffsetsRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: groupId('0+'),
    topics: array('0+', deleteShareGroupOffsetsRequestTopic),
  },
);
export interface DeleteShareGroupOffsetsRequest
  extends Infer<typeof deleteShareGroupOffsetsRequest> {}

const deleteShareGroupOffsetsResponseTopic = struct({
  topicName: topicName('0+'),
  topicId: uuid('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface DeleteShareGroupOffsetsResponseTopic
  extends Infer<typeof deleteShareGroupOffsetsResponseTopic> {}

export const deleteShareGroupOffsetsResponse = message(
  'DeleteShareGroupOffsetsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    responses: array('0+', deleteShareGroupOffsetsResponseTopic),
  },
);
export interface DeleteShareGroupOffsetsResponse
  extends Infer<typeof deleteShareGroupOffsetsResponse> {}
