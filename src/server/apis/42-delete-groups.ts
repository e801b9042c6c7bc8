/**
 * DeleteGroups (key 42): deletes groups without members, with their offsets.
 * - DELETE on each group, before anything is said of it.
 * - The change is in the audit log, durably, before it is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByGroup } from './per-topic.ts';

export const deleteGroupsApi = defineApi({
  key: ApiKey.DeleteGroups,
  versions: { min: 0, max: 2 },
  authorization: perResource,

  async handle(ctx, request) {
    const { accepted, ...split } = await splitByGroup(ctx, 'DELETE', [
      ...new Set(request.groupsNames),
    ]);
    const refused = split.refused.map((groupId) => ({
      groupId,
      errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED,
    }));
    if (accepted.length === 0) return { results: refused };

    for (const group of accepted) ctx.administration('group-delete', { group });
    await ctx.recorded();

    request.groupsNames = accepted;
    const answer = await ctx.engine.deleteGroups(request, ctx.call);
    for (const result of refused) answer.results.push(result);
    return answer;
  },

  fail: (request, errorCode) => ({
    results: request.groupsNames.map((groupId) => ({ groupId, errorCode })),
  }),
});
