/**
 * Figures that are read at a scrape from the parts of the broker: storage, groups, audit log,
 * connections, certificates, policy, external authorizer, health.
 */
import type { HealthCheck } from '../admin/admin-services.ts';
import type { FileAuditLog } from '../audit/file-audit-log.ts';
import type { Counter, Family, Gauge, MetricRegistry } from '../base/metrics.ts';
import type { EmbeddedEngine } from '../engine/embedded/embedded-engine.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { Server } from '../server/server.ts';
import type { TenantMeters } from '../server/tenant-meters.ts';
import type { ListenerCertificates } from './certificates.ts';
import type { CrlFile } from './crls.ts';
import type { ExternalAuthorizerFile } from './external-authorizer.ts';

export interface ObservedParts {
  readonly engine: EmbeddedEngine;
  readonly audit: FileAuditLog;
  readonly state: SecurityState;
  readonly authorizer: CasbinAuthorizer;
  readonly certificates: readonly ListenerCertificates[];
  readonly crls: readonly CrlFile[];
  readonly external: ExternalAuthorizerFile | null;
  readonly servers: { readonly mtls: Server; readonly sasl: Server | null };
  readonly health: () => readonly HealthCheck[];
}

type Gauges = (name: string, help: string, labels?: readonly string[]) => Family<Gauge>;

export function registerObserved(
  registry: MetricRegistry,
  tenants: TenantMeters,
  parts: ObservedParts,
): void {
  const gauges: Gauges = (name, help, labels = []) =>
    registry.gauge(`breakwater_${name}`, help, labels);
  // First: the others use the tenants' labels.
  registry.onScrape(() => tenants.setTenants(parts.state.image.tenants));
  observeTenants(registry, gauges, tenants, parts);
  observeStorage(registry, gauges, tenants, parts);
  observeAudit(registry, gauges, parts);
  observeConnections(registry, gauges, parts);
  observeTrust(registry, gauges, parts);
  observeExternal(registry, gauges, tenants, parts);
  const checks = gauges('health_check', '0: well, 1: an operator has to look, 2: failed.', [
    'check',
  ]);
  const degree = { ok: 0, degraded: 1, failed: 2 };
  registry.onScrape(() => {
    checks.clear();
    for (const { name, state } of parts.health()) checks.of(name).set(degree[state]);
  });
}

/** A gauge by tenant that is built anew at each scrape; tenants beyond the limit are added up. */
class ByTenant {
  readonly #family: Family<Gauge>;
  readonly #tenants: TenantMeters;

  constructor(family: Family<Gauge>, tenants: TenantMeters) {
    this.#family = family;
    this.#tenants = tenants;
  }

  clear(): void {
    this.#family.clear();
  }

  add(tenant: string, value: number): void {
    this.#family.of(this.#tenants.labelOf(tenant)).add(value);
  }

  atLeast(tenant: string, value: number): void {
    const gauge = this.#family.of(this.#tenants.labelOf(tenant));
    gauge.set(Math.max(gauge.value, value));
  }
}

function observeTenants(
  registry: MetricRegistry,
  gauges: Gauges,
  tenants: TenantMeters,
  { state }: ObservedParts,
): void {
  const count = gauges('tenants', 'Tenants that there are.', ['state']);
  const caEnd = gauges(
    'tenant_ca_expiry_timestamp_seconds',
    'When the newest of the own CAs of a tenant expires, since the epoch.',
    ['tenant'],
  );
  const changes = registry
    .counter('breakwater_metadata_changes_total', 'Changes of tenants, rules, users and quotas.')
    .of();
  state.onChange((_image: MetadataImage, made) => changes.inc(made.length));
  registry.onScrape(function* () {
    count.clear();
    for (const each of ['active', 'suspended']) count.of(each);
    caEnd.clear();
    for (const tenant of state.image.tenants.values()) {
      count.of(tenant.state).add(1);
      const endMs = Math.max(...tenant.cas.map(({ notAfterMs }) => notAfterMs));
      if (Number.isFinite(endMs) && tenants.labelOf(tenant.name) === tenant.name) {
        caEnd.of(tenant.name).set(endMs / 1000);
      }
      yield;
    }
  });
}

