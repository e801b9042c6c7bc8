/**
 * DescribeProducers (key 61): the idempotent producers that a partition's log remembers.
 * - READ on each topic, before anything is said of it.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  DescribeProducersResponse,
  TopicRequest,
  TopicResponse,
} from '../../protocol/schemas/61-describe-producers.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByTopic } from './per-topic.ts';

export const describeProducersApi = defineApi({
  key: ApiKey.DescribeProducers,
  versions: { min: 0, max: 0 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = await splitByTopic(ctx, 'READ', request.topics, ({ name }) => name);
    const refused = split.refused.map((topic) =>
      refuse(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    );
    if (split.accepted.length === 0) return response(refused);

    request.topics = split.accepted;
    const answer = await ctx.engine.describeProducers(request, ctx.call);
    for (const refusal of refused) answer.topics.push(refusal);
    return answer;
  },

  fail: (request, errorCode) => response(request.topics.map((topic) => refuse(topic, errorCode))),
});

function refuse({ name, partitionIndexes }: TopicRequest, errorCode: number): TopicResponse {
  return {
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      errorCode,
      errorMessage: null,
      activeProducers: [],
    })),
  };
}

function response(topics: TopicResponse[]): DescribeProducersResponse {
  return { throttleTimeMs: 0, topics };
}
