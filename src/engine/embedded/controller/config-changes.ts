/**
 * Owns what a change of a resource's configs comes to: pure planning, from what is set and what is
 * asked for to what is set then, or to a refusal of the whole resource. Follows Kafka's
 * ConfigAdminManager and ConfigurationControlManager: SET, DELETE, APPEND and SUBTRACT (lists only),
 * each config once; deleting what is not set is no error.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { BrokerConfigs } from './broker-configs.ts';
import {
  CLIENT_METRICS_CONFIGS,
  type ClientMetricsTexts,
  isClientMetricsConfigName,
  judgeClientMetricsConfigs,
  unknownClientMetricsConfig,
} from './client-metrics-config.ts';
import { ConfigType, type Judge } from './config-value.ts';
import type { Refusal } from './create-topics.ts';
import {
  GROUP_CONFIGS,
  type GroupConfigTexts,
  isGroupConfigName,
  judgeGroupConfigs,
  unknownGroupConfig,
} from './group-config.ts';
import {
  isTopicConfigName,
  judgeTopicConfigs,
  TOPIC_CONFIGS,
  type TopicConfigTexts,
} from './topic-config.ts';

/** IncrementalAlterConfigs' operations (org.apache.kafka.clients.admin.AlterConfigOp). */
export const ConfigOperation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;
const OPERATIONS: ReadonlySet<number> = new Set(Object.values(ConfigOperation));

export interface ConfigChange {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

/** A config as the planner sees it. */
interface Alterable {
  /** The name under which its text is kept. */
  readonly key: string;
  readonly type: ConfigType;
  readonly default: string;
  readonly judge: Judge;
}

/** The configs of one kind of resource. */
export interface ConfigKind<T> {
  readonly label: string;
  /** Kafka answers bad topic and group configs with INVALID_CONFIG, a broker's not. */
  readonly errorCode: number;
  find(name: string): Alterable | undefined;
  /** What is wrong with a name that `find` does not know. */
  unknown(name: string): string;
  /** What all texts together are, or why they do not go together. */
  judge(
    texts: readonly { readonly name: string; readonly value: string }[],
  ): { readonly texts: T } | { readonly problem: string };
}

const ECHO_LENGTH_MAX = 80;
/** Many times what there are, so that planning one resource is short work. */
const CHANGES_MAX = 1000;

export const TOPIC_KIND: ConfigKind<TopicConfigTexts> = {
  label: 'topic',
  errorCode: ErrorCode.INVALID_CONFIG,
  find: (name) => (isTopicConfigName(name) ? { key: name, ...TOPIC_CONFIGS[name] } : undefined),
  unknown: unknownTopicConfig,
  judge: judgeTopicConfigs,
};

export const GROUP_KIND: ConfigKind<GroupConfigTexts> = {
  label: 'group',
  errorCode: ErrorCode.INVALID_CONFIG,
  find: (name) => (isGroupConfigName(name) ? { key: name, ...GROUP_CONFIGS[name] } : undefined),
  unknown: unknownGroupConfig,
  judge: judgeGroupConfigs,
};

export const CLIENT_METRICS_KIND: ConfigKind<ClientMetricsTexts> = {
  label: 'client metrics',
  errorCode: ErrorCode.INVALID_CONFIG,
  find: (name) =>
    isClientMetricsConfigName(name) ? { key: name, ...CLIENT_METRICS_CONFIGS[name] } : undefined,
  unknown: unknownClientMetricsConfig,
  judge: judgeClientMetricsConfigs,
};

/** What a namespace may set for its brokers: the defaults of its topics, and nothing else. */
export function brokerKind(brokers: BrokerConfigs): ConfigKind<TopicConfigTexts> {
  return {
    label: 'broker',
    errorCode: ErrorCode.INVALID_REQUEST,
    find: (name) => {
      const key = brokers.topicConfigOf(name);
      return key === undefined ? undefined : { key, ...TOPIC_CONFIGS[key] };
    },
    unknown: (name) => {
      const shown = name.slice(0, ECHO_LENGTH_MAX);
      return brokers.isSetting(name)
        ? `Broker config ${shown} is read-only: it is set by whoever operates the broker.`
        : `Broker config ${shown} cannot be updated dynamically: only the defaults of topic configs can.`;
    },
    judge: judgeTopicConfigs,
  };
}

/** What is set after the changes, or why they are refused. */
export function planChanges<T extends object>(
  kind: ConfigKind<T>,
  current: T,
  changes: readonly ConfigChange[],
): T | Refusal {
  if (changes.length > CHANGES_MAX) {
    return invalidRequest(`A resource's change names at most ${CHANGES_MAX} configs.`);
  }
  const texts = new Map<string, string>(Object.entries(current) as [string, string][]);
  const seen = new Set<string>();
  for (const change of changes) {
    const isTwice = seen.has(change.name);
    seen.add(change.name);
    const refusal = isTwice
      ? invalidRequest('A config is given more than once for the same resource.')
      : applyChange(kind, texts, change);
    if (refusal !== null) return refusal;
  }
  const judged = kind.judge(Array.from(texts, ([name, value]) => ({ name, value })));
  if ('texts' in judged) return judged.texts;
  return { errorCode: kind.errorCode, errorMessage: judged.problem };
}

function applyChange<T>(
  kind: ConfigKind<T>,
  texts: Map<string, string>,
  { name, configOperation, value }: ConfigChange,
): Refusal | null {
  if (!OPERATIONS.has(configOperation)) {
    return invalidRequest(`There is no config operation ${configOperation}.`);
  }
  const alterable = kind.find(name);
  if (configOperation === ConfigOperation.DELETE) {
    if (alterable !== undefined) texts.delete(alterable.key);
    return null;
  }
  if (value === null) {
    return invalidRequest(`A value is needed for config ${name.slice(0, ECHO_LENGTH_MAX)}.`);
  }
  if (alterable === undefined) {
    return { errorCode: kind.errorCode, errorMessage: kind.unknown(name) };
  }
  const text = newText(alterable, texts.get(alterable.key), configOperation, value);
  if (text === null) {
    const verb = configOperation === ConfigOperation.APPEND ? 'append to' : 'subtract from';
    const errorMessage = `Cannot ${verb} ${kind.label} config ${name}: its type is not LIST.`;
    return { errorCode: ErrorCode.INVALID_CONFIG, errorMessage };
  }
  const judged = alterable.judge(text);
  if ('problem' in judged) {
    const errorMessage = `Invalid value for ${kind.label} config ${name}: ${judged.problem}.`;
    return { errorCode: kind.errorCode, errorMessage };
  }
  texts.set(alterable.key, judged.value);
  return null;
}

/** null where a list is asked for and there is none. */
function newText(
  alterable: Alterable,
  current: string | undefined,
  operation: number,
  value: string,
): string | null {
  if (operation === ConfigOperation.SET) return value;
  if (alterable.type !== ConfigType.LIST) return null;
  const before = items(current ?? alterable.default);
  const named = items(value);
  const after =
    operation === ConfigOperation.APPEND
      ? [...new Set([...before, ...named])]
      : before.filter((item) => !named.includes(item));
  return after.join(',');
}

function items(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The table's own words: Kafka's configs that are not served are told from no configs at all. */
function unknownTopicConfig(name: string): string {
  const judged = judgeTopicConfigs([{ name, value: '' }]);
  return 'problem' in judged ? judged.problem : `Unknown topic config name: ${name}`;
}

function invalidRequest(errorMessage: string): Refusal {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}
