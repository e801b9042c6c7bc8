/**
 * ListTransactions (key 66): lists the transactions of a coordinator, filtered by state, producer,
 * age and name.
 */
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
  transactionalId,
} from '../schema.ts';

export const listTransactionsRequest = message(
  'ListTransactionsRequest',
  { versions: '0-2', flexible: '0+' },
  {
    stateFilters: array('0+', string()),
    producerIdFilters: array('0+', producerId()),
    durationFilter: int64('1+', { default: -1 }),
    transactionalIdPattern: string('2+', { nullable: '2+', default: null }),
  },
);
export interface ListTransactionsRequest extends Infer<typeof listTransactionsRequest> {}

const transactionState = struct({
  transactionalId: transactionalId('0+'),
  producerId: producerId('0+'),
  transactionState: string('0+'),
});
export interface TransactionState extends Infer<typeof transactionState> {}

export const listTransactionsResponse = message(
  'ListTransactionsResponse',
  { versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    unknownStateFilters: array('0+', string()),
    transactionStates: array('0+', transactionState),
  },
);
export interface ListTransactionsResponse extends Infer<typeof listTransactionsResponse> {}
