/**
 * ShareFetch (key 78): acquires records for a share group, and acknowledges earlier ones on the
 * way.
 */
import {
  array,
  bool,
  brokerId,
  embed,
  groupId,
  type Infer,
  int8,
  int16,
  int32,
  int64,
  message,
  records,
  string,
  struct,
  uuid,
} from '../schema.ts';

const acknowledgementBatch = struct({
  firstOffset: int64('0+'),
  lastOffset: int64('0+'),
  acknowledgeTypes: array('0+', int8()),
});
export interface AcknowledgementBatch extends Infer<typeof acknowledgementBatch> {}

const fetchPartition = struct({
  partitionIndex: int32('0+'),
  partitionMaxBytes: int32('0'),
  acknowledgementBatches: array('0+', acknowledgementBatch),
});
export interface FetchPartition extends Infer<typeof fetchPartition> {}

const fetchTopic = struct({
  topicId: uuid('0+'),
  partitions: array('0+', fetchPartition),
});
export interface FetchTopic extends Infer<typeof fetchTopic> {}

const forgottenTopic = struct({
  topicId: uuid('0+'),
  partitions: array('0+', int32()),
});
export interface ForgottenTopic extends Infer<typeof forgottenTopic> {}

export const shareFetchRequest = message(
  'ShareFetchRequest',
  { versions: '1-2', flexible: '0+' },
  {
    groupId: groupId('0+', { nullable: '0+', default: null }),
    memberId: string('0+', { nullable: '0+' }),
    shareSessionEpoch: int32('0+'),
    maxWaitMs: int32('0+'),
    minBytes: int32('0+'),
    maxBytes: int32('0+', { default: 2147483647 }),
    maxRecords: int32('1+'),
    batchSize: int32('1+'),
    shareAcquireMode: int8('2+', { ignorable: true }),
    isRenewAck: bool('2+'),
    topics: array('0+', fetchTopic),
    forgottenTopicsData: array('0+', forgottenTopic),
  },
);
export interface ShareFetchRequest extends Infer<typeof shareFetchRequest> {}

const leaderIdAndEpoch = struct({
  leaderId: int32('0+'),
  leaderEpoch: int32('0+'),
});
export interface LeaderIdAndEpoch extends Infer<typeof leaderIdAndEpoch> {}

const acquiredRecords = struct({
  firstOffset: int64('0+'),
  lastOffset: int64('0+'),
  deliveryCount: int16('0+'),
});
export interface AcquiredRecords extends Infer<typeof acquiredRecords> {}

const partitionData = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  acknowledgeErrorCode: int16('0+'),
  acknowledgeErrorMessage: string('0+', { nullable: '0+', default: null }),
  currentLeader: embed('0+', leaderIdAndEpoch),
  records: records('0+', { nullable: '0' }),
  acquiredRecords: array('0+', acquiredRecords),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const shareFetchableTopicResponse = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface ShareFetchableTopicResponse extends Infer<typeof shareFetchableTopicResponse> {}

const nodeEndpoint = struct({
  nodeId: brokerId('0+'),
  host: string('0+'),
  port: int32('0+'),
  rack: string('0+', { nullable: '0+', default: null }),
});
export interface NodeEndpoint extends Infer<typeof nodeEndpoint> {}

export const shareFetchResponse = message(
  'ShareFetchResponse',
  { versions: '1-2', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    acquisitionLockTimeoutMs: int32('1+'),
    responses: array('0+', shareFetchableTopicResponse),
    nodeEndpoints: array('0+', nodeEndpoint),
  },
);
export interface ShareFetchResponse extends Infer<typeof shareFetchResponse> {}
