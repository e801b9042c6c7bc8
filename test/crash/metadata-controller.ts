/**
 * Lives of an embedded engine's metadata on a disk that forgets: topics created, deleted, created
 * again under the same name, extended, configured, written to, brokers and groups configured,
 * producer ids given out; cut short by a power cut,
 * a kill or a clean end, then opened again and compared.
 *
 * The model: what was answered without error is so; what was asked for and not answered, or answered
 * with an error, is so or not. A record tells in its key for which topic id it was written: data of a
 * deleted topic never shows under the name's next topic. No producer id is given twice.
 */
import { expect } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { DEFAULT_CONTROLLER_SETTINGS } from '../../src/engine/embedded/controller/controller-settings.ts';
import type { Topic } from '../../src/engine/embedded/controller/topics-image.ts';
import { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.ts';
import { RECORD_BATCH_OVERHEAD } from '../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { INT64_MAX, ZERO_UUID } from '../../src/protocol/schema.ts';
import { ManualClock } from '../engine/embedded/log/manual-clock.ts';
import { PowerCutFileSystem, type SeededRandom, seededRandom } from './power-cut-file-system.ts';

const LIVES = 6;
const NAMES = ['acme.a', 'acme.b', 'globex.a', 'globex.c'];
const CALL = { apiVersion: 12, signal: null };

export interface Tally {
  cuts: number;
  kills: number;
  cleanEnds: number;
  created: number;
  deleted: number;
  extended: number;
  produced: number;
  producerIds: number;
  configured: number;
  failed: number;
}

export const emptyTally = (): Tally => ({
  cuts: 0,
  kills: 0,
  cleanEnds: 0,
  created: 0,
  deleted: 0,
  extended: 0,
  produced: 0,
  producerIds: 0,
  configured: 0,
  failed: 0,
});

/** What a name may stand for; null: no topic. An id of null is one that nobody was told. */
type Possible = { readonly topicId: string | null; readonly partitions: number } | null;

/** A resource whose configs change, the config that does, and the source it then has. */
interface Configured {
  readonly type: number;
  readonly resource: string;
  readonly config: string;
  readonly source: number;
  /** The least value that it takes. */
  readonly least: number;
}

const CONFIGURED: readonly Configured[] = [
  ...NAMES.map((name) => ({
    type: 2,
    resource: name,
    config: 'segment.ms',
    source: 1,
    least: 60_000,
  })),
  ...['acme', 'globex'].flatMap((tenant) => [
    { type: 4, resource: `${tenant}.`, config: 'log.roll.ms', source: 3, least: 60_000 },
    { type: 4, resource: `${tenant}.1`, config: 'log.roll.ms', source: 2, least: 60_000 },
    {
      type: 32,
      resource: `${tenant}.g`,
      config: 'consumer.session.timeout.ms',
      source: 8,
      least: 45_000,
    },
  ]),
];
const SEGMENT_MS_DEFAULT = '604800000';

class ControllerLives {
  readonly #random: SeededRandom;
  readonly #tally: Tally;
  readonly #clock = new ManualClock();
  readonly #producerIds = new Set<number>();
  #files: PowerCutFileSystem;
  /** One possibility when all was answered, several while something hangs in the balance. */
  #possible = new Map<string, Possible[]>(NAMES.map((name) => [name, [null]]));
  /** What each configured resource may have set, by its name; null: nothing. */
  readonly #values = new Map<string, (string | null)[]>(
    CONFIGURED.map(({ resource }) => [resource, [null]]),
  );
  /** Batches acknowledged as durable in partition 0, by topic id. */
  readonly #durable = new Map<string, number>();

  constructor(seed: number, tally: Tally) {
    this.#random = seededRandom(seed);
    this.#tally = tally;
    this.#files = new PowerCutFileSystem(this.#random);
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      const engine = await this.#open();
      await this.#work(engine);
    }
    const engine = await this.#open();
    await engine.close();
  }

  async #open(): Promise<EmbeddedEngine> {
    this.#files.freeBytes = Number.POSITIVE_INFINITY;
    const engine = await EmbeddedEngine.open({
      directory: '/data',
      fileSystem: this.#files,
      clock: this.#clock,
      random: systemRandom,
      logger: silentLogger,
      controller: { ...DEFAULT_CONTROLLER_SETTINGS, snapshotAfterBytes: 1500 },
      log: {},
      produce: { maxBatchBytes: 1 << 20, maxInflatedBytes: 1_000_000 },
    });
    expect(engine.health).toEqual({ failure: null, offlinePartitions: [] });
    for (const name of NAMES) await this.#compare(engine, name);
    for (const one of CONFIGURED) await this.#compareConfig(engine, one);
    for (const name of NAMES) this.#compareInherited(engine, name);
    this.#checkFolders(engine);
    return engine;
  }

  async #compare(engine: EmbeddedEngine, name: string): Promise<void> {
    const topic = engine.topicByName(name);
    const found = topic === undefined ? null : describe(topic);
    const possible = this.#possible.get(name)!;
    const isPossible = possible.some(
      (one) =>
        one?.partitions === found?.partitions &&
        (one === null || one.topicId === null || one.topicId === found?.topicId),
    );
    expect({ name, found, possible, isPossible }).toMatchObject({ isPossible: true });
    this.#possible.set(name, [found]);
    if (topic === undefined) return;
    expect(engine.topicById(topic.topicId)).toBe(topic);
    const batches = await this.#read(engine, name);
    expect(new Set(batches)).toEqual(new Set(batches.length > 0 ? [topic.topicId] : []));
    expect(batches.length).toBeGreaterThanOrEqual(this.#durable.get(topic.topicId) ?? 0);
  }

  async #compareConfig(engine: EmbeddedEngine, one: Configured): Promise<void> {
    const { type: resourceType, resource: resourceName, config, source } = one;
    const { results } = await engine.describeConfigs({
      resources: [{ resourceType, resourceName, configurationKeys: [config] }],
      includeSynonyms: false,
      includeDocumentation: false,
    });
    const { errorCode, configs } = results[0]!;
    // A topic that went took its configs along.
    const possible = errorCode === 0 ? this.#values.get(resourceName)! : [null];
    const inForce = configs[0];
    const found = inForce?.configSource === source ? inForce.value : null;
    const isPossible = possible.includes(found);
    expect({ one, found, possible, isPossible }).toMatchObject({ isPossible: true });
    this.#values.set(resourceName, [found]);
  }

  /** A topic has its own config, else that of its tenant's broker, else of all its brokers. */
  #compareInherited(engine: EmbeddedEngine, name: string): void {
    const topic = engine.topicByName(name) as Topic | undefined;
    if (topic === undefined) return;
    const tenant = name.slice(0, name.indexOf('.'));
    const levels = [name, `${tenant}.1`, `${tenant}.`].map((one) => this.#values.get(one)![0]);
    const expected = levels.find((value) => value != null) ?? SEGMENT_MS_DEFAULT;
    expect(String(topic.config.segmentMs)).toBe(expected);
  }

  /** Every folder belongs to a partition of a topic. */
  #checkFolders(engine: EmbeddedEngine): void {
    const wanted = NAMES.flatMap((name) => {
      const count = engine.topicByName(name)?.partitionCount ?? 0;
      return Array.from({ length: count }, (_, partition) => `${name}-${partition}`);
    });
    const found = this.#files
      .readdirSync('/data')
      .filter((name) => /-\d+$/.test(name) && !name.startsWith('__'));
    expect(found.sort()).toEqual(wanted.sort());
  }

  async #work(engine: EmbeddedEngine): Promise<void> {
    const steps = 1 + this.#int(14);
    let underWay: Promise<unknown>[] = [];
    for (let step = 0; step < steps; step++) {
      this.#maybeBreakTheDisk();
      underWay.push(this.#step(engine));
      if (this.#random() < 0.7) {
        await Promise.all(underWay);
        underWay = [];
      }
    }
    const choice = this.#random();
    if (choice < 0.15) {
      await Promise.all(underWay);
      await engine.close().catch(() => {});
      this.#tally.cleanEnds += 1;
    }
    const turns = this.#int(8);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    const isCut = choice < 0.8;
    if (choice >= 0.15) this.#tally[isCut ? 'cuts' : 'kills'] += 1;
    this.#files = isCut ? this.#files.cut() : this.#files.kill();
  }

  #step(engine: EmbeddedEngine): Promise<void> {
    const name = NAMES[this.#int(NAMES.length)]!;
    const choice = this.#random();
    const [known, ...others] = this.#possible.get(name)!;
    const isKnown = others.length === 0 && this.#values.get(name)!.length === 1;
    if (choice < 0.1 || !isKnown) return this.#initProducerId(engine);
    if (choice < 0.3) return this.#configure(engine, CONFIGURED[this.#int(CONFIGURED.length)]!);
    if (known === null || known === undefined) return this.#create(engine, name);
    if (choice < 0.5) return this.#delete(engine, name);
    if (choice < 0.65) return this.#extend(engine, name, known.partitions + 1 + this.#int(3));
    return this.#produce(engine, name);
  }

  async #create(engine: EmbeddedEngine, name: string): Promise<void> {
    const partitions = 1 + this.#int(4);
    this.#possible.set(name, [null, { topicId: null, partitions }]);
    const { topics } = await engine.createTopics({
      topics: [
        { name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 30_000,
      validateOnly: false,
    });
    const { errorCode, topicId } = topics[0]!;
    if (!this.#isDone(errorCode, 'created')) return;
    this.#possible.set(name, [{ topicId, partitions }]);
  }

  async #delete(engine: EmbeddedEngine, name: string): Promise<void> {
    this.#possible.get(name)!.push(null);
    const { responses } = await engine.deleteTopics({
      topics: [{ name, topicId: ZERO_UUID }],
      topicNames: [],
      timeoutMs: 30_000,
    });
    if (!this.#isDone(responses[0]!.errorCode, 'deleted')) return;
    this.#possible.set(name, [null]);
    this.#values.set(name, [null]);
  }

  async #extend(engine: EmbeddedEngine, name: string, partitions: number): Promise<void> {
    const [known] = this.#possible.get(name)!;
    const extended = { topicId: known!.topicId, partitions };
    this.#possible.get(name)!.push(extended);
    const { results } = await engine.createPartitions({
      topics: [{ name, count: partitions, assignments: null }],
      timeoutMs: 30_000,
      validateOnly: false,
    });
    if (this.#isDone(results[0]!.errorCode, 'extended')) this.#possible.set(name, [extended]);
  }

  /** Sets, or deletes, one config; nothing else is asked of that resource meanwhile. */
  async #configure(engine: EmbeddedEngine, one: Configured): Promise<void> {
    const values = this.#values.get(one.resource)!;
    const topics = this.#possible.get(one.resource) ?? [];
    if (values.length > 1 || topics.length > 1 || topics[0] === null) return;
    const value = this.#random() < 0.3 ? null : String(one.least + this.#int(15_000));
    values.push(value);
    const configs = [{ name: one.config, configOperation: value === null ? 1 : 0, value }];
    const { responses } = await engine.incrementalAlterConfigs({
      resources: [{ resourceType: one.type, resourceName: one.resource, configs }],
      validateOnly: false,
    });
    if (this.#isDone(responses[0]!.errorCode, 'configured'))
      this.#values.set(one.resource, [value]);
  }

  async #initProducerId(engine: EmbeddedEngine): Promise<void> {
    const { errorCode, producerId } = await engine.initProducerId('acme', {
      transactionalId: null,
      transactionTimeoutMs: 0,
      producerId: -1,
      producerEpoch: -1,
      enable2Pc: false,
      keepPreparedTxn: false,
    });
    if (!this.#isDone(errorCode, 'producerIds')) return;
    expect(this.#producerIds.has(producerId)).toBe(false);
    this.#producerIds.add(producerId);
  }

  async #produce(engine: EmbeddedEngine, name: string): Promise<void> {
    const topic = engine.topicByName(name);
    if (topic === undefined) return;
    const key = Buffer.from(topic.topicId);
    const records = buildRecordBatch([{ timestampMs: this.#clock.nowMs(), key, value: key }]);
    const { responses } = await engine.produce(
      {
        transactionalId: null,
        acks: -1,
        timeoutMs: 30_000,
        topicData: [{ name, topicId: ZERO_UUID, partitionData: [{ index: 0, records }] }],
      },
      CALL,
    );
    const { errorCode } = responses[0]!.partitionResponses[0]!;
    if (!this.#isDone(errorCode, 'produced')) return;
    this.#durable.set(topic.topicId, (this.#durable.get(topic.topicId) ?? 0) + 1);
  }

  #isDone(errorCode: number, kind: keyof Tally): boolean {
    this.#tally[errorCode === 0 ? kind : 'failed'] += 1;
    return errorCode === 0;
  }

  /** The topic ids that the records of partition 0 carry as their keys. */
  async #read(engine: EmbeddedEngine, name: string): Promise<string[]> {
    const partition = {
      partition: 0,
      currentLeaderEpoch: -1,
      fetchOffset: 0,
      lastFetchedEpoch: -1,
      logStartOffset: -1,
      partitionMaxBytes: 10_000_000,
      replicaDirectoryId: ZERO_UUID,
      highWatermark: INT64_MAX,
    };
    const { responses } = await engine.fetch(
      {
        clusterId: null,
        replicaId: -1,
        replicaState: { replicaId: -1, replicaEpoch: -1 },
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 10_000_000,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [{ topic: name, topicId: ZERO_UUID, partitions: [partition] }],
        forgottenTopicsData: [],
        rackId: '',
      },
      CALL,
    );
    const { errorCode, records } = responses[0]!.partitions[0]!;
    expect(errorCode).toBe(0);
    return [...batchKeys(records ?? Buffer.alloc(0))];
  }

  #maybeBreakTheDisk(): void {
    const choice = this.#random();
    if (choice < 0.03) this.#files.failNext('datasync', 'EIO');
    else if (choice < 0.04) this.#files.failNext('rename', 'EIO');
    else if (choice < 0.07) this.#files.freeBytes = this.#int(3000);
    else if (choice < 0.3) this.#files.freeBytes = Number.POSITIVE_INFINITY;
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

/** Each batch of this test holds one record, whose key of 22 bytes stands at the same place. */
function* batchKeys(records: Buffer): Generator<string> {
  const keyAt = RECORD_BATCH_OVERHEAD + 5;
  for (let at = 0; at + RECORD_BATCH_OVERHEAD <= records.length; ) {
    yield records.toString('latin1', at + keyAt, at + keyAt + ZERO_UUID.length);
    at += records.readInt32BE(at + 8) + 12;
  }
}

function describe(topic: { topicId: string; partitionCount: number }) {
  return { topicId: topic.topicId, partitions: topic.partitionCount };
}

/** One history of several lives; what fails names the seed. */
export async function liveController(seed: number, tally: Tally): Promise<void> {
  try {
    await new ControllerLives(seed, tally).run();
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}
