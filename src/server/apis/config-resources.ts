/**
 * What the handlers of config APIs share: which right a resource needs, which resources nobody has
 * here, and how a change is told to the access log.
 *
 * Invariant: the right is asked for before anything is said of a resource. Brokers are those of the
 * caller's virtual cluster, so their right is one on that cluster.
 */
import { ConfigResourceType } from '../../protocol/config-resource-type.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns } from './per-topic.ts';

export interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export interface ConfigRefusal extends ConfigResource {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

type ConfigOperation = 'DESCRIBE_CONFIGS' | 'ALTER_CONFIGS';

export interface ConfigSplit<T> {
  readonly accepted: T[];
  readonly refused: ConfigRefusal[];
}

/**
 * The resources that the caller may describe or alter and that the engine knows the kind of. Where
 * each is to be mentioned once, further mentions are refused.
 */
export function splitByResource<T extends ConfigResource>(
  ctx: RequestContext,
  operation: ConfigOperation,
  resources: readonly T[],
  mentions: 'once' | 'any',
): ConfigSplit<T> | Promise<ConfigSplit<T>> {
  return decideInTurns(ctx, resources, () => {
    const split: ConfigSplit<T> = { accepted: [], refused: [] };
    const seen = new Set<string>();
    const isAgain = ({ resourceType, resourceName }: T): boolean => {
      if (mentions === 'any') return false;
      const count = seen.size;
      return seen.add(`${resourceType}:${resourceName}`).size === count;
    };
    const decide = (resource: T): void => {
      const refusal = isAgain(resource) ? AGAIN : refusalOf(ctx, operation, resource);
      if (refusal === null) split.accepted.push(resource);
      else split.refused.push(refuse(resource, refusal.errorCode, refusal.errorMessage));
    };
    return { decide, outcome: split };
  });
}

export function refuse(
  { resourceType, resourceName }: ConfigResource,
  errorCode: number,
  errorMessage: string | null = null,
): ConfigRefusal {
  return { errorCode, errorMessage, resourceType, resourceName };
}

type Refusal = Pick<ConfigRefusal, 'errorCode' | 'errorMessage'>;

function refusalOf(
  ctx: RequestContext,
  operation: ConfigOperation,
  { resourceType, resourceName }: ConfigResource,
): Refusal | null {
  switch (resourceType) {
    case ConfigResourceType.TOPIC:
      return ctx.authorize(operation, 'TOPIC', resourceName)
        ? null
        : failed(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    case ConfigResourceType.GROUP:
      return ctx.authorize(operation, 'GROUP', resourceName)
        ? null
        : failed(ErrorCode.GROUP_AUTHORIZATION_FAILED);
    case ConfigResourceType.BROKER:
      return clusterRefusal(ctx, operation);
    case ConfigResourceType.BROKER_LOGGER:
      return clusterRefusal(ctx, operation) ?? NO_LOGGERS;
    case ConfigResourceType.CLIENT_METRICS:
      return clusterRefusal(ctx, operation);
    default:
      return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Unknown resource type.' };
  }
}

function clusterRefusal(ctx: RequestContext, operation: ConfigOperation): Refusal | null {
  return ctx.authorizeCluster(operation) ? null : failed(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
}

const failed = (errorCode: number): Refusal => ({ errorCode, errorMessage: null });

const AGAIN: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'The resource is named more than once: it is answered once.',
};
const NO_LOGGERS: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: "Loggers are not served: the log level is the operator's (log.level).",
};
