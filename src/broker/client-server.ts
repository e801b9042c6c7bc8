/**
 * Makes the servers of devices and services from the configuration: mutual TLS, and SASL inside TLS
 * where a mechanism is enabled. Budgets and fetch sessions are shared by both.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import { ChangeRecorder } from '../audit/change-recorder.ts';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Telemetry } from '../fleet/telemetry/telemetry.ts';
import { TenantShares } from '../network/tenant-shares.ts';
import { ApiKey } from '../protocol/api-keys.ts';
import type { AuthenticationGuard } from '../security/abuse/authentication-guard.ts';
import type { BanExclusion, Bans } from '../security/abuse/bans.ts';
import type { TenantAcls } from '../security/acl/tenant-acls.ts';
import {
  admit,
  peerFactsOf,
  type RevocationCheck,
  serverNameOf,
  tenantOfServerName,
} from '../security/admission.ts';
import type { Authorizer } from '../security/authorizer.ts';
import { provenIdentity } from '../security/proven-identity.ts';
import type { Revocations } from '../security/revocations.ts';
import type { SaslMechanism } from '../security/sasl/sasl-mechanism.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import { tlsServerOptions } from '../security/tls-context.ts';
import { advertisedApis } from '../server/apis/index.ts';
import { FetchSessionCache } from '../server/fetch-session.ts';
import type { SaslSettings } from '../server/reception.ts';
import { RefusalPace } from '../server/refusal-pace.ts';
import type { RequestQuotas } from '../server/request-quotas.ts';
import { type Liveness, Server, type ServerOptions, type TenantView } from '../server/server.ts';
import type { ServerMetrics } from '../server/server-metrics.ts';
import type { TenantSecurity } from '../server/tenant-security.ts';
import { proxyProtocol } from './abuse.ts';
import type { ListenerCertificates } from './certificates.ts';

/** Requests that one connection may have begun; Kafka's clients keep five in flight. */
const BEGUN_MAX = 5;
/** Of a push of client metrics, beyond telemetry.max.bytes. */
const PUSH_BEYOND_BYTES = 256 * 1024;
/** Accepted sockets that wait for their handshake. */
const HANDSHAKE_QUEUE_MAX = 10_000;

export interface ClientServerParts {
  readonly audit: AuditLog;
  readonly authorizer: Authorizer;
  readonly acls: TenantAcls;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
  readonly certificates: ListenerCertificates;
  readonly registry: TenantCaRegistry;
  readonly security: TenantSecurity;
  readonly mechanisms: readonly SaslMechanism[];
  readonly viewOf: (tenant: string) => TenantView | undefined;
  readonly revocationsOf: (tenant: string) => Revocations;
  readonly bans: () => Bans;
  readonly guard: AuthenticationGuard;
  readonly quotas: RequestQuotas;
  /** What the CRLs of clients say. */
  readonly isRevoked: RevocationCheck;
  /** Of connections with a certificate. */
  readonly liveness: Liveness | null;
  readonly fleet: Fleet;
  readonly telemetry: Telemetry | null;
}

export interface ClientServers {
  readonly mtls: Server;
  /** Null when no SASL mechanism is enabled. */
  readonly sasl: Server | null;
}

