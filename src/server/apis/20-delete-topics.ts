/**
 * DeleteTopics (key 20).
 * - DELETE on the cluster, or else DELETE on each topic. Whoever may not DESCRIBE a topic learns
 *   nothing from the answer: by name TOPIC_AUTHORIZATION_FAILED whether it exists or not, by id
 *   UNKNOWN_TOPIC_ID where it does not exist or is another tenant's, and never a name it did not give.
 * - Version 6 names a topic by name or id, not both.
 * - The change is in the audit log, durably, before it is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type {
  DeletableTopicResult,
  DeleteTopicState,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../protocol/schemas/20-delete-topics.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';

/** From this version on the quota refuses topics (KIP-599); before, it only slows down. */
const QUOTA_STRICT_SINCE = 5;
const TOO_FAST = 'The quota of topic changes is used up: try again later.';

export const deleteTopicsApi = defineApi({
  key: ApiKey.DeleteTopics,
  versions: { min: 1, max: 6 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = splitAuthorised(ctx, targets(ctx.apiVersion, request));
    const { refused } = split;
    if (split.accepted.length === 0) return response(refused);
    ctx.beforeActing();
    const quota = ctx.services.quotas.mutations(ctx, QUOTA_STRICT_SINCE);
    const accepted = split.accepted.filter(({ name, topicId, partitions }) => {
      const mayGo = quota.take(partitions);
      if (!mayGo)
        refused.push(refuse(name, topicId, ErrorCode.THROTTLING_QUOTA_EXCEEDED, TOO_FAST));
      return mayGo;
    });
    if (accepted.length === 0) return response(refused);

    for (const { name } of accepted) ctx.administration('topic-delete', { topic: name });
    await ctx.recorded();

    // The engine is asked by id, whatever the client asked by: a topic that was re-created under
    // the same name while the record was written is another topic.
    request.topics = accepted.map(({ topicId }) => ({ name: null, topicId }));
    request.topicNames = [];
    const answer = await ctx.engine.deleteTopics(request, { ...ctx.call, apiVersion: 6 });

    const known = new Map(accepted.map((topic) => [topic.topicId, topic]));
    for (const deleted of answer.responses) {
      const { name = null, partitions = 0 } = known.get(deleted.topicId) ?? {};
      deleted.name = name;
      if (deleted.errorCode !== ErrorCode.NONE) quota.giveBack(partitions);
    }
    for (const refusal of refused) answer.responses.push(refusal);
    return answer;
  },

  fail: (request, errorCode, apiVersion) =>
    response(
      targets(apiVersion, request).map(({ name, topicId }) => refuse(name, topicId, errorCode)),
    ),
});

/** What a request names, in the form of version 6. */
function targets(apiVersion: number, request: DeleteTopicsRequest): DeleteTopicState[] {
  if (apiVersion >= 6) return request.topics;
  return request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
}

interface Target {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
}

function splitAuthorised(ctx: RequestContext, topics: readonly DeleteTopicState[]) {
  const accepted: Target[] = [];
  const refused: DeletableTopicResult[] = [];
  const everyTopic =
    ctx.permits('DELETE', 'CLUSTER', CLUSTER_NAME) && ctx.authorizeCluster('DELETE');
  const seen = new Set<string>();
  for (const asked of topics) {
    const byId = asked.topicId !== ZERO_UUID;
    if (byId === (asked.name !== null)) {
      refused.push(refuse(asked.name, asked.topicId, ErrorCode.INVALID_REQUEST));
      continue;
    }
    const known = byId
      ? ctx.engine.topicById(asked.topicId)
      : ctx.engine.topicByName(asked.name ?? '');
    const name = known?.name ?? asked.name;
    if (name === null) {
      refused.push(refuse(null, asked.topicId, ErrorCode.UNKNOWN_TOPIC_ID));
      continue;
    }
    if (seen.has(name)) {
      refused.push(refuse(asked.name, asked.topicId, ErrorCode.INVALID_REQUEST));
      continue;
    }
    seen.add(name);
    const mayDelete = everyTopic || ctx.authorize('DELETE', 'TOPIC', name);
    if (!mayDelete) {
      refused.push(refuse(asked.name, asked.topicId, ErrorCode.TOPIC_AUTHORIZATION_FAILED));
    } else if (known === undefined) {
      refused.push(refuse(asked.name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION));
    } else accepted.push({ name, topicId: known.topicId, partitions: known.partitionCount });
  }
  return { accepted, refused };
}

function refuse(
  name: string | null,
  topicId: string,
  errorCode: number,
  errorMessage: string | null = null,
): DeletableTopicResult {
  return { name, topicId, errorCode, errorMessage };
}

function response(responses: DeletableTopicResult[]): DeleteTopicsResponse {
  return { throttleTimeMs: 0, responses };
}