function observeStorage(
  registry: MetricRegistry,
  gauges: Gauges,
  tenants: TenantMeters,
  { engine, state }: ObservedParts,
): void {
  const online = gauges('log_directory_online', '1: written and read; 0: offline.').of();
  const offline = gauges('partitions_offline', 'Damaged partitions and logs of groups.').of();
  const partitions = gauges('partitions', 'Partitions that this node serves.').of();
  const openFiles = gauges('log_files_open', 'Files of logs that are open.').of();
  const diskTotal = gauges('disk_size_bytes', 'Size of the file system of the data.').of();
  const diskFree = gauges('disk_free_bytes', 'What may still be written on it.').of();
  const groups = gauges('groups', 'Consumer groups by state.', ['state']);
  const byTenant = (name: string, help: string): ByTenant =>
    new ByTenant(gauges(`tenant_${name}`, help, ['tenant']), tenants);
  const tenantPartitions = byTenant('partitions', 'Partitions that this node serves.');
  const logBytes = byTenant('log_bytes', 'Bytes of the logs, without their indexes.');
  const tenantGroups = byTenant('groups', 'Consumer groups.');
  const members = byTenant('group_members', 'Members of consumer groups.');
  const lag = byTenant('consumer_lag_records', 'Records not yet committed, over all groups.');
  const lagMax = byTenant(
    'consumer_lag_records_max',
    'The largest lag of one group and partition.',
  );
  registry.onScrape(async () => {
    const { failure, offlinePartitions } = engine.health;
    online.set(failure === null ? 1 : 0);
    offline.set(offlinePartitions.length);
    // A disk that does not answer is when the other figures are needed most.
    const unknown = { totalBytes: Number.NaN, usableBytes: Number.NaN };
    const { totalBytes, usableBytes } = await engine.diskSpace().catch(() => unknown);
    diskTotal.set(totalBytes);
    diskFree.set(usableBytes);
  });
  registry.onScrape(function* () {
    const figures = yield* engine.figures();
    partitions.set(figures.partitions);
    openFiles.set(figures.openFiles);
    groups.clear();
    for (const [groupState, number] of figures.groupStates) groups.of(groupState).set(number);
    for (const one of [tenantPartitions, logBytes, tenantGroups, members, lag, lagMax]) one.clear();
    for (const name of state.image.tenants.keys()) {
      const own = figures.namespaces.get(name);
      tenantPartitions.add(name, own?.partitions ?? 0);
      logBytes.add(name, own?.logBytes ?? 0);
      tenantGroups.add(name, own?.groups ?? 0);
      members.add(name, own?.members ?? 0);
      lag.add(name, own?.lagRecords ?? 0);
      lagMax.atLeast(name, own?.lagRecordsMax ?? 0);
      yield;
    }
  });
}

function observeAudit(registry: MetricRegistry, gauges: Gauges, { audit }: ObservedParts): void {
  const stream = ['stream'];
  const healthy = gauges('audit_healthy', '1: records are written; 0: accesses are refused.').of();
  const queuedBytes = gauges('audit_queue_bytes', 'Records in memory, not yet written.', stream);
  const queued = gauges('audit_queue_records', 'Records in memory, not yet written.', stream);
  const written = registry.counter(
    'breakwater_audit_records_total',
    'Records of this run, counted ones as one.',
    stream,
  );
  const lost = registry.counter(
    'breakwater_audit_lost_records_total',
    'Records that the bounded queue could not take; their number is recorded.',
    stream,
  );
  registry.onScrape(() => {
    healthy.set(audit.healthy ? 1 : 0);
    for (const [name, figures] of Object.entries(audit.figures)) {
      queuedBytes.of(name).set(figures.queuedBytes);
      queued.of(name).set(figures.queuedRecords);
      written.of(name).value = figures.records;
      lost.of(name).value = figures.lostRecords;
    }
  });
}

