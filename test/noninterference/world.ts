/**
 * A broker without a network: the request pipeline of several tenants over one embedded engine, with
 * a disk in memory, a clock that only the test moves, and randomness that depends on the tenant it is
 * drawn for and on nothing that another tenant does.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ChangeRecorder } from '../../src/audit/change-recorder.ts';
import { type FileAuditLog, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { makeDirectoriesSync } from '../../src/base/file-system.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { MetricRegistry } from '../../src/base/metrics.ts';
import type { Random } from '../../src/base/random.ts';
import { requestQuotas } from '../../src/broker/quotas.ts';
import { tenantSecurity } from '../../src/broker/tenant-security.ts';
import type { Config } from '../../src/config/config-schema.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import {
  DEFAULT_CONTROLLER_SETTINGS,
  DEFAULT_TOPIC_LIMITS,
} from '../../src/engine/embedded/controller/controller-settings.ts';
import { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.ts';
import { SECURITY_METADATA_LOG } from '../../src/metadata/metadata-log.ts';
import { DEFAULT_SECURITY_LIMITS, SecurityState } from '../../src/metadata/security-state.ts';
import { StateAcls } from '../../src/metadata/state-acls.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { formatPrincipal, type KafkaPrincipal } from '../../src/security/principal.ts';
import { advertisedApis } from '../../src/server/apis/index.ts';
import { FetchSessionCache } from '../../src/server/fetch-session.ts';
import { RefusalPace } from '../../src/server/refusal-pace.ts';
import { RequestPipeline } from '../../src/server/request-pipeline.ts';
import { ServerMetrics } from '../../src/server/server-metrics.ts';
import { Session } from '../../src/server/session.ts';
import { TenantNamespace } from '../../src/tenancy/tenant-namespace.ts';
import { seededRandom } from '../crash/power-cut-file-system.ts';
import { ManualClock } from '../engine/embedded/log/manual-clock.ts';
import { openAuthorizer, principal } from '../security/policy-fixture.ts';
import { MemoryFileSystem } from './memory-file-system.ts';

export const TENANTS = ['acme', 'globex'] as const;
export type TenantName = (typeof TENANTS)[number];

/** A frame's answer: bytes without size, nothing (acks=0), or the end of the connection. */
export type WorldAnswer = Buffer | 'nothing' | 'close';

/** What all worlds of a run share. */
export interface WorldSetting {
  readonly policyDirectory: string;
  readonly caPems: Readonly<Record<TenantName, string>>;
  /** One stream for all tenants: a leak, to show that one is found. */
  readonly isRandomnessShared?: boolean;
}

/** Whose work is being done. */
const acting = new AsyncLocalStorage<string>();

/** A stream of bytes for each tenant, the same in every world. */
class StreamRandom implements Random {
  readonly #isShared: boolean;
  readonly #streams = new Map<string, () => number>();

  constructor(isShared: boolean) {
    this.#isShared = isShared;
  }

  bytes(length: number): Buffer {
    const name = this.#isShared ? 'all' : (acting.getStore() ?? 'broker');
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = seededRandom(name.length * 7919 + name.charCodeAt(0));
      this.#streams.set(name, stream);
    }
    return Buffer.from(Array.from({ length }, () => Math.floor(stream() * 256)));
  }
}

/** Small enough for a run to come to every limit. */
const PARTITIONS_MAX = 12;
const GROUPS_MAX = 3;
const FETCH_SESSION_SLOTS = 100;
const MESSAGE_BYTES_MAX = 4096;

export class World {
  readonly clock: ManualClock;
  readonly files: MemoryFileSystem;
  /** Answers given to anybody. */
  readonly answered = { count: 0 };
  readonly #engine: EmbeddedEngine;
  readonly #state: SecurityState;
  readonly #authorizer: CasbinAuthorizer;
  readonly #audit: FileAuditLog;
  readonly #pipeline: RequestPipeline;
  readonly #views = new Map<string, TenantNamespace>();
  #connections = 0;

