/** WriteShareGroupState (key 85): writes the stored state of share partitions; between brokers. */
import {
  array,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  uuid,
} from '../schema.ts';

const stateBatch = struct({
  firstOffset: int64('0+'),
  lastOffset: int64('0+'),
  deliveryState: int8('0+'),
  deliveryCount: int16('0+'),
});
export interface StateBatch extends Infer<typeof stateBatch> {}

const partitionData = struct({
  partition: int32('0+'),
  stateEpoch: int32('0+'),
  leaderEpoch: int32('0+'),
  startOffset: int64('0+'),
  deliveryCompleteCount: int32('1+', { default: -1, ignorable: true }),
  stateBatches: array('0+', stateBatch),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const writeStateData = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface WriteStateData extends Infer<typeof writeStateData> {}

export const writeShareGroupStateRequest = message(
  'WriteShareGroupStateRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groupId: string('0+'),
    topics: array('0+', writeStateData),
  },
);
export interface WriteShareGroupStateRequest extends Infer<typeof writeShareGroupStateRequest> {}

const partitionResult = struct({
  partition: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface PartitionResult extends Infer<typeof partitionResult> {}

const writeStateResult = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionResult),
});
export interface WriteStateResult extends Infer<typeof writeStateResult> {}

export const writeShareGroupStateResponse = message(
  'WriteShareGroupStateResponse',
  { versions: '0-1', flexible: '0+' },
  {
    results: array('0+', writeStateResult),
  },
);
export interface WriteShareGroupStateResponse extends Infer<typeof writeShareGroupStateResponse> {}
