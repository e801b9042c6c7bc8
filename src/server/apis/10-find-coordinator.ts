/**
 * FindCoordinator (key 10): which broker coordinates a group.
 * - DESCRIBE on the group (or on the transactional id) before anything is said of it.
 * - Groups: this node, which coordinates all of them. Old librdkafka reads nothing at all from a
 *   broker that does not answer this API.
 * - Transactions and share groups are not served: COORDINATOR_NOT_AVAILABLE would make clients
 *   retry for ever, so they are told INVALID_REQUEST.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  Coordinator,
  FindCoordinatorRequest,
} from '../../protocol/schemas/10-find-coordinator.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns, whenReady } from './per-topic.ts';

const KeyType = { GROUP: 0, TRANSACTION: 1, SHARE: 2 } as const;

export const findCoordinatorApi = defineApi({
  key: ApiKey.FindCoordinator,
  versions: { min: 0, max: 6 },
  authorization: perResource,

  handle(ctx, request) {
    const found = decideInTurns(ctx, keys(request, ctx.apiVersion), () => {
      const outcome: Coordinator[] = [];
      return { decide: (key) => outcome.push(find(ctx, key, request.keyType)), outcome };
    });
    return whenReady(found, (coordinators) => answer(coordinators, ctx.apiVersion));
  },

  fail: (request, errorCode, apiVersion) =>
    answer(
      keys(request, apiVersion).map((key) => refused(key, errorCode, null)),
      apiVersion,
    ),
});

function keys(request: FindCoordinatorRequest, apiVersion: number): string[] {
  return apiVersion >= 4 ? request.coordinatorKeys : [request.key];
}

function find(ctx: RequestContext, key: string, keyType: number): Coordinator {
  switch (keyType) {
    case KeyType.GROUP: {
      if (!ctx.authorize('DESCRIBE', 'GROUP', key)) {
        return refused(key, ErrorCode.GROUP_AUTHORIZATION_FAILED, null);
      }
      if (key === '') return refused(key, ErrorCode.INVALID_GROUP_ID, null);
      const { host, port } = ctx.session.advertised;
      const nodeId = ctx.services.nodeId;
      return { key, nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null };
    }
    case KeyType.TRANSACTION: {
      if (!ctx.authorize('DESCRIBE', 'TRANSACTIONAL_ID', key)) {
        return refused(key, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, null);
      }
      const why = 'Transactions are not served by this broker.';
      return refused(key, ErrorCode.INVALID_REQUEST, why);
    }
    default:
      return refused(key, ErrorCode.INVALID_REQUEST, null);
  }
}

function refused(key: string, errorCode: number, errorMessage: string | null): Coordinator {
  return { key, nodeId: -1, host: '', port: -1, errorCode, errorMessage };
}

function answer(found: Coordinator[], apiVersion: number) {
  if (apiVersion >= 4) return { coordinators: found };
  const { errorCode, errorMessage, nodeId, host, port } = found[0]!;
  return { errorCode, errorMessage, nodeId, host, port };
}
