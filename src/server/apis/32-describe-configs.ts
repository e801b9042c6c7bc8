/**
 * DescribeConfigs (key 32).
 * - DESCRIBE_CONFIGS on each topic. A tenant's cluster is virtual: the machine's own configuration
 *   (broker, loggers) is refused to every tenant, with the same answer whatever their rights.
 * - A resource is described once; further mentions of it in a request: INVALID_REQUEST.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ConfigResourceType } from '../../protocol/config-resource-type.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  DescribeConfigsResource,
  DescribeConfigsResponse,
  DescribeConfigsResult,
} from '../../protocol/schemas/32-describe-configs.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns, whenReady } from './per-topic.ts';

export const describeConfigsApi = defineApi({
  key: ApiKey.DescribeConfigs,
  versions: { min: 1, max: 4 },
  authorization: perResource,

  async handle(ctx, request) {
    const { accepted, refused } = await split(ctx, request.resources);
    if (accepted.length === 0) return response(refused);
    request.resources = accepted;
    return whenReady(ctx.engine.describeConfigs(request, ctx.call), (answer) => {
      for (const refusal of refused) answer.results.push(refusal);
      return answer;
    });
  },

  fail: (request, errorCode) =>
    response(request.resources.map((resource) => refuse(resource, errorCode))),
});

function split(ctx: RequestContext, resources: readonly DescribeConfigsResource[]) {
  return decideInTurns(ctx, resources, () => {
    const accepted: DescribeConfigsResource[] = [];
    const refused: DescribeConfigsResult[] = [];
    const seen = new Set<string>();
    const decide = (resource: DescribeConfigsResource): void => {
      const mention = `${resource.resourceType}:${resource.resourceName}`;
      const errorCode = seen.has(mention) ? ErrorCode.INVALID_REQUEST : refusal(ctx, resource);
      seen.add(mention);
      if (errorCode === ErrorCode.NONE) accepted.push(resource);
      else refused.push(refuse(resource, errorCode));
    };
    return { decide, outcome: { accepted, refused } };
  });
}

function refusal(ctx: RequestContext, resource: DescribeConfigsResource): number {
  switch (resource.resourceType) {
    case ConfigResourceType.TOPIC:
      return ctx.authorize('DESCRIBE_CONFIGS', 'TOPIC', resource.resourceName)
        ? ErrorCode.NONE
        : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    case ConfigResourceType.BROKER:
    case ConfigResourceType.BROKER_LOGGER:
      ctx.authorizeCluster('DESCRIBE_CONFIGS');
      return ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
    default:
      return ErrorCode.INVALID_REQUEST;
  }
}

function refuse(resource: DescribeConfigsResource, errorCode: number): DescribeConfigsResult {
  return {
    errorCode,
    errorMessage: null,
    resourceType: resource.resourceType,
    resourceName: resource.resourceName,
    configs: [],
  };
}

function response(results: DescribeConfigsResult[]): DescribeConfigsResponse {
  return { throttleTimeMs: 0, results };
}
