/**
 * Owns which thing a config resource of a request is: a topic, a namespace's brokers or one of
 * them, a group, a subscription to client metrics. Names are physical: `acme.telemetry`, `acme.` and
 * `acme.1`, `acme.readers`, `acme.latency`.
 */
import { ConfigResourceType } from '../../../protocol/config-resource-type.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import { EVERY_BROKER } from './configs-image.ts';
import type { Refusal } from './create-topics.ts';
import { namespaceOf, topicNameProblem } from './topic-names.ts';
import type { Topic, TopicsImage } from './topics-image.ts';

export type ConfigTarget =
  | { readonly kind: 'topic'; readonly topic: Topic }
  | { readonly kind: 'broker'; readonly namespace: string; readonly brokerId: string }
  | { readonly kind: 'group'; readonly group: string }
  | { readonly kind: 'client-metrics'; readonly subscription: string };

export interface ResourceName {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** Configs are kept for names that no group may ever have: they must not be long. */
const GROUP_NAME_LENGTH_MAX = 255;

const SUBSCRIPTION = /^[A-Za-z0-9._-]{1,249}$/;

const refusal = (errorCode: number, errorMessage: string): Refusal => ({ errorCode, errorMessage });

/** The resource, or why there is none such. */
export function configTarget(
  { resourceType, resourceName }: ResourceName,
  topics: TopicsImage,
  nodeId: number,
): ConfigTarget | Refusal {
  switch (resourceType) {
    case ConfigResourceType.TOPIC:
      return topicTarget(resourceName, topics);
    case ConfigResourceType.BROKER:
      return brokerTarget(resourceName, nodeId);
    case ConfigResourceType.GROUP:
      return groupTarget(resourceName);
    case ConfigResourceType.CLIENT_METRICS:
      return clientMetricsTarget(resourceName);
    default: {
      const message = `Configs of resource type ${resourceType} are not served.`;
      return refusal(ErrorCode.INVALID_REQUEST, message);
    }
  }
}

function topicTarget(name: string, topics: TopicsImage): ConfigTarget | Refusal {
  const topic = topics.byName(name);
  if (topic !== undefined) return { kind: 'topic', topic };
  const problem = topicNameProblem(name);
  if (problem !== null) return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, problem);
  const message = 'This server does not host this topic.';
  return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message);
}

function brokerTarget(name: string, nodeId: number): ConfigTarget | Refusal {
  const namespace = namespaceOf(name);
  const brokerId = visible(name);
  if (brokerId === EVERY_BROKER || brokerId === String(nodeId)) {
    return { kind: 'broker', namespace, brokerId };
  }
  const message = `The broker resource must be named ${nodeId}, or empty for all brokers.`;
  return refusal(ErrorCode.INVALID_REQUEST, message);
}

function groupTarget(name: string): ConfigTarget | Refusal {
  const { length } = visible(name);
  if (length > 0 && length <= GROUP_NAME_LENGTH_MAX) return { kind: 'group', group: name };
  const message =
    length === 0
      ? 'The group must be named: there are no configs of all groups.'
      : `A group whose name has more than ${GROUP_NAME_LENGTH_MAX} characters has no configs.`;
  return refusal(ErrorCode.INVALID_REQUEST, message);
}

function clientMetricsTarget(name: string): ConfigTarget | Refusal {
  if (SUBSCRIPTION.test(visible(name))) return { kind: 'client-metrics', subscription: name };
  const message =
    'A subscription to client metrics is named with 1 to 249 letters, digits, ".", "_" and "-".';
  return refusal(ErrorCode.INVALID_REQUEST, message);
}

function visible(name: string): string {
  return name.slice(name.indexOf('.') + 1);
}
