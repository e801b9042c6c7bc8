/**
 * What metrics cost: a Produce with them against one without, in one process and in turns, and a
 * scrape of a broker with 500 tenants and 10,000 partitions. Needs a build.
 *
 *   node bench/metrics.mjs [--directory DIR] [--rounds N] [--partitions N]
 *
 * Costs of a Produce are medians of many short rounds, in CPU time of the process, acks=1. The last
 * line is one JSON object.
 */
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChangeRecorder } from '../dist/audit/change-recorder.js';
import { openFileAuditLog } from '../dist/audit/file-audit-log.js';
import { systemClock } from '../dist/base/clock.js';
import { nodeFileSystem } from '../dist/base/file-system.js';
import { silentLogger } from '../dist/base/logger.js';
import { MetricRegistry } from '../dist/base/metrics.js';
import { systemRandom } from '../dist/base/random.js';
import { BrokerMetrics } from '../dist/broker/metrics.js';
import {
  DEFAULT_CONTROLLER_SETTINGS,
  DEFAULT_TOPIC_LIMITS,
} from '../dist/engine/embedded/controller/controller-settings.js';
import { EmbeddedEngine } from '../dist/engine/embedded/embedded-engine.js';
import { Connection } from '../dist/network/connection.js';
import { ReceiveBudget } from '../dist/network/receive-budget.js';
import { UnsentBudget } from '../dist/network/unsent-budget.js';
import { decodeResponse, encodeRequest } from '../dist/protocol/headers.js';
import { buildRecordBatch } from '../dist/protocol/records/record-batch-builder.js';
import { advertisedApis } from '../dist/server/apis/index.js';
import { FetchSessionCache } from '../dist/server/fetch-session.js';
import { RequestPipeline } from '../dist/server/request-pipeline.js';
import { ServerMetrics } from '../dist/server/server-metrics.js';
import { Session } from '../dist/server/session.js';
import { TenantNamespace } from '../dist/tenancy/tenant-namespace.js';

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? fallback : process.argv[at + 1];
};
const ROUNDS = Number(option('rounds', '60'));
const PARTITIONS = Number(option('partitions', '10000'));
const REQUESTS = 10_000;
const AT_ONCE = 50;
const TENANTS = 500;
const GROUPS_PER_TENANT = 4;
const SCRAPES = 5;
const CONFIG = { 'metrics.tenants.max': 1_000, 'slow.request.log.ms': 5_000 };

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The pipeline without its figures: what they cost is the difference. */
class NoMetrics extends ServerMetrics {
  #silent = { countErrors: () => {} };
  api = () => this.#silent;
  requestsOf = () => undefined;
  decided = () => {};
  meterOf = () => SILENT_METER;
}
const nothing = { inc: () => {}, add: () => {} };
const SILENT_METER = { producedBytes: nothing, producedRecords: nothing };

const allowed = { allowed: true, rule: 'p, bench', origin: 'bench.csv:1' };
const authorizer = {
  epoch: 1,
  epochIn: () => 1,
  authorize: () => allowed,
  authorizeIn: () => allowed,
  authorizeByResourceType: () => allowed,
};

function openEngine(directory, fileSystem) {
  return EmbeddedEngine.open({
    directory,
    fileSystem,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    controller: {
      ...DEFAULT_CONTROLLER_SETTINGS,
      limits: {
        ...DEFAULT_TOPIC_LIMITS,
        partitionsPerNamespaceMax: 100_000,
        partitionsMax: 200_000,
      },
    },
    log: {},
    groups: { groupsPerNamespaceMax: 1_000 },
    produce: { maxBatchBytes: 1_048_588, maxInflatedBytes: 64 * 1_048_588 },
  });
}

