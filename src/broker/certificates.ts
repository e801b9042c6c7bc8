/**
 * The certificates that the listeners use: where they are, and their exchange while the broker
 * runs. Invariant: a reload is recorded before or refused with a reason; the last good files stay.
 */
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit-log.ts';
import { systemClock } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config-schema.ts';
import {
  loadTlsMaterial,
  type ReloadableServer,
  type TlsFiles,
  type TlsMaterial,
  type TlsWatch,
  watchTlsFiles,
} from '../security/tls-context.ts';

/** The TLS material of one listener, as it is now. */
export interface ListenerCertificates {
  readonly name: 'mtls' | 'admin';
  readonly files: TlsFiles;
  material: TlsMaterial;
  loadedAtMs: number;
  /** Why the newest files are refused; null when they are in use. */
  refusal: string | null;
}

export function loadCertificates(
  name: ListenerCertificates['name'],
  files: TlsFiles,
): ListenerCertificates {
  const nowMs = systemClock.nowMs();
  return { name, files, material: loadTlsMaterial(files, nowMs), loadedAtMs: nowMs, refusal: null };
}

/** The files of certs.dir, where `serve --dev` generates them. */
export function developmentFiles(config: Config, clientCa: string): TlsFiles {
  const directory = config['certs.dir'];
  return {
    certificate: join(directory, 'broker.crt'),
    key: join(directory, 'broker.key'),
    clientCa: join(directory, clientCa),
  };
}

export function productionFiles(
  config: Config,
  clientCa: 'ssl.client.ca' | 'ssl.operator.ca',
): TlsFiles {
  const required = (key: 'ssl.server.certificate' | 'ssl.server.key' | typeof clientCa): string => {
    const path = config[key];
    if (path === null) throw new ConfigError(`${key} is not set`);
    return path;
  };
  return {
    certificate: required('ssl.server.certificate'),
    key: required('ssl.server.key'),
    clientCa: required(clientCa),
  };
}

export function watchCertificates(
  certificates: ListenerCertificates,
  servers: readonly ReloadableServer[],
  parts: {
    readonly intervalMs: number;
    readonly audit: AuditLog;
    readonly logger: Logger;
    /** Called with what is in use from now on. */
    readonly onReload?: (material: TlsMaterial) => void;
    /** See secureContextOptions. */
    readonly namedOnly?: () => readonly string[];
  },
): TlsWatch {
  const { audit, logger } = parts;
  const { name, files } = certificates;
  return watchTlsFiles({
    files,
    current: certificates.material,
    servers,
    ...(parts.namedOnly === undefined ? {} : { namedOnly: parts.namedOnly }),
    clock: systemClock,
    intervalMs: parts.intervalMs,
    onReload(material) {
      certificates.material = material;
      certificates.loadedAtMs = systemClock.nowMs();
      certificates.refusal = null;
      parts.onReload?.(material);
      const facts = { listener: name, expiresAtMs: material.expiresAtMs };
      logger.info(facts, 'certificates reloaded');
      audit.security(null, {
        type: 'certificate',
        outcome: 'success',
        reason: 'certificates-loaded',
        facts,
      });
    },
    onError(error) {
      certificates.refusal = error.message;
      logger.error({ err: error, listener: name }, 'new certificates refused, the last good stay');
      audit.security(null, {
        type: 'certificate',
        outcome: 'failure',
        reason: 'certificates-refused',
        detail: error.message,
        facts: { listener: name },
      });
    },
  });
}
