/** An engine with a security state in a temporary folder, and backups of it, without a broker. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { auditPart } from '../../src/backup/audit-part.ts';
import type { Manifest } from '../../src/backup/backup-manifest.ts';
import { BackupWriter, type BackupWriterOptions } from '../../src/backup/backup-writer.ts';
import { SecurityWatermark } from '../../src/backup/security-lineage.ts';
import { systemClock } from '../../src/base/clock.ts';
import { makeDirectoriesSync, nodeFileSystem } from '../../src/base/file-system.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { DEFAULT_CONTROLLER_SETTINGS } from '../../src/engine/embedded/controller/controller-settings.ts';
import { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.ts';
import { SECURITY_METADATA_LOG } from '../../src/metadata/metadata-log.ts';
import { SecurityState } from '../../src/metadata/security-state.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';

const CALL = { apiVersion: 11, signal: null };
export const PARTS = { files: nodeFileSystem, clock: systemClock, random: systemRandom };

export class BackupScene {
  readonly dataDir: string;
  readonly backupDir: string;
  readonly engine: EmbeddedEngine;
  readonly state: SecurityState;
  readonly watermark: SecurityWatermark;

  private constructor(
    root: string,
    opened: Omit<BackupScene, 'dataDir' | 'backupDir'>,
    dir: string,
  ) {
    this.dataDir = dir;
    this.backupDir = join(root, 'backups');
    this.engine = opened.engine;
    this.state = opened.state;
    this.watermark = opened.watermark;
  }

  static async open(root: string, name = 'data'): Promise<BackupScene> {
    const dataDir = join(root, name);
    const engine = await EmbeddedEngine.open({
      ...{ directory: dataDir, fileSystem: nodeFileSystem, clock: systemClock },
      ...{ random: systemRandom, logger: silentLogger, log: {} },
      controller: {
        ...DEFAULT_CONTROLLER_SETTINGS,
        // A flush interval far beyond a test's patience: what is durable was asked for.
        topicDefaults: { 'flush.ms': '3600000', 'segment.bytes': String(1 << 20) },
      },
      produce: { maxBatchBytes: 1 << 20, maxInflatedBytes: 1 << 20 },
    });
    const log = await engine.openStateLog(SECURITY_METADATA_LOG);
    const options = { ...PARTS, dataDir, path: null, log, isNewLineageExpected: false };
    const watermark = await SecurityWatermark.open(options);
    const state = await SecurityState.open({ log, ...PARTS, logger: silentLogger });
    makeDirectoriesSync(nodeFileSystem, join(dataDir, 'audit'));
    const opened = { engine, state, watermark } as BackupScene;
    return new BackupScene(root, opened, dataDir);
  }

  async close(): Promise<void> {
    await this.state.close();
    await this.engine.close();
  }

  writer(
    name: string,
    more: Partial<BackupWriterOptions> & {
      readonly bytesPerSecond?: number;
      readonly since?: { readonly folder: string; readonly manifest: Manifest };
    } = {},
  ): BackupWriter {
    const { bytesPerSecond = 1e9, since = null, ...options } = more;
    return new BackupWriter(
      {
        ...{ files: nodeFileSystem, clock: systemClock, source: this.engine },
        auditPart: auditPart(nodeFileSystem, join(this.dataDir, 'audit')),
        security: () => this.watermark.position,
        ...{ dataDir: this.dataDir, backupDir: this.backupDir, minFreeBytes: 0 },
        ...{ version: '0', nodeId: 1, key: null },
        ...options,
      },
      { name, bytesPerSecond, since },
    );
  }

  async createTopic(name: string): Promise<void> {
    const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
    await this.engine.createTopics({ topics: [topic], timeoutMs: 5000, validateOnly: false });
  }

  /** The error code and the offset. */
  async produce(topic: string, value: Buffer, acks = -1, producer?: { sequence: number }) {
    const records = buildRecordBatch(
      [{ timestampMs: 1, key: null, value, headers: [] }],
      producer === undefined
        ? {}
        : { producerId: 7, producerEpoch: 0, baseSequence: producer.sequence },
    );
    const topicData = [{ name: topic, topicId: ZERO_UUID, partitionData: [{ index: 0, records }] }];
    const request = { transactionalId: null, acks, timeoutMs: 5000, topicData };
    const { responses } = await this.engine.produce(request, CALL);
    const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!;
    return { errorCode, baseOffset };
  }

  /** The end of the log, and the hash of all that stands in it. */
  async read(topic: string): Promise<{ end: number; sha256: string }> {
    const hash = createHash('sha256');
    for (let fetchOffset = 0; ; ) {
      const { responses } = await this.engine.fetch(
        {
          ...{ clusterId: null, replicaId: -1, maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 24 },
          replicaState: { replicaId: -1, replicaEpoch: -1 },
          ...{ isolationLevel: 0, sessionId: 0, sessionEpoch: -1 },
          ...{ forgottenTopicsData: [], rackId: '' },
          topics: [
            {
              ...{ topic, topicId: ZERO_UUID },
              partitions: [
                {
                  ...{ partition: 0, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1 },
                  ...{ logStartOffset: -1, partitionMaxBytes: 1 << 24, highWatermark: -1 },
                  replicaDirectoryId: ZERO_UUID,
                },
              ],
            },
          ],
        },
        CALL,
      );
      const { records, highWatermark } = responses[0]!.partitions[0]!;
      if (records === null || records === undefined || records.length === 0) {
        return { end: highWatermark, sha256: hash.digest('hex') };
      }
      hash.update(records);
      fetchOffset = nextOffsetOf(records);
    }
  }
}

function nextOffsetOf(records: Buffer): number {
  let next = 0;
  for (let at = 0; at < records.length; at += 12 + records.readInt32BE(at + 8)) {
    next = Number(records.readBigInt64BE(at)) + records.readInt32BE(at + 23) + 1;
  }
  return next;
}