const topicRequest = (name, numPartitions) => ({
  topics: [{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
  timeoutMs: 60_000,
  validateOnly: false,
});
const CALL = { apiVersion: 7, signal: null };

/** A peer that counts the answers; all of them are of one size. */
class AnsweredSocket extends EventEmitter {
  writableLength = 0;
  writableHighWaterMark = 1 << 20;
  #expected = 0;
  #resolve = () => {};
  pause() {}
  resume() {}
  cork() {}
  uncork() {}
  destroy() {}
  write(answer) {
    this.#expected -= 1;
    if (this.#expected === 0) this.#resolve(answer);
    return true;
  }
  answersTo(bytes, count) {
    this.#expected = count;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.emit('data', bytes);
    });
  }
}

/** A Produce that is refused would be measured as a fast one. */
function checkAnswer(answer) {
  const frame = answer.subarray(4);
  const { body } = decodeResponse({ apiKey: 0, apiVersion: 9, frame });
  const { errorCode } = body.responses[0].partitionResponses[0];
  if (errorCode !== 0) throw new Error(`the Produce is answered with ${errorCode}`);
}

/** One contender: an engine, a pipeline on it, and the frame of a Produce of 1 kB. */
async function contender(directory, metrics, files) {
  const engine = await openEngine(join(directory, 'data'), files);
  await engine.createTopics(topicRequest('acme.telemetry', 1), CALL);
  const audit = openFileAuditLog({ directory: join(directory, 'audit') });
  const pipeline = new RequestPipeline({
    authorizer,
    acls: {},
    audit,
    changes: new ChangeRecorder(audit),
    logger: silentLogger,
    metrics,
    clock: systemClock,
    fetchSessions: new FetchSessionCache(100, systemClock, systemRandom),
    security: {},
    nodeId: 1,
    fetchMaxBytes: 1_048_576,
    describedPartitionsMax: 2_000,
    autoCreateTopics: false,
    advertisedApis: advertisedApis(),
  });
  const session = new Session({
    principal: { principalType: 'User', name: 'device-1', tenant: 'acme', kind: 'device' },
    subject: {
      connectionId: 'c0ffee',
      listener: 'mtls',
      remoteAddress: '10.1.2.3',
      remotePort: 50_000,
      tenant: 'acme',
      principal: 'User:device-1',
      fleet: 'dev',
      certificateSerial: '0A',
    },
    engine: new TenantNamespace(engine, 'acme'),
    clusterId: 'bench',
    advertised: { host: 'bench', port: 1 },
  });
  const value = Buffer.alloc(1_000, 7);
  const records = buildRecordBatch([{ timestampMs: Date.now(), key: null, value }]);
  const topicData = [{ name: 'telemetry', partitionData: [{ index: 0, records }] }];
  const chunks = encodeRequest({
    apiKey: 0,
    apiVersion: 9,
    correlationId: 1,
    clientId: 'bench',
    body: { acks: 1, timeoutMs: 30_000, topicData },
  });
  const chunk = Buffer.concat(chunks);
  const requests = metrics.requestsOf(session);
  const socket = new AnsweredSocket();
  const connection = new Connection(
    socket,
    (own, ordered) => pipeline.handle(session, own, ordered),
    {
      frameLimit: () => 1 << 20,
      maxBegun: AT_ONCE,
      maxUnsentBytes: 1 << 20,
      receiveBudget: new ReceiveBudget(1 << 30),
      unsentBudget: new UnsentBudget(1 << 30),
    },
    {
      onClose: (reason) => {
        if (reason !== 'shutdown') throw new Error(`the connection was closed: ${reason}`);
      },
      onInternalError: (error) => {
        throw error;
      },
      nowMs: () => systemClock.monotonicMs(),
      ...(requests !== undefined && { requests }),
    },
  );
  const many = (count) => {
    // A batch gets its offset in the frame: each request has a frame of its own.
    const bytes = Buffer.concat(Array.from({ length: count }, () => chunk));
    return socket.answersTo(bytes, count);
  };
  checkAnswer(await many(1));
  return {
    /** Microseconds of CPU time for one request. */
    async round() {
      const start = process.cpuUsage();
      for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
        await many(AT_ONCE);
      }
      const { user, system } = process.cpuUsage(start);
      return (user + system) / REQUESTS;
    },
    async close() {
      connection.close('shutdown');
      await engine.close();
      await audit.close();
    },
  };
}

