/**
 * ListOffsets (key 2).
 * - DESCRIBE on each topic.
 * - The same partition twice in a request: INVALID_REQUEST for each mention of it.
 * - Timestamps: -1 latest (the high watermark), -2 earliest, -3 that of the largest timestamp
 *   (v7+), -4 earliest local (v8+); -5 (v9+) and -6 (v11+) belong to tiered storage: unknown, -1.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  ListOffsetsRequest,
  ListOffsetsResponse,
  ListOffsetsTopic,
  ListOffsetsTopicResponse,
} from '../../protocol/schemas/02-list-offsets.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByTopic, whenReady } from './per-topic.ts';

export const listOffsetsApi = defineApi({
  key: ApiKey.ListOffsets,
  versions: { min: 1, max: 11 },
  authorization: perResource,

  async handle(ctx, request) {
    const duplicates = takeDuplicates(request);
    const split = await splitByTopic(ctx, 'DESCRIBE', request.topics, ({ name }) => name);
    const refused = split.refused.map((topic) =>
      refuse(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    );
    request.topics = split.accepted;
    return whenReady(ctx.engine.listOffsets(request, ctx.call), (answer) => {
      for (const topic of refused.concat(duplicates)) answer.topics.push(topic);
      return answer;
    });
  },

  fail: (request, errorCode): ListOffsetsResponse => ({
    throttleTimeMs: 0,
    topics: request.topics.map((topic) => refuse(topic, errorCode)),
  }),
});

/** Takes partitions that are named more than once out of the request. */
function takeDuplicates(request: ListOffsetsRequest): ListOffsetsTopicResponse[] {
  const mentions = new Map<string, number>();
  const key = (topic: string, partition: number): string => `${partition}:${topic}`;
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const mention = key(name, partitionIndex);
      mentions.set(mention, (mentions.get(mention) ?? 0) + 1);
    }
  }
  const answers: ListOffsetsTopicResponse[] = [];
  for (const topic of request.topics) {
    const once = (partition: { partitionIndex: number }): boolean =>
      mentions.get(key(topic.name, partition.partitionIndex)) === 1;
    const twice = topic.partitions.filter((partition) => !once(partition));
    if (twice.length === 0) continue;
    topic.partitions = topic.partitions.filter(once);
    answers.push(refuse({ name: topic.name, partitions: twice }, ErrorCode.INVALID_REQUEST));
  }
  return answers;
}

function refuse(topic: ListOffsetsTopic, errorCode: number): ListOffsetsTopicResponse {
  return {
    name: topic.name,
    partitions: topic.partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode,
      timestamp: -1,
      offset: -1,
      leaderEpoch: -1,
    })),
  };
}
