/**
 * DescribeQuorum (key 55): the state of the metadata quorum. Only the metadata topic may be asked
 * for.
 */
import {
  array,
  brokerId,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  topicName,
  uint16,
  uuid,
} from '../schema.ts';

const partitionData = struct({
  partitionIndex: int32('0+'),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const topicData = struct({
  topicName: topicName('0+'),
  partitions: array('0+', partitionData),
});
export interface TopicData extends Infer<typeof topicData> {}

export const describeQuorumRequest = message(
  'DescribeQuorumRequest',
  { versions: '0-2', flexible: '0+' },
  {
    topics: array('0+', topicData),
  },
);
export interface DescribeQuorumRequest extends Infer<typeof describeQuorumRequest> {}

const replicaState = struct({
  replicaId: brokerId('0+'),
  replicaDirectoryId: uuid('2+'),
  logEndOffset: int64('0+'),
  lastFetchTimestamp: int64('1+', { default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64('1+', { default: -1, ignorable: true }),
});
export interface ReplicaState extends Infer<typeof replicaState> {}

const describeQuorumResponsePartitionData = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('2+', { nullable: '2+', ignorable: true }),
  leaderId: brokerId('0+'),
  leaderEpoch: int32('0+'),
  highWatermark: int64('0+'),
  currentVoters: array('0+', replicaState),
  observers: array('0+', replicaState),
});
export interface DescribeQuorumResponsePartitionData
  extends Infer<typeof describeQuorumResponsePartitionData> {}

const describeQuorumResponseTopicData = struct({
  topicName: topicName('0+'),
  partitions: array('0+', describeQuorumResponsePartitionData),
});
export interface DescribeQuorumResponseTopicData
  extends Infer<typeof describeQuorumResponseTopicData> {}

const listener = struct({
  name: string('2+'),
  host: string('2+'),
  port: uint16('2+'),
});
export interface Listener extends Infer<typeof listener> {}

const node = struct({
  nodeId: brokerId('2+'),
  listeners: array('2+', listener),
});
export interface Node extends Infer<typeof node> {}

export const describeQuorumResponse = message(
  'DescribeQuorumResponse',
  { versions: '0-2', flexible: '0+' },
  {
    errorCode: int16('0+'),
    errorMessage: string('2+', { nullable: '2+', ignorable: true }),
    topics: array('0+', describeQuorumResponseTopicData),
    nodes: array('2+', node),
  },
);
export interface DescribeQuorumResponse extends Infer<typeof describeQuorumResponse> {}
