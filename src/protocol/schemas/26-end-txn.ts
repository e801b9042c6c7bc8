/**
 * EndTxn (key 26): commits or aborts a transaction. From version 5 the answer holds the bumped
 * producer epoch (KIP-890).
 */
import { bool, type Infer, int16, int32, message, producerId, transactionalId } from '../schema.ts';

export const endTxnRequest = message(
  'EndTxnRequest',
  { versions: '0-5', flexible: '3+' },
  {
    transactionalId: transactionalId('0+'),
    producerId: producerId('0+'),
    producerEpoch: int16('0+'),
    committed: bool('0+'),
  },
);
export interface EndTxnRequest extends Infer<typeof endTxnRequest> {}

export const endTxnResponse = message(
  'EndTxnResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    producerId: producerId('5+', { default: -1, ignorable: true }),
    producerEpoch: int16('5+', { default: -1, ignorable: true }),
  },
);
export interface EndTxnResponse extends Infer<typeof endTxnResponse> {}
