/** DescribeProducers (key 61): the producers that a partition's log remembers. */
import {
  array,
  type Infer,
  int16,
  int32,
  int64,
  message,
  producerId,
  string,
  struct,
  topicName,
} from '../schema.ts';

const topicRequest = struct({
  name: topicName('0+'),
  partitionIndexes: array('0+', int32()),
});
export interface TopicRequest extends Infer<typeof topicRequest> {}

export const describeProducersRequest = message(
  'DescribeProducersRequest',
  { versions: '0', flexible: '0+' },
  {
    topics: array('0+', topicRequest),
  },
);
export interface DescribeProducersRequest extends Infer<typeof describeProducersRequest> {}

const producerState = struct({
  producerId: producerId('0+'),
  producerEpoch: int32('0+'),
  lastSequence: int32('0+', { default: -1 }),
  lastTimestamp: int64('0+', { default: -1 }),
  coordinatorEpoch: int32('0+'),
  currentTxnStartOffset: int64('0+', { default: -1 }),
});
export interface ProducerState extends Infer<typeof producerState> {}

const partitionResponse = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  activeProducers: array('0+', producerState),
});
export interface PartitionResponse extends Infer<typeof partitionResponse> {}

const topicResponse = struct({
  name: topicName('0+'),
  partitions: array('0+', partitionResponse),
});
export interface TopicResponse extends Infer<typeof topicResponse> {}

export const describeProducersResponse = message(
  'DescribeProducersResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    topics: array('0+', topicResponse),
  },
);
export interface DescribeProducersResponse extends Infer<typeof describeProducersResponse> {}
