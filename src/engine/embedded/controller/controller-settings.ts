/** Owns what the operator sets for the controller, and its defaults. */
import type { ConfigType } from './config-value.ts';

/** A setting of the broker as DescribeConfigs shows it, beside those that derive from topics'. */
export interface BrokerConfigEntry {
  readonly name: string;
  readonly type: ConfigType;
  /** null where the value is a secret: it must not even be here. */
  readonly value: string | null;
  readonly default: string | null;
  /** Set by the operator; false means `value` is the default. */
  readonly isSet: boolean;
  readonly doc: string;
}

export interface ControllerSettings {
  /** The Kafka node id of this process. */
  readonly nodeId: number;
  /** num.partitions: what CreateTopics' -1 stands for. */
  readonly numPartitions: number;
  /** Topic configs that the operator sets for all topics, by topic config name. */
  readonly topicDefaults: Readonly<Record<string, string>>;
  /** More broker settings to show in DescribeConfigs. */
  readonly brokerConfigs: readonly BrokerConfigEntry[];
  readonly limits: TopicLimits;
  /** A snapshot of the metadata is taken once its log has grown by this much. */
  readonly snapshotAfterBytes: number;
}

export interface TopicLimits {
  readonly partitionsPerTopicMax: number;
  readonly partitionsPerNamespaceMax: number;
  readonly partitionsMax: number;
  /** Topics that one request may name; beyond it the request is refused whole. */
  readonly topicsPerRequestMax: number;
  /** Groups of one namespace that may have configs. */
  readonly configuredGroupsPerNamespaceMax: number;
  /** Changes that wait for their turn; beyond it they are refused. */
  readonly waitingChangesMax: number;
}

export const DEFAULT_TOPIC_LIMITS: TopicLimits = {
  partitionsPerTopicMax: 10_000,
  partitionsPerNamespaceMax: 20_000,
  partitionsMax: 100_000,
  topicsPerRequestMax: 10_000,
  configuredGroupsPerNamespaceMax: 10_000,
  waitingChangesMax: 1000,
};

export const DEFAULT_CONTROLLER_SETTINGS: ControllerSettings = {
  nodeId: 1,
  numPartitions: 1,
  topicDefaults: {},
  brokerConfigs: [],
  limits: DEFAULT_TOPIC_LIMITS,
  snapshotAfterBytes: 4 * 1024 * 1024,
};
