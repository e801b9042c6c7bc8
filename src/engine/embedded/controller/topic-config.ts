/**
 * Owns the table of topic configs: what each is, its default, what is accepted, and under which
 * name the broker sets it for all topics. DescribeConfigs, validation and the numbers that the log
 * layer reads derive from the table.
 *
 * Invariant: what is accepted is honoured. A config of Kafka that this release cannot enforce is
 * refused, or accepted only with the value that describes what really happens.
 */

import { ConfigError } from '../../../base/errors.ts';
import type { CompressionType } from '../../../protocol/records/batch-validator.ts';
import type { TimestampType } from '../../../protocol/records/record-batch.ts';
import { type LogConfig, SEGMENT_MS_MIN } from '../log/log-config.ts';
import {
  ConfigType,
  intAtLeast,
  intBetween,
  type Judge,
  LONG_MAX_TEXT,
  longAtLeast,
  oneOf,
  onlyValue,
  toNumber,
} from './config-value.ts';

/** One topic's settings as the engine computes with them; bytes and milliseconds. */
export interface TopicConfig extends LogConfig {
  readonly maxMessageBytes: number;
  readonly messageTimestampType: TimestampType;
  readonly messageTimestampBeforeMaxMs: number;
  readonly messageTimestampAfterMaxMs: number;
  readonly compressionType: CompressionType;
}

interface TopicConfigEntry {
  /** The name under which a broker sets it for all of its topics. */
  readonly brokerName: string;
  readonly type: ConfigType;
  readonly default: string;
  readonly judge: Judge;
  /** Only one value is accepted, so that there is nothing to alter. */
  readonly readOnly: boolean;
  readonly doc: string;
}

const MEBIBYTE = 1024 * 1024;
/** With the smallest segment.bytes these keep a segment, whatever is in it, from closing too early. */
const INDEX_BYTES_MIN = 16 * 1024;
const INDEX_INTERVAL_BYTES_MIN = 1024;
/** A read walks from an entry to its offset in one turn: 64 KiB of the smallest batches are 0.5 ms. */
const INDEX_INTERVAL_BYTES_MAX = 64 * 1024;
const COMPRESSION_TYPES = [
  'producer',
  'uncompressed',
  'gzip',
  'snappy',
  'lz4',
  'zstd',
] as const satisfies readonly CompressionType[];

const config = (
  brokerName: string,
  type: ConfigType,
  defaultValue: string | number,
  judge: Judge,
  doc: string,
): TopicConfigEntry => {
  return { brokerName, type, default: String(defaultValue), judge, readOnly: false, doc };
};

/** A config of Kafka of which only the value that is true is accepted. */
const fixed = (
  brokerName: string,
  type: ConfigType,
  value: string,
  why: string,
): TopicConfigEntry => {
  const doc = `Always ${value}: ${why}.`;
  return { brokerName, type, default: value, judge: onlyValue(value, why), readOnly: true, doc };
};

const { BOOLEAN, INT, LIST, LONG, STRING } = ConfigType;

