/**
 * DeleteShareGroupState (key 86): deletes the stored state of share partitions; between brokers.
 */
import { array, type Infer, int16, int32, message, string, struct, uuid } from '../schema.ts';

const partitionData = struct({
  partition: int32('0+'),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const deleteStateData = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface DeleteStateData extends Infer<typeof deleteStateData> {}

export const deleteShareGroupStateRequest = message(
  'DeleteShareGroupStateRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: string('0+'),
    topics: array('0+', deleteStateData),
  },
);
export interface DeleteShareGroupStateRequest extends Infer<typeof deleteShareGroupStateRequest> {}

const partitionResult = struct({
  partition: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface PartitionResult extends Infer<typeof partitionResult> {}

const deleteStateResult = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionResult),
});
export interface DeleteStateResult extends Infer<typeof deleteStateResult> {}

export const deleteShareGroupStateResponse = message(
  'DeleteShareGroupStateResponse',
  { versions: '0', flexible: '0+' },
  {
    results: array('0+', deleteStateResult),
  },
);
export interface DeleteShareGroupStateResponse
  extends Infer<typeof deleteShareGroupStateResponse> {}