function observeConnections(
  registry: MetricRegistry,
  gauges: Gauges,
  { servers }: ObservedParts,
): void {
  const listener = ['listener'];
  const open = gauges('connections', 'Connections that are served.', listener);
  const waiting = gauges(
    'tls_handshakes_waiting',
    'Connections that wait for their handshake.',
    listener,
  );
  registry.onScrape(() => {
    for (const [name, server] of Object.entries(servers)) {
      if (server === null) continue;
      open.of(name).set(server.connectionCount);
      waiting.of(name).set(server.handshakesWaiting);
    }
  });
}

function observeTrust(
  registry: MetricRegistry,
  gauges: Gauges,
  { certificates, crls, authorizer }: ObservedParts,
): void {
  const expiry = gauges(
    'certificate_expiry_timestamp_seconds',
    "When the broker's certificate on a listener expires, since the epoch.",
    ['listener'],
  );
  const refused = gauges(
    'certificate_refused',
    '1: the newest files are refused, the last good ones are in use.',
    ['listener'],
  );
  const next = gauges(
    'crl_next_update_timestamp_seconds',
    'When the first of the CRLs in use is due for renewal, since the epoch.',
    ['key'],
  );
  const made = gauges(
    'crl_this_update_timestamp_seconds',
    'When the oldest of the CRLs in use was made, since the epoch.',
    ['key'],
  );
  const rules = gauges('policy_rules', 'Rules in force.', ['origin']);
  const loaded = gauges('policy_loaded_timestamp_seconds', 'When the policy took force.').of();
  const policyRefused = gauges('policy_refused', '1: the newest policy is refused.').of();
  const epoch: Counter = registry
    .counter('breakwater_policy_changes_total', 'Changes of the policy and of dynamic rules.')
    .of();
  registry.onScrape(() => {
    for (const { name, material, refusal } of certificates) {
      expiry.of(name).set(material.expiresAtMs / 1000);
      refused.of(name).set(refusal === null ? 0 : 1);
    }
    next.clear();
    made.clear();
    for (const { key, inUse } of crls) {
      if (inUse.length === 0) continue;
      next.of(key).set(Math.min(...inUse.map(({ nextUpdateMs }) => nextUpdateMs)) / 1000);
      made.of(key).set(Math.min(...inUse.map(({ thisUpdateMs }) => thisUpdateMs)) / 1000);
    }
    const status = authorizer.policyStatus();
    rules.of('file').set(status.fileRules);
    rules.of('dynamic').set(status.dynamicRules);
    loaded.set(status.loadedAtMs / 1000);
    policyRefused.set(status.refusal === null ? 0 : 1);
    epoch.value = status.epoch;
  });
}

function observeExternal(
  registry: MetricRegistry,
  gauges: Gauges,
  tenants: TenantMeters,
  { external }: ObservedParts,
): void {
  const byTenant = (name: string, help: string): ByTenant =>
    new ByTenant(gauges(`tenant_external_authorizer_${name}`, help, ['tenant']), tenants);
  const open = byTenant('circuit_open', '1: the PDP is left alone, since it failed repeatedly.');
  const waiting = byTenant('waiting', 'Questions that wait for the PDP.');
  const cached = byTenant('cached_decisions', 'Answers of the PDP that are remembered.');
  registry.onScrape(() => {
    for (const one of [open, waiting, cached]) one.clear();
    for (const status of external?.authorizer.status() ?? []) {
      open.add(status.tenant, status.circuit === 'closed' ? 0 : 1);
      waiting.add(status.tenant, status.waiting);
      cached.add(status.tenant, status.cached);
    }
  });
}
