/**
 * Owns DescribeConfigs: the settings of topics, groups and this broker, where each comes from, and
 * what it would be otherwise (synonyms, in order of precedence, the first one in force).
 *
 * Version notes: config_type and documentation from v3 (documentation only when asked for);
 * configuration_keys null or empty means all. A sensitive value is null, in its synonyms too.
 *
 * Concurrency: a request that names very many resources is answered over several turns of the event
 * loop; each resource is described as it is at its turn. The answer is encoded in one, so that what
 * makes it many times the request's size, synonyms and documentation, is had for so many resources
 * at a time only.
 */
import type { Clock } from '../../../base/clock.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { CreatableTopicConfigs } from '../../../protocol/schemas/19-create-topics.ts';
import type {
  DescribeConfigsRequest,
  DescribeConfigsResource,
  DescribeConfigsResourceResult,
  DescribeConfigsResponse,
  DescribeConfigsResult,
  DescribeConfigsSynonym,
} from '../../../protocol/schemas/32-describe-configs.ts';
import { type BrokerConfigs, brokerSetting } from './broker-configs.ts';
import {
  CLIENT_METRICS_CONFIG_NAMES,
  CLIENT_METRICS_CONFIGS,
  type ClientMetricsTexts,
} from './client-metrics-config.ts';
import type { ClusterState } from './cluster-state.ts';
import { type ConfigTarget, configTarget } from './config-resources.ts';
import { ConfigSource, type ConfigType } from './config-value.ts';
import { type ConfigLayer, EVERY_BROKER, type InheritedConfigs, isEmpty } from './configs-image.ts';
import { isRefusal } from './create-topics.ts';
import { GROUP_CONFIG_NAMES, GROUP_CONFIGS, type GroupConfigTexts } from './group-config.ts';
import {
  TOPIC_CONFIG_NAMES,
  TOPIC_CONFIGS,
  type TopicConfigName,
  type TopicConfigTexts,
} from './topic-config.ts';
import { inTurns } from './turns.ts';

/** Resources that one answer describes with synonyms or documentation. */
const DESCRIBED_IN_FULL_MAX = 1000;
const TOO_MANY_IN_FULL =
  `Synonyms and documentation are had for ${DESCRIBED_IN_FULL_MAX} resources at a time: ` +
  'ask for fewer, or without them.';

type Described = DescribeConfigsResourceResult;

/** What CreateTopics answers of a new topic's configs. */
export function effectiveConfigs(
  overrides: TopicConfigTexts,
  inherited: InheritedConfigs,
): CreatableTopicConfigs[] {
  return TOPIC_CONFIG_NAMES.map((name) => {
    const { value, readOnly, configSource, isSensitive } = topicConfig(name, overrides, inherited);
    return { name, value, readOnly, configSource, isSensitive };
  });
}

export class ConfigDescriber {
  readonly #state: ClusterState;
  readonly #brokers: BrokerConfigs;
  readonly #nodeId: number;
  readonly #clock: Clock;

  constructor(state: ClusterState, brokers: BrokerConfigs, nodeId: number, clock: Clock) {
    this.#state = state;
    this.#brokers = brokers;
    this.#nodeId = nodeId;
    this.#clock = clock;
  }

  describe(
    request: DescribeConfigsRequest,
  ): DescribeConfigsResponse | Promise<DescribeConfigsResponse> {
    const results: DescribeConfigsResult[] = [];
    const answer = { throttleTimeMs: 0, results };
    const steps = this.#steps(request, results);
    return inTurns(this.#clock, steps)?.then(() => answer) ?? answer;
  }

  *#steps(request: DescribeConfigsRequest, results: DescribeConfigsResult[]): Generator<void> {
    /** Topics without configs of their own look alike: they are described once a request. */
    const alike = new Map<InheritedConfigs, Described[]>();
    const isInFull = request.includeSynonyms || request.includeDocumentation;
    for (const [index, resource] of request.resources.entries()) {
      if (isInFull && index >= DESCRIBED_IN_FULL_MAX) {
        const { resourceType, resourceName } = resource;
        const refusal = { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: TOO_MANY_IN_FULL };
        results.push({ ...refusal, resourceType, resourceName, configs: [] });
      } else results.push(this.#resource(resource, request, alike));
      yield;
    }
  }

  #resource(
    { resourceType, resourceName, configurationKeys }: DescribeConfigsResource,
    request: DescribeConfigsRequest,
    alike: Map<InheritedConfigs, Described[]>,
  ): DescribeConfigsResult {
    const target = configTarget({ resourceType, resourceName }, this.#state.topics, this.#nodeId);
    if (isRefusal(target)) return { ...target, resourceType, resourceName, configs: [] };
    const isAll = configurationKeys === null || configurationKeys.length === 0;
    const shared = isAll ? this.#sharedBy(target) : undefined;
    let configs = shared === undefined ? undefined : alike.get(shared);
    if (configs === undefined) {
      const wanted = isAll ? null : new Set(configurationKeys);
      configs = this.#configsOf(target)
        .filter(({ name }) => wanted === null || wanted.has(name))
        .map((config) => asAsked(config, request));
      if (shared !== undefined) alike.set(shared, configs);
    }
    return {
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      resourceType,
      resourceName,
      configs,
    };
  }

  #sharedBy(target: ConfigTarget): InheritedConfigs | undefined {
    if (target.kind !== 'topic' || !isEmpty(target.topic.configTexts)) return undefined;
    return this.#state.inheritedBy(target.topic.name);
  }

