/**
 * Owns the table of client-metrics configs (KIP-714; Kafka's ClientMetricsConfigs): each resource is
 * a subscription, which says what metrics clients push, how often, and which clients.
 *
 * Whether a pattern of `match` can be matched here is judged before, where patterns are understood;
 * here it has the form `name=pattern`, with a name that Kafka knows.
 */
import { ConfigType, intBetween, type Judge } from './config-value.ts';

interface ClientMetricsConfigEntry {
  readonly type: ConfigType;
  readonly default: string;
  readonly judge: Judge;
  readonly readOnly: boolean;
  readonly doc: string;
}

/** What clients are matched by (org.apache.kafka.server.metrics.ClientMetricsConfigs). */
const MATCHED: ReadonlySet<string> = new Set([
  'client_instance_id',
  'client_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
]);
const LIST_LENGTH_MAX = 4096;
const ECHO_LENGTH_MAX = 80;

const items = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const metrics: Judge = (text) => {
  if (text.length > LIST_LENGTH_MAX) {
    return { problem: `it must have at most ${LIST_LENGTH_MAX} characters` };
  }
  return { value: items(text).join(',') };
};

const match: Judge = (text) => {
  if (text.length > LIST_LENGTH_MAX) {
    return { problem: `it must have at most ${LIST_LENGTH_MAX} characters` };
  }
  const seen = new Set<string>();
  for (const item of items(text)) {
    const equals = item.indexOf('=');
    const name = item.slice(0, Math.max(0, equals)).trim();
    if (equals < 0 || item.slice(equals + 1).trim() === '') {
      return { problem: 'each of its items must be name=pattern' };
    }
    if (!MATCHED.has(name)) {
      return { problem: `clients are matched by ${[...MATCHED].join(', ')}` };
    }
    if (seen.has(name)) return { problem: `${name} may stand in it once` };
    seen.add(name);
  }
  return { value: items(text).join(',') };
};

export const CLIENT_METRICS_CONFIGS = {
  'interval.ms': {
    type: ConfigType.INT,
    default: '300000',
    judge: intBetween(100, 3_600_000),
    readOnly: false,
    doc: 'The time between two pushes of a client.',
  },
  match: {
    type: ConfigType.LIST,
    default: '',
    judge: match,
    readOnly: false,
    doc: 'Which clients push: name=pattern, each pattern matching all of what the client is; empty: every client.',
  },
  metrics: {
    type: ConfigType.LIST,
    default: '',
    judge: metrics,
    readOnly: false,
    doc: 'What is pushed: prefixes of names of metrics, or * for all; empty: nothing.',
  },
} as const satisfies Record<string, ClientMetricsConfigEntry>;

export type ClientMetricsConfigName = keyof typeof CLIENT_METRICS_CONFIGS;
export const CLIENT_METRICS_CONFIG_NAMES = Object.keys(
  CLIENT_METRICS_CONFIGS,
) as ClientMetricsConfigName[];

/** What a subscription has set, as texts. */
export type ClientMetricsTexts = Readonly<Partial<Record<ClientMetricsConfigName, string>>>;

export function isClientMetricsConfigName(name: string): name is ClientMetricsConfigName {
  return Object.hasOwn(CLIENT_METRICS_CONFIGS, name);
}

export function unknownClientMetricsConfig(name: string): string {
  return `Unknown client metrics configuration: ${name.slice(0, ECHO_LENGTH_MAX)}`;
}

/** The canonical texts, or what is wrong with the first bad one. */
export function judgeClientMetricsConfigs(
  configs: readonly { readonly name: string; readonly value: string }[],
): { readonly texts: ClientMetricsTexts } | { readonly problem: string } {
  const texts: Partial<Record<ClientMetricsConfigName, string>> = {};
  for (const { name, value } of configs) {
    if (!isClientMetricsConfigName(name)) return { problem: unknownClientMetricsConfig(name) };
    const judged = CLIENT_METRICS_CONFIGS[name].judge(value);
    if ('problem' in judged) {
      return { problem: `Invalid value for client metrics config ${name}: ${judged.problem}.` };
    }
    texts[name] = judged.value;
  }
  return { texts };
}
