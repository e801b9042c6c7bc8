/** Opens what the broker keeps: the engine on the data folder, and the policy. */
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit-log.ts';
import { systemClock } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import { type FileSystem, nodeFileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { PACKAGE_ROOT } from '../config/package-root.ts';
import {
  DEFAULT_CONTROLLER_SETTINGS,
  DEFAULT_TOPIC_LIMITS,
} from '../engine/embedded/controller/controller-settings.ts';
import { EmbeddedEngine } from '../engine/embedded/embedded-engine.ts';
import type { Authorizer } from '../security/authorizer.ts';
import { type CasbinAuthorizer, createCasbinAuthorizer } from '../security/casbin-authorizer.ts';
import { ShadowAuthorizer } from '../security/shadow-authorizer.ts';
import { shownBrokerSettings } from './broker-settings.ts';
import {
  ExternalAuthorizerFile,
  type ExternalAuthorizerFileOptions,
} from './external-authorizer.ts';

const MINUTE_MS = 60_000;
/** What a compressed batch may inflate to while its records are checked, over message.max.bytes. */
const INFLATION_FACTOR_MAX = 64;

export function openEngine(
  config: Config,
  logger: Logger,
  fileSystem: FileSystem = nodeFileSystem,
): Promise<EmbeddedEngine> {
  return EmbeddedEngine.open({
    directory: config['data.dir'],
    fileSystem,
    clock: systemClock,
    random: systemRandom,
    logger,
    controller: {
      ...DEFAULT_CONTROLLER_SETTINGS,
      nodeId: config['node.id'],
      numPartitions: config['num.partitions'],
      topicDefaults: {
        'max.message.bytes': String(config['message.max.bytes']),
        'segment.bytes': String(config['log.segment.bytes']),
        'segment.ms': String(config['log.roll.ms']),
        'index.interval.bytes': String(config['log.index.interval.bytes']),
        'segment.index.bytes': String(config['log.index.size.max.bytes']),
        'flush.ms': String(config['log.flush.interval.ms']),
        'retention.ms': String(config['log.retention.ms']),
        'retention.bytes': String(config['log.retention.bytes']),
        'compression.type': config['compression.type'],
      },
      brokerConfigs: shownBrokerSettings(config),
      limits: {
        ...DEFAULT_TOPIC_LIMITS,
        partitionsPerTopicMax: config['max.partitions.per.topic'],
        partitionsPerNamespaceMax: config['max.partitions.per.tenant'],
        partitionsMax: config['max.partitions.per.node'],
      },
    },
    log: {
      producerIdExpirationMs: config['producer.id.expiration.ms'],
      producerIdsPerPartitionMax: config['max.producer.ids.per.partition'],
      producerIdsMax: config['max.producer.ids.per.node'],
      retentionCheckIntervalMs: config['log.retention.check.interval.ms'],
    },
    groups: {
      initialRebalanceDelayMs: config['group.initial.rebalance.delay.ms'],
      sessionTimeoutMsMin: config['group.min.session.timeout.ms'],
      sessionTimeoutMsMax: config['group.max.session.timeout.ms'],
      membersMax: config['group.max.size'],
      groupsPerNamespaceMax: config['max.groups.per.tenant'],
      bytesPerNamespaceMax: config['max.group.bytes.per.tenant'],
      offsetsRetentionMs: MINUTE_MS * config['offsets.retention.minutes'],
      offsetsRetentionCheckIntervalMs: config['offsets.retention.check.interval.ms'],
      offsetMetadataCharsMax: config['offset.metadata.max.bytes'],
    },
    produce: {
      maxBatchBytes: config['message.max.bytes'],
      maxInflatedBytes: INFLATION_FACTOR_MAX * config['message.max.bytes'],
    },
  });
}

/** The policy of `policy.dir`; a new one takes force only after its audit record is durable. */
export function openAuthorizer(
  config: Config,
  audit: AuditLog,
  logger: Logger,
): Promise<CasbinAuthorizer> {
  return createCasbinAuthorizer({
    policyDirectory: config['policy.dir'] ?? join(PACKAGE_ROOT, 'policies', 'dev'),
    modelFile: config['policy.model'] ?? join(PACKAGE_ROOT, 'policies', 'model.conf'),
    logger,
    pollMs: config['policy.reload.interval.ms'],
    onPolicyEvent: async (event) => {
      audit.security(null, event);
      await audit.durable();
    },
  });
}

/** A policy on trial beside the one in force. */
export interface ShadowPolicy {
  readonly authorizer: ShadowAuthorizer;
  /** Takes the dynamic rules that the live policy takes. */
  readonly candidate: CasbinAuthorizer;
}

/** The candidate of `policy.shadow.dir`; null without one. Throws ConfigError when it is not in order. */
export async function openShadow(
  config: Config,
  live: CasbinAuthorizer,
  logger: Logger,
): Promise<ShadowPolicy | null> {
  const policyDirectory = config['policy.shadow.dir'];
  if (policyDirectory === null) return null;
  const candidate = await createCasbinAuthorizer({
    policyDirectory,
    modelFile: config['policy.model'] ?? join(PACKAGE_ROOT, 'policies', 'model.conf'),
    logger: logger.child({ policy: 'candidate' }),
    pollMs: config['policy.reload.interval.ms'],
  }).catch((cause: unknown) => {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new ConfigError(`policy.shadow.dir: ${cause.message}`, { cause });
  });
  const authorizer = new ShadowAuthorizer({ live, candidate, clock: systemClock, logger });
  return { authorizer, candidate };
}

/** Null where no file names an external authorizer. */
export async function openExternalAuthorizer(
  config: Config,
  local: Authorizer,
  audit: AuditLog,
  logger: Logger,
  measured: ExternalAuthorizerFileOptions['measured'],
): Promise<ExternalAuthorizerFile | null> {
  const path = config['authorizer.external.file'];
  if (path === null) return null;
  return await ExternalAuthorizerFile.open({
    path,
    local,
    clock: systemClock,
    random: systemRandom,
    intervalMs: config['policy.reload.interval.ms'],
    audit,
    logger,
    measured,
  });
}
