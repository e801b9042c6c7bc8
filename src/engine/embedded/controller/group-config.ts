/**
 * Owns the table of group configs (Kafka's GroupConfig): what each is, its default, what is
 * accepted.
 *
 * They belong to the groups of KIP-848, which this release does not serve: they are kept, shown and
 * checked, and classic groups, whose members bring their own timeouts, do not follow them, in Kafka
 * neither. Those of share and streams groups are refused.
 */
import { ConfigType, intBetween, type Judge } from './config-value.ts';

interface GroupConfigEntry {
  /** The name under which a broker sets it for all of its groups. */
  readonly brokerName: string;
  readonly type: ConfigType;
  readonly default: string;
  readonly judge: Judge;
  readonly readOnly: boolean;
  readonly doc: string;
}

const WITHOUT_EFFECT =
  'Kept for groups of the consumer protocol of KIP-848, which this release does not serve: ' +
  'without effect on classic groups.';

/** The ranges do not meet, so that a session always outlasts a heartbeat. */
export const GROUP_CONFIGS = {
  'consumer.heartbeat.interval.ms': {
    brokerName: 'group.consumer.heartbeat.interval.ms',
    type: ConfigType.INT,
    default: '5000',
    judge: intBetween(5000, 15_000),
    readOnly: false,
    doc: `The time between two heartbeats that members are told to keep. ${WITHOUT_EFFECT}`,
  },
  'consumer.session.timeout.ms': {
    brokerName: 'group.consumer.session.timeout.ms',
    type: ConfigType.INT,
    default: '45000',
    judge: intBetween(45_000, 60_000),
    readOnly: false,
    doc: `The time without a heartbeat after which a member is out. ${WITHOUT_EFFECT}`,
  },
} as const satisfies Record<string, GroupConfigEntry>;

export type GroupConfigName = keyof typeof GROUP_CONFIGS;
export const GROUP_CONFIG_NAMES = Object.keys(GROUP_CONFIGS) as GroupConfigName[];

/** What a group has set, as texts. */
export type GroupConfigTexts = Readonly<Partial<Record<GroupConfigName, string>>>;

/** Configs of kinds of groups that are not served. */
const OF_OTHER_GROUPS = /^(share|streams)\./;
/** As much of a name from a request as an answer repeats. */
const ECHO_LENGTH_MAX = 80;

export function isGroupConfigName(name: string): name is GroupConfigName {
  return Object.hasOwn(GROUP_CONFIGS, name);
}

/** What is wrong with a name that is not in the table, as a sentence for the client. */
export function unknownGroupConfig(name: string): string {
  const shown = name.slice(0, ECHO_LENGTH_MAX);
  const kind = OF_OTHER_GROUPS.exec(name)?.[1];
  if (kind !== undefined)
    return `Group config ${shown} is not served: there are no ${kind} groups.`;
  return `Unknown group config name: ${shown}`;
}

/** The canonical texts, or what is wrong with the first bad one. */
export function judgeGroupConfigs(
  configs: readonly { readonly name: string; readonly value: string }[],
): { readonly texts: GroupConfigTexts } | { readonly problem: string } {
  const texts: Partial<Record<GroupConfigName, string>> = {};
  for (const { name, value } of configs) {
    if (!isGroupConfigName(name)) return { problem: unknownGroupConfig(name) };
    const judged = GROUP_CONFIGS[name].judge(value);
    if ('problem' in judged) {
      return { problem: `Invalid value for group config ${name}: ${judged.problem}.` };
    }
    texts[name] = judged.value;
  }
  return { texts };
}
