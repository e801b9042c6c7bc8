/**
 * JoinGroup (key 11): enters a group, or comes back to it.
 * - READ on the group, asked again when the answer was long in coming.
 * - Parks until the group has joined: the connection is barred meanwhile, as Kafka's is.
 * - From version 4 on a dynamic member is told its id first (MEMBER_ID_REQUIRED, KIP-394); static
 *   members (5+, KIP-345) come back under their instance id; the protocol is null in errors from 7
 *   on; from 9 on a leader may be told to skip the assignment.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, perResource } from '../define-api.ts';
import { decideAgain } from './per-topic.ts';

export const joinGroupApi = defineApi({
  key: ApiKey.JoinGroup,
  versions: { min: 0, max: 9 },
  authorization: perResource,

  handle(ctx, request) {
    const { groupId } = request;
    const mayRead = (): boolean => ctx.authorize('READ', 'GROUP', groupId);
    const denied = refusal(ErrorCode.GROUP_AUTHORIZATION_FAILED, ctx.apiVersion);
    if (!mayRead()) return denied;
    const epoch = ctx.policyEpoch;
    const answer = ctx.engine.joinGroup(request, ctx.call);
    if (!(answer instanceof Promise)) return answer;
    return answer.then(async (joined) => {
      const stillMay = !ctx.lapsed(epoch) || (await decideAgain(ctx, mayRead));
      return stillMay ? joined : denied;
    });
  },

  fail: (_request, errorCode, apiVersion) => refusal(errorCode, apiVersion),
});

function refusal(errorCode: number, apiVersion: number) {
  return { errorCode, protocolName: apiVersion >= 7 ? null : '', leader: '', memberId: '' };
}
