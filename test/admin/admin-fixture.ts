/**
 * An admin server over real HTTPS with certificates of a PKI made for the test, on services kept in
 * memory. Fakes stand in for the seams only: audit log, authorizer, tenants, topics, rules.
 */
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { type Agent, request } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { type AdminServer, startAdminServer } from '../../src/admin/admin-server.ts';
import type {
  AclView,
  AdminAbuse,
  AdminDeps,
  AdminLimits,
  BackupReport,
  BanView,
  CaView,
  DeletionView,
  HealthCheck,
  QuotaView,
  TenantView,
  TopicDetails,
  WantedRevocation,
} from '../../src/admin/admin-services.ts';
import { AdminError } from '../../src/admin/problem.ts';
import { ADMIN_ROUTES } from '../../src/admin/routes/index.ts';
import type { AccessEvent, AuditSubject, SecurityEvent } from '../../src/audit/audit-event.ts';
import type { AuditLog } from '../../src/audit/audit-log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { StorageError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { banKey } from '../../src/security/abuse/bans.ts';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import { admitOperator, operatorRulesOf, peerFactsOf } from '../../src/security/admission.ts';
import type { Action, AuthorizationResult } from '../../src/security/authorizer.ts';
import type { Suspension } from '../../src/security/revocations.ts';
import { loadTlsMaterial, tlsServerOptions } from '../../src/security/tls-context.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { withCheckedAnswers } from './checked-answers.ts';

export interface Recorded {
  readonly kind: 'access' | 'security' | 'durable' | 'acted';
  readonly subject?: AuditSubject | null;
  readonly access?: AccessEvent;
  readonly security?: SecurityEvent;
  readonly what?: string;
}

/** Keeps what was recorded, in order, together with what was done. */
export class RecordingAudit implements AuditLog {
  readonly events: Recorded[] = [];
  healthy = true;
  failing = false;
  readonly accepts = (): boolean => true;
  #pending = false;

  get healthyForOperators(): boolean {
    return this.healthy;
  }

  get pending(): boolean {
    return this.#pending;
  }

  access(subject: AuditSubject, access: AccessEvent): void {
    this.events.push({ kind: 'access', subject, access });
    if (!access.allowed) this.#pending = true;
  }

  security(subject: AuditSubject | null, security: SecurityEvent): void {
    this.events.push({ kind: 'security', subject, security });
    this.#pending = true;
  }

