/**
 * OffsetCommit (key 8): stores offsets of a group; they are durable when it is answered.
 * - READ on the group first (its error stands at every partition), then READ on each topic.
 * - Version 10 names topics by id; an id of another tenant is an unknown id. A retention time
 *   (2-4) is kept with the offset.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  OffsetCommitRequest,
  OffsetCommitRequestTopic,
  OffsetCommitResponse,
  OffsetCommitResponseTopic,
} from '../../protocol/schemas/08-offset-commit.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns, whenReady } from './per-topic.ts';
import { type ById, resolveTopic } from './topic-by-id.ts';

const BY_ID: ById = { sinceVersion: 10 };

export const offsetCommitApi = defineApi({
  key: ApiKey.OffsetCommit,
  versions: { min: 2, max: 10 },
  authorization: perResource,

  async handle(ctx, request) {
    if (!ctx.authorize('READ', 'GROUP', request.groupId)) {
      return refuseAll(request, ErrorCode.GROUP_AUTHORIZATION_FAILED);
    }
    const { accepted, refused } = await splitAuthorised(ctx, request);
    if (accepted.length === 0) return response(refused);
    request.topics = accepted;
    return whenReady(ctx.engine.offsetCommit(request, ctx.call), (answer) => {
      for (const topic of refused) answer.topics.push(topic);
      return answer;
    });
  },

  fail: (request, errorCode) => refuseAll(request, errorCode),
});

function splitAuthorised(ctx: RequestContext, request: OffsetCommitRequest) {
  return decideInTurns(ctx, request.topics, () => {
    const accepted: OffsetCommitRequestTopic[] = [];
    const refused: OffsetCommitResponseTopic[] = [];
    const decide = (topic: OffsetCommitRequestTopic): void => {
      const asked = { name: topic.name, topicId: topic.topicId };
      const errorCode = resolveTopic(ctx, topic, 'READ', BY_ID);
      if (errorCode === ErrorCode.NONE) accepted.push(topic);
      else refused.push(refuse({ ...topic, ...asked }, errorCode));
    };
    return { decide, outcome: { accepted, refused } };
  });
}

function refuseAll(request: OffsetCommitRequest, errorCode: number): OffsetCommitResponse {
  return response(request.topics.map((topic) => refuse(topic, errorCode)));
}

function refuse(topic: OffsetCommitRequestTopic, errorCode: number): OffsetCommitResponseTopic {
  const { name, topicId, partitions } = topic;
  const refused = partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode }));
  return { name, topicId, partitions: refused };
}

function response(topics: OffsetCommitResponseTopic[]): OffsetCommitResponse {
  return { throttleTimeMs: 0, topics };
}
