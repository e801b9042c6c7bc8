/**
 * WriteTxnMarkers (key 27): writes the end markers of transactions; from the transaction
 * coordinator to the leaders.
 */
import {
  array,
  bool,
  type Infer,
  int8,
  int16,
  int32,
  message,
  producerId,
  struct,
  topicName,
} from '../schema.ts';

const writableTxnMarkerTopic = struct({
  name: topicName('0+'),
  partitionIndexes: array('0+', int32()),
});
export interface WritableTxnMarkerTopic extends Infer<typeof writableTxnMarkerTopic> {}

const writableTxnMarker = struct({
  producerId: producerId('0+'),
  producerEpoch: int16('0+'),
  transactionResult: bool('0+'),
  topics: array('0+', writableTxnMarkerTopic),
  coordinatorEpoch: int32('0+'),
  transactionVersion: int8('2+', { ignorable: true }),
});
export interface WritableTxnMarker extends Infer<typeof writableTxnMarker> {}

export const writeTxnMarkersRequest = message(
  'WriteTxnMarkersRequest',
  { versions: '1-2', flexible: '1+' },
  {
    markers: array('0+', writableTxnMarker),
  },
);
export interface WriteTxnMarkersRequest extends Infer<typeof writeTxnMarkersRequest> {}

const writableTxnMarkerPartitionResult = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
});
export interface WritableTxnMarkerPartitionResult
  extends Infer<typeof writableTxnMarkerPartitionResult> {}

const writableTxnMarkerTopicResult = struct({
  name: topicName('0+'),
  partitions: array('0+', writableTxnMarkerPartitionResult),
});
export interface WritableTxnMarkerTopicResult extends Infer<typeof writableTxnMarkerTopicResult> {}

const writableTxnMarkerResult = struct({
  producerId: producerId('0+'),
  topics: array('0+', writableTxnMarkerTopicResult),
});
export interface WritableTxnMarkerResult extends Infer<typeof writableTxnMarkerResult> {}

export const writeTxnMarkersResponse = message(
  'WriteTxnMarkersResponse',
  { versions: '1-2', flexible: '1+' },
  {
    markers: array('0+', writableTxnMarkerResult),
  },
);
export interface WriteTxnMarkersResponse extends Infer<typeof writeTxnMarkersResponse> {}
