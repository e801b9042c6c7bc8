/**
 * DescribeGroups (key 15): state and members of classic groups.
 * - DESCRIBE on each group. What the members said of themselves is shown of a Stable group only.
 * - Groups that have no room in the answer: COORDINATOR_LOAD_IN_PROGRESS, upon which clients ask for
 *   these again.
 * - An unknown group is Dead; from version 6 on that is GROUP_ID_NOT_FOUND as well.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { DescribedGroup } from '../../protocol/schemas/15-describe-groups.ts';
import { defineApi, perResource } from '../define-api.ts';
import { inBatches, splitByGroup } from './per-topic.ts';

/** What members say of themselves, before further groups have no room in an answer. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const MEMBER_OVERHEAD_BYTES = 256;

export const describeGroupsApi = defineApi({
  key: ApiKey.DescribeGroups,
  versions: { min: 0, max: 6 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = await splitByGroup(ctx, 'DESCRIBE', [...new Set(request.groups)]);
    const withOperations = ctx.apiVersion >= 3 && request.includeAuthorizedOperations;
    const groups: DescribedGroup[] = [];
    let answerBytes = 0;
    const describe = async (asked: string[]): Promise<void> => {
      if (answerBytes > ANSWER_BYTES_MAX) {
        for (const group of asked)
          groups.push(refuse(group, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS));
        return;
      }
      const { includeAuthorizedOperations } = request;
      const wanted = { groups: asked, includeAuthorizedOperations };
      const answer = await ctx.engine.describeGroups(wanted, ctx.call);
      for (const group of answer.groups) {
        answerBytes += bytesOf(group);
        groups.push(group);
        if (!withOperations || group.errorCode !== ErrorCode.NONE) continue;
        group.authorizedOperations = ctx.authorizedOperations('GROUP', group.groupId);
      }
    };
    await inBatches(ctx, split.accepted, 1, describe);
    for (const group of split.refused) {
      groups.push(refuse(group, ErrorCode.GROUP_AUTHORIZATION_FAILED));
    }
    return { groups };
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

function bytesOf({ members }: DescribedGroup): number {
  let sum = MEMBER_OVERHEAD_BYTES;
  for (const { memberMetadata, memberAssignment } of members) {
    sum += MEMBER_OVERHEAD_BYTES + memberMetadata.length + memberAssignment.length;
  }
  return sum;
}