export function makeClientServers(config: Config, parts: ClientServerParts): ClientServers {
  const { certificates, registry, mechanisms, revocationsOf, isRevoked, bans } = parts;
  const serverNameDomain = config['tenant.domain'] ?? '';
  const banOf = (tenant: string, name: string): BanExclusion | null =>
    bans().ofPrincipal(tenant, name, systemClock.nowMs());
  const rules = { registry, serverNameDomain, isRevoked, revocationsOf, banOf };
  const shared = sharedOptions(config, parts);
  // Few lanes, whatever names strangers ask for: one a tenant, and one for all other names.
  const laneOf = (serverName: string | null): string => {
    const tenant = tenantOfServerName(serverName, serverNameDomain);
    return tenant !== null && registry.isActive(tenant) ? tenant : '';
  };
  const tls = tlsServerOptions(certificates.material, config['handshake.timeout.ms']);
  const mtls = new Server({
    ...shared,
    laneOf,
    liveness: parts.liveness,
    tls,
    proxy: proxyProtocol(config, 'proxy.protocol.addresses', systemClock),
    identify: {
      by: 'certificate',
      admit: (socket, asked) => {
        const peer = peerFactsOf(socket, asked);
        const result = admit(peer, rules, systemClock.nowMs());
        if (result.admitted) return result;
        const proven = provenIdentity(result.reason, peer.certificate, registry);
        return { ...result, proven };
      },
    },
  });
  if (mechanisms.length === 0) return { mtls, sasl: null };
  const settings: SaslSettings = {
    mechanisms,
    frameBytesMax: config['sasl.server.max.receive.size'],
    timeoutMs: config['sasl.login.timeout.ms'],
    reauthMs: config['connections.max.reauth.ms'],
    serverTenantOf: (socket, asked) =>
      tenantOfServerName(serverNameOf(socket) ?? asked, serverNameDomain),
    exclusionOf: ({ tenant, name, fleet }) =>
      revocationsOf(tenant).exclusionOfName(name, fleet) ?? banOf(tenant, name),
  };
  const sasl = new Server({
    ...shared,
    laneOf,
    liveness: null,
    tls: { ...tls, requestCert: false },
    proxy: proxyProtocol(config, 'sasl.proxy.protocol.addresses', systemClock),
    identify: { by: 'sasl', sasl: settings },
  });
  return { mtls, sasl };
}

function sharedOptions(
  config: Config,
  parts: ClientServerParts,
): Omit<ServerOptions, 'tls' | 'identify' | 'proxy' | 'laneOf' | 'liveness'> {
  const { audit, authorizer, acls, logger, metrics, security, viewOf, bans, guard, fleet } = parts;
  const smallBytes = config['socket.request.small.max.bytes'];
  // What is a little too large is answered by an error; what is far too large ends the connection.
  const pushBytes =
    parts.telemetry === null
      ? smallBytes
      : Math.max(smallBytes, config['telemetry.max.bytes'] + PUSH_BEYOND_BYTES);
  const largeBytes = config['socket.request.max.bytes'];
  const shares = new TenantShares({
    receiveBytesMax: config['queued.max.request.bytes'],
    unsentBytesMax: config['queued.max.response.bytes'],
    nowMs: () => systemClock.monotonicMs(),
  });
  return {
    services: {
      authorizer,
      acls,
      audit,
      changes: new ChangeRecorder(audit),
      logger,
      metrics,
      clock: systemClock,
      fetchSessions: new FetchSessionCache(
        config['max.incremental.fetch.session.cache.slots'],
        systemClock,
        systemRandom,
      ),
      refusalPace: new RefusalPace(systemClock, config['refusals.per.second.per.tenant']),
      security,
      telemetry: parts.telemetry,
      quotas: parts.quotas,
      nodeId: config['node.id'],
      fetchBytesMax: (tenant) => shares.unsent.answerBytes(tenant, config['fetch.max.bytes']),
      describedPartitionsMax: config['max.request.partition.size.limit'],
      autoCreateTopics: config['auto.create.topics.enable'],
      defaultPartitions: config['num.partitions'],
      advertisedApis: advertisedApis(parts.telemetry !== null),
    },
    random: systemRandom,
    listener: {
      connectionsMax: config['max.connections'],
      connectionsPerIpMax: config['max.connections.per.ip'],
      handshakesMax: config['handshakes.max.concurrent'],
      handshakeTimeoutMs: config['handshake.timeout.ms'],
      handshakeQueueMax: HANDSHAKE_QUEUE_MAX,
      backlog: config['socket.listen.backlog.size'],
    },
    connection: {
      frameLimit: (apiKey) =>
        apiKey === ApiKey.Produce
          ? largeBytes
          : apiKey === ApiKey.PushTelemetry
            ? pushBytes
            : smallBytes,
      maxBegun: BEGUN_MAX,
      maxUnsentBytes: config['socket.response.unsent.max.bytes'],
    },
    shares,
    idleMs: config['connections.max.idle.ms'],
    failedAuthenticationDelayMs: config['connection.failed.authentication.delay.ms'],
    abuse: {
      guard,
      banOfAddress: (address) => bans().ofAddress(address, systemClock.nowMs()),
    },
    fleet,
    shutdownGraceMs: config['shutdown.grace.ms'],
    viewOf,
  };
}
