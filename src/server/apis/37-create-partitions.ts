/**
 * CreatePartitions (key 37): grows topics.
 * - ALTER on each topic; a topic named twice in a request: INVALID_REQUEST for it.
 * - The change is in the audit log, durably, before it is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  CreatePartitionsResponse,
  CreatePartitionsTopicResult,
} from '../../protocol/schemas/37-create-partitions.ts';
import { defineApi, perResource } from '../define-api.ts';
import { splitByTopic } from './per-topic.ts';

/** From this version on the quota refuses topics (KIP-599); before, it only slows down. */
const QUOTA_STRICT_SINCE = 3;
const TOO_FAST = 'The quota of topic changes is used up: try again later.';

export const createPartitionsApi = defineApi({
  key: ApiKey.CreatePartitions,
  versions: { min: 0, max: 3 },
  authorization: perResource,

  async handle(ctx, request) {
    const seen = new Set<string>();
    const twice = new Set<string>();
    for (const { name } of request.topics) (seen.has(name) ? twice : seen).add(name);
    const once = request.topics.filter(({ name }) => !twice.has(name));
    const { accepted, refused: denied } = await splitByTopic(
      ctx,
      'ALTER',
      once,
      ({ name }) => name,
    );
    const refused = [
      ...[...twice].map((name) => refuse(name, ErrorCode.INVALID_REQUEST)),
      ...denied.map(({ name }) => refuse(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED)),
    ];
    if (accepted.length === 0) return response(refused);

    const quota = ctx.services.quotas.mutations(ctx, QUOTA_STRICT_SINCE);
    const addedTo = (name: string, count: number): number =>
      Math.max(0, count - (ctx.engine.topicByName(name)?.partitionCount ?? count));
    let wanted = accepted;
    const taken = new Map<string, number>();
    if (!request.validateOnly) {
      ctx.beforeActing();
      wanted = accepted.filter(({ name, count }) => {
        const added = addedTo(name, count);
        const mayGo = quota.take(added);
        if (mayGo) taken.set(name, added);
        else refused.push(refuse(name, ErrorCode.THROTTLING_QUOTA_EXCEEDED, TOO_FAST));
        return mayGo;
      });
      if (wanted.length === 0) return response(refused);
      for (const { name, count } of wanted) {
        ctx.administration('partitions-create', { topic: name, partitions: count });
      }
      await ctx.recorded();
    }
    request.topics = wanted;
    const answer = await ctx.engine.createPartitions(request, ctx.call);

    for (const { name, errorCode } of answer.results) {
      if (errorCode !== ErrorCode.NONE) quota.giveBack(taken.get(name) ?? 0);
    }
    for (const refusal of refused) answer.results.push(refusal);
    return answer;
  },

  fail: (request, errorCode) => response(request.topics.map(({ name }) => refuse(name, errorCode))),
});

function refuse(
  name: string,
  errorCode: number,
  errorMessage: string | null = null,
): CreatePartitionsTopicResult {
  return { name, errorCode, errorMessage };
}

function response(results: CreatePartitionsTopicResult[]): CreatePartitionsResponse {
  return { throttleTimeMs: 0, results };
}
