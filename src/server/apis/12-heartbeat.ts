/**
 * Heartbeat (key 12): keeps a member's session, and tells it when the group rebalances.
 * - READ on the group.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, perResource } from '../define-api.ts';

export const heartbeatApi = defineApi({
  key: ApiKey.Heartbeat,
  versions: { min: 0, max: 4 },
  authorization: perResource,

  handle(ctx, request) {
    if (!ctx.authorize('READ', 'GROUP', request.groupId)) {
      return { errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
    }
    return ctx.engine.heartbeat(request, ctx.call);
  },

  fail: (_request, errorCode) => ({ errorCode }),
});
