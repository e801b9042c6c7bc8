/** ShareAcknowledge (key 79): acknowledges records of a share group. */
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

const acknowledgePartition = struct({
  partitionIndex: int32('0+'),
  acknowledgementBatches: array('0+', acknowledgementBatch),
});
export interface AcknowledgePartition extends Infer<typeof acknowledgePartition> {}

const acknowledgeTopic = struct({
  topicId: uuid('0+'),
  partitions: array('0+', acknowledgePartition),
});
export interface AcknowledgeTopic extends Infer<typeof acknowledgeTopic> {}

export const shareAcknowledgeRequest = message(
  'ShareAcknowledgeRequest',
  { versions: '1-2', flexible: '0+' },
  {
    groupId: groupId('0+', { nullable: '0+', default: null }),
    memberId: string('0+', { nullable: '0+' }),
    shareSessionEpoch: int32('0+'),
    isRenewAck: bool('2+'),
    topics: array('0+', acknowledgeTopic),
  },
);
export interface ShareAcknowledgeRequest extends Infer<typeof shareAcknowledgeRequest> {}

const leaderIdAndEpoch = struct({
  leaderId: int32('0+'),
  leaderEpoch: int32('0+'),
});
export interface LeaderIdAndEpoch extends Infer<typeof leaderIdAndEpoch> {}

const partitionData = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
  currentLeader: embed('0+', leaderIdAndEpoch),
});
export interface PartitionData extends Infer<typeof partitionData> {}

const shareAcknowledgeTopicResponse = struct({
  topicId: uuid('0+'),
  partitions: array('0+', partitionData),
});
export interface ShareAcknowledgeTopicResponse
  extends Infer<typeof shareAcknowledgeTopicResponse> {}

const nodeEndpoint = struct({
  nodeId: brokerId('0+'),
  host: string('0+'),
  port: int32('0+'),
  rack: string('0+', { nullable: '0+', default: null }),
});
export interface NodeEndpoint extends Infer<typeof nodeEndpoint> {}

export const shareAcknowledgeResponse = message(
  'ShareAcknowledgeResponse',
  { versions: '1-2', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    acquisitionLockTimeoutMs: int32('2+', { ignorable: true }),
    responses: array('0+', shareAcknowledgeTopicResponse),
    nodeEndpoints: array('0+', nodeEndpoint),
  },
);
export interface ShareAcknowledgeResponse extends Infer<typeof shareAcknowledgeResponse> {}
