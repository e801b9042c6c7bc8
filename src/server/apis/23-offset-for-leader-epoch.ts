/**
 * OffsetForLeaderEpoch (key 23): where a leader epoch ended, so that a consumer notices truncation.
 * - DESCRIBE on each topic.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  OffsetForLeaderEpochResponse,
  OffsetForLeaderTopic,
  OffsetForLeaderTopicResult,
} from '../../protocol/schemas/23-offset-for-leader-epoch.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByTopic, whenReady } from './per-topic.ts';

export const offsetForLeaderEpochApi = defineApi({
  key: ApiKey.OffsetForLeaderEpoch,
  versions: { min: 2, max: 4 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = await splitByTopic(ctx, 'DESCRIBE', request.topics, ({ topic }) => topic);
    const refused = split.refused.map((topic) =>
      refuse(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    );
    request.topics = split.accepted;
    return whenReady(ctx.engine.offsetForLeaderEpoch(request, ctx.call), (answer) => {
      for (const refusal of refused) answer.topics.push(refusal);
      return answer;
    });
  },

  fail: (request, errorCode): OffsetForLeaderEpochResponse => ({
    throttleTimeMs: 0,
    topics: request.topics.map((topic) => refuse(topic, errorCode)),
  }),
});

function refuse(topic: OffsetForLeaderTopic, errorCode: number): OffsetForLeaderTopicResult {
  return {
    topic: topic.topic,
    partitions: topic.partitions.map(({ partition }) => ({
      errorCode,
      partition,
      leaderEpoch: -1,
      endOffset: -1,
    })),
  };
}
