/** ListPartitionReassignments (key 46): the reassignments that are under way. */
import {
  array,
  brokerId,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
} from '../schema.ts';

const listPartitionReassignmentsTopics = struct({
  name: topicName('0+'),
  partitionIndexes: array('0+', int32()),
});
export interface ListPartitionReassignmentsTopics
  extends Infer<typeof listPartitionReassignmentsTopics> {}

export const listPartitionReassignmentsRequest = message(
  'ListPartitionReassignmentsRequest',
  { versions: '0', flexible: '0+' },
  {
    timeoutMs: int32('0+', { default: 60000 }),
    topics: array('0+', listPartitionReassignmentsTopics, { nullable: '0+', default: null }),
  },
);
export interface ListPartitionReassignmentsRequest
  extends Infer<typeof listPartitionReassignmentsRequest> {}

const ongoingPartitionReassignment = struct({
  partitionIndex: int32('0+'),
  replicas: array('0+', brokerId()),
  addingReplicas: array('0+', brokerId()),
  removingReplicas: array('0+', brokerId()),
});
export interface OngoingPartitionReassignment extends Infer<typeof ongoingPartitionReassignment> {}

const ongoingTopicReassignment = struct({
  name: topicName('0+'),
  partitions: array('0+', ongoingPartitionReassignment),
});
export interface OngoingTopicReassignment extends Infer<typeof ongoingTopicReassignment> {}

export const listPartitionReassignmentsResponse = message(
  'ListPartitionReassignmentsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    topics: array('0+', ongoingTopicReassignment),
  },
);
export interface ListPartitionReassignmentsResponse
  extends Infer<typeof listPartitionReassignmentsResponse> {}
