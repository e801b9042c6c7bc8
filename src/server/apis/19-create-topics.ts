/**
 * CreateTopics (key 19).
 * - CREATE on the cluster, or else CREATE on each topic; the effective configuration in the answer
 *   (v5+) needs DESCRIBE_CONFIGS on the topic, without it counts are -1 and configs empty.
 * - A topic named twice in a request: INVALID_REQUEST for it.
 * - The change is in the audit log, durably, before it is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type {
  CreatableTopic,
  CreatableTopicResult,
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../protocol/schemas/19-create-topics.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import { VISIBLE_TOPIC_NAME_CHARS_MAX } from '../../tenancy/tenant-namespace.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import type { MutationQuota } from '../request-quotas.ts';

/** From this version on the quota refuses topics (KIP-599); before, it only slows down. */
const QUOTA_STRICT_SINCE = 6;
const TOO_FAST = 'The quota of topic changes is used up: try again later.';

export const createTopicsApi = defineApi({
  key: ApiKey.CreateTopics,
  versions: { min: 2, max: 7 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = splitAuthorised(ctx, request);
    const { refused } = split;
    let { accepted } = split;
    if (accepted.length === 0) return response(refused);
    for (const { name } of accepted) ctx.foresee('DESCRIBE_CONFIGS', 'TOPIC', name);

    const quota = ctx.services.quotas.mutations(ctx, QUOTA_STRICT_SINCE);
    if (!request.validateOnly) {
      ctx.beforeActing();
      accepted = withinQuota(ctx, quota, accepted, refused);
      if (accepted.length === 0) return response(refused);
      for (const { name, numPartitions } of accepted) {
        ctx.administration('topic-create', { topic: name, partitions: numPartitions });
      }
      await ctx.recorded();
    }
    request.topics = accepted;
    const answer = await ctx.engine.createTopics(request, ctx.call);

    const asked = new Map(accepted.map((topic) => [topic.name, partitionsOf(ctx, topic)]));
    for (const topic of answer.topics) {
      const isMade = topic.errorCode === ErrorCode.NONE;
      if (!isMade && !request.validateOnly) quota.giveBack(asked.get(topic.name) ?? 0);
      hideConfigs(ctx, topic);
    }
    for (const refusal of refused) answer.topics.push(refusal);
    return answer;
  },

  fail: (request, errorCode) => response(request.topics.map(({ name }) => refuse(name, errorCode))),
});

/** Those that the controller mutation quota lets through now; the others are refused. */
function withinQuota(
  ctx: RequestContext,
  quota: MutationQuota,
  topics: readonly CreatableTopic[],
  refused: CreatableTopicResult[],
): CreatableTopic[] {
  return topics.filter((topic) => {
    const mayGo = quota.take(partitionsOf(ctx, topic));
    if (!mayGo) refused.push(refuse(topic.name, ErrorCode.THROTTLING_QUOTA_EXCEEDED, TOO_FAST));
    return mayGo;
  });
}

function partitionsOf(ctx: RequestContext, topic: CreatableTopic): number {
  if (topic.assignments.length > 0) return topic.assignments.length;
  return topic.numPartitions > 0 ? topic.numPartitions : ctx.services.defaultPartitions;
}

function splitAuthorised(ctx: RequestContext, request: CreateTopicsRequest) {
  const accepted: CreatableTopic[] = [];
  const refused: CreatableTopicResult[] = [];
  const mentions = new Map<string, number>();
  for (const { name } of request.topics) mentions.set(name, (mentions.get(name) ?? 0) + 1);
  const everyTopic =
    ctx.permits('CREATE', 'CLUSTER', CLUSTER_NAME) && ctx.authorizeCluster('CREATE');
  for (const topic of request.topics) {
    const { name } = topic;
    const count = mentions.get(name) ?? 0;
    if (count === 0) continue;
    if (count > 1) {
      mentions.delete(name);
      refused.push(refuse(name, ErrorCode.INVALID_REQUEST, 'The topic is named more than once.'));
    } else if (!everyTopic && !ctx.authorize('CREATE', 'TOPIC', name)) {
      refused.push(refuse(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED, 'Authorization failed.'));
    } else if (name.length > VISIBLE_TOPIC_NAME_CHARS_MAX) {
      const message = `The topic name is longer than ${VISIBLE_TOPIC_NAME_CHARS_MAX} characters.`;
      refused.push(refuse(name, ErrorCode.INVALID_TOPIC_EXCEPTION, message));
    } else accepted.push(topic);
  }
  return { accepted, refused };
}

function hideConfigs(ctx: RequestContext, topic: CreatableTopicResult): void {
  if (topic.errorCode !== ErrorCode.NONE || ctx.apiVersion < 5) return;
  if (ctx.permits('DESCRIBE_CONFIGS', 'TOPIC', topic.name)) return;
  topic.topicConfigErrorCode = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
  topic.numPartitions = -1;
  topic.replicationFactor = -1;
  topic.configs = [];
}

function refuse(
  name: string,
  errorCode: number,
  errorMessage: string | null = null,
): CreatableTopicResult {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode,
    errorMessage,
    topicConfigErrorCode: ErrorCode.NONE,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}

function response(topics: CreatableTopicResult[]): CreateTopicsResponse {
  return { throttleTimeMs: 0, topics };
}
