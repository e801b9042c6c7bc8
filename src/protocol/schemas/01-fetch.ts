/**
 * Fetch (key 1): reads record batches, for consumers and followers. From version 13 a topic is
 * named by its id alone; sessions (KIP-227) came with version 7; from version 15 the replica id is
 * in a tagged struct.
 */
import {
  array,
  brokerId,
  embed,
  INT64_MAX,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  message,
  producerId,
  records,
  string,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

const replicaState = struct({
  replicaId: brokerId('15+', { default: -1 }),
  replicaEpoch: int64('15+', { default: -1 }),
});
export interface ReplicaState extends Infer<typeof replicaState> {}

const fetchPartition = struct({
  partition: int32('0+'),
  currentLeaderEpoch: int32('9+', { default: -1, ignorable: true }),
  fetchOffset: int64('0+'),
  lastFetchedEpoch: int32('12+', { default: -1 }),
  logStartOffset: int64('5+', { default: -1, ignorable: true }),
  partitionMaxBytes: int32('0+'),
  replicaDirectoryId: uuid('17+', { tag: 0, ignorable: true }),
  highWatermark: int64('18+', { default: INT64_MAX, tag: 1, ignorable: true }),
});
export interface FetchPartition extends Infer<typeof fetchPartition> {}

const fetchTopic = struct({
  topic: topicName('0-12', { ignorable: true }),
  topicId: uuid('13+', { ignorable: true }),
  partitions: array('0+', fetchPartition),
});
export interface FetchTopic extends Infer<typeof fetchTopic> {}

const forgottenTopic = struct({
  topic: topicName('7-12', { ignorable: true }),
  topicId: uuid('13+', { ignorable: true }),
  partitions: array('7+', int32()),
});
export interface ForgottenTopic extends Infer<typeof forgottenTopic> {}

export const fetchRequest = message(
  'FetchRequest',
  { versions: '4-18', flexible: '12+' },
  {
    clusterId: string('12+', { nullable: '12+', default: null, tag: 0, ignorable: true }),
    replicaId: brokerId('0-14', { default: -1 }),
    replicaState: embed('15+', replicaState, { tag: 1 }),
    maxWaitMs: int32('0+'),
    minBytes: int32('0+'),
    maxBytes: int32('3+', { default: 2147483647, ignorable: true }),
    isolationLevel: int8('4+', { ignorable: true }),
    sessionId: int32('7+', { ignorable: true }),
    sessionEpoch: int32('7+', { default: -1, ignorable: true }),
    topics: array('0+', fetchTopic),
    forgottenTopicsData: array('7+', forgottenTopic),
    rackId: string('11+', { ignorable: true }),
  },
);
export interface FetchRequest extends Infer<typeof fetchRequest> {}

const epochEndOffset = struct({
  epoch: int32('12+', { default: -1 }),
  endOffset: int64('12+', { default: -1 }),
});
export interface EpochEndOffset extends Infer<typeof epochEndOffset> {}

const leaderIdAndEpoch = struct({
  leaderId: brokerId('12+', { default: -1 }),
  leaderEpoch: int32('12+', { default: -1 }),
});
export interface LeaderIdAndEpoch extends Infer<typeof leaderIdAndEpoch> {}

const snapshotId = struct({
  endOffset: int64('0+', { default: -1 }),
  epoch: int32('0+', { default: -1 }),
});
export interface SnapshotId extends Infer<typeof snapshotId> {}

const abortedTransaction = struct({
  producerId: producerId('4+'),
  firstOffset: int64('4+'),
});
export interface AbortedTransaction extends Infer<typeof abortedTransaction> {}

const partitionData = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  highWatermark: int64('0+'),
  lastStableOffset: int64('4+', { default: -1, ignorable: true }),
  logStartOffset: int64('5+', { default: -1, ignorable: true }),
  divergingEpoch: embed('12+', epochEndOffset, { tag: 0 }),
  currentLeader: embed('12+', leaderIdAndEpoch, { tag: 1 }),
  snapshotId: embed('12+', snapshotId, { tag: 2 }),
  abortedTransactions: array('4+', abortedTransaction, { nullable: '4+', ignorable: true }),
  preferredReadReplica: brokerId('11+', { default: -1 }),
  records: records('0+', { nullable: '0+' }),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const fetchableTopicResponse = struct({
  topic: topicName('0-12', { ignorable: true }),
  topicId: uuid('13+', { ignorable: true }),
  partitions: array('0+', partitionData),
});
export interface FetchableTopicResponse extends Infer<typeof fetchableTopicResponse> {}

const nodeEndpoint = struct({
  nodeId: brokerId('16+'),
  host: string('16+'),
  port: int32('16+'),
  rack: string('16+', { nullable: '16+', default: null }),
});
export interface NodeEndpoint extends Infer<typeof nodeEndpoint> {}

export const fetchResponse = message(
  'FetchResponse',
  { versions: '4-18', flexible: '12+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    errorCode: int16('7+', { ignorable: true }),
    sessionId: int32('7+'),
    responses: array('0+', fetchableTopicResponse),
    nodeEndpoints: array('16+', nodeEndpoint, { tag: 0 }),
  },
);
export interface FetchResponse extends Infer<typeof fetchResponse> {}