export const TOPIC_CONFIGS = {
  'cleanup.policy': fixed('log.cleanup.policy', LIST, 'delete', 'logs are not compacted yet'),
  'compression.type': config(
    'compression.type',
    STRING,
    'producer',
    oneOf(...COMPRESSION_TYPES),
    'How batches are stored: as the producer compressed them, or compressed anew.',
  ),
  'flush.messages': config(
    'log.flush.interval.messages',
    LONG,
    LONG_MAX_TEXT,
    longAtLeast(1),
    'So many records that wait for their fsync are synced at once, before flush.ms is over.',
  ),
  'flush.ms': config(
    'log.flush.interval.ms',
    LONG,
    1000,
    longAtLeast(0),
    'The longest time that an appended batch may wait for its fsync, and so for consumers to see ' +
      'it, when no producer asked for acks=all.',
  ),
  'index.interval.bytes': config(
    'log.index.interval.bytes',
    INT,
    4096,
    intBetween(INDEX_INTERVAL_BYTES_MIN, INDEX_INTERVAL_BYTES_MAX),
    'How many bytes of log lie between two entries of its offset index.',
  ),
  'max.message.bytes': config(
    'message.max.bytes',
    INT,
    1_048_588,
    intAtLeast(0),
    "The largest record batch that is accepted, after compression; at most the operator's.",
  ),
  'message.timestamp.after.max.ms': config(
    'log.message.timestamp.after.max.ms',
    LONG,
    3_600_000,
    longAtLeast(0),
    "How far a record's timestamp may lie ahead of the broker's clock (CreateTime only).",
  ),
  'message.timestamp.before.max.ms': config(
    'log.message.timestamp.before.max.ms',
    LONG,
    LONG_MAX_TEXT,
    longAtLeast(0),
    "How far a record's timestamp may lie behind the broker's clock (CreateTime only).",
  ),
  'message.timestamp.type': config(
    'log.message.timestamp.type',
    STRING,
    'CreateTime',
    oneOf('CreateTime', 'LogAppendTime'),
    'Whether records keep the timestamp of their producer or get that of the append.',
  ),
  'min.insync.replicas': fixed(
    'min.insync.replicas',
    INT,
    '1',
    'each partition has one replica, and acks=all waits for its fsync',
  ),
  preallocate: fixed('log.preallocate', BOOLEAN, 'false', 'segment files grow as they are written'),
  'retention.bytes': config(
    'log.retention.bytes',
    LONG,
    -1,
    longAtLeast(-1),
    'The oldest segments of a partition are deleted while the rest is at least this large; -1: never.',
  ),
  'retention.ms': config(
    'log.retention.ms',
    LONG,
    604_800_000,
    longAtLeast(-1),
    'A segment is deleted when its youngest record is older than this; -1: never.',
  ),
  'segment.bytes': config(
    'log.segment.bytes',
    INT,
    1024 * MEBIBYTE,
    intAtLeast(MEBIBYTE),
    'The largest segment file of a log.',
  ),
  'segment.index.bytes': config(
    'log.index.size.max.bytes',
    INT,
    10 * MEBIBYTE,
    intAtLeast(INDEX_BYTES_MIN),
    'The largest index file of a segment; a full index closes its segment.',
  ),
  'segment.jitter.ms': config(
    'log.roll.jitter.ms',
    LONG,
    0,
    longAtLeast(0),
    'By up to this much, different for each segment, one is closed earlier than segment.ms says.',
  ),
  'segment.ms': config(
    'log.roll.ms',
    LONG,
    604_800_000,
    longAtLeast(SEGMENT_MS_MIN),
    'The age at which a segment is closed even when it is not full.',
  ),
  'unclean.leader.election.enable': fixed(
    'unclean.leader.election.enable',
    BOOLEAN,
    'false',
    'each partition has one replica',
  ),
} as const satisfies Record<string, TopicConfigEntry>;

export type TopicConfigName = keyof typeof TOPIC_CONFIGS;
export const TOPIC_CONFIG_NAMES = Object.keys(TOPIC_CONFIGS).sort() as TopicConfigName[];

/** Config texts by name: what a topic, or the operator for all topics, has set. */
export type TopicConfigTexts = Readonly<Partial<Record<TopicConfigName, string>>>;

/** Configs that Kafka has and that mean nothing here yet; asking for one gets a clearer answer. */
const NOT_SERVED: ReadonlySet<string> = new Set([
  'compression.gzip.level',
  'compression.lz4.level',
  'compression.zstd.level',
  'delete.retention.ms',
  'file.delete.delay.ms',
  'follower.replication.throttled.replicas',
  'leader.replication.throttled.replicas',
  'local.retention.bytes',
  'local.retention.ms',
  'max.compaction.lag.ms',
  'message.downconversion.enable',
  'min.cleanable.dirty.ratio',
  'min.compaction.lag.ms',
  'remote.log.copy.disable',
  'remote.log.delete.on.disable',
  'remote.storage.enable',
]);

