/**
 * ReadShareGroupStateSummary (key 87): the start offset of share partitions, without their
 * batches; between brokers.
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
  leaderEpoch: int32('0+'),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const readStateSummaryData = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface ReadStateSummaryData extends Infer<typeof readStateSummaryData> {}

export const readShareGroupStateSummaryRequest = message(
  'ReadShareGroupStateSummaryRequest',
  { versions: '0-1', flexible: '0+' },
  {
    groupId: string('0+'),
    topics: array('0+', readStateSummaryData),
  },
);
export interface ReadShareGroupStateSummaryRequest
  extends Infer<typeof readShareGroupStateSummaryRequest> {}

const partitionResult = struct({
  partition: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  stateEpoch: int32('0+'),
  leaderEpoch: int32('0+'),
  startOffset: int64('0+'),
  deliveryCompleteCount: int32('1+', { default: -1, ignorable: true }),
});
export interface PartitionResult extends Infer<typeof partitionResult> {}

const readStateSummaryResult = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionResult),
});
export interface ReadStateSummaryResult extends Infer<typeof readStateSummaryResult> {}

export const readShareGroupStateSummaryResponse = message(
  'ReadShareGroupStateSummaryResponse',
  { versions: '0-1', flexible: '0+' },
  {
    results: array('0+', readStateSummaryResult),
  },
);
export interface ReadShareGroupStateSummaryResponse
  extends Infer<typeof readShareGroupStateSummaryResponse> {}
