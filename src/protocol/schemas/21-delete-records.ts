/** DeleteRecords (key 21): deletes the records of partitions before an offset. */
import { array, type Infer, int16, int32, int64, message, struct, topicName } from '../schema.ts';

const deleteRecordsPartition = struct({
  partitionIndex: int32('0+'),
  offset: int64('0+'),
});
export interface DeleteRecordsPartition extends Infer<typeof deleteRecordsPartition> {}

const deleteRecordsTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', deleteRecordsPartition),
});
export interface DeleteRecordsTopic extends Infer<typeof deleteRecordsTopic> {}

export const deleteRecordsRequest = message(
  'DeleteRecordsRequest',
  { versions: '0-2', flexible: '2+' },
  {
    topics: array('0+', deleteRecordsTopic),
    timeoutMs: int32('0+'),
  },
);
export interface DeleteRecordsRequest extends Infer<typeof deleteRecordsRequest> {}

const deleteRecordsPartitionResult = struct({
  partitionIndex: int32('0+'),
  lowWatermark: int64('0+'),
  errorCode: int16('0+'),
});
export interface DeleteRecordsPartitionResult extends Infer<typeof deleteRecordsPartitionResult> {}

const deleteRecordsTopicResult = struct({
  name: topicName('0+'),
  partitions: array('0+', deleteRecordsPartitionResult),
});
export interface DeleteRecordsTopicResult extends Infer<typeof deleteRecordsTopicResult> {}

export const deleteRecordsResponse = message(
  'DeleteRecordsResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    topics: array('0+', deleteRecordsTopicResult),
  },
);
export interface DeleteRecordsResponse extends Infer<typeof deleteRecordsResponse> {}
