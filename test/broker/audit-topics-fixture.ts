/**
 * A real engine, a real audit log and the audit topics between them, on a folder that outlives them:
 * a restart opens all three anew, a crash leaves the topics without a word.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FileAuditLog, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { systemClock } from '../../src/base/clock.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import {
  type AuditedTenant,
  AuditTopics,
  type AuditTopicsOptions,
} from '../../src/broker/audit-topics/audit-topics.ts';
import { AuditFeed } from '../../src/broker/audit-topics/configured-topics.ts';
import { TopicLog } from '../../src/broker/audit-topics/topic-log.ts';
import { DEFAULT_CONTROLLER_SETTINGS } from '../../src/engine/embedded/controller/controller-settings.ts';
import { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { readRecords, type StoredRecord } from '../../src/protocol/records/record.ts';
import {
  baseOffset,
  batchSizeBytes,
  recordCount,
  recordsSection,
} from '../../src/protocol/records/record-batch.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

export const TOPIC = '__audit';
export const OPERATORS = '__audit_all';
const TENANTS: readonly AuditedTenant[] = ['acme', 'globex', 'office'].map((name) => ({
  name,
  clusterId: `cluster-of-${name}`,
}));
const CONFIGS = { 'flush.ms': '1', 'message.timestamp.after.max.ms': '9223372036854775807' };
const WAIT_MS = 8_000;

export interface Running {
  readonly engine: EmbeddedEngine;
  readonly audit: FileAuditLog;
  readonly topics: AuditTopics;
}

export interface FixtureOptions extends Partial<AuditTopicsOptions> {
  readonly tenants?: readonly AuditedTenant[];
  /** What stands between the topics and the engine. */
  readonly through?: (engine: Engine) => Engine;
  readonly fileBytesMax?: number;
}

export class AuditTopicsFixture {
  readonly directory = temporaryDirectory('audit-topics');
  #running: Running | null = null;

  get running(): Running {
    if (this.#running === null) throw new Error('nothing runs');
    return this.#running;
  }

  get auditDirectory(): string {
    return join(this.directory, 'audit');
  }

  async start(given: FixtureOptions = {}): Promise<Running> {
    const { tenants = TENANTS, through = (engine) => engine, fileBytesMax, ...options } = given;
    const feed = new AuditFeed();
    const audit = openFileAuditLog({
      directory: this.auditDirectory,
      repeatWindowMs: 0,
      onRecord: feed.take,
      ...(fileBytesMax !== undefined && { fileBytesMax }),
    });
    const engine = await EmbeddedEngine.open({
      directory: this.directory,
      fileSystem: nodeFileSystem,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      controller: DEFAULT_CONTROLLER_SETTINGS,
      log: {},
      produce: { maxBatchBytes: 1 << 20, maxInflatedBytes: 1 << 20 },
    });
    const topics = await AuditTopics.open({
      engine: through(engine),
      files: nodeFileSystem,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      dataDirectory: this.directory,
      auditDirectory: this.auditDirectory,
      topicName: TOPIC,
      operatorTopicName: OPERATORS,
      operatorTenant: 'office',
      topicConfigs: CONFIGS,
      batchBytesMax: 64 * 1024,
      publishEveryMs: 5,
      ...options,
    });
    feed.feed(topics);
    await topics.start(tenants);
    this.#running = { engine, audit, topics };
    return this.#running;
  }

  async stop(): Promise<void> {
    const { engine, audit, topics } = this.running;
    this.#running = null;
    await topics.close();
    await engine.close();
    await audit.close();
  }

  async dispose(): Promise<void> {
    if (this.#running !== null) await this.stop();
    removeDirectory(this.directory);
  }

  /** The lines of a stream in the plain files. */
  lines(stream: 'security' | 'access'): string[] {
    return readdirSync(this.auditDirectory)
      .filter((name) => name.startsWith(`${stream}-`) && name.endsWith('.ndjson'))
      .sort()
      .flatMap((name) => readFileSync(join(this.auditDirectory, name), 'utf8').split('\n'))
      .filter((line) => line !== '');
  }

  /** All records of a topic, by its physical name. */
  async records(name: string): Promise<StoredRecord[]> {
    const { engine } = this.running;
    const { startOffset, endOffset } = await new TopicLog(engine, {}).end(name);
    const found: StoredRecord[] = [];
    for (let offset = startOffset; offset < endOffset; ) {
      const batches = await fetchFrom(engine, name, offset);
      for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) {
        found.push(...readRecords(batches, at, recordsSection(batches, at)));
        offset = baseOffset(batches, at) + recordCount(batches, at);
      }
    }
    return found;
  }

  /** Their values, once `isComplete` is content with them. */
  async values(
    name: string,
    isComplete: (values: string[]) => boolean,
    withinMs = WAIT_MS,
  ): Promise<string[]> {
    const deadlineMs = Date.now() + withinMs;
    for (;;) {
      const values = (await this.records(name)).map(({ value }) => value!.toString('utf8'));
      if (isComplete(values)) return values;
      if (Date.now() > deadlineMs) throw new Error(`${name} has ${values.length} records only`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The engine, whose log of a topic cannot be written while `isBroken` says so. */
export function failingProduce(engine: Engine, isBroken: (topic: string) => boolean): Engine {
  return new Proxy(engine, {
    get(target, property) {
      if (property === 'produce') {
        return async (...args: Parameters<Engine['produce']>) => {
          const { name, topicId } = args[0].topicData[0]!;
          if (!isBroken(name)) return target.produce(...args);
          const partition = { index: 0, errorCode: ErrorCode.KAFKA_STORAGE_ERROR };
          return { responses: [{ name, topicId, partitionResponses: [partition] }] };
        };
      }
      const value: unknown = Reflect.get(target, property);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function fetchFrom(engine: Engine, topic: string, fetchOffset: number): Promise<Buffer> {
  const { responses } = await engine.fetch(
    {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 26,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic,
          topicId: ZERO_UUID,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: -1,
              fetchOffset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: 1 << 26,
              replicaDirectoryId: ZERO_UUID,
              highWatermark: Number.MAX_SAFE_INTEGER,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    },
    { apiVersion: 12, signal: null },
  );
  return responses[0]!.partitions[0]!.records!;
}
