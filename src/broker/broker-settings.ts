/**
 * Owns which settings of the operator a tenant may see through DescribeConfigs: those that bear on
 * every client alike and are Kafka's own. Paths, listeners, keys, and what says how much this
 * machine can bear stay with the operator, and so does every key that is not named here.
 */
import { CONFIG_KEYS, type Config, type ConfigKey } from '../config/config-schema.ts';
import { ConfigType } from '../engine/embedded/controller/config-value.ts';
import type { BrokerConfigEntry } from '../engine/embedded/controller/controller-settings.ts';

const { BOOLEAN, INT, LONG } = ConfigType;

/** With Kafka's types. Defaults of topic configs are shown by the engine, from its own table. */
const SHOWN = {
  'auto.create.topics.enable': BOOLEAN,
  'connections.max.idle.ms': LONG,
  'fetch.max.bytes': INT,
  'group.initial.rebalance.delay.ms': INT,
  'group.max.session.timeout.ms': INT,
  'group.max.size': INT,
  'group.min.session.timeout.ms': INT,
  'max.incremental.fetch.session.cache.slots': INT,
  'max.request.partition.size.limit': INT,
  'offset.metadata.max.bytes': INT,
  'offsets.retention.check.interval.ms': LONG,
  'offsets.retention.minutes': INT,
  'producer.id.expiration.ms': INT,
  'socket.request.max.bytes': INT,
} as const satisfies Partial<Record<ConfigKey, ConfigType>>;

export function shownBrokerSettings(config: Config): BrokerConfigEntry[] {
  return (Object.keys(SHOWN) as (keyof typeof SHOWN)[]).map((name) => {
    const { default: usual, doc } = CONFIG_KEYS[name];
    return {
      name,
      type: SHOWN[name],
      value: String(config[name]),
      default: String(usual),
      isSet: config[name] !== usual,
      doc,
    };
  });
}
