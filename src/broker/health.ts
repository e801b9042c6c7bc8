/** What /readyz tells: each part that clients rely on, and why it is not well. */
import type { HealthCheck } from '../admin/admin-services.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { systemClock } from '../base/clock.ts';
import type { ProcessFigures } from '../base/process-figures.ts';
import type { EmbeddedEngine } from '../engine/embedded/embedded-engine.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { Server } from '../server/server.ts';
import type { ListenerCertificates } from './certificates.ts';
import type { CrlFile } from './crls.ts';
import type { ExternalAuthorizerFile } from './external-authorizer.ts';
import type { Lifecycle } from './lifecycle.ts';

export interface HealthParts {
  readonly lifecycle: Lifecycle;
  readonly process: Pick<ProcessFigures, 'delayP99Ms'>;
  readonly servers: {
    readonly mtls: Pick<Server, 'isListening'>;
    readonly sasl: Pick<Server, 'isListening'> | null;
  };
  readonly engine: Pick<EmbeddedEngine, 'health'>;
  readonly audit: Pick<AuditLog, 'healthy'>;
  readonly authorizer: Pick<CasbinAuthorizer, 'policyStatus'>;
  readonly certificates: readonly Pick<ListenerCertificates, 'name' | 'refusal' | 'material'>[];
  readonly crls: readonly Pick<CrlFile, 'problem'>[];
  /** Null where no file names an external authorizer. */
  readonly external: Pick<ExternalAuthorizerFile, 'problem' | 'authorizer'> | null;
  readonly fleet: Pick<Fleet, 'problem'>;
}

const DAY_MS = 86_400_000;
/** A certificate that ends so soon is an operator's to renew. */
const CERTIFICATE_NOTICE_MS = 7 * DAY_MS;
/** Every hundredth turn of the event loop came so late: clients feel it. */
const SLOW_LOOP_MS = 500;

export function healthOf(parts: HealthParts, nowMs = systemClock.nowMs()): HealthCheck[] {
  const checks = [
    lifecycle(parts),
    listeners(parts),
    storage(parts),
    audit(parts),
    policy(parts),
    ...parts.certificates.map((one) => certificate(one, nowMs)),
    crl(parts),
    eventLoop(parts),
    fleet(parts),
  ];
  return parts.external === null ? checks : [...checks, authorizer(parts.external)];
}

const ok = (name: string): HealthCheck => ({ name, state: 'ok', reason: null });

function lifecycle({ lifecycle: { isDraining } }: HealthParts): HealthCheck {
  if (!isDraining) return ok('lifecycle');
  const reason = 'The broker stops: what was begun is answered, nothing new is taken.';
  return { name: 'lifecycle', state: 'failed', reason };
}

function listeners({ servers }: HealthParts): HealthCheck {
  const closed = Object.entries(servers)
    .filter(([, server]) => server !== null && !server.isListening)
    .map(([name]) => name);
  if (closed.length === 0) return ok('listeners');
  const reason = `No connections are accepted on: ${closed.join(', ')}.`;
  return { name: 'listeners', state: 'failed', reason };
}

function storage({ engine }: HealthParts): HealthCheck {
  const { failure, offlinePartitions } = engine.health;
  if (failure !== null) return { name: 'storage', state: 'failed', reason: failure };
  if (offlinePartitions.length === 0) return ok('storage');
  const reason = `${offlinePartitions.length} partitions are damaged and offline.`;
  return { name: 'storage', state: 'degraded', reason };
}

function audit({ audit: log }: HealthParts): HealthCheck {
  if (log.healthy) return ok('audit');
  const reason = 'The audit log cannot be written: accesses are refused until it can.';
  return { name: 'audit', state: 'failed', reason };
}

function policy({ authorizer }: HealthParts): HealthCheck {
  const { refusal } = authorizer.policyStatus();
  if (refusal === null) return ok('policy');
  const where = refusal.line > 0 ? `${refusal.file}:${refusal.line}` : refusal.file;
  const reason = `The newest policy is refused (${where}: ${refusal.reason}); the last good one is in force.`;
  return { name: 'policy', state: 'degraded', reason };
}

/** An expired one is refused by every client; the admin listener is no client's concern. */
function certificate(
  { name, refusal, material }: HealthParts['certificates'][number],
  nowMs: number,
): HealthCheck {
  const check = `certificates-${name}`;
  const { expiresAtMs } = material;
  const end = new Date(expiresAtMs).toISOString();
  if (expiresAtMs <= nowMs) {
    const reason = `The certificate of the broker expired on ${end}: clients refuse it.`;
    return { name: check, state: name === 'mtls' ? 'failed' : 'degraded', reason };
  }
  if (refusal !== null) {
    const reason = `The newest certificates are refused (${refusal}); the last good ones are in use.`;
    return { name: check, state: 'degraded', reason };
  }
  if (expiresAtMs - nowMs > CERTIFICATE_NOTICE_MS) return ok(check);
  const reason = `The certificate of the broker expires on ${end}: renew it.`;
  return { name: check, state: 'degraded', reason };
}

function crl({ crls }: HealthParts): HealthCheck {
  const problem = crls.find((file) => file.problem !== null)?.problem ?? null;
  if (problem === null) return ok('crl');
  return { name: 'crl', state: 'degraded', reason: `A CRL needs attention: ${problem}.` };
}

/** Degraded, never failed: sending the clients elsewhere would make others as slow. */
function eventLoop({ process: { delayP99Ms } }: HealthParts): HealthCheck {
  if (delayP99Ms < SLOW_LOOP_MS) return ok('event-loop');
  const delay = `${Math.round(delayP99Ms)} ms`;
  const reason = `The broker is busy: one timer in a hundred came ${delay} late.`;
  return { name: 'event-loop', state: 'degraded', reason };
}

/** Degraded, never failed: it is a view, and goes on in memory. */
function fleet({ fleet: { problem } }: HealthParts): HealthCheck {
  return { name: 'fleet-view', state: problem === null ? 'ok' : 'degraded', reason: problem };
}

/** Degraded, never failed: a PDP of one tenant is not the broker's health. */
function authorizer({
  problem,
  authorizer: asked,
}: Pick<ExternalAuthorizerFile, 'problem' | 'authorizer'>): HealthCheck {
  const name = 'external-authorizer';
  if (problem !== null) {
    const reason = `The newest file is refused (${problem}); the last good one is in force.`;
    return { name, state: 'degraded', reason };
  }
  const left = asked.status().filter(({ circuit }) => circuit !== 'closed').length;
  if (left === 0) return ok(name);
  const reason = `The PDP of ${left} tenants does not answer; "authorizer status" tells which.`;
  return { name, state: 'degraded', reason };
}
