/**
 * LeaveGroup (key 13): members leave, or are removed by their instance id alone.
 * - READ on the group.
 * - Version 3 and later take several members, each with its own result; before, the one member's
 *   error is the answer's.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, perResource } from '../define-api.ts';

export const leaveGroupApi = defineApi({
  key: ApiKey.LeaveGroup,
  versions: { min: 0, max: 5 },
  authorization: perResource,

  handle(ctx, request) {
    if (!ctx.authorize('READ', 'GROUP', request.groupId)) {
      return { errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
    }
    return ctx.engine.leaveGroup(request, ctx.call);
  },

  fail: (_request, errorCode) => ({ errorCode }),
});
