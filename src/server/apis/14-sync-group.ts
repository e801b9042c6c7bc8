/**
 * SyncGroup (key 14): the leader hands in the assignment, each member takes its own.
 * - READ on the group, asked again when the answer was long in coming.
 * - Parks until the leader's assignment is on stable storage.
 * - From version 5 on protocol type and name must stand in the request and be the group's.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { EMPTY_BYTES } from '../../protocol/schema.ts';
import { defineApi, perResource } from '../define-api.ts';
import { decideAgain } from './per-topic.ts';

export const syncGroupApi = defineApi({
  key: ApiKey.SyncGroup,
  versions: { min: 0, max: 5 },
  authorization: perResource,

  handle(ctx, request) {
    const { groupId } = request;
    const mayRead = (): boolean => ctx.authorize('READ', 'GROUP', groupId);
    const denied = refusal(ErrorCode.GROUP_AUTHORIZATION_FAILED);
    if (!mayRead()) return denied;
    const epoch = ctx.policyEpoch;
    const answer = ctx.engine.syncGroup(request, ctx.call);
    if (!(answer instanceof Promise)) return answer;
    return answer.then(async (synced) => {
      const stillMay = !ctx.lapsed(epoch) || (await decideAgain(ctx, mayRead));
      return stillMay ? synced : denied;
    });
  },

  fail: (_request, errorCode) => refusal(errorCode),
});

function refusal(errorCode: number) {
  return { errorCode, assignment: EMPTY_BYTES };
}
