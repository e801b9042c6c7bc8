/** DescribeTransactions (key 65): state, producer and partitions of transactions. */
import {
  array,
  type Infer,
  int16,
  int32,
  int64,
  message,
  producerId,
  string,
  struct,
  topicName,
  transactionalId,
} from '../schema.ts';

export const describeTransactionsRequest = message(
  'DescribeTransactionsRequest',
  { versions: '0', flexible: '0+' },
  {
    transactionalIds: array('0+', transactionalId()),
  },
);
export interface DescribeTransactionsRequest extends Infer<typeof describeTransactionsRequest> {}

const topicData = struct({
  topic: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface TopicData extends Infer<typeof topicData> {}

const transactionState = struct({
  errorCode: int16('0+'),
  transactionalId: transactionalId('0+'),
  transactionState: string('0+'),
  transactionTimeoutMs: int32('0+'),
  transactionStartTimeMs: int64('0+'),
  producerId: producerId('0+'),
  producerEpoch: int16('0+'),
  topics: array('0+', topicData),
});
export interface TransactionState extends Infer<typeof transactionState> {}

export const describeTransactionsResponse = message(
  'DescribeTransactionsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    transactionStates: array('0+', transactionState),
  },
);
export interface DescribeTransactionsResponse extends Infer<typeof describeTransactionsResponse> {}
