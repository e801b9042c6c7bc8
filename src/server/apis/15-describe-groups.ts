/**
 * DescribeGroups (key 15): state and members of classic groups.
 * - DESCRIBE on each group. What the members said of themselves is shown of a Stable group only.
 * - An unknown group is Dead; from version 6 on that is GROUP_ID_NOT_FOUND as well.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { DescribedGroup } from '../../protocol/schemas/15-describe-groups.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByGroup, whenReady } from './per-topic.ts';

export const describeGroupsApi = defineApi({
  key: ApiKey.DescribeGroups,
  versions: { min: 0, max: 6 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = await splitByGroup(ctx, 'DESCRIBE', [...new Set(request.groups)]);
    const refused = split.refused.map((group) =>
      refuse(group, ErrorCode.GROUP_AUTHORIZATION_FAILED),
    );
    if (split.accepted.length === 0) return { groups: refused };
    request.groups = split.accepted;
    const withOperations = ctx.apiVersion >= 3 && request.includeAuthorizedOperations;
    return whenReady(ctx.engine.describeGroups(request, ctx.call), (answer) => {
      for (const group of answer.groups) {
        if (!withOperations || group.errorCode !== ErrorCode.NONE) continue;
        group.authorizedOperations = ctx.authorizedOperations('GROUP', group.groupId);
      }
      for (const group of refused) answer.groups.push(group);
      return answer;
    });
  },

  fail: (request, errorCode) => ({
    groups: request.groups.map((groupId) => refuse(groupId, errorCode)),
  }),
});

function refuse(groupId: string, errorCode: number): DescribedGroup {
  return {
    errorCode,
    errorMessage: null,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: -(2 ** 31),
  };
}