  #configsOf(target: ConfigTarget): Described[] {
    switch (target.kind) {
      case 'topic': {
        const { name: topicName, configTexts } = target.topic;
        const inherited = this.#state.inheritedBy(topicName);
        return TOPIC_CONFIG_NAMES.map((name) => topicConfig(name, configTexts, inherited));
      }
      case 'group':
        return groupConfigs(this.#state.configs.groupTexts(target.group));
      case 'client-metrics':
        return clientMetricsConfigs(this.#state.configs.clientMetrics.textsOf(target.subscription));
      case 'broker': {
        const inherited = this.#state.configs.inheritedBy(target.namespace, target.brokerId);
        return target.brokerId === EVERY_BROKER
          ? everyBrokerConfigs(inherited)
          : this.#brokerConfigs(inherited);
      }
    }
  }

  #brokerConfigs(inherited: InheritedConfigs): Described[] {
    const ofTopics = TOPIC_CONFIG_NAMES.map((name) => brokerTopicConfig(name, inherited));
    const others = this.#brokers.settings.map(brokerSetting);
    return [...ofTopics, ...others].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

function asAsked(config: Described, request: DescribeConfigsRequest): Described {
  if (!request.includeSynonyms) config.synonyms = [];
  if (!request.includeDocumentation) config.documentation = null;
  return config;
}

function topicConfig(
  name: TopicConfigName,
  overrides: TopicConfigTexts,
  inherited: InheritedConfigs,
): Described {
  const own = overrides[name];
  const synonyms = brokerSynonyms(name, inherited.layers);
  if (own !== undefined) synonyms.unshift({ name, value: own, source: ConfigSource.TOPIC });
  return described(name, TOPIC_CONFIGS[name], synonyms);
}

/** A topic config as the broker has it, for its topics. */
function brokerTopicConfig(name: TopicConfigName, { layers }: InheritedConfigs): Described {
  const entry = TOPIC_CONFIGS[name];
  return described(entry.brokerName, entry, brokerSynonyms(name, layers));
}

/** Of all brokers together only what is set for them is shown, as in Kafka. */
function everyBrokerConfigs({ layers }: InheritedConfigs): Described[] {
  const set = layers.filter(({ source }) => source === ConfigSource.DYNAMIC_DEFAULT_BROKER);
  return TOPIC_CONFIG_NAMES.flatMap((name) => {
    const entry = TOPIC_CONFIGS[name];
    const synonyms = layerSynonyms(name, set);
    return synonyms.length === 0 ? [] : [described(entry.brokerName, entry, synonyms)];
  }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function groupConfigs(texts: GroupConfigTexts): Described[] {
  return GROUP_CONFIG_NAMES.map((name) => {
    const entry = GROUP_CONFIGS[name];
    const own = texts[name];
    const synonyms: DescribeConfigsSynonym[] = [
      { name: entry.brokerName, value: entry.default, source: ConfigSource.DEFAULT },
    ];
    if (own !== undefined) synonyms.unshift({ name, value: own, source: ConfigSource.GROUP });
    return described(name, entry, synonyms);
  });
}

/** Of a subscription that is not there nothing is shown, as in Kafka. */
function clientMetricsConfigs(texts: ClientMetricsTexts): Described[] {
  if (isEmpty(texts)) return [];
  return CLIENT_METRICS_CONFIG_NAMES.map((name) => {
    const entry = CLIENT_METRICS_CONFIGS[name];
    const own = texts[name];
    const synonyms: DescribeConfigsSynonym[] = [
      { name, value: entry.default, source: ConfigSource.DEFAULT },
    ];
    if (own !== undefined) {
      synonyms.unshift({ name, value: own, source: ConfigSource.CLIENT_METRICS });
    }
    return described(name, entry, synonyms);
  });
}

function brokerSynonyms(
  name: TopicConfigName,
  layers: readonly ConfigLayer[],
): DescribeConfigsSynonym[] {
  const { brokerName, default: value } = TOPIC_CONFIGS[name];
  return [
    ...layerSynonyms(name, layers),
    { name: brokerName, value, source: ConfigSource.DEFAULT },
  ];
}

function layerSynonyms(
  name: TopicConfigName,
  layers: readonly ConfigLayer[],
): DescribeConfigsSynonym[] {
  const { brokerName } = TOPIC_CONFIGS[name];
  return layers.flatMap(({ source, texts }) => {
    const value = texts[name];
    return value === undefined ? [] : [{ name: brokerName, value, source }];
  });
}

/** A config whose first synonym is in force. */
function described(
  name: string,
  entry: { readonly type: ConfigType; readonly readOnly: boolean; readonly doc: string },
  synonyms: DescribeConfigsSynonym[],
): Described {
  const inForce = synonyms[0]!;
  return {
    name,
    value: inForce.value,
    readOnly: entry.readOnly,
    configSource: inForce.source,
    isSensitive: false,
    synonyms,
    configType: entry.type,
    documentation: entry.doc,
  };
}
