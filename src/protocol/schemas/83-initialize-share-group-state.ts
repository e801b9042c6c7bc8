/**
 * InitializeShareGroupState (key 83): creates the stored state of share partitions; between
 * brokers.
 */
import {
  array,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  uuid,
} from '../schema.ts';

const partitionData = struct({
  partition: int32('0+'),
  stateEpoch: int32('0+'),
  startOffset: int64('0+'),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const initializeStateData = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface InitializeStateData extends Infer<typeof initializeStateData> {}

export const initializeShareGroupStateRequest = message(
  'InitializeShareGroupStateRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: string('0+'),
    topics: array('0+', initializeStateData),
  },
);
export interface InitializeShareGroupStateRequest
  extends Infer<typeof initializeShareGroupStateRequest> {}

const partitionResult = struct({
  partition: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface PartitionResult extends Infer<typeof partitionResult> {}

const initializeStateResult = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionResult),
});
export interface InitializeStateResult extends Infer<typeof initializeStateResult> {}

export const initializeShareGroupStateResponse = message(
  'InitializeShareGroupStateResponse',
  { versions: '0', flexible: '0+' },
  {
    results: array('0+', initializeStateResult),
  },
);
export interface InitializeShareGroupStateResponse
  extends Infer<typeof initializeShareGroupStateResponse> {}
