/**
 * What `serve --dev` adds: certificates on first use, tenants acme and globex, and the topic
 * `telemetry` in each. Everything goes the way that production goes; only the hands are ours.
 */
import { join, relative } from 'node:path';
import type { AuditLog } from '../audit/audit-log.ts';
import { StorageError } from '../base/errors.ts';
import type { Config } from '../config/config-schema.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { ErrorCode, errorName } from '../protocol/error-codes.ts';
import type { TenantViews } from '../server/tenant-views.ts';

const TOPIC = 'telemetry';
const TOPIC_PARTITIONS = 6;
const TIMEOUT_MS = 10_000;

export interface DevelopmentTenant {
  readonly tenant: string;
  readonly caPem: string;
}

/** Generates what is missing; the code that makes certificates is loaded only here. */
export async function prepareCertificates(
  config: Config,
  audit: AuditLog,
): Promise<DevelopmentTenant[]> {
  const { DEV_TENANTS, ensureDevCertificates } = await import('../pki/dev-certificates.ts');
  const { listTenantCas } = await import('../pki/pki-directory.ts');
  const directory = config['certs.dir'];
  const { made } = await ensureDevCertificates(directory, { trustDomain: config['trust.domain'] });
  if (made.length > 0) {
    audit.security(null, {
      type: 'certificate',
      outcome: 'success',
      reason: 'development-certificates-issued',
      facts: { certificates: made.join(' ') },
    });
  }
  const wanted: readonly string[] = DEV_TENANTS;
  return listTenantCas(directory)
    .filter(({ tenant }) => wanted.includes(tenant))
    .map(({ tenant, pem }) => ({ tenant, caPem: pem }));
}

/** Brings tenants and topics about; what is there already stays as it is. */
export async function seedTenants(
  tenants: readonly DevelopmentTenant[],
  state: SecurityState,
  views: TenantViews,
  audit: AuditLog,
): Promise<void> {
  for (const { tenant, caPem } of tenants) {
    // What an operator deleted does not come back by itself.
    if (state.image.deleted.lastOf(tenant) !== undefined) continue;
    if (state.image.tenants.get(tenant)?.deletion != null) continue;
    if (!state.image.tenants.has(tenant)) {
      audit.security(null, {
        type: 'administration',
        outcome: 'success',
        reason: 'development-tenant-create',
        facts: { tenant, topic: TOPIC, partitions: TOPIC_PARTITIONS },
      });
      await audit.durable();
      await state.createTenant(tenant, caPem);
    } else {
      // The development CA may have been made anew since.
      await state.addTenantCa(tenant, caPem);
    }
    const { engine } = views.getAny(tenant)!;
    if (engine.topicByName(TOPIC) !== undefined) continue;
    const answer = await engine.createTopics(
      {
        topics: [
          {
            name: TOPIC,
            numPartitions: TOPIC_PARTITIONS,
            replicationFactor: 1,
            assignments: [],
            configs: [],
          },
        ],
        timeoutMs: TIMEOUT_MS,
        validateOnly: false,
      },
      { apiVersion: 7, signal: null },
    );
    const errorCode = answer.topics[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    if (errorCode !== ErrorCode.NONE) {
      throw new StorageError(`topic ${TOPIC} of ${tenant}: ${errorName(errorCode)}`);
    }
  }
}

/** A command that publishes one record as acme's device-1. */
export function developmentKcatLine(config: Config, port: number): string {
  const file = (name: string): string => {
    const path = join(config['certs.dir'], name);
    const near = relative(process.cwd(), path);
    return near.startsWith('..') ? path : near;
  };
  return [
    'echo hello | kcat -P -t telemetry',
    `-b ${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    '-X security.protocol=ssl',
    `-X ssl.ca.location=${file('ca.crt')}`,
    `-X ssl.certificate.location=${file('acme/device-1.crt')}`,
    `-X ssl.key.location=${file('acme/device-1.key')}`,
  ].join(' ');
}
