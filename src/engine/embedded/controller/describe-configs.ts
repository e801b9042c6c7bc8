/**
 * Owns DescribeConfigs: the settings of a topic or of this broker, where each comes from, and what
 * it would be otherwise (synonyms, in order of precedence, the first one in force).
 *
 * Version notes: config_type and documentation from v3 (documentation only when asked for);
 * configuration_keys null or empty means all. No setting here is sensitive: secrets never come in.
 */
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
import { ConfigSource, ConfigType } from './config-value.ts';
import type { BrokerConfigEntry, ControllerSettings } from './controller-settings.ts';
import {
  effectiveText,
  TOPIC_CONFIG_NAMES,
  TOPIC_CONFIGS,
  type TopicConfigName,
  type TopicConfigTexts,
} from './topic-config.ts';
import { topicNameProblem } from './topic-names.ts';
import type { TopicsImage } from './topics-image.ts';

/** Resource types that this engine has (org.apache.kafka.common.config.ConfigResource.Type). */
const TOPIC = 2;
const BROKER = 4;

function sourceOf(
  name: TopicConfigName,
  overrides: TopicConfigTexts,
  defaults: TopicConfigTexts,
): ConfigSource {
  if (overrides[name] !== undefined) return ConfigSource.TOPIC;
  return defaults[name] !== undefined ? ConfigSource.STATIC_BROKER : ConfigSource.DEFAULT;
}

/** What CreateTopics answers of a new topic's configs. */
export function effectiveConfigs(
  overrides: TopicConfigTexts,
  defaults: TopicConfigTexts,
): CreatableTopicConfigs[] {
  return TOPIC_CONFIG_NAMES.map((name) => ({
    name,
    value: effectiveText(name, overrides, defaults),
    readOnly: TOPIC_CONFIGS[name].readOnly,
    configSource: sourceOf(name, overrides, defaults),
    isSensitive: false,
  }));
}

export class ConfigDescriber {
  readonly #image: TopicsImage;
  readonly #settings: ControllerSettings;
  readonly #defaults: TopicConfigTexts;

  constructor(image: TopicsImage, settings: ControllerSettings, defaults: TopicConfigTexts) {
    this.#image = image;
    this.#settings = settings;
    this.#defaults = defaults;
  }

  describe(request: DescribeConfigsRequest): DescribeConfigsResponse {
    const results = request.resources.map((resource) => this.#resource(resource, request));
    return { throttleTimeMs: 0, results };
  }

  #resource(
    resource: DescribeConfigsResource,
    request: DescribeConfigsRequest,
  ): DescribeConfigsResult {
    const { resourceType, resourceName, configurationKeys } = resource;
    const configs = this.#configsOf(resourceType, resourceName);
    if (!Array.isArray(configs)) return { ...configs, resourceType, resourceName, configs: [] };
    const wanted = configurationKeys ?? [];
    return {
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: configs
        .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
        .map((entry) => ({
          ...entry,
          synonyms: request.includeSynonyms ? entry.synonyms : [],
          documentation: request.includeDocumentation ? entry.documentation : null,
        })),
    };
  }

  #configsOf(
    resourceType: number,
    resourceName: string,
  ): DescribeConfigsResourceResult[] | { errorCode: number; errorMessage: string } {
    if (resourceType === TOPIC) return this.#topicConfigs(resourceName);
    if (resourceType !== BROKER) {
      const errorMessage = `Configs of resource type ${resourceType} are not served.`;
      return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
    }
    // The empty name asks for dynamic defaults of all brokers: there are none.
    if (resourceName === '') return [];
    const { nodeId } = this.#settings;
    if (resourceName === String(nodeId)) return this.#brokerConfigs();
    const errorMessage = `The broker resource must be named ${nodeId}, or empty.`;
    return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
  }

  #topicConfigs(name: string) {
    const topic = this.#image.byName(name);
    if (topic !== undefined) {
      return TOPIC_CONFIG_NAMES.map((config) => this.#topicConfig(config, topic.configTexts));
    }
    const problem = topicNameProblem(name);
    if (problem !== null) {
      return { errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION, errorMessage: problem };
    }
    const errorMessage = 'This server does not host this topic.';
    return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage };
  }

  #topicConfig(name: TopicConfigName, overrides: TopicConfigTexts): DescribeConfigsResourceResult {
    const entry = TOPIC_CONFIGS[name];
    const own = overrides[name];
    const synonyms = this.#brokerSynonyms(name);
    if (own !== undefined) synonyms.unshift({ name, value: own, source: ConfigSource.TOPIC });
    return {
      name,
      value: effectiveText(name, overrides, this.#defaults),
      readOnly: entry.readOnly,
      configSource: sourceOf(name, overrides, this.#defaults),
      isSensitive: false,
      synonyms,
      configType: entry.type,
      documentation: entry.doc,
    };
  }

  #brokerSynonyms(name: TopicConfigName): DescribeConfigsSynonym[] {
    const entry = TOPIC_CONFIGS[name];
    const set = this.#defaults[name];
    const synonyms: DescribeConfigsSynonym[] = [
      { name: entry.brokerName, value: entry.default, source: ConfigSource.DEFAULT },
    ];
    if (set !== undefined) {
      synonyms.unshift({ name: entry.brokerName, value: set, source: ConfigSource.STATIC_BROKER });
    }
    return synonyms;
  }

  #brokerConfigs(): DescribeConfigsResourceResult[] {
    const ofTopics = TOPIC_CONFIG_NAMES.map((name) => {
      const described = this.#topicConfig(name, {});
      return { ...described, name: TOPIC_CONFIGS[name].brokerName, readOnly: true };
    });
    const others = [...this.#ownBrokerConfigs(), ...this.#settings.brokerConfigs].map(brokerConfig);
    return [...ofTopics, ...others].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #ownBrokerConfigs(): BrokerConfigEntry[] {
    const { nodeId, numPartitions } = this.#settings;
    return [
      {
        name: 'node.id',
        type: ConfigType.INT,
        value: String(nodeId),
        default: null,
        isSet: true,
        doc: 'The node id of this broker.',
      },
      {
        name: 'num.partitions',
        type: ConfigType.INT,
        value: String(numPartitions),
        default: '1',
        isSet: numPartitions !== 1,
        doc: 'The partitions of a topic whose creator names no count.',
      },
      {
        name: 'default.replication.factor',
        type: ConfigType.INT,
        value: '1',
        default: '1',
        isSet: false,
        doc: 'The replicas of a partition; there is one.',
      },
    ];
  }
}

function brokerConfig(entry: BrokerConfigEntry): DescribeConfigsResourceResult {
  const { name, value, isSet } = entry;
  const synonyms: DescribeConfigsSynonym[] = [];
  if (isSet) synonyms.push({ name, value, source: ConfigSource.STATIC_BROKER });
  if (entry.default !== null) {
    synonyms.push({ name, value: entry.default, source: ConfigSource.DEFAULT });
  }
  return {
    name,
    value,
    readOnly: true,
    configSource: isSet ? ConfigSource.STATIC_BROKER : ConfigSource.DEFAULT,
    isSensitive: value === null,
    synonyms,
    configType: entry.type,
    documentation: entry.doc,
  };
}
