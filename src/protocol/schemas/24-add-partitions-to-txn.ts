/**
 * AddPartitionsToTxn (key 24): adds partitions to a transaction. Clients use versions up to 3,
 * with the v3AndBelow fields; brokers use versions 4 and later, for several transactions at once.
 */
import {
  array,
  bool,
  type Infer,
  int16,
  int32,
  message,
  producerId,
  struct,
  topicName,
  transactionalId,
} from '../schema.ts';

const addPartitionsToTxnTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface AddPartitionsToTxnTopic extends Infer<typeof addPartitionsToTxnTopic> {}

const addPartitionsToTxnTransaction = struct({
  transactionalId: transactionalId('4+'),
  producerId: producerId('4+'),
  producerEpoch: int16('4+'),
  verifyOnly: bool('4+'),
  topics: array('4+', addPartitionsToTxnTopic),
});
export interface AddPartitionsToTxnTransaction
  extends Infer<typeof addPartitionsToTxnTransaction> {}

export const addPartitionsToTxnRequest = message(
  'AddPartitionsToTxnRequest',
  { versions: '0-5', flexible: '3+' },
  {
    transactions: array('4+', addPartitionsToTxnTransaction),
    v3AndBelowTransactionalId: transactionalId('0-3'),
    v3AndBelowProducerId: producerId('0-3'),
    v3AndBelowProducerEpoch: int16('0-3'),
    v3AndBelowTopics: array('0-3', addPartitionsToTxnTopic),
  },
);
export interface AddPartitionsToTxnRequest extends Infer<typeof addPartitionsToTxnRequest> {}

const addPartitionsToTxnPartitionResult = struct({
  partitionIndex: int32('0+'),
  partitionErrorCode: int16('0+'),
});
export interface AddPartitionsToTxnPartitionResult
  extends Infer<typeof addPartitionsToTxnPartitionResult> {}

const addPartitionsToTxnTopicResult = struct({
  name: topicName('0+'),
  resultsByPartition: array('0+', addPartitionsToTxnPartitionResult),
});
export interface AddPartitionsToTxnTopicResult
  extends Infer<typeof addPartitionsToTxnTopicResult> {}

const addPartitionsToTxnResult = struct({
  transactionalId: transactionalId('4+'),
  topicResults: array('4+', addPartitionsToTxnTopicResult),
});
export interface AddPartitionsToTxnResult extends Infer<typeof addPartitionsToTxnResult> {}

export const addPartitionsToTxnResponse = message(
  'AddPartitionsToTxnResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('4+', { ignorable: true }),
    resultsByTransaction: array('4+', addPartitionsToTxnResult),
    resultsByTopicV3AndBelow: array('0-3', addPartitionsToTxnTopicResult),
  },
);
export interface AddPartitionsToTxnResponse extends Infer<typeof addPartitionsToTxnResponse> {}
