/** ReadShareGroupState (key 84): reads the stored state of share partitions; between brokers. */
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

const partitionData = struct({
  partition: int32('0+'),
  leaderEpoch: int32('0+'),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const readStateData = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface ReadStateData extends Infer<typeof readStateData> {}

export const readShareGroupStateRequest = message(
  'ReadShareGroupStateRequest',
  { versions: '0', flexible: '0+' },
  {
    groupId: string('0+'),
    topics: array('0+', readStateData),
  },
);
export interface ReadShareGroupStateRequest extends Infer<typeof readShareGroupStateRequest> {}

const stateBatch = struct({
  firstOffset: int64('0+'),
  lastOffset: int64('0+'),
  deliveryState: int8('0+'),
  deliveryCount: int16('0+'),
});
export interface StateBatch extends Infer<typeof stateBatch> {}

const partitionResult = struct({
  partition: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  stateEpoch: int32('0+'),
  startOffset: int64('0+'),
  stateBatches: array('0+', stateBatch),
});
export interface PartitionResult extends Infer<typeof partitionResult> {}

const readStateResult = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionResult),
});
export interface ReadStateResult extends Infer<typeof readStateResult> {}

export const readShareGroupStateResponse = message(
  'ReadShareGroupStateResponse',
  { versions: '0', flexible: '0+' },
  {
    results: array('0+', readStateResult),
  },
);
export interface ReadShareGroupStateResponse extends Infer<typeof readShareGroupStateResponse> {}
