/** What `config check` accepts, the start accepts: the keys that are defaults of topic configs. */
import { expect, it } from 'vitest';
import { CONFIG_KEYS, isConfigKey } from '../../src/config/config-schema.ts';
import {
  judgeTopicConfigs,
  TOPIC_CONFIG_NAMES,
  TOPIC_CONFIGS,
} from '../../src/engine/embedded/controller/topic-config.ts';

const KIB = 1024;
const VALUES = [
  -1,
  0,
  1,
  KIB,
  4 * KIB,
  64 * KIB,
  64 * KIB + 1,
  KIB ** 2 - 1,
  KIB ** 2,
  2 ** 31 - 1,
];

const shared = TOPIC_CONFIG_NAMES.flatMap((name) => {
  const { brokerName } = TOPIC_CONFIGS[name];
  return isConfigKey(brokerName) ? [[brokerName, name] as const] : [];
});

it.each(shared)('%s takes no number that %s refuses', (key, name) => {
  for (const value of VALUES) {
    if (CONFIG_KEYS[key].parse(value) === undefined) continue;
    expect(judgeTopicConfigs([{ name, value: String(value) }])).toHaveProperty('texts');
  }
});