/** As much of a name from a request as an answer repeats. */
const ECHO_LENGTH_MAX = 80;

export function isTopicConfigName(name: string): name is TopicConfigName {
  return Object.hasOwn(TOPIC_CONFIGS, name);
}

/** The canonical texts, or what is wrong with the first bad one, as a sentence for the client. */
export function judgeTopicConfigs(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): { readonly texts: TopicConfigTexts } | { readonly problem: string } {
  const texts: Partial<Record<TopicConfigName, string>> = {};
  for (const { name, value } of configs) {
    if (!isTopicConfigName(name)) return { problem: unknownConfig(name) };
    if (value === null) return { problem: `Topic config ${name} has no value.` };
    if (texts[name] !== undefined) return { problem: `Topic config ${name} is given twice.` };
    const judged = TOPIC_CONFIGS[name].judge(value);
    if ('problem' in judged) {
      return { problem: `Invalid value for topic config ${name}: ${judged.problem}.` };
    }
    texts[name] = judged.value;
  }
  return { texts };
}

function unknownConfig(name: string): string {
  if (NOT_SERVED.has(name)) return `Topic config ${name} is not served by this release.`;
  return `Unknown topic config name: ${name.slice(0, ECHO_LENGTH_MAX)}`;
}

/**
 * What is set is what holds: a limit above the operator's own would be no limit, so it is refused. A
 * text that stands there already is left alone: the operator may have lowered the limit since.
 */
export function limitProblem(
  texts: TopicConfigTexts,
  current: TopicConfigTexts,
  operator: TopicConfigTexts,
): string | null {
  const name = 'max.message.bytes';
  const asked = texts[name];
  if (asked === undefined || asked === current[name]) return null;
  const most = effectiveText(name, {}, operator);
  if (toNumber(asked) <= toNumber(most)) return null;
  const { brokerName } = TOPIC_CONFIGS[name];
  return `Invalid value for ${name}: at most ${most}, which whoever operates the broker set as ${brokerName}.`;
}

/** The operator's defaults for all topics, checked; throws ConfigError at start-up. */
export function checkTopicDefaults(texts: Readonly<Record<string, string>>): TopicConfigTexts {
  const judged = judgeTopicConfigs(Object.entries(texts).map(([name, value]) => ({ name, value })));
  if ('problem' in judged) throw new ConfigError(`Topic defaults: ${judged.problem}`);
  return judged.texts;
}

/** The value in force: the topic's own, else the operator's, else Kafka's default. */
export function effectiveText(
  name: TopicConfigName,
  overrides: TopicConfigTexts,
  defaults: TopicConfigTexts,
): string {
  return overrides[name] ?? defaults[name] ?? TOPIC_CONFIGS[name].default;
}

function compressionTypeOf(text: string): CompressionType {
  return COMPRESSION_TYPES.find((type) => type === text) ?? 'producer';
}

export function resolveTopicConfig(
  overrides: TopicConfigTexts,
  defaults: TopicConfigTexts,
): TopicConfig {
  const text = (name: TopicConfigName): string => effectiveText(name, overrides, defaults);
  const number = (name: TopicConfigName): number => toNumber(text(name));
  return {
    segmentBytes: number('segment.bytes'),
    segmentMs: number('segment.ms'),
    segmentIndexBytes: number('segment.index.bytes'),
    indexIntervalBytes: number('index.interval.bytes'),
    segmentJitterMs: number('segment.jitter.ms'),
    flushMs: number('flush.ms'),
    flushMessages: number('flush.messages'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    compressionType: compressionTypeOf(text('compression.type')),
    maxMessageBytes: number('max.message.bytes'),
    messageTimestampType:
      text('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    messageTimestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    messageTimestampAfterMaxMs: number('message.timestamp.after.max.ms'),
  };
}
