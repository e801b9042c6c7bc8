/** AddOffsetsToTxn (key 25): adds a group's offsets to a transaction, before TxnOffsetCommit. */
import {
  groupId,
  type Infer,
  int16,
  int32,
  message,
  producerId,
  transactionalId,
} from '../schema.ts';

export const addOffsetsToTxnRequest = message(
  'AddOffsetsToTxnRequest',
  { versions: '0-4', flexible: '3+' },
  {
    transactionalId: transactionalId('0+'),
    producerId: producerId('0+'),
    producerEpoch: int16('0+'),
    groupId: groupId('0+'),
  },
);
export interface AddOffsetsToTxnRequest extends Infer<typeof addOffsetsToTxnRequest> {}

export const addOffsetsToTxnResponse = message(
  'AddOffsetsToTxnResponse',
  { versions: '0-4', flexible: '3+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
  },
);
export interface AddOffsetsToTxnResponse extends Infer<typeof addOffsetsToTxnResponse> {}
