/** Opens the access log as the configuration wants it, with the key that signs its checkpoints. */
import { join } from 'node:path';
import { hmacOf, readHmacKey } from '../audit/audit-hmac.ts';
import type { HideValue } from '../audit/audit-query.ts';
import {
  type FileAuditLog,
  type FileAuditLogOptions,
  openFileAuditLog,
} from '../audit/file-audit-log.ts';
import { makeSigningKey, readSigningKey, SIGNING_KEY_FILE } from '../audit/signing-key.ts';
import { fileExists, makeDirectory } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config-schema.ts';

const AUDIT_FOLDER = 'audit';

export const auditDirectory = (config: Config): string =>
  config['audit.dir'] ?? join(config['data.dir'], AUDIT_FOLDER);

/** Throws ConfigError when the folder or a key cannot be used: nothing runs unrecorded or unsigned. */
export async function openAudit(
  config: Config,
  dev: boolean,
  logger: Logger,
  parts: Pick<FileAuditLogOptions, 'files' | 'onRecord' | 'onCompressed'> = {},
): Promise<FileAuditLog> {
  const keyPath = config['audit.signing.key'] ?? (dev ? developmentKey(config['certs.dir']) : null);
  if (keyPath === null) throw new ConfigError('audit.signing.key is not set.');
  const signingKey = await readSigningKey(keyPath);
  const hmac = hmacParts(config);
  return openFileAuditLog({
    ...parts,
    directory: auditDirectory(config),
    logger,
    signingKey,
    ...(hmac !== null && { hmac }),
    checkpointIntervalMs: config['audit.checkpoint.interval.ms'],
    checkpointCopyDirectory: config['audit.checkpoints.copy.dir'],
    repeatWindowMs: config['audit.access.window.ms'],
    detailTenants: namesIn(config['audit.access.detail.tenants']),
    fileBytesMax: config['audit.file.max.bytes'],
    queueBytesMax: config['audit.queue.max.bytes'],
    equalPerSecond: config['audit.repeats.per.second'],
    tenantDailyBytes: config['audit.tenant.daily.bytes'],
    reserveBytes: config['audit.reserve.bytes'],
    keeping: keepingOf(config),
  });
}

/** How a reader finds values that are hidden in the log; undefined where none are. */
export function hideOf(config: Config): HideValue | undefined {
  const hmac = hmacParts(config);
  if (hmac === null) return undefined;
  const { fields, key } = hmac;
  return (field, value) => (fields.includes(field) ? hmacOf(key, field, value) : null);
}

function keepingOf(config: Config) {
  const days = config['audit.retention.days'];
  const bytes = config['audit.retention.bytes'];
  const orSame = (value: number, same: number): number => (value === -1 ? same : value);
  return {
    isCompressing: config['audit.compress'],
    security: { days, bytes },
    access: {
      days: orSame(config['audit.access.retention.days'], days),
      bytes: orSame(config['audit.access.retention.bytes'], bytes),
    },
  };
}

const namesIn = (list: string | null): string[] =>
  list === null ? [] : list.split(',').map((name) => name.trim());

function hmacParts(config: Config) {
  const fields = namesIn(config['audit.hmac.fields']);
  const path = config['audit.hmac.key.file'];
  if (fields.length === 0) return null;
  if (path === null) {
    throw new ConfigError(
      'audit.hmac.fields needs audit.hmac.key.file: a file of 32 random bytes.',
    );
  }
  return { fields, key: readHmacKey(path) };
}

/** Made on first use, like everything in the folder of the development certificates. */
function developmentKey(directory: string): string {
  const path = join(directory, SIGNING_KEY_FILE);
  if (fileExists(path)) return path;
  makeDirectory(directory, 'public');
  try {
    makeSigningKey(directory);
  } catch (error) {
    // Another broker on the same folder was faster.
    if (!fileExists(path)) throw error;
  }
  return path;
}
