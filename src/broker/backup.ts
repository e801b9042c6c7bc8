/** Backups of a running broker, and what a start does on a data folder that was restored. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { AdminBackups } from '../admin/admin-services.ts';
import { AdminError } from '../admin/problem.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { auditPart } from '../backup/audit-part.ts';
import { BackupError } from '../backup/backup-error.ts';
import { BackupJobs } from '../backup/backup-jobs.ts';
import type { RestoredMarker } from '../backup/restored-marker.ts';
import { SecurityWatermark } from '../backup/security-lineage.ts';
import { systemClock } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { packageVersion } from '../config/package-root.ts';
import type { BackupSource, NamespaceStore } from '../engine/engine.ts';

/** Rejects with ConfigError when the security metadata is older than it was. */
export function openWatermark(
  config: Config,
  log: { readonly endOffset: number },
  restored: RestoredMarker,
): Promise<SecurityWatermark> {
  const { facts } = restored;
  return SecurityWatermark.open({
    files: nodeFileSystem,
    random: systemRandom,
    dataDir: config['data.dir'],
    path: config['security.watermark.file'],
    log,
    isNewLineageExpected: facts?.isNew === true && facts.proof === null,
  });
}

/** Before anybody connects: the data of tenants that are no more goes, and the log is told. */
export async function afterRestore(
  restored: RestoredMarker,
  parts: {
    readonly engine: NamespaceStore;
    readonly audit: AuditLog;
    readonly logger: Logger;
  },
): Promise<void> {
  const { facts } = restored;
  if (facts?.isNew !== true) return;
  const { engine, audit, logger } = parts;
  for (const name of facts.purge) await engine.purgeNamespace(name);
  audit.security(null, {
    type: 'server',
    outcome: 'success',
    reason: 'restored',
    facts: {
      backup: facts.backup,
      backupCreatedAt: new Date(facts.backupCreatedAtMs).toISOString(),
      restoredAt: new Date(facts.restoredAtMs).toISOString(),
      proof: facts.proof ?? 'none',
      tenantsShutOut: facts.unproven.length,
      namespacesPurged: facts.purge.length,
    },
  });
  await audit.durable();
  await restored.started();
  logger.warn({ ...facts }, 'the data folder was restored from a backup');
}

export async function openBackups(
  config: Config,
  parts: {
    readonly engine: BackupSource;
    readonly audit: AuditLog;
    readonly watermark: SecurityWatermark;
    readonly logger: Logger;
  },
): Promise<BackupJobs> {
  const { engine, audit, watermark, logger } = parts;
  const jobs = new BackupJobs({
    files: nodeFileSystem,
    clock: systemClock,
    source: engine,
    auditPart: auditPart(nodeFileSystem, config['audit.dir'] ?? join(config['data.dir'], 'audit')),
    security: () => watermark.position,
    dataDir: config['data.dir'],
    backupDir: config['backup.dir'],
    minFreeBytes: config['backup.min.free.bytes'],
    bytesPerSecondMax: config['backup.rate.max.bytes'],
    version: packageVersion(),
    nodeId: config['node.id'],
    signingKey: () => signingKeyIn(config['backup.signing.key']),
    audit,
    logger,
  });
  await jobs.removeLeftOvers();
  return jobs;
}

function signingKeyIn(path: string | null): KeyObject | null {
  if (path === null) return null;
  try {
    const key = createPrivateKey(readRequired(path, 'set backup.signing.key'));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    const message = 'The key of backup.signing.key cannot be read: look at the file.';
    throw new BackupError(message, { code: 'signing-key', cause });
  }
  throw new BackupError('backup.signing.key is no Ed25519 key.', { code: 'signing-key' });
}

const STATUS: Readonly<Record<string, number>> = {
  'no-backup-dir': 409,
  'backup-running': 409,
  'backup-exists': 409,
  'no-such-backup': 404,
  'signing-key': 500,
};

export function adminBackups(jobs: BackupJobs): AdminBackups {
  return {
    directory: jobs.directory,
    list: () => jobs.list(),
    view: (name) => jobs.view(name),
    start: (wanted) =>
      jobs.start(wanted).catch((error: unknown) => {
        if (!(error instanceof BackupError)) throw error;
        const status = STATUS[error.code] ?? 500;
        throw new AdminError(status, error.code, error.message, { cause: error });
      }),
  };
}
