/**
 * Owns InitProducerId for idempotent producers: a null transactional id always gets a new id with
 * epoch 0, whatever id it had before (Kafka's TransactionCoordinator does the same).
 *
 * Transactions are not served yet. TRANSACTIONAL_ID_AUTHORIZATION_FAILED is the refusal that Java,
 * librdkafka and the rest treat as final; to librdkafka any code of "not supported" is a reason to
 * try again for ever.
 */
import type { Logger } from '../../../base/logger.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../protocol/schemas/22-init-producer-id.ts';
import type { ProducerIdAllocator } from './producer-id-allocator.ts';

const NO_PRODUCER_ID = -1;
const NO_PRODUCER_EPOCH = -1;

export function initProducerId(
  request: InitProducerIdRequest,
  producerIds: ProducerIdAllocator,
  logger: Logger,
): InitProducerIdResponse | Promise<InitProducerIdResponse> {
  if (request.transactionalId !== null) {
    const isEmpty = request.transactionalId === '';
    return refused(
      isEmpty ? ErrorCode.INVALID_REQUEST : ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    );
  }
  const hasId = request.producerId !== NO_PRODUCER_ID;
  const hasEpoch = request.producerEpoch !== NO_PRODUCER_EPOCH;
  if (hasId !== hasEpoch) return refused(ErrorCode.INVALID_REQUEST);
  const id = producerIds.allocate();
  if (typeof id === 'number') return granted(id);
  return id.then(granted, (err) => {
    logger.error({ err }, 'no producer ids could be reserved');
    // The one answer upon which every client asks the same broker again, without a look-up.
    return refused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  });
}

function granted(producerId: number): InitProducerIdResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    producerId,
    producerEpoch: 0,
    ongoingTxnProducerId: NO_PRODUCER_ID,
    ongoingTxnProducerEpoch: NO_PRODUCER_EPOCH,
  };
}

function refused(errorCode: number): InitProducerIdResponse {
  return { ...granted(NO_PRODUCER_ID), errorCode, producerEpoch: NO_PRODUCER_EPOCH };
}
