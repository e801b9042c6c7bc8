/**
 * Produce (key 0): appends record batches. From version 13 a topic is named by its id alone;
 * versions 0-2 are advertised (old librdkafka drops compression otherwise) but have no table.
 * Versions 10 and later may carry the new leader and its address in tagged fields.
 */
import {
  array,
  brokerId,
  embed,
  type Infer,
  int16,
  int32,
  int64,
  message,
  records,
  string,
  struct,
  topicName,
  transactionalId,
  uuid,
} from '../schema.ts';

const partitionProduceData = struct({
  index: int32('0+'),
  records: records('0+', { nullable: '0+' }),
});
export interface PartitionProduceData extends Infer<typeof partitionProduceData> {}

const topicProduceData = struct({
  name: topicName('0-12', { ignorable: true }),
  topicId: uuid('13+', { ignorable: true }),
  partitionData: array('0+', partitionProduceData),
});
export interface TopicProduceData extends Infer<typeof topicProduceData> {}

export const produceRequest = message(
  'ProduceRequest',
  { versions: '3-13', flexible: '9+' },
  {
    transactionalId: transactionalId('3+', { nullable: '3+', default: null }),
    acks: int16('0+'),
    timeoutMs: int32('0+'),
    topicData: array('0+', topicProduceData),
  },
);
export interface ProduceRequest extends Infer<typeof produceRequest> {}

const batchIndexAndErrorMessage = struct({
  batchIndex: int32('8+'),
  batchIndexErrorMessage: string('8+', { nullable: '8+', default: null }),
});
export interface BatchIndexAndErrorMessage extends Infer<typeof batchIndexAndErrorMessage> {}

const leaderIdAndEpoch = struct({
  leaderId: brokerId('10+', { default: -1 }),
  leaderEpoch: int32('10+', { default: -1 }),
});
export interface LeaderIdAndEpoch extends Infer<typeof leaderIdAndEpoch> {}

const partitionProduceResponse = struct({
  index: int32('0+'),
  errorCode: int16('0+'),
  baseOffset: int64('0+'),
  logAppendTimeMs: int64('2+', { default: -1, ignorable: true }),
  logStartOffset: int64('5+', { default: -1, ignorable: true }),
  recordErrors: array('8+', batchIndexAndErrorMessage, { ignorable: true }),
  errorMessage: string('8+', { nullable: '8+', default: null, ignorable: true }),
  currentLeader: embed('10+', leaderIdAndEpoch, { tag: 0 }),
});
export interface PartitionProduceResponse extends Infer<typeof partitionProduceResponse> {}

const topicProduceResponse = struct({
  name: topicName('0-12', { ignorable: true }),
  topicId: uuid('13+', { ignorable: true }),
  partitionResponses: array('0+', partitionProduceResponse),
});
export interface TopicProduceResponse extends Infer<typeof topicProduceResponse> {}

const nodeEndpoint = struct({
  nodeId: brokerId('10+'),
  host: string('10+'),
  port: int32('10+'),
  rack: string('10+', { nullable: '10+', default: null }),
});
export interface NodeEndpoint extends Infer<typeof nodeEndpoint> {}

export const produceResponse = message(
  'ProduceResponse',
  { versions: '3-13', flexible: '9+' },
  {
    responses: array('0+', topicProduceResponse),
    throttleTimeMs: int32('1+', { ignorable: true }),
    nodeEndpoints: array('10+', nodeEndpoint, { tag: 0 }),
  },
);
export interface ProduceResponse extends Infer<typeof produceResponse> {}
