/** Starts the admin listener on the parts of a running broker. */
import { type AdminServer, startAdminServer } from '../admin/admin-server.ts';
import type { ListenerStatus, ShadowReport, StatusReport } from '../admin/admin-services.ts';
import { EngineTopics } from '../admin/engine-topics.ts';
import { ExternalDecisions } from '../admin/external-decisions.ts';
import { PolicyAcls } from '../admin/policy-acls.ts';
import { AdminError } from '../admin/problem.ts';
import { StateBans } from '../admin/state-bans.ts';
import { StateQuotas } from '../admin/state-quotas.ts';
import { StateRevocations } from '../admin/state-revocations.ts';
import { StateTenantCas } from '../admin/state-tenant-cas.ts';
import { StateTenants } from '../admin/state-tenants.ts';
import { StateUsers } from '../admin/state-users.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { packageVersion } from '../config/package-root.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { StateAcls } from '../metadata/state-acls.ts';
import type { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';
import {
  admitOperator,
  operatorRulesOf,
  peerFactsOf,
  type RevocationCheck,
} from '../security/admission.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import { tlsServerOptions } from '../security/tls-context.ts';
import { OperatorTokens } from '../security/token/operator-tokens.ts';
import type { RequestQuotas } from '../server/request-quotas.ts';
import type { Server } from '../server/server.ts';
import type { TenantViews } from '../server/tenant-views.ts';
import type { ClientServers } from './client-server.ts';
import { type HealthParts, healthOf } from './health.ts';
import { quotaUsage } from './quotas.ts';
import type { ShadowPolicy } from './storage.ts';
import { adminIssuers, type IssuerParts } from './token-issuers.ts';

export interface AdminParts extends HealthParts {
  readonly logger: Logger;
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
  /** Null: operators come with certificates only. */
  readonly tokens: OperatorTokens | null;
  readonly shadow: ShadowPolicy | null;
  readonly startedAtMs: number;
}

/** What admin.oauth.issuers.file says; null without it. */
export function operatorTokens(config: Config, parts: IssuerParts): OperatorTokens | null {
  const issuers = adminIssuers(config, parts);
  return issuers.length === 0 ? null : new OperatorTokens(issuers, systemClock);
}

export function startAdmin(config: Config, parts: AdminParts): Promise<AdminServer> {
  const { audit, authorizer, logger, state, registry, views } = parts;
  const [, operators] = parts.certificates;
  return startAdminServer({
    host: config['admin.host'],
    port: config['admin.port'],
    tls: tlsServerOptions(operators!.material, config['handshake.timeout.ms']),
    admit: (socket) => {
      const rules = operatorRulesOf(
        operators!.material.clientCas,
        config['trust.domain'],
        parts.isOperatorRevoked,
      );
      return admitOperator(peerFactsOf(socket), rules, systemClock.nowMs());
    },
    tokens: parts.tokens,
    authorizer: parts.shadow?.authorizer ?? authorizer,
    audit,
    clock: systemClock,
    random: systemRandom,
    logger,
    limits: {
      bodyMaxBytes: config['admin.request.max.bytes'],
      requestTimeoutMs: config['admin.request.timeout.ms'],
      handshakeTimeoutMs: config['handshake.timeout.ms'],
      connectionsMax: config['admin.max.connections'],
    },
    tenants: new StateTenants(state, registry),
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
      return view.engine;
    }),
    acls: new PolicyAcls(parts.acls, authorizer, parts.external?.authorizer ?? null),
    users: new StateUsers(state),
    external: new ExternalDecisions(parts.external?.authorizer ?? null),
    revocations: new StateRevocations(state),
    quotas: new StateQuotas(state, quotaUsage(parts.quotas, views)),
    bans: new StateBans(state, parts.guard, systemClock),
    shadow: () => shadowReport(parts.shadow),
    health: () => healthOf(parts),
    status: () => statusOf(config, parts),
  });
}

function shadowReport(shadow: ShadowPolicy | null): ShadowReport | null {
  if (shadow === null) return null;
  const { counts, differences } = shadow.authorizer;
  return { ...counts, policy: shadow.candidate.policyStatus(), differences };
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
