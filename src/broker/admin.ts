/** Starts the admin listener on the parts of a running broker. */
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts';
import type {
  AdminDeps,
  Exclusion,
  ListenerStatus,
  ShadowReport,
  ShadowVerdict,
  StatusReport,
} from '../admin/admin-services.ts';
import { ThreadAuditRecords } from '../admin/audit-records.ts';
import { EngineTopics } from '../admin/engine-topics.ts';
import { ExternalDecisions } from '../admin/external-decisions.ts';
import { FleetDevices } from '../admin/fleet-devices.ts';
import { PolicyAcls } from '../admin/policy-acls.ts';
import { AdminError } from '../admin/problem.ts';
import {
  type StartingDeps,
  type StartingServer,
  startStartingServer,
} from '../admin/starting-server.ts';
import { StateBans } from '../admin/state-bans.ts';
import { StateQuotas } from '../admin/state-quotas.ts';
import { StateRevocations } from '../admin/state-revocations.ts';
import { StateTenantCas } from '../admin/state-tenant-cas.ts';
import { StateTenants } from '../admin/state-tenants.ts';
import { StateUsers } from '../admin/state-users.ts';
import type { TenantDeletion } from '../admin/tenant-deletion.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { AuditQueryThread } from '../audit/audit-query-thread.ts';
import type { BackupJobs } from '../backup/backup-jobs.ts';
import type { RestoredMarker } from '../backup/restored-marker.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricRegistry } from '../base/metrics.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { packageVersion } from '../config/package-root.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Telemetry } from '../fleet/telemetry/telemetry.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { StateAcls } from '../metadata/state-acls.ts';
import type { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';
import {
  admitOperator,
  operatorRulesOf,
  peerFactsOf,
  type RevocationCheck,
} from '../security/admission.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import { isKept, ReservedTopics } from '../security/reserved-topics.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import { tlsServerOptions } from '../security/tls-context.ts';
import { OperatorTokens } from '../security/token/operator-tokens.ts';
import type { RequestQuotas } from '../server/request-quotas.ts';
import type { Server } from '../server/server.ts';
import type { TenantViews } from '../server/tenant-views.ts';
import { type AdminAbuseParts, adminAbuse } from './admin-abuse.ts';
import { hideOf } from './audit.ts';
import { adminBackups } from './backup.ts';
import type { ListenerCertificates } from './certificates.ts';
import type { ClientServers } from './client-server.ts';
import type { ExternalAuthorizerFile } from './external-authorizer.ts';
import { type HealthParts, healthOf } from './health.ts';
import type { LogLevelSwitch } from './log-level.ts';
import { quotaUsage } from './quotas.ts';
import type { ShadowPolicy } from './storage.ts';
import { adminIssuers, type IssuerParts } from './token-issuers.ts';

export interface AdminParts extends HealthParts {
  readonly audit: AuditLog;
  readonly authorizer: CasbinAuthorizer;
  readonly certificates: readonly ListenerCertificates[];
  readonly external: ExternalAuthorizerFile | null;
  readonly logger: Logger;
  readonly metrics: MetricRegistry;
  readonly logLevel: LogLevelSwitch;
  readonly state: SecurityState;
  readonly guard: AuthenticationGuard;
  readonly quotas: RequestQuotas;
  readonly acls: StateAcls;
  readonly registry: TenantCaRegistry;
  readonly views: TenantViews;
  readonly servers: ClientServers;
  readonly mtlsPort: number;
  readonly saslPort: number | null;
  readonly isOperatorRevoked: RevocationCheck;
  readonly isRevoked: RevocationCheck;
  readonly fleet: Fleet;
  readonly telemetry: Telemetry | null;
  /** Null: operators come with certificates only. */
  readonly tokens: OperatorTokens | null;
  readonly shadow: ShadowPolicy | null;
  readonly deletions: TenantDeletion;
  readonly backups: BackupJobs;
  readonly restored: RestoredMarker;
  /** Topics that no rule lets anybody change. */
  readonly isReserved: (topic: string) => boolean;
  /** Reads the audit log. */
  readonly reader: AuditQueryThread;
  readonly startedAtMs: number;
}

/** What admin.oauth.issuers.file says; null without it. */
export function operatorTokens(config: Config, parts: IssuerParts): OperatorTokens | null {
  const issuers = adminIssuers(config, parts);
  return issuers.length === 0 ? null : new OperatorTokens(issuers, systemClock);
}

/** How the admin port knows operators, from the first moment on. */
export interface OperatorParts {
  readonly audit: AuditLog;
  /** Of the admin listener. */
  readonly certificates: ListenerCertificates;
  readonly isOperatorRevoked: RevocationCheck;
  /** Null: operators come with certificates only. */
  readonly tokens: OperatorTokens | null;
  readonly guard: AuthenticationGuard;
  readonly banOfAddress: AdminAbuseParts['banOfAddress'];
  /** Why an administrator of a tenant is shut out. */
  readonly exclusionOf: AdminDeps['exclusionOf'];
}

/** What answers on the admin port until `startAdmin` does; null where that port is not fixed. */
export async function startWaiting(
  config: Config,
  parts: OperatorParts,
): Promise<StartingServer | null> {
  if (config['admin.port'] === 0) return null;
  return await startStartingServer(gateParts(config, parts));
}

function gateParts(config: Config, parts: OperatorParts): StartingDeps {
  const { audit, certificates, isOperatorRevoked, tokens } = parts;
  return {
    host: config['admin.host'],
    port: config['admin.port'],
    tls: tlsServerOptions(certificates.material, config['handshake.timeout.ms']),
    admit: (socket) => {
      const { clientCas } = certificates.material;
      const rules = operatorRulesOf(clientCas, config['trust.domain'], isOperatorRevoked);
      return admitOperator(peerFactsOf(socket), rules, systemClock.nowMs());
    },
    tokens,
    exclusionOf: parts.exclusionOf,
    abuse: adminAbuse(config, parts),
    audit,
    clock: systemClock,
    random: systemRandom,
    limits: {
      bodyMaxBytes: config['admin.request.max.bytes'],
      requestTimeoutMs: config['admin.request.timeout.ms'],
      handshakeTimeoutMs: config['handshake.timeout.ms'],
      connectionsMax: config['admin.max.connections'],
    },
  };
}

export function startAdmin(config: Config, parts: AdminParts): Promise<AdminServer> {
  const { authorizer, logger, state, registry, views } = parts;
  const hide = hideOf(config);
  const [, operators] = parts.certificates;
  return startAdminServer({
    ...gateParts(config, {
      ...parts,
      certificates: operators!,
      banOfAddress: (address) => state.image.bans.ofAddress(address, systemClock.nowMs()),
      exclusionOf: (tenant, name) => exclusionIn(state, tenant, name),
    }),
    authorizer: new ReservedTopics(parts.shadow?.authorizer ?? authorizer, parts.isReserved),
    outside: parts.external?.authorizer ?? null,
    logger,
    tenants: new StateTenants(state, registry, {
      isLeft: (name) => parts.deletions.hasLeftOvers(name),
      isUnproven: (name) => parts.restored.isUnproven(name),
      accept: (name) => parts.restored.accept(name),
    }),
    backups: adminBackups(parts.backups),
    deletions: parts.deletions,
    cas: new StateTenantCas({
      state,
      registry,
      clock: systemClock,
      serverNameDomain: config['tenant.domain'] ?? '',
    }),
    topics: new EngineTopics((tenant) => {
      const view = views.getAny(tenant);
      if (view === undefined) {
        throw new AdminError(404, 'no-such-tenant', 'There is no such tenant.');
      }
      if (state.image.tenants.get(tenant)?.deletion != null) {
        throw new AdminError(409, 'tenant-deleting', `Tenant ${tenant} is being deleted.`);
      }
      return view.engine;
    }),
    acls: new PolicyAcls(parts.acls, authorizer, parts.external?.authorizer ?? null, (action) =>
      isKept(action, parts.isReserved),
    ),
    users: new StateUsers(state),
    external: new ExternalDecisions(parts.external?.authorizer ?? null),
    revocations: new StateRevocations(state),
    quotas: new StateQuotas(state, quotaUsage(parts.quotas, views)),
    bans: new StateBans(state, parts.guard, systemClock),
    fleet: new FleetDevices({ ...parts, clock: systemClock, random: systemRandom }),
    records: new ThreadAuditRecords({
      log: parts.reader,
      ...(hide !== undefined && { hide }),
      clock: systemClock,
      random: systemRandom,
      logger,
    }),
    shadow: () => shadowReport(parts.shadow),
    health: () => healthOf(parts),
    status: () => statusOf(config, parts),
    metrics: parts.metrics,
    logLevel: parts.logLevel,
  });
}

/** As on the listeners for clients: who may not log in there administers nothing either. */
function exclusionIn(state: SecurityState, tenant: string, name: string): Exclusion | null {
  const found = state.image.tenants.get(tenant);
  if (found?.state !== 'active') return { reason: 'tenant_inactive', detail: tenant };
  const ban = state.image.bans.ofPrincipal(tenant, name, systemClock.nowMs());
  return found.revocations.exclusionOfName(name) ?? ban;
}

function shadowReport(shadow: ShadowPolicy | null): ShadowReport | null {
  if (shadow === null) return null;
  const { counts, differences } = shadow.authorizer;
  const policy = shadow.candidate.policyStatus();
  const told = differences.map((one) => ({
    ...one,
    live: verdictOf(one.live),
    candidate: verdictOf(one.candidate),
  }));
  return { ...counts, policy, differences: told };
}

function verdictOf({ allowed, rule, origin }: ShadowVerdict): ShadowVerdict {
  return { allowed, rule, origin };
}

function statusOf(config: Config, parts: AdminParts): StatusReport {
  const [mtls] = parts.certificates;
  return {
    version: packageVersion(),
    nodeVersion: process.version,
    nodeId: config['node.id'],
    startedAtMs: parts.startedAtMs,
    mtls: listenerStatus(config, parts.mtlsPort, parts.servers.mtls),
    sasl:
      parts.saslPort === null || parts.servers.sasl === null
        ? null
        : listenerStatus(config, parts.saslPort, parts.servers.sasl),
    policy: parts.authorizer.policyStatus(),
    certificates: {
      loadedAtMs: mtls!.loadedAtMs,
      refusal: mtls!.refusal,
      serverExpiresAtMs: mtls!.material.expiresAtMs,
    },
  };
}

function listenerStatus(config: Config, port: number, server: Server): ListenerStatus {
  return { host: config.host, port, connections: server.connectionCount };
}