  private constructor(parts: {
    files: MemoryFileSystem;
    clock: ManualClock;
    engine: EmbeddedEngine;
    state: SecurityState;
    authorizer: CasbinAuthorizer;
    audit: FileAuditLog;
    config: Config;
    random: Random;
  }) {
    const { files, clock, engine, state, authorizer, audit, config, random } = parts;
    this.clock = clock;
    this.files = files;
    this.#engine = engine;
    this.#state = state;
    this.#authorizer = authorizer;
    this.#audit = audit;
    for (const tenant of TENANTS) this.#views.set(tenant, new TenantNamespace(engine, tenant));
    this.#pipeline = new RequestPipeline({
      authorizer,
      acls: new StateAcls(state, authorizer),
      audit,
      changes: new ChangeRecorder(audit),
      logger: silentLogger,
      metrics: new ServerMetrics(new MetricRegistry(), clock),
      clock,
      fetchSessions: new FetchSessionCache(FETCH_SESSION_SLOTS, clock, random),
      refusalPace: new RefusalPace(clock, config['refusals.per.second.per.tenant']),
      security: tenantSecurity(state, config, null),
      quotas: requestQuotas(state, audit, clock),
      nodeId: 1,
      fetchBytesMax: () => 1024 * 1024,
      describedPartitionsMax: 50,
      autoCreateTopics: true,
      telemetry: null,
      defaultPartitions: 1,
      advertisedApis: advertisedApis(false),
    });
    for (const tenant of TENANTS) {
      authorizer.setDynamicRules(tenant, state.image.tenants.get(tenant)?.acls ?? []);
    }
    state.onChange((image, changes) => {
      for (const change of changes) {
        if (change.type === 'bans' || change.type === 'broker-limits') continue;
        authorizer.setDynamicRules(change.tenant, image.tenants.get(change.tenant)?.acls ?? []);
      }
    });
  }

  static async open(setting: WorldSetting): Promise<World> {
    const { policyDirectory, caPems } = setting;
    const files = new MemoryFileSystem();
    makeDirectoriesSync(files, '/data');
    const clock = new ManualClock();
    const random = new StreamRandom(setting.isRandomnessShared ?? false);
    const engine = await EmbeddedEngine.open({
      directory: '/data',
      fileSystem: files,
      clock,
      random,
      logger: silentLogger,
      controller: {
        ...DEFAULT_CONTROLLER_SETTINGS,
        topicDefaults: { 'max.message.bytes': String(MESSAGE_BYTES_MAX) },
        limits: { ...DEFAULT_TOPIC_LIMITS, partitionsPerNamespaceMax: PARTITIONS_MAX },
      },
      log: { producerIdsPerPartitionMax: 20 },
      groups: { groupsPerNamespaceMax: GROUPS_MAX, membersMax: 4 },
      produce: { maxBatchBytes: MESSAGE_BYTES_MAX, maxInflatedBytes: 64 * MESSAGE_BYTES_MAX },
    });
    const log = await engine.openStateLog(SECURITY_METADATA_LOG);
    const limits = {
      ...DEFAULT_SECURITY_LIMITS,
      aclsPerTenantMax: 10,
      quotaEntitiesPerTenantMax: 3,
    };
    const state = await SecurityState.open({ log, clock, random, logger: silentLogger, limits });
    for (const tenant of TENANTS) {
      await acting.run(tenant, () => state.createTenant(tenant, caPems[tenant]));
    }
    const authorizer = await openAuthorizer(policyDirectory, { clock });
    const audit = openFileAuditLog({ directory: '/data/audit', clock, files });
    const { config } = await loadConfig({
      file: null,
      environment: {},
      sets: [],
      cwd: '/',
      modeDefaults: {},
      readText: () => '',
    });
    return new World({ files, clock, engine, state, authorizer, audit, config, random });
  }

  connect(tenant: TenantName, name: string, fleet: string | null): WorldConnection {
    this.#connections += 1;
    const who = principal(tenant, name, { fleet, kind: fleet === null ? 'service' : 'device' });
    const engine = this.#views.get(tenant)!;
    const clusterId = this.#state.image.tenants.get(tenant)!.clusterId;
    const session = this.#sessionOf(who, engine, clusterId);
    return new WorldConnection(this.#pipeline, session, this.answered);
  }

  #sessionOf(who: KafkaPrincipal, engine: TenantNamespace, clusterId: string): Session {
    return new Session({
      principal: who,
      subject: {
        connectionId: `connection-${this.#connections}`,
        listener: 'mtls',
        remoteAddress: '127.0.0.1',
        remotePort: 50_000,
        tenant: who.tenant,
        principal: formatPrincipal(who),
        fleet: who.fleet,
        certificateSerial: who.certificateSerial,
      },
      engine,
      clusterId,
      advertised: { host: 'broker.example', port: 9093 },
    });
  }

  async close(): Promise<void> {
    await this.#state.close();
    await this.#engine.close();
    await this.#audit.close();
    this.#authorizer.close();
  }
}

/** One connection: one request at a time. */
export class WorldConnection {
  readonly session: Session;
  readonly #pipeline: RequestPipeline;
  /** The answer of the request that was sent last; null while there is none. */
  answer: WorldAnswer | null = null;
  isBusy = false;

  readonly #answered: { count: number };

  constructor(pipeline: RequestPipeline, session: Session, answered: { count: number }) {
    this.#answered = answered;
    this.#pipeline = pipeline;
    this.session = session;
  }

  /** Begins a request: a frame without its size. */
  send(frame: Buffer): void {
    this.isBusy = true;
    this.answer = null;
    acting.run(this.session.principal.tenant, () => {
      void this.#run(frame).then((answer) => {
        this.answer = answer;
        this.isBusy = false;
        this.#answered.count += 1;
      });
    });
  }

  async #run(frame: Buffer): Promise<WorldAnswer> {
    try {
      const answer = await this.#pipeline.handle(this.session, frame, () => undefined);
      if (answer === 'close') return 'close';
      return answer.frame === null ? 'nothing' : Buffer.concat(answer.frame).subarray(4);
    } catch {
      // What cannot be understood ends the connection.
      return 'close';
    }
  }
}
