/**
 * Owns what a broker's configuration is to those who ask for it through Kafka: the settings that
 * bear on its clients, all of them the operator's and read-only, and the names under which a
 * namespace sets defaults for its topics.
 */
import type {
  DescribeConfigsResourceResult,
  DescribeConfigsSynonym,
} from '../../../protocol/schemas/32-describe-configs.ts';
import { ConfigSource, ConfigType } from './config-value.ts';
import type { BrokerConfigEntry, ControllerSettings } from './controller-settings.ts';
import { TOPIC_CONFIG_NAMES, TOPIC_CONFIGS, type TopicConfigName } from './topic-config.ts';

export class BrokerConfigs {
  /** What is the operator's. */
  readonly settings: readonly BrokerConfigEntry[];
  readonly #topicConfigs: ReadonlyMap<string, TopicConfigName>;
  readonly #settingNames: ReadonlySet<string>;

  constructor(settings: ControllerSettings) {
    this.#topicConfigs = new Map(
      TOPIC_CONFIG_NAMES.map((name) => [TOPIC_CONFIGS[name].brokerName, name]),
    );
    this.settings = [...ownSettings(settings), ...settings.brokerConfigs];
    this.#settingNames = new Set(this.settings.map(({ name }) => name));
  }

  /** The topic config of which this broker config is the default. */
  topicConfigOf(brokerName: string): TopicConfigName | undefined {
    return this.#topicConfigs.get(brokerName);
  }

  isSetting(name: string): boolean {
    return this.#settingNames.has(name);
  }
}

function ownSettings({ nodeId, numPartitions }: ControllerSettings): BrokerConfigEntry[] {
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

export function brokerSetting(entry: BrokerConfigEntry): DescribeConfigsResourceResult {
  const { name, value, isSet } = entry;
  const synonyms: DescribeConfigsSynonym[] = [];
  if (isSet) synonyms.push({ name, value, source: ConfigSource.STATIC_BROKER });
  // A secret's default would tell whether it was changed.
  if (entry.default !== null && value !== null) {
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
