/**
 * Makes the audit topics as the configuration has them, and lets them follow the security state.
 * Their names are the broker's in every tenant whether the topics are switched on or off: what was
 * published once must not be written to by anybody meanwhile.
 */
import type { DurableRecord } from '../../audit/file-audit-log.ts';
import { systemClock } from '../../base/clock.ts';
import { nodeFileSystem } from '../../base/file-system.ts';
import type { Logger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import type { Config } from '../../config/config-schema.ts';
import type { Engine } from '../../engine/engine.ts';
import type { MetadataImage } from '../../metadata/metadata-image.ts';
import type { SecurityState } from '../../metadata/security-state.ts';
import { BrokerTopics } from '../../tenancy/broker-topics.ts';
import { auditDirectory } from '../audit.ts';
import { AuditTopics } from './audit-topics.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Retention takes whole segments: about so many stand for all that is kept. */
const SEGMENTS = 4;
const SEGMENT_BYTES_MAX = 64 * MIB;
/** About a millisecond's work. */
const BATCH_BYTES_MAX = MIB / 16;
const FOREVER = '9223372036854775807';

/** Where the audit log puts its lines; until the topics are there they are in the files alone. */
export class AuditFeed {
  #topics: AuditTopics | null = null;

  readonly take = (record: DurableRecord): void => this.#topics?.take(record);

  feed(topics: AuditTopics | null): void {
    this.#topics = topics;
  }
}

const operatorTopicName = (config: Config): string => `${config['audit.topic.name']}_all`;

/** The topics of every virtual cluster that are the broker's own. */
export function brokerTopics(config: Config): BrokerTopics {
  return new BrokerTopics([config['audit.topic.name'], operatorTopicName(config)]);
}

interface Parts {
  readonly engine: Engine;
  readonly state: SecurityState;
  readonly feed: AuditFeed;
  readonly logger: Logger;
}

/**
 * Null where they are switched off, or cannot be begun: they are copies, and the broker starts
 * without them.
 */
export async function startAuditTopics(config: Config, parts: Parts): Promise<AuditTopics | null> {
  if (!config['audit.topic.enable']) return null;
  try {
    return await start(config, parts);
  } catch (err) {
    parts.feed.feed(null);
    parts.logger.error({ err }, 'no audit topics are published until the broker restarts');
    return null;
  }
}

async function start(config: Config, parts: Parts): Promise<AuditTopics> {
  const { engine, state, feed, logger } = parts;
  const operatorTenant = config['audit.topic.operator.tenant'];
  const topics = await AuditTopics.open({
    engine,
    files: nodeFileSystem,
    clock: systemClock,
    random: systemRandom,
    logger,
    dataDirectory: config['data.dir'],
    auditDirectory: auditDirectory(config),
    topicName: config['audit.topic.name'],
    operatorTopicName: operatorTopicName(config),
    operatorTenant,
    topicConfigs: topicConfigs(config),
    batchBytesMax: Math.min(BATCH_BYTES_MAX, config['message.max.bytes']),
  });
  if (operatorTenant !== null && !state.image.tenants.has(operatorTenant)) {
    logger.warn({ tenant: operatorTenant }, 'audit.topic.operator.tenant names no tenant yet');
  }
  feed.feed(topics);
  await topics.start(audited(state.image));
  state.onChange((image, changes) => {
    if (changes.some(({ type }) => type.startsWith('tenant') && type !== 'tenant-limits'))
      topics.follow(audited(image));
  });
  return topics;
}

/** All that a tenant could otherwise set for its topics by defaults of its own. */
function topicConfigs(config: Config): Record<string, string> {
  const retentionMs = config['audit.topic.retention.ms'];
  const retentionBytes = config['audit.topic.retention.bytes'];
  const segmentBytes = Math.min(Math.floor(retentionBytes / SEGMENTS), SEGMENT_BYTES_MAX);
  const segmentMs = Math.min(Math.max(Math.floor(retentionMs / SEGMENTS), MINUTE_MS), DAY_MS);
  return {
    'compression.type': 'producer',
    'flush.messages': FOREVER,
    'flush.ms': String(config['log.flush.interval.ms']),
    'max.message.bytes': String(config['message.max.bytes']),
    'message.timestamp.after.max.ms': FOREVER,
    'message.timestamp.before.max.ms': FOREVER,
    'message.timestamp.type': 'CreateTime',
    'retention.bytes': String(retentionBytes),
    'retention.ms': String(retentionMs),
    'segment.bytes': String(Math.max(segmentBytes, MIB)),
    'segment.jitter.ms': '0',
    'segment.ms': String(segmentMs),
  };
}

/** Of a tenant that is being deleted nothing is made any more. */
const audited = ({ tenants }: MetadataImage) =>
  [...tenants.values()].filter(({ deletion }) => deletion === null);
