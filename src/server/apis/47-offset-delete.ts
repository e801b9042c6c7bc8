/**
 * OffsetDelete (key 47): deletes stored offsets of a group.
 * - DELETE on the group first, then READ on each topic.
 * - Topics that members of the group subscribe to: GROUP_SUBSCRIBED_TO_TOPIC.
 * - The change is in the audit log, durably, before it is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  OffsetDeleteRequestTopic,
  OffsetDeleteResponseTopic,
} from '../../protocol/schemas/47-offset-delete.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByTopic } from './per-topic.ts';

export const offsetDeleteApi = defineApi({
  key: ApiKey.OffsetDelete,
  versions: { min: 0, max: 0 },
  authorization: perResource,

  async handle(ctx, request) {
    const { groupId: group } = request;
    if (!ctx.authorize('DELETE', 'GROUP', group)) {
      return { errorCode: ErrorCode.GROUP_AUTHORIZATION_FAILED };
    }
    const split = await splitByTopic(ctx, 'READ', request.topics, ({ name }) => name);
    const refused = split.refused.map((topic) =>
      refuse(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    );

    for (const { name, partitions } of split.accepted) {
      const indexes = partitions.map(({ partitionIndex }) => partitionIndex).join(',');
      ctx.administration('offsets-delete', { group, topic: name, partitions: indexes });
    }
    await ctx.recorded();

    request.topics = split.accepted;
    const answer = await ctx.engine.offsetDelete(request, ctx.call);
    answer.topics.push(...refused);
    return answer;
  },

  fail: (_request, errorCode) => ({ errorCode }),
});

function refuse(topic: OffsetDeleteRequestTopic, errorCode: number): OffsetDeleteResponseTopic {
  return {
    name: topic.name,
    partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  };
}
