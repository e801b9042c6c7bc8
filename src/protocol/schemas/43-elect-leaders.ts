/**
 * ElectLeaders (key 43): elects leaders for partitions: preferred ones, or unclean ones from
 * version 1.
 */
import {
  array,
  type Infer,
  int8,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
} from '../schema.ts';

const topicPartitions = struct({
  topic: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface TopicPartitions extends Infer<typeof topicPartitions> {}

export const electLeadersRequest = message(
  'ElectLeadersRequest',
  { versions: '0-2', flexible: '2+' },
  {
    electionType: int8('1+'),
    topicPartitions: array('0+', topicPartitions, { nullable: '0+' }),
    timeoutMs: int32('0+', { default: 60000 }),
  },
);
export interface ElectLeadersRequest extends Infer<typeof electLeadersRequest> {}

const partitionResult = struct({
  partitionId: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
});
export interface PartitionResult extends Infer<typeof partitionResult> {}

const replicaElectionResult = struct({
  topic: topicName('0+'),
  partitionResult: array('0+', partitionResult),
});
export interface ReplicaElectionResult extends Infer<typeof replicaElectionResult> {}

export const electLeadersResponse = message(
  'ElectLeadersResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('1+'),
    replicaElectionResults: array('0+', replicaElectionResult),
  },
);
export interface ElectLeadersResponse extends Infer<typeof electLeadersResponse> {}