  async durable(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failing) throw new StorageError('the disk under the audit log is gone');
    this.#pending = false;
    this.events.push({ kind: 'durable' });
  }

  durableForOperators(): Promise<void> {
    return this.durable();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** `access POST /x CREATE TOPIC acme/t allow`, `security reason outcome`, `durable`, `acted x`. */
  story(): string[] {
    return this.events.map(({ kind, access, security, what }) => {
      if (access !== undefined) {
        const verdict = access.allowed ? 'allow' : 'deny';
        const { api, operation, resourceType, resourceName } = access;
        return `access ${api} ${operation} ${resourceType} ${resourceName} ${verdict}`;
      }
      if (security !== undefined) return `security ${security.reason} ${security.outcome}`;
      return what === undefined ? kind : `acted ${what}`;
    });
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export interface CallOptions {
  readonly body?: unknown;
  /** Sent as it is, with `contentType`. */
  readonly rawBody?: string | Buffer;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Base name of the certificate in the PKI; null for none. */
  readonly as?: string | null;
  /** To use its connections again; none: a connection of its own. */
  readonly agent?: Agent;
}

export interface AdminFixture {
  readonly server: AdminServer;
  /** What the server was started with. */
  readonly deps: AdminDeps;
  /** False: every operator is refused as revoked from now on. */
  admits: boolean;
  readonly port: number;
  readonly certsDir: string;
  readonly audit: RecordingAudit;
  readonly tenants: Map<string, TenantView>;
  readonly topics: Map<string, TopicDetails>;
  readonly rules: AclView[];
  readonly revoked: WantedRevocation[];
  readonly checks: HealthCheck[];
  /** Who may do what; everything is allowed until a test says otherwise. */
  decide: (tenant: string | null, action: Action) => AuthorizationResult;
  /** Who of a tenant is shut out. */
  exclusionOf: AdminDeps['exclusionOf'];
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** A TLS connection on which a test speaks for itself. */
  connect(as?: string | null): Promise<TLSSocket>;
  dispose(): Promise<void>;
}

const ALLOWED: AuthorizationResult = { allowed: true, rule: 'p, test', origin: 'test.csv:1' };
export const DENIED: AuthorizationResult = { allowed: false, rule: null, origin: null };

const tenantView = (name: string): TenantView => ({
  name,
  state: 'active',
  createdAtMs: 1_700_000_000_000,
  caFingerprint: 'AA:BB',
  caExpiresAtMs: 1_800_000_000_000,
  isUnproven: false,
});

const backupReport = (name: string): BackupReport => ({
  ...{ name, state: 'running', startedAtMs: 1_700_000_000_000, finishedAtMs: null },
  ...{ parts: 1, files: 2, bytes: 3, skipped: [], sha256: null, failure: null },
});

const deletionView = (tenant: string): DeletionView => ({
  ...{ tenant, state: 'deleting', begunAtMs: 1_700_000_000_000, deletedAtMs: null },
  ...{ counts: { topics: 1 }, failure: null },
});

const LIMITS: AdminLimits = {
  bodyMaxBytes: 16 * 1024,
  requestTimeoutMs: 1_000,
  handshakeTimeoutMs: 1_000,
  connectionsMax: 8,
};

export interface FixtureOptions
  extends Partial<Pick<AdminDeps, 'logger' | 'tokens' | 'authorizer' | 'outside'>> {
  readonly limits?: Partial<AdminLimits>;
  readonly abuse?: (audit: AuditLog) => AdminAbuse;
  /** In place of those kept in memory. */
  readonly services?: Partial<
    Pick<AdminDeps, 'acls' | 'status' | 'external' | 'quotas' | 'shadow'>
  >;
}

const NO_ABUSE: AdminAbuse = {
  turnsAway: () => null,
  handshakeFailed: () => {},
  certificateRefused: () => 0,
  loginRefused: () => 0,
  connected: () => () => {},
};

export async function startFixture(options: FixtureOptions = {}): Promise<AdminFixture> {
  const certsDir = temporaryDirectory('admin');
  const { pki } = await ensureDevCertificates(certsDir);
  const file = (name: string): string => join(certsDir, name);
  const limits = { ...LIMITS, ...options.limits };
  const material = loadTlsMaterial(
    { certificate: file('broker.crt'), key: file('broker.key'), clientCa: file('operator-ca.crt') },
    systemClock.nowMs(),
  );
  const rules = operatorRulesOf(material.clientCas, pki.trustDomain);
  const state = inMemory();
  const deps: AdminDeps = {
    ...state.services,
    ...options.services,
    host: '127.0.0.1',
    port: 0,
    tls: tlsServerOptions(material, limits.handshakeTimeoutMs),
    admit: (socket) =>
      fixture.admits
        ? admitOperator(peerFactsOf(socket), rules, systemClock.nowMs())
        : { admitted: false, reason: 'revoked', detail: 'by the test' },
    tokens: options.tokens ?? null,
    exclusionOf: (tenant, name) => fixture.exclusionOf(tenant, name),
    authorizer: options.authorizer ?? {
      authorizeIn: (tenant, _principal, _host, action) => fixture.decide(tenant, action),
    },
    outside: options.outside ?? null,
    abuse: options.abuse?.(state.audit) ?? NO_ABUSE,
    audit: state.audit,
    clock: systemClock,
    random: systemRandom,
    logger: options.logger ?? silentLogger,
    limits,
  };
  const server = await startAdminServer(deps, ADMIN_ROUTES.map(withCheckedAnswers));
  const tlsOptions = (as: string | null) => ({
    host: '127.0.0.1',
    port: server.port,
    ca: readFileSync(file('ca.crt')),
    ...(as === null
      ? {}
      : { cert: readFileSync(file(`${as}.crt`)), key: readFileSync(file(`${as}.key`)) }),
  });
  const fixture: AdminFixture = {
    server,
    deps,
    admits: true,
    port: server.port,
    certsDir,
    ...state,
    decide: () => ALLOWED,
    exclusionOf: () => null,
    call: (method, path, call = {}) =>
      callHttps(
        { ...tlsOptions(call.as === undefined ? 'operator' : call.as) },
        method,
        path,
        call,
      ),
    connect: (as = 'operator') =>
      new Promise((resolve, reject) => {
        const socket = connect(tlsOptions(as), () => resolve(socket));
        socket.once('error', reject);
      }),
    dispose: async () => {
      await server.close(100);
      removeDirectory(certsDir);
    },
  };
  return fixture;
}

const caView = (kind: CaView['kind']): CaView => ({
  kind,
  fingerprint: 'AA:BB',
  serial: '01',
  subject: 'CN=x',
  expiresAtMs: 1_800_000_000_000,
  mappingRules: kind === 'own' ? null : 'RULE:a/b/',
  isAnnounced: false,
  isShared: false,
});

function inMemory() {
  const audit = new RecordingAudit();
  const tenants = new Map([['acme', tenantView('acme')]]);
  const cas = new Map<string, string>();
  const topics = new Map<string, TopicDetails>();
  const rules: AclView[] = [];
  const revoked: WantedRevocation[] = [];
  const suspended: Suspension[] = [];
  const bans = new Map<string, BanView>();
  const quotas: QuotaView[] = [];
  const checks: HealthCheck[] = [{ name: 'policy', state: 'ok', reason: null }];
  const acted = (what: string): void => {
    audit.events.push({ kind: 'acted', what });
  };
  const same = (a: AclBinding, b: AclBinding): boolean =>
    a.principal === b.principal && a.resourceName === b.resourceName && a.operation === b.operation;
  const services: Pick<
    AdminDeps,
    | 'tenants'
    | 'deletions'
    | 'backups'
    | 'cas'
    | 'users'
    | 'topics'
    | 'acls'
    | 'external'
    | 'revocations'
    | 'bans'
    | 'fleet'
    | 'records'
    | 'quotas'
    | 'health'
    | 'metrics'
    | 'logLevel'
    | 'status'
    | 'shadow'
  > = {
    tenants: {
      list: () => [...tenants.values()],
      get: (name) => tenants.get(name),
      create: async (name, caCertificatePem) => {
        acted('tenant-create');
        if (tenants.has(name) && cas.get(name) !== caCertificatePem) {
          throw new AdminError(409, 'tenant-exists', `Tenant ${name} exists already.`);
        }
        cas.set(name, caCertificatePem);
        tenants.set(name, tenantView(name));
        return tenantView(name);
      },
      setState: async (name, newState) => {
        acted(`tenant-${newState}`);
        const view = { ...tenantView(name), state: newState };
        tenants.set(name, view);
        return view;
      },
    },
    backups: {
      directory: '/backups',
      list: async () => ['before'],
      start: async ({ name }) => {
        acted('backup-create');
        return backupReport(name);
      },
      view: (name) => (name === 'before' ? backupReport(name) : undefined),
    },
    deletions: {
      begin: async (tenant) => {
        acted('tenant-delete');
        tenants.set(tenant, { ...tenantView(tenant), state: 'deleting' });
        return deletionView(tenant);
      },
      view: (tenant) =>
        tenants.get(tenant)?.state === 'deleting' ? deletionView(tenant) : undefined,
    },
    cas: {
      list: (tenant) => (tenants.has(tenant) ? [] : undefined),
      add: async () => {
        acted('tenant-ca-add');
        return caView('own');
      },
      import: async () => {
        acted('tenant-ca-import');
        return caView('imported');
      },
      remove: async () => acted('tenant-ca-remove'),
    },
    users: {
      list: (tenant, after) =>
        tenants.has(tenant)
          ? ['ada', 'bob', 'eve']
              .filter((name) => after === null || name > after)
              .map((name) => ({ name, credentials: [] }))
          : undefined,
      set: async (_tenant, { user }) => {
        acted('scram-credential-set');
        return user === 'new';
      },
      remove: async (_tenant, user) => {
        acted('scram-credential-delete');
        return user === 'ada' ? 1 : 0;
      },
    },
    topics: {
      list: () =>
        [...topics.values()].map(({ name, topicId, partitions }) => ({
          name,
          topicId,
          partitions,
        })),
      describe: async (_tenant, topic) => {
        const found = topics.get(topic);
        if (found === undefined) throw new AdminError(404, 'no-such-topic', 'There is none.');
        return found;
      },
      create: async (_tenant, { name, partitions }) => {
        acted('topic-create');
        if (topics.has(name)) throw new AdminError(409, 'topic-already-exists', 'It exists.');
        const view = { name, topicId: 'x'.repeat(22), partitions: partitions ?? 1 };
        topics.set(name, { ...view, partitionStates: [], configs: [] });
        return view;
      },
      delete: async (_tenant, topic) => {
        acted('topic-delete');
        if (topic === 'broken') throw new Error('secret detail at /var/lib/somewhere');
        topics.delete(topic);
      },
    },
    acls: {
      list: () => rules,
      problem: (_tenant, { host }) => (host === '999.1.1.1' ? 'the host is no address' : null),
      add: async (_tenant, binding) => {
        acted('acl-add');
        if (rules.some((rule) => same(rule, binding))) return false;
        rules.push({ ...binding, domain: 'acme', origin: 'dynamic', text: 'p, test' });
        return true;
      },
      remove: async (_tenant, binding) => {
        const at = rules.findIndex((rule) => same(rule, binding));
        if (at >= 0) rules.splice(at, 1);
        return at >= 0 ? 1 : 0;
      },
      explain: async (tenant, who, host, action) => ({
        allowed: false,
        sentence: `${who.name} in ${tenant} from ${host}: ${action.operation}`,
        considered: [],
        external: null,
      }),
    },
    external: {
      status: () => [],
      invalidate: () => {
        acted('authorizer-invalidate');
        return 0;
      },
    },
    revocations: {
      list: (tenant) => (tenants.has(tenant) ? { names: [], certificates: [] } : undefined),
      suspensions: (tenant) => (tenants.has(tenant) ? suspended : undefined),
      revoke: async (_tenant, wanted) => {
        acted('certificate-revoke');
        revoked.push(wanted);
        return { name: wanted.name, serials: wanted.serials, nameRevokedAtMs: 1 };
      },
      setSuspended: async (_tenant, { kind, name }, isSuspended) => {
        acted(`${kind}-${isSuspended ? 'suspend' : 'resume'}`);
        if (isSuspended) suspended.push({ kind, name, sinceMs: 1 });
      },
    },
    fleet: {
      list: async () => ({ devices: [], next: null }),
      show: () => undefined,
    },
    bans: {
      list: (tenant) =>
        [...bans.values()].filter((ban) => tenant === null || ban.tenant === tenant),
      add: async (id, durationMs, reason) => {
        acted('ban-add');
        const whom =
          id.kind === 'address'
            ? { network: id.network, tenant: null, name: null }
            : { network: null, tenant: id.tenant, name: id.name };
        const ban = { ...whom, sinceMs: 1, untilMs: 1 + durationMs, reason, automatic: false };
        bans.set(banKey(id), ban);
        return ban;
      },
      remove: async (id) => {
        acted('ban-remove');
        return bans.delete(banKey(id));
      },
    },
    records: {
      check: () => undefined,
      page: async () => ({ records: [], next: null, badLines: 0 }),
      follow: async () => ({ records: [], next: 'AA', badLines: 0 }),
    },
    quotas: {
      list: (tenant) => {
        if (tenant !== null && !tenants.has(tenant)) return undefined;
        return quotas.filter(({ scope }) => scope.tenant === tenant);
      },
      withUsage: async (_tenant, views) =>
        views.map((view) => ({ ...view, usage: { ...view.values } })),
      set: async (scope, values) => {
        acted('quota-set');
        const set = Object.entries(values).filter(([, value]) => value !== null);
        quotas.push({ scope, values: Object.fromEntries(set) as never, usage: null });
      },
    },
    shadow: () => null,
    health: () => checks,
    logLevel: {
      get: () => ({ level: 'info', configured: 'info', untilMs: null }),
      set: (level, durationMs) => {
        acted(`log-level ${level} ${durationMs}`);
        return { level, configured: 'info', untilMs: 1 };
      },
    },
    metrics: { contentType: 'text/plain; version=0.0.4', render: async () => 'a_metric 1\n' },
    status: () => ({
      version: '0.0.0',
      nodeVersion: process.versions.node,
      nodeId: 1,
      startedAtMs: 0,
      mtls: { host: '127.0.0.1', port: 9093, connections: 0 },
      sasl: null,
      policy: {
        healthy: true,
        epoch: 1,
        files: [],
        fileRules: 0,
        dynamicRules: 0,
        loadedAtMs: 0,
        refusal: null,
      },
      certificates: { loadedAtMs: 0, refusal: null, serverExpiresAtMs: 0 },
    }),
  };
  return { audit, tenants, topics, rules, revoked, checks, services };
}

function callHttps(
  tls: object,
  method: string,
  path: string,
  { body, rawBody, contentType, headers, agent }: CallOptions,
): Promise<Answer> {
  const content = rawBody ?? (body === undefined ? undefined : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...tls,
        method,
        path,
        agent: agent ?? false,
        headers: {
          ...(content === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
          ...(content === undefined ? {} : { 'content-length': Buffer.byteLength(content) }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson && text !== '' ? JSON.parse(text) : {},
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(content);
  });
}
