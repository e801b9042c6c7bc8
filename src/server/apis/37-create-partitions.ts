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

export const createPartitionsApi = defineApi({
  key: ApiKey.CreatePartitions,
  versions: { min: 0, max: 3 },
  authorization: perResource,

  async handle(ctx, request) {
    const seen = new Set<string>();
    const twice = new Set<string>();
    for (const { name } of request.topics) (seen.has(name) ? twice : seen).add(name);
    const once = request.topics.filter(({ name }) => !twice.has(name));
    const split = await splitByTopic(ctx, 'ALTER', once, ({ name }) => name);
    const refused = [
      ...[...twice].map((name) => refuse(name, ErrorCode.INVALID_REQUEST)),
      ...split.refused.map(({ name }) => refuse(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED)),
    ];
    if (split.accepted.length === 0) return response(refused);

    if (!request.validateOnly) {
      for (const { name, count } of split.accepted) {
        ctx.administration('partitions-create', { topic: name, partitions: count });
      }
      await ctx.recorded();
    }
    request.topics = split.accepted;
    const answer = await ctx.engine.createPartitions(request, ctx.call);

    for (const refusal of refused) answer.results.push(refusal);
    return answer;
  },

  fail: (request, errorCode) => response(request.topics.map(({ name }) => refuse(name, errorCode))),
});

function refuse(name: string, errorCode: number): CreatePartitionsTopicResult {
  return { name, errorCode, errorMessage: null };
}

function response(results: CreatePartitionsTopicResult[]): CreatePartitionsResponse {
  return { throttleTimeMs: 0, results };
}
