/**
 * InitProducerId (key 22): the id of an idempotent producer.
 * - Without a transactional id: IDEMPOTENT_WRITE on the cluster, or WRITE on any topic (KIP-679).
 * - With one: WRITE on the transactional id, and then the engine's word on transactions.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { InitProducerIdResponse } from '../../protocol/schemas/22-init-producer-id.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';

export const initProducerIdApi = defineApi({
  key: ApiKey.InitProducerId,
  versions: { min: 0, max: 5 },
  authorization: perResource,

  handle(ctx, request) {
    const { transactionalId } = request;
    if (transactionalId !== null) {
      if (!ctx.authorize('WRITE', 'TRANSACTIONAL_ID', transactionalId)) {
        return failed(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
      }
    } else if (!mayWriteIdempotently(ctx)) {
      return failed(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    }
    return ctx.engine.initProducerId('', request, ctx.call);
  },

  fail: (_request, errorCode) => failed(errorCode),
});

function mayWriteIdempotently(ctx: RequestContext): boolean {
  if (ctx.permits('IDEMPOTENT_WRITE', 'CLUSTER', CLUSTER_NAME)) {
    return ctx.authorizeCluster('IDEMPOTENT_WRITE');
  }
  return ctx.authorizeByResourceType('WRITE', 'TOPIC');
}

function failed(errorCode: number): InitProducerIdResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    producerId: -1,
    producerEpoch: -1,
    ongoingTxnProducerId: -1,
    ongoingTxnProducerEpoch: -1,
  };
}
