/**
 * The composition root: makes every part, gives each what it needs, and takes them down in reverse.
 * This file and src/broker/ are the only ones that may import every floor.
 *
 * Order of the start: data folder locked, audit log, certificates, a first answer on the admin port,
 * engine (recovery), policy, security state, listeners. Nothing listens before everything it relies
 * on is there; what fails stops the start with a sentence and undoes what was begun.
 */
import type { AdminServer } from './admin/admin-server.ts';
import { TenantDeletion } from './admin/tenant-deletion.ts';
import { AuditQueryThread } from './audit/audit-query-thread.ts';
import { RestoredMarker } from './backup/restored-marker.ts';
import { systemClock } from './base/clock.ts';
import { lockDataDirectory } from './base/data-directory-lock.ts';
import { makeDirectoriesSync, nodeFileSystem } from './base/file-system.ts';
import type { Logger } from './base/logger.ts';
import { systemRandom } from './base/random.ts';
import { authenticationGuard } from './broker/abuse.ts';
import { operatorTokens, startAdmin, startWaiting } from './broker/admin.ts';
import { AnnouncedCas } from './broker/announced-cas.ts';
import { auditDirectory, openAudit } from './broker/audit.ts';
import {
  AuditFeed,
  brokerTopics,
  startAuditTopics,
} from './broker/audit-topics/configured-topics.ts';
import { afterRestore, openBackups, openWatermark } from './broker/backup.ts';
import { watchCertificateNetworks } from './broker/certificate-alarm.ts';
import {
  developmentFiles,
  type ListenerCertificates,
  loadCertificates,
  productionFiles,
  watchCertificates,
} from './broker/certificates.ts';
import { type ClientServers, makeClientServers } from './broker/client-server.ts';
import { CrlFile, type CrlFileOptions } from './broker/crls.ts';
import { enabledTokens, TokenSweep } from './broker/delegation-tokens.ts';
import { developmentKcatLine, prepareCertificates, seedTenants } from './broker/development.ts';
import { openFleet } from './broker/fleet.ts';
import { healthOf } from './broker/health.ts';
import { Lifecycle } from './broker/lifecycle.ts';
import { LogLevelSwitch } from './broker/log-level.ts';
import { BrokerMetrics } from './broker/metrics.ts';
import { requestQuotas } from './broker/quotas.ts';
import { enabledMechanisms } from './broker/sasl.ts';
import {
  openAuthorizer,
  openEngine,
  openExternalAuthorizer,
  openShadow,
} from './broker/storage.ts';
import { tenantSecurity } from './broker/tenant-security.ts';
import type { Config } from './config/config-schema.ts';
import { packageVersion } from './config/package-root.ts';
import { SECURITY_METADATA_LOG } from './metadata/metadata-log.ts';
import { SecurityState } from './metadata/security-state.ts';
import { StateAcls } from './metadata/state-acls.ts';
import type { CasbinAuthorizer } from './security/casbin-authorizer.ts';
import { ReservedTopics } from './security/reserved-topics.ts';
import { Revocations } from './security/revocations.ts';
import { PasswordWork } from './security/sasl/password-work.ts';
import { issuerOf, TenantCaRegistry } from './security/tenant-ca-registry.ts';
import type { Server } from './server/server.ts';
import { TenantViews } from './server/tenant-views.ts';

export interface RunningBroker {
  /** `sasl` is null when no mechanism is enabled. */
  readonly ports: { readonly mtls: number; readonly sasl: number | null; readonly admin: number };
  /** A command that a newcomer can paste; null where the broker cannot know the client's files. */
  readonly kcatLine: string | null;
  close(): Promise<void>;
}

export interface BrokerOptions {
  readonly dev: boolean;
  readonly logger: Logger;
}

type Undo = (() => Promise<void> | void)[];

/** Starts everything; rejects with ConfigError or StorageError and leaves nothing running. */
export async function startBroker(config: Config, options: BrokerOptions): Promise<RunningBroker> {
  const undo: Undo = [];
  const takeDown = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    return await start(config, options, undo, takeDown);
  } catch (error) {
    await takeDown().catch((err: unknown) => {
      options.logger.error({ err }, 'the failed start could not be undone cleanly');
    });
    throw error;
  }
}

