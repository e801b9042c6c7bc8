/**
 * DescribeConfigs (key 32).
 * - DESCRIBE_CONFIGS on each topic and group, on the cluster for brokers. A tenant's cluster is
 *   virtual: its brokers show what it set for its topics and the settings that bear on every client,
 *   nothing of the machine. Subscriptions to client metrics are the tenant's. Loggers: INVALID_REQUEST.
 * - A resource is described once; further mentions of it in a request: INVALID_REQUEST.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import type {
  DescribeConfigsResponse,
  DescribeConfigsResult,
} from '../../protocol/schemas/32-describe-configs.ts';
import { defineApi, perResource } from '../define-api.ts';
import { type ConfigRefusal, refuse, splitByResource } from './config-resources.ts';
import { whenReady } from './per-topic.ts';

export const describeConfigsApi = defineApi({
  key: ApiKey.DescribeConfigs,
  versions: { min: 1, max: 4 },
  authorization: perResource,

  async handle(ctx, request) {
    const { resources } = request;
    const split = await splitByResource(ctx, 'DESCRIBE_CONFIGS', resources, 'once');
    const { accepted, refused } = split;
    if (accepted.length === 0) return response(refused.map(withoutConfigs));
    request.resources = accepted;
    return whenReady(ctx.engine.describeConfigs(request, ctx.call), (answer) => {
      for (const refusal of refused) answer.results.push(withoutConfigs(refusal));
      return answer;
    });
  },

  fail: (request, errorCode) =>
    response(request.resources.map((resource) => withoutConfigs(refuse(resource, errorCode)))),
});

function withoutConfigs(refusal: ConfigRefusal): DescribeConfigsResult {
  return { ...refusal, configs: [] };
}

function response(results: DescribeConfigsResult[]): DescribeConfigsResponse {
  return { throttleTimeMs: 0, results };
}
