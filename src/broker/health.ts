/** What /readyz tells: each part that clients rely on, and why it is not well. */
import type { HealthCheck } from '../admin/admin-services.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { EmbeddedEngine } from '../engine/embedded/embedded-engine.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { ListenerCertificates } from './certificates.ts';
import type { CrlFile } from './crls.ts';
import type { ExternalAuthorizerFile } from './external-authorizer.ts';

export interface HealthParts {
  readonly engine: EmbeddedEngine;
  readonly audit: AuditLog;
  readonly authorizer: CasbinAuthorizer;
  readonly certificates: readonly ListenerCertificates[];
  readonly crls: readonly Pick<CrlFile, 'problem'>[];
  /** Null where no file names an external authorizer. */
  readonly external: ExternalAuthorizerFile | null;
  readonly fleet: Pick<Fleet, 'problem'>;
}

export function healthOf(parts: HealthParts): HealthCheck[] {
  const certificates = parts.certificates.map(certificate);
  const checks = [
    ...[storage(parts), audit(parts), policy(parts), ...certificates, crl(parts)],
    fleet(parts),
  ];
  return parts.external === null ? checks : [...checks, authorizer(parts.external)];
}

function storage({ engine }: HealthParts): HealthCheck {
  const { failure, offlinePartitions } = engine.health;
  if (failure !== null) return { name: 'storage', state: 'failed', reason: failure };
  if (offlinePartitions.length === 0) return { name: 'storage', state: 'ok', reason: null };
  const reason = `${offlinePartitions.length} partitions are damaged and offline.`;
  return { name: 'storage', state: 'degraded', reason };
}

function audit({ audit: log }: HealthParts): HealthCheck {
  if (log.healthy) return { name: 'audit', state: 'ok', reason: null };
  const reason = 'The audit log cannot be written: accesses are refused until it can.';
  return { name: 'audit', state: 'failed', reason };
}

function policy({ authorizer }: HealthParts): HealthCheck {
  const { refusal } = authorizer.policyStatus();
  if (refusal === null) return { name: 'policy', state: 'ok', reason: null };
  const where = refusal.line > 0 ? `${refusal.file}:${refusal.line}` : refusal.file;
  const reason = `The newest policy is refused (${where}: ${refusal.reason}); the last good one is in force.`;
  return { name: 'policy', state: 'degraded', reason };
}

function certificate({ name, refusal }: ListenerCertificates): HealthCheck {
  const check = `certificates-${name}`;
  if (refusal === null) return { name: check, state: 'ok', reason: null };
  const reason = `The newest certificates are refused (${refusal}); the last good ones are in use.`;
  return { name: check, state: 'degraded', reason };
}

function crl({ crls }: HealthParts): HealthCheck {
  const problem = crls.find((file) => file.problem !== null)?.problem ?? null;
  if (problem === null) return { name: 'crl', state: 'ok', reason: null };
  return { name: 'crl', state: 'degraded', reason: `A CRL needs attention: ${problem}.` };
}

/** Degraded, never failed: it is a view, and goes on in memory. */
function fleet({ fleet: { problem } }: HealthParts): HealthCheck {
  return { name: 'fleet-view', state: problem === null ? 'ok' : 'degraded', reason: problem };
}

/** Degraded, never failed: a PDP of one tenant is not the broker's health. */
function authorizer({ problem, authorizer: asked }: ExternalAuthorizerFile): HealthCheck {
  const name = 'external-authorizer';
  if (problem !== null) {
    const reason = `The newest file is refused (${problem}); the last good one is in force.`;
    return { name, state: 'degraded', reason };
  }
  const left = asked.status().filter(({ circuit }) => circuit !== 'closed').length;
  if (left === 0) return { name, state: 'ok', reason: null };
  const reason = `The PDP of ${left} tenants does not answer; "authorizer status" tells which.`;
  return { name, state: 'degraded', reason };
}
