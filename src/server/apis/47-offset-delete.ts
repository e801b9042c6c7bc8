/**
 * OffsetDelete (key 47): deletes stored offsets of a group.
 * - DELETE on the group first, then READ on each topic.
 * - Topics that members of the group subscribe to: GROUP_SUBSCRIBED_TO_TOPIC.
 * - The change is in the audit log, durably, before it is made: a batch of topics at a time, since
 *   the audit log's queue is everybody's.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  OffsetDeleteRequestTopic,
  OffsetDeleteResponseTopic,
} from '../../protocol/schemas/47-offset-delete.ts';
import { defineApi, perResource } from '../define-api.ts';
import { changeLines } from './change-lines.ts';
import { inBatches, splitByTopic } from './per-topic.ts';

const TOPICS_PER_BATCH = 256;

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

    let errorCode: number = ErrorCode.NONE;
    const topics: OffsetDeleteResponseTopic[] = [];
    const deleteOffsets = async (batch: OffsetDeleteRequestTopic[]): Promise<void> => {
      if (errorCode !== ErrorCode.NONE) return;
      for (const { name, partitions } of batch) {
        const indexes = partitions.map(({ partitionIndex }) => String(partitionIndex));
        for (const line of changeLines(indexes)) {
          ctx.administration('offsets-delete', { group, topic: name, partitions: line });
        }
      }
      await ctx.recorded();
      if (!(await ctx.isStillPermitted())) {
        errorCode = ErrorCode.GROUP_AUTHORIZATION_FAILED;
        return;
      }
      const deleted = await ctx.engine.offsetDelete({ groupId: group, topics: batch }, ctx.call);
      errorCode = deleted.errorCode;
      for (const topic of deleted.topics) topics.push(topic);
    };
    // Without a topic, too, the answer tells what is wrong with the group.
    if (split.accepted.length === 0) await deleteOffsets([]);
    else await inBatches(ctx, split.accepted, TOPICS_PER_BATCH, deleteOffsets);
    for (const topic of refused) topics.push(topic);
    return { errorCode, topics };
  },

  fail: (_request, errorCode) => ({ errorCode }),
});

function refuse(topic: OffsetDeleteRequestTopic, errorCode: number): OffsetDeleteResponseTopic {
  return {
    name: topic.name,
    partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  };
}
