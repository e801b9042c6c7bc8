/**
 * AlterPartitionReassignments (key 45): starts or cancels the reassignment of partitions to
 * brokers.
 */
import {
  array,
  bool,
  brokerId,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
} from '../schema.ts';

const reassignablePartition = struct({
  partitionIndex: int32('0+'),
  replicas: array('0+', brokerId(), { nullable: '0+', default: null }),
});
export interface ReassignablePartition extends Infer<typeof reassignablePartition> {}

const reassignableTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', reassignablePartition),
});
export interface ReassignableTopic extends Infer<typeof reassignableTopic> {}

export const alterPartitionReassignmentsRequest = message(
  'AlterPartitionReassignmentsRequest',
  { versions: '0-1', flexible: '0+' },
  {
    timeoutMs: int32('0+', { default: 60000 }),
    allowReplicationFactorChange: bool('1+', { default: true }),
    topics: array('0+', reassignableTopic),
  },
);
export interface AlterPartitionReassignmentsRequest
  extends Infer<typeof alterPartitionReassignmentsRequest> {}

const reassignablePartitionResponse = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
});
export interface ReassignablePartitionResponse
  extends Infer<typeof reassignablePartitionResponse> {}

const reassignableTopicResponse = struct({
  name: topicName('0+'),
  partitions: array('0+', reassignablePartitionResponse),
});
export interface ReassignableTopicResponse extends Infer<typeof reassignableTopicResponse> {}

export const alterPartitionReassignmentsResponse = message(
  'AlterPartitionReassignmentsResponse',
  { versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    allowReplicationFactorChange: bool('1+', { default: true, ignorable: true }),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    responses: array('0+', reassignableTopicResponse),
  },
);
export interface AlterPartitionReassignmentsResponse
  extends Infer<typeof alterPartitionReassignmentsResponse> {}