async function measureProduce(directory) {
  const measured = new BrokerMetrics(CONFIG, systemClock, silentLogger);
  const on = await contender(
    join(directory, 'on'),
    measured.server,
    measured.fileSystem(nodeFileSystem, 'log'),
  );
  const without = new NoMetrics(new MetricRegistry(), systemClock);
  const off = await contender(join(directory, 'off'), without, nodeFileSystem);
  const costs = { on: [], off: [] };
  for (let round = 0; round < ROUNDS + 6; round += 1) {
    // Each goes first as often as the other; the first rounds warm up.
    const order = round % 2 === 0 ? ['on', 'off'] : ['off', 'on'];
    for (const name of order) {
      const us = await { on, off }[name].round();
      if (round >= 6) costs[name].push(us);
    }
  }
  await on.close();
  await off.close();
  measured.close();
  const ratios = costs.on.map((us, index) => us / costs.off[index]);
  return { onUs: median(costs.on), offUs: median(costs.off), ratio: median(ratios) };
}

async function measureScrape(directory) {
  const metrics = new BrokerMetrics(CONFIG, systemClock, silentLogger);
  const engine = await openEngine(join(directory, 'many'), nodeFileSystem);
  const tenants = new Map();
  const each = Math.max(1, Math.round(PARTITIONS / TENANTS));
  const commit = {
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
  };
  for (let index = 0; index < TENANTS; index += 1) {
    const name = `tenant-${index}`;
    tenants.set(name, { name, state: 'active', cas: [{ notAfterMs: Date.now() }] });
    await engine.createTopics(topicRequest(`${name}.telemetry`, each), CALL);
    for (let group = 0; group < GROUPS_PER_TENANT; group += 1) {
      const partitions = Array.from({ length: each }, (_, partitionIndex) => ({
        partitionIndex,
        committedOffset: 0,
        committedLeaderEpoch: -1,
        committedMetadata: '',
      }));
      const topics = [{ name: `${name}.telemetry`, topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partitions }];
      await engine.offsetCommit({ ...commit, groupId: `${name}.g-${group}`, topics }, CALL);
    }
  }
  const audit = openFileAuditLog({ directory: join(directory, 'audit-of-many') });
  metrics.auditLog(audit);
  metrics.observe({
    engine,
    audit,
    state: { image: { tenants }, onChange: () => () => {} },
    authorizer: {
      policyStatus: () => ({ fileRules: 1, dynamicRules: 1, loadedAtMs: 1, epoch: 1 }),
    },
    certificates: [],
    crls: [],
    external: null,
    servers: {},
    health: () => [],
  });
  const scrapes = [];
  for (let scrape = 0; scrape < SCRAPES; scrape += 1) scrapes.push(await oneScrape(metrics));
  await engine.close();
  await audit.close();
  metrics.close();
  const of = (key) => median(scrapes.map((one) => one[key]));
  return {
    wallMs: of('wallMs'),
    cpuMs: of('cpuMs'),
    longestTurnMs: of('longestTurnMs'),
    bytes: of('bytes'),
  };
}

/** The longest turn is what another request waits at most. */
async function oneScrape(metrics) {
  let longestTurnMs = 0;
  let last = performance.now();
  let isDone = false;
  const watch = () => {
    const now = performance.now();
    longestTurnMs = Math.max(longestTurnMs, now - last);
    last = now;
    if (!isDone) setImmediate(watch);
  };
  setImmediate(watch);
  const start = process.cpuUsage();
  const beganMs = performance.now();
  const text = await metrics.registry.render();
  const wallMs = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(start);
  isDone = true;
  return { wallMs, cpuMs: (user + system) / 1_000, longestTurnMs, bytes: text.length };
}

const parent = option('directory', tmpdir());
const directory = mkdtempSync(join(parent, 'breakwater-bench-metrics-'));
try {
  const produce = await measureProduce(directory);
  console.log(
    `produce: ${produce.onUs.toFixed(2)} us with metrics, ${produce.offUs.toFixed(2)} us without, ` +
      `ratio ${produce.ratio.toFixed(3)}`,
  );
  const scrape = await measureScrape(directory);
  console.log(
    `scrape of ${TENANTS} tenants, ${PARTITIONS} partitions: ${scrape.wallMs.toFixed(0)} ms, ` +
      `${scrape.cpuMs.toFixed(0)} ms CPU, longest turn ${scrape.longestTurnMs.toFixed(1)} ms, ` +
      `${(scrape.bytes / 1_024).toFixed(0)} KiB`,
  );
  console.log(JSON.stringify({ produce, scrape }));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