async function start(
  config: Config,
  { dev, logger }: BrokerOptions,
  undo: Undo,
  takeDown: () => Promise<void>,
): Promise<RunningBroker> {
  const startedAtMs = systemClock.nowMs();
  makeDirectoriesSync(nodeFileSystem, config['data.dir']);
  const lock = await lockDataDirectory(config['data.dir'], systemRandom);
  undo.push(() => lock.release());
  const metrics = new BrokerMetrics(config, systemClock, logger);
  undo.push(() => metrics.close());
  const reader = new AuditQueryThread(auditDirectory(config));
  undo.push(() => reader.close());
  const feed = new AuditFeed();
  const auditFiles = await openAudit(config, dev, logger, {
    files: metrics.fileSystem(nodeFileSystem, 'audit'),
    onRecord: feed.take,
    onCompressed: (path) =>
      reader.index(path).catch((err: unknown) => {
        logger.warn({ err, file: path }, 'an audit file has no index: questions read all of it');
      }),
  });
  const audit = metrics.auditLog(auditFiles);
  undo.push(() => audit.close());
  const devTenants = dev ? await prepareCertificates(config, audit) : null;
  const certificates = listenerCertificates(config, dev);
  const operatorLogins = operatorTokens(config, { audit, logger });
  const crlFile = (
    key: CrlFileOptions['key'],
    issuers: CrlFileOptions['issuers'],
    onTaken: () => void,
  ): CrlFile => {
    const intervalMs = config['ssl.reload.interval.ms'];
    const parts = { clock: systemClock, intervalMs, audit, logger, onTaken };
    const file = new CrlFile({ key, path: config[key], issuers, ...parts });
    undo.push(() => file.stop());
    return file;
  };
  const operatorCrl = crlFile(
    'ssl.operator.crl',
    () => certificates[1].material.clientCas.map(issuerOf),
    () => {},
  );
  await operatorCrl.start();
  const guard = authenticationGuard(config, systemClock);
  const waiting = await startWaiting(config, {
    audit,
    certificates: certificates[1],
    isOperatorRevoked: operatorCrl.isRevoked,
    tokens: operatorLogins,
    guard,
    // The security state, which says who is banned and which tenants there are, is not read yet.
    banOfAddress: () => null,
    exclusionOf: () => ({ reason: 'starting', detail: 'the tenants are not known yet' }),
  });
  undo.push(() => waiting?.close());

  const restored = RestoredMarker.open(nodeFileSystem, config['data.dir']);
  const engine = await openEngine(config, logger, metrics.fileSystem(nodeFileSystem, 'log'));
  undo.push(() => engine.close());
  const authorizer = await openAuthorizer(config, audit, logger);
  undo.push(() => authorizer.close());
  const shadow = await openShadow(config, authorizer, logger);
  undo.push(() => shadow?.candidate.close());
  const policies = shadow === null ? [authorizer] : [authorizer, shadow.candidate];
  const external = await openExternalAuthorizer(
    config,
    shadow?.authorizer ?? authorizer,
    audit,
    logger,
    (http) => metrics.pdp(http),
  );
  undo.push(() => external?.close());

  const log = await engine.openStateLog(SECURITY_METADATA_LOG);
  const watermark = await openWatermark(config, log, restored);
  const state = await SecurityState.open({
    log,
    onStored: () => watermark.advance(),
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  undo.push(() => state.close());
  const registry = new TenantCaRegistry({
    clientRootPem: certificates[0].material.clientCaPem,
    trustDomain: config['trust.domain'],
    otherRoots: () => [
      ...certificates[1].material.clientCas,
      ...certificates.map(({ material }) => material.certificate),
    ],
  });
  const ofBroker = brokerTopics(config);
  const isReserved = (topic: string): boolean => ofBroker.reserves(topic);
  const quotas = requestQuotas(state, audit);
  quotas.start();
  undo.push(() => quotas.stop());
  const views: TenantViews = new TenantViews({
    engine,
    brokerTopics: ofBroker,
    registry,
    logger,
    limits: {
      clock: systemClock,
      defaultPartitions: config['num.partitions'],
      of: (tenant) => quotas.book.of(tenant),
    },
    disconnect: (match) => {
      servers.mtls.disconnect(match);
      servers.sasl?.disconnect(match);
    },
  });
  const acls = new StateAcls(state, authorizer);
  const clientCrl = crlFile(
    'ssl.client.crl',
    () => registry.issuers(),
    () => recheck(servers, null, logger),
  );
  const work = new PasswordWork();
  const tokens = enabledTokens(config, state, { work, registry, isRevoked: clientCrl.isRevoked });
  const { fleet, telemetry } = openFleet(config, state, logger);
  undo.push(() => fleet.close());
  const servers: ClientServers = makeClientServers(config, {
    audit,
    authorizer: new ReservedTopics(
      external?.authorizer ?? shadow?.authorizer ?? authorizer,
      isReserved,
    ),
    acls,
    logger,
    metrics: metrics.server,
    certificates: certificates[0],
    registry,
    security: tenantSecurity(state, config, tokens),
    mechanisms: await enabledMechanisms(config, state, { audit, logger, work, tokens }),
    viewOf: (tenant) => views.get(tenant),
    bans: () => state.image.bans,
    guard,
    quotas,
    revocationsOf: (tenant) => state.image.tenants.get(tenant)?.revocations ?? Revocations.NONE,
    isRevoked: clientCrl.isRevoked,
    liveness: watchCertificateNetworks(config, { state, audit, logger }),
    fleet,
    telemetry,
  });
  const deletions = new TenantDeletion({
    ...{ state, store: engine, audit, clock: systemClock, logger },
    // What a decision point said of its names must not be taken for a later tenant's.
    // Nor what it used, for a later tenant's.
    hooks: [
      (tenant) => void external?.authorizer.invalidate(tenant),
      (tenant) => quotas.forget(tenant),
    ],
  });
  undo.push(() => deletions.stop());
  const announced = new AnnouncedCas({
    registry,
    certificates: certificates[0],
    server: servers.mtls.tlsServer,
    logger,
  });
  follow(state, views, policies, servers, logger);
  announced.update();
  state.onChange(() => announced.update());
  await deletions.purgeLeftOvers(state.image.deleted.all().map(({ tenant }) => tenant));
  await afterRestore(restored, { engine, audit, logger });
  deletions.resume();
  const backups = await openBackups(config, { engine, audit, watermark, logger });
  undo.push(() => backups.stop());
  if (devTenants !== null) await seedTenants(devTenants, state, views, audit);
  const topics = await startAuditTopics(config, { engine, state, feed, logger });
  undo.push(() => topics?.close());
  await clientCrl.start();
  const sweep = new TokenSweep(state, {
    ...{ clock: systemClock, audit, logger },
    intervalMs: config['delegation.token.expiry.check.interval.ms'],
  });
  undo.push(() => sweep.stop());
  sweep.start();

  // Closed after the listeners of clients: while they drain, /readyz says so.
  const lifecycle = new Lifecycle();
  let admin: AdminServer | undefined;
  undo.push(() => admin?.close(config['shutdown.grace.ms']));
  const { mtls, sasl } = servers;
  const host = config['advertised.host'] ?? config.host;
  const listen = async (server: Server, port: number, advertised: number): Promise<number> => {
    const toldPort = (bound: number): number => (advertised === 0 ? bound : advertised);
    const bound = await server.listen(config.host, port, (at) => ({ host, port: toldPort(at) }));
    undo.push(() => server.close());
    return bound;
  };
  const mtlsPort = await listen(mtls, config.port, config['advertised.port']);
  const saslPort =
    sasl === null ? null : await listen(sasl, config['sasl.port'], config['sasl.advertised.port']);
  const logLevel = new LogLevelSwitch(logger, systemClock, config['log.level']);
  undo.push(() => logLevel.reset());
  const parts = {
    crls: [clientCrl, operatorCrl],
    isOperatorRevoked: operatorCrl.isRevoked,
    isRevoked: clientCrl.isRevoked,
    acls,
    audit,
    authorizer,
    shadow,
    certificates,
    deletions,
    backups,
    restored,
    engine,
    guard,
    external,
    lifecycle,
    process: metrics.process,
    fleet,
    isReserved,
    reader,
    logger,
    metrics: metrics.registry,
    logLevel,
    quotas,
    registry,
    servers,
    state,
    telemetry,
    tokens: operatorLogins,
    views,
  };
  metrics.observe({ ...parts, audit: auditFiles, health: () => healthOf(parts) });
  await waiting?.close();
  const adminServer = await startAdmin(config, { ...parts, mtlsPort, saslPort, startedAtMs });
  admin = adminServer;

  const watching = { intervalMs: config['ssl.reload.interval.ms'], audit, logger };
  const watches = [
    watchCertificates(
      certificates[0],
      sasl === null ? [mtls.tlsServer] : [mtls.tlsServer, sasl.tlsServer],
      {
        ...watching,
        onReload: ({ clientCaPem }) => {
          registry.replaceClientRoots(clientCaPem);
          for (const tenant of state.image.tenants.values()) views.update(tenant);
          recheck(servers, null, logger);
        },
        namedOnly: announced.pems,
      },
    ),
    watchCertificates(certificates[1], [adminServer], watching),
  ];
  undo.push(() => {
    for (const watch of watches) watch.stop();
  });
  audit.security(null, {
    type: 'server',
    outcome: 'success',
    reason: 'started',
    facts: { version: packageVersion(), mtlsPort, saslPort, adminPort: adminServer.port },
  });
  await audit.durable();
  return {
    ports: { mtls: mtlsPort, sasl: saslPort, admin: adminServer.port },
    kcatLine: dev ? developmentKcatLine(config, mtlsPort) : null,
    async close() {
      audit.security(null, { type: 'server', outcome: 'success', reason: 'stopping' });
      await lifecycle.drain(config['shutdown.notice.ms'], systemClock);
      await takeDown();
    },
  };
}

function listenerCertificates(
  config: Config,
  dev: boolean,
): [ListenerCertificates, ListenerCertificates] {
  return [
    loadCertificates(
      'mtls',
      dev ? developmentFiles(config, 'client-ca.crt') : productionFiles(config, 'ssl.client.ca'),
    ),
    loadCertificates(
      'admin',
      dev
        ? developmentFiles(config, 'operator-ca.crt')
        : productionFiles(config, 'ssl.operator.ca'),
    ),
  ];
}

/** Tenants and dynamic rules take effect as the security state has them, now and from now on. */
function follow(
  state: SecurityState,
  views: TenantViews,
  policies: readonly CasbinAuthorizer[],
  servers: ClientServers,
  logger: Logger,
): void {
  for (const tenant of state.image.tenants.values()) {
    views.update(tenant);
    tell(policies, logger, (policy) => policy.setDynamicRules(tenant.name, tenant.acls));
  }
  state.onChange((image, changes) => {
    for (const change of changes) {
      if (change.type === 'bans') {
        if (change.banned.length > 0) recheck(servers, null, logger);
        continue;
      }
      if (change.type === 'broker-limits') continue;
      const tenant = image.tenants.get(change.tenant);
      if (change.type === 'tenant-deleted') {
        views.remove(change.tenant);
        tell(policies, logger, (policy) => policy.setDynamicRules(change.tenant, []));
      }
      if (tenant === undefined) continue;
      const { name, acls } = tenant;
      if (change.type === 'acls-added') {
        const delta = { added: change.bindings, removed: [] };
        tell(policies, logger, (policy) => policy.changeDynamicRules(name, acls, delta));
      } else if (change.type === 'acls-removed') {
        const delta = { added: [], removed: change.bindings };
        tell(policies, logger, (policy) => policy.changeDynamicRules(name, acls, delta));
      } else if (change.type === 'scram-credentials') {
        recheck(servers, name, logger);
      } else if (change.type === 'delegation-tokens') {
        // Those that end sooner or later are watched by the server itself.
        if (change.removed.length > 0) recheck(servers, name, logger);
      } else if (change.type === 'certificates-revoked' || change.type === 'suspensions') {
        recheck(servers, name, logger);
      } else if (change.type !== 'client-quotas' && change.type !== 'tenant-limits') {
        // Quotas and limits are read from the image: they change no rule and no connection.
        views.update(tenant);
        if (!['tenant', 'tenant-state', 'tenant-deleting'].includes(change.type)) {
          recheck(servers, name, logger);
        }
      }
    }
  });
}

/** The policy in force has to take it; a candidate behind it that cannot is no trouble to anybody. */
function tell(
  [live, ...candidates]: readonly CasbinAuthorizer[],
  logger: Logger,
  change: (policy: CasbinAuthorizer) => void,
): void {
  if (live !== undefined) change(live);
  for (const candidate of candidates) {
    try {
      change(candidate);
    } catch (err) {
      logger.error({ err }, 'the candidate policy does not take the dynamic rules');
    }
  }
}

/** Closes the connections of those who are shut out by now; null: of any tenant. */
function recheck({ mtls, sasl }: ClientServers, tenant: string | null, logger: Logger): void {
  for (const server of [mtls, sasl]) {
    server?.recheck(tenant).catch((err: unknown) => {
      logger.error({ err, tenant }, 'connections could not be checked for a revocation');
    });
  }
}
