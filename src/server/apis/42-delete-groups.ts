/**
 * DeleteGroups (key 42): deletes groups without members, with their offsets.
 * - DELETE on each group, before anything is said of it.
 * - The change is in the audit log, durably, before it is made: a batch of groups at a time, since
 *   the audit log's queue is everybody's.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { DeleteGroupsResponse } from '../../protocol/schemas/42-delete-groups.ts';
import { defineApi, perResource } from '../define-api.ts';
import { inBatches, splitByGroup } from './per-topic.ts';

const GROUPS_PER_BATCH = 256;

const FORBIDDEN = ErrorCode.GROUP_AUTHORIZATION_FAILED;

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
      errorCode: FORBIDDEN,
    }));
    const results: DeleteGroupsResponse['results'] = [];
    await inBatches(ctx, accepted, GROUPS_PER_BATCH, async (groupsNames) => {
      for (const group of groupsNames) ctx.administration('group-delete', { group });
      await ctx.recorded();
      if (!(await ctx.isStillPermitted())) {
        for (const groupId of groupsNames) results.push({ groupId, errorCode: FORBIDDEN });
        return;
      }
      const answer = await ctx.engine.deleteGroups({ groupsNames }, ctx.call);
      for (const result of answer.results) results.push(result);
    });
    for (const result of refused) results.push(result);
    return { results };
  },

  fail: (request, errorCode) => ({
    results: request.groupsNames.map((groupId) => ({ groupId, errorCode })),
  }),
});
