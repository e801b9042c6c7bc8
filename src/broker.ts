/**
 * The composition root: makes every part, gives each what it needs, and takes them down in reverse.
 * This file and src/broker/ are the only ones that may import every floor.
 *
 * Order of the start: data folder locked, audit log, engine (recovery), policy, certificates,
 * security state, listeners. Nothing listens before everything it relies on is there; what fails
 * stops the start with a sentence and undoes what was begun.
 */
import { systemClock } from './base/clock.ts';
import { lockDataDirectory } from './base/data-directory-lock.ts';
import { makeDirectoriesSync, nodeFileSystem } from './base/file-system.ts';
import type { Logger } from './base/logger.ts';
import { systemRandom } from './base/random.ts';
import { authenticationGuard } from './broker/abuse.ts';
import { operatorTokens, startAdmin } from './broker/admin.ts';
import { AnnouncedCas } from './broker/announced-cas.ts';
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
import { requestQuotas } from './broker/quotas.ts';
import { enabledMechanisms } from './broker/sasl.ts';
import {
  openAudit,
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
  const audit = openAudit(config, logger);
  undo.push(() => audit.close());
  const engine = await openEngine(config, logger);
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
  );
  undo.push(() => external?.close());

  const devTenants = dev ? await prepareCertificates(config, audit) : null;
  const certificates = listenerCertificates(config, dev);
  const log = await engine.openStateLog(SECURITY_METADATA_LOG);
  const state = await SecurityState.open({
    log,
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
  const quotas = requestQuotas(state, audit);
  quotas.start();
  undo.push(() => quotas.stop());
  const views: TenantViews = new TenantViews({
    engine,
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
  const clientCrl = crlFile(
    'ssl.client.crl',
    () => registry.issuers(),
    () => recheck(servers, null, logger),
  );
  const operatorCrl = crlFile(
    'ssl.operator.crl',
    () => certificates[1].material.clientCas.map(issuerOf),
    () => {},
  );
  const work = new PasswordWork();
  const tokens = enabledTokens(config, state, { work, registry, isRevoked: clientCrl.isRevoked });
  const guard = authenticationGuard(config, systemClock);
  const servers: ClientServers = makeClientServers(config, {
    audit,
    authorizer: external?.authorizer ?? shadow?.authorizer ?? authorizer,
    acls,
    logger,
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
  });
  const announced = new AnnouncedCas({
    registry,
    certificates: certificates[0],
    server: servers.mtls.tlsServer,
    logger,
  });
  follow(state, views, policies, servers, logger);
  announced.update();
  state.onChange(() => announced.update());
  if (devTenants !== null) await seedTenants(devTenants, state, views, audit);
  for (const crl of [clientCrl, operatorCrl]) await crl.start();
  const sweep = new TokenSweep(state, {
    ...{ clock: systemClock, audit, logger },
    intervalMs: config['delegation.token.expiry.check.interval.ms'],
  });
  undo.push(() => sweep.stop());
  sweep.start();

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
  const parts = {
    crls: [clientCrl, operatorCrl],
    isOperatorRevoked: operatorCrl.isRevoked,
    acls,
    audit,
    authorizer,
    shadow,
    certificates,
    engine,
    guard,
    external,
    logger,
    quotas,
    registry,
    servers,
    state,
    tokens: operatorLogins,
    views,
  };
  const admin = await startAdmin(config, { ...parts, mtlsPort, saslPort, startedAtMs });
  undo.push(() => admin.close(config['shutdown.grace.ms']));

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
    watchCertificates(certificates[1], [admin], watching),
  ];
  undo.push(() => {
    for (const watch of watches) watch.stop();
  });
  audit.security(null, {
    type: 'server',
    outcome: 'success',
    reason: 'started',
    facts: { version: packageVersion(), mtlsPort, saslPort, adminPort: admin.port },
  });
  await audit.durable();
  return {
    ports: { mtls: mtlsPort, sasl: saslPort, admin: admin.port },
    kcatLine: dev ? developmentKcatLine(config, mtlsPort) : null,
    async close() {
      audit.security(null, { type: 'server', outcome: 'success', reason: 'stopping' });
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
        if (change.type !== 'tenant' && change.type !== 'tenant-state') {
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
