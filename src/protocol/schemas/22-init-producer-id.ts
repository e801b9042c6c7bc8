/**
 * InitProducerId (key 22): gives a producer its id and epoch. Version 6 (two-phase commit,
 * KIP-939) is not stable yet and not advertised.
 */
import { bool, type Infer, int16, int32, message, producerId, transactionalId } from '../schema.ts';

export const initProducerIdRequest = message(
  'InitProducerIdRequest',
  { versions: '0-6', flexible: '2+' },
  {
    transactionalId: transactionalId('0+', { nullable: '0+' }),
    transactionTimeoutMs: int32('0+'),
    producerId: producerId('3+', { default: -1 }),
    producerEpoch: int16('3+', { default: -1 }),
    enable2Pc: bool('6+'),
    keepPreparedTxn: bool('6+'),
  },
);
export interface InitProducerIdRequest extends Infer<typeof initProducerIdRequest> {}

export const initProducerIdResponse = message(
  'InitProducerIdResponse',
  { versions: '0-6', flexible: '2+' },
  {
    throttleTimeMs: int32('0+', { ignorable: true }),
    errorCode: int16('0+'),
    producerId: producerId('0+', { default: -1 }),
    producerEpoch: int16('0+'),
    ongoingTxnProducerId: producerId('6+', { default: -1 }),
    ongoingTxnProducerEpoch: int16('6+', { default: -1 }),
  },
);
export interface InitProducerIdResponse extends Infer<typeof initProducerIdResponse> {}
