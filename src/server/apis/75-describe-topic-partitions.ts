/**
 * DescribeTopicPartitions (key 75): Metadata's topics in pages.
 * - DESCRIBE on each topic. No topics named: those that may be seen, from the cursor on. A topic
 *   named and refused answers TOPIC_AUTHORIZATION_FAILED with a zero id.
 * - Topics come in order of name; a request names at most as many partitions as the limit allows.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type { DescribeTopicPartitionsResponseTopic } from '../../protocol/schemas/75-describe-topic-partitions.ts';
import { defineApi, perResource } from '../define-api.ts';
import { visibleInTurns } from './per-topic.ts';

export const describeTopicPartitionsApi = defineApi({
  key: ApiKey.DescribeTopicPartitions,
  versions: { min: 0, max: 0 },
  authorization: perResource,

  async handle(ctx, request) {
    const refused: DescribeTopicPartitionsResponseTopic[] = [];
    let names: string[];
    if (request.topics.length === 0) {
      const topics = ctx.engine.topicsIn('');
      const seen = await visibleInTurns(ctx, 'DESCRIBE', 'TOPIC', topics, ({ name }) => name);
      names = seen.map(({ name }) => name);
    } else {
      names = [];
      for (const name of new Set(request.topics.map((topic) => topic.name))) {
        if (ctx.authorize('DESCRIBE', 'TOPIC', name)) names.push(name);
        else refused.push(refuse(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED));
      }
    }
    const first = request.cursor?.topicName ?? '';
    names = names.filter((name) => name >= first).sort();
    request.topics = names.map((name) => ({ name }));
    const limit = ctx.services.describedPartitionsMax;
    request.responsePartitionLimit = Math.min(Math.max(1, request.responsePartitionLimit), limit);
    if (request.cursor !== null && names[0] !== first) request.cursor = null;
    const answer =
      names.length === 0
        ? { throttleTimeMs: 0, topics: [], nextCursor: null }
        : await ctx.engine.describeTopicPartitions(request, ctx.call);
    for (const topic of answer.topics) {
      if (topic.errorCode !== ErrorCode.NONE || topic.name === null) continue;
      topic.topicAuthorizedOperations = ctx.authorizedOperations('TOPIC', topic.name);
    }
    for (const refusal of refused) answer.topics.push(refusal);
    return answer;
  },

  fail: (request, errorCode) => ({
    topics: request.topics.map(({ name }) => refuse(name, errorCode)),
  }),
});

function refuse(name: string, errorCode: number): DescribeTopicPartitionsResponseTopic {
  return {
    errorCode,
    name,
    topicId: ZERO_UUID,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: -(2 ** 31),
  };
}
