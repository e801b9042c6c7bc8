/** What the engine answers about its directory, its leaders, its quorum and its producers. */
import { readdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { nodeFileSystem } from '../../../src/base/file-system.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { DEFAULT_CONTROLLER_SETTINGS } from '../../../src/engine/embedded/controller/controller-settings.ts';
import { describeProducers } from '../../../src/engine/embedded/describe-producers.ts';
import { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { PartitionLookup } from '../../../src/engine/embedded/partition-lookup.ts';
import { ReplicaPlacement } from '../../../src/engine/embedded/replica-placement.ts';
import type { EngineCall } from '../../../src/engine/engine.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../../src/protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../../src/protocol/schema.ts';
import { PowerCutFileSystem, seededRandom } from '../../crash/power-cut-file-system.ts';
import { removeDirectory, temporaryDirectory } from '../../tools/temporary-directory.ts';

const TOPIC = 'acme.t';
const FOREIGN = 'globex.t';
const call: EngineCall = { apiVersion: 5, signal: null };
const PRODUCER_ID = 4711;

const open = (directory: string, fileSystem = nodeFileSystem): Promise<EmbeddedEngine> =>
  EmbeddedEngine.open({
    directory,
    fileSystem,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    controller: DEFAULT_CONTROLLER_SETTINGS,
    log: {},
    produce: { maxBatchBytes: 1 << 20, maxInflatedBytes: 1 << 20 },
  });

async function fill(engine: EmbeddedEngine): Promise<void> {
  const size = { numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] };
  await engine.createTopics({
    topics: [
      { name: TOPIC, ...size },
      { name: FOREIGN, ...size },
    ],
    timeoutMs: 5000,
    validateOnly: false,
  });
  const record = { timestampMs: 1000, key: null, value: Buffer.from('value'), headers: [] };
  const ids = { producerId: PRODUCER_ID, producerEpoch: 3, baseSequence: 0 };
  const records = buildRecordBatch([record, record], ids);
  await engine.produce(
    {
      transactionalId: null,
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: TOPIC, topicId: ZERO_UUID, partitionData: [{ index: 1, records }] }],
    },
    { apiVersion: 9, signal: null },
  );
}

describe('EmbeddedEngine', () => {
  let directory: string;
  let engine: EmbeddedEngine;

  beforeEach(async () => {
    directory = temporaryDirectory('administration');
    engine = await open(directory);
    await fill(engine);
  });

  afterEach(async () => {
    await engine.close();
    removeDirectory(directory);
  });

  const onDisk = (partition: number): number => {
    const folder = join(directory, `${TOPIC}-${partition}`);
    const names = readdirSync(folder).filter((name) => name.endsWith('.log'));
    return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  };

  it('tells the size of each partition of a namespace, and the space of the disk', async () => {
    const { results } = await engine.describeLogDirs('acme', { topics: null });
    const { blocks, bsize } = await statfs(directory);
    expect(onDisk(1)).toBeGreaterThan(0);
    expect(results).toEqual([
      {
        errorCode: ErrorCode.NONE,
        logDir: directory,
        topics: [
          {
            name: TOPIC,
            partitions: [0, 1].map((partitionIndex) => ({
              partitionIndex,
              partitionSize: partitionIndex === 0 ? 0 : onDisk(1),
              offsetLag: 0,
              isFutureKey: false,
            })),
          },
        ],
        totalBytes: blocks * bsize,
        usableBytes: expect.any(Number),
        isCordoned: false,
      },
    ]);
    expect(results[0]!.usableBytes).toBeGreaterThan(0);
  });

  it('tells of each partition once, and of unknown ones nothing', async () => {
    const { results } = await engine.describeLogDirs('acme', {
      topics: [
        { topic: TOPIC, partitions: [1, 1, 7, -1] },
        { topic: TOPIC, partitions: [1] },
        { topic: 'acme.nowhere', partitions: [0] },
      ],
    });
    expect(results[0]!.topics).toEqual([
      { name: TOPIC, partitions: [expect.objectContaining({ partitionIndex: 1 })] },
    ]);
  });

  it('takes replicas to be where they are, and knows no other directory', async () => {
    const ask = async (path: string) => {
      const topics = [{ name: TOPIC, partitions: [0, 9] }];
      const { results } = await engine.alterReplicaLogDirs({ dirs: [{ path, topics }] });
      return results[0]!.partitions.map(({ errorCode }) => errorCode);
    };
    const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    expect(await ask(directory)).toEqual([ErrorCode.NONE, unknown]);
    expect(await ask('/elsewhere')).toEqual([ErrorCode.LOG_DIR_NOT_FOUND, unknown]);
  });

  it('needs no election; of all partitions it names those that would', async () => {
    const ask = async (topics: string[] | null, electionType = 0) => {
      const topicPartitions = topics?.map((topic) => ({ topic, partitions: [0, 2] })) ?? null;
      const request = { electionType, topicPartitions, timeoutMs: 1000 };
      return engine.electLeaders('acme', request);
    };
    const { replicaElectionResults } = await ask([TOPIC, 'acme.nowhere']);
    expect(
      replicaElectionResults.map((one) => one.partitionResult.map((p) => p.errorCode)),
    ).toEqual([
      [ErrorCode.ELECTION_NOT_NEEDED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ]);
    expect(await ask(null, 1)).toMatchObject({ errorCode: 0, replicaElectionResults: [] });
    expect(await ask(null, 2)).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST });
  });

  it('reassigns a partition to where it is, and nowhere else', async () => {
    const { nodeId } = DEFAULT_CONTROLLER_SETTINGS;
    const wanted = [[nodeId], [nodeId, nodeId], [nodeId + 1], [], null];
    const partitions = wanted.map((replicas) => ({ partitionIndex: 0, replicas }));
    const { responses } = await engine.alterPartitionReassignments({
      timeoutMs: 1000,
      allowReplicationFactorChange: true,
      topics: [
        { name: TOPIC, partitions },
        { name: 'acme.nowhere', partitions: partitions.slice(0, 1) },
      ],
    });
    const invalid = ErrorCode.INVALID_REPLICA_ASSIGNMENT;
    expect(responses.map((topic) => topic.partitions.map((one) => one.errorCode))).toEqual([
      [ErrorCode.NONE, invalid, invalid, invalid, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS],
      [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ]);
  });

  it('is the one voter that keeps the metadata, and is never behind', async () => {
    const partitions = [{ partitionIndex: 0 }];
    const ask = () =>
      engine.describeQuorum({ topics: [{ topicName: '__cluster_metadata', partitions }] }, call);
    const { topics, nodes } = ask();
    const [quorum] = topics[0]!.partitions;
    const { nodeId } = DEFAULT_CONTROLLER_SETTINGS;
    expect(quorum).toMatchObject({ errorCode: 0, leaderId: nodeId, leaderEpoch: 0, observers: [] });
    expect(quorum!.currentVoters).toHaveLength(1);
    expect(quorum!.currentVoters[0]!.logEndOffset).toBe(quorum!.highWatermark);
    expect(nodes.map((node) => node.nodeId)).toEqual([nodeId]);
    await engine.createTopics({
      topics: [
        { name: 'acme.u', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 5000,
      validateOnly: false,
    });
    expect(ask().topics[0]!.partitions[0]!.highWatermark).toBeGreaterThan(quorum!.highWatermark);
  });

  it('knows no quorum of other topics and partitions', () => {
    const asked = [
      [{ topicName: TOPIC, partitions: [{ partitionIndex: 0 }] }],
      [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 1 }] }],
    ];
    for (const topics of asked) {
      const answer = engine.describeQuorum({ topics }, call);
      expect(answer.topics[0]!.partitions[0]).toMatchObject({
        errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        leaderId: -1,
      });
    }
  });

  it('tells the producers of a partition, once', async () => {
    const { topics } = await engine.describeProducers({
      topics: [
        { name: TOPIC, partitionIndexes: [0, 1, 1] },
        { name: TOPIC, partitionIndexes: [1, 5] },
      ],
    });
    const answer = { errorCode: ErrorCode.NONE, errorMessage: null };
    expect(topics).toEqual([
      {
        name: TOPIC,
        partitions: [
          { partitionIndex: 0, ...answer, activeProducers: [] },
          {
            partitionIndex: 1,
            ...answer,
            activeProducers: [
              {
                producerId: PRODUCER_ID,
                producerEpoch: 3,
                lastSequence: 1,
                lastTimestamp: 1000,
                coordinatorEpoch: -1,
                currentTxnStartOffset: -1,
              },
            ],
          },
          expect.objectContaining({
            partitionIndex: 5,
            errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
          }),
        ],
      },
    ]);
  });
});

it('an offline directory answers KAFKA_STORAGE_ERROR, with no partitions', async () => {
  const files = new PowerCutFileSystem(seededRandom(1));
  const engine = await open('/data', files);
  await fill(engine);
  const before = await engine.describeLogDirs('acme', { topics: null });
  expect(before.results[0]).toMatchObject({ errorCode: 0, totalBytes: 2 ** 40 });
  files.failNext('datasync', 'EIO', /acme\.t-1/);
  await fill(engine).catch(() => undefined);
  const record = { timestampMs: 1000, key: null, value: Buffer.from('more'), headers: [] };
  await engine.produce(
    {
      transactionalId: null,
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        {
          name: TOPIC,
          topicId: ZERO_UUID,
          partitionData: [{ index: 1, records: buildRecordBatch([record]) }],
        },
      ],
    },
    { apiVersion: 9, signal: null },
  );
  const { results } = await engine.describeLogDirs('acme', { topics: null });
  expect(results).toEqual([
    expect.objectContaining({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, topics: [] }),
  ]);
  const partitions = [0];
  const move = await engine.alterReplicaLogDirs({
    dirs: [{ path: '/data', topics: [{ name: TOPIC, partitions }] }],
  });
  expect(move.results[0]!.partitions[0]!.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  const topicPartitions = [{ topic: TOPIC, partitions }];
  const codes = [];
  for (const electionType of [0, 1]) {
    const request = { electionType, topicPartitions, timeoutMs: 1000 };
    const { replicaElectionResults } = await engine.electLeaders('acme', request);
    codes.push(replicaElectionResults[0]!.partitionResult[0]!.errorCode);
  }
  expect(codes).toEqual([
    ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
    ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
  ]);
  const described = await engine.describeProducers({
    topics: [{ name: TOPIC, partitionIndexes: [1] }],
  });
  expect(described.topics[0]!.partitions[0]).toMatchObject({
    errorCode: ErrorCode.KAFKA_STORAGE_ERROR,
    activeProducers: [],
  });
  await engine.close().catch(() => undefined);
});

it('a small request for producers has no huge answer', async () => {
  const entry = { producerId: 1, epoch: 0, coordinatorEpoch: -1, currentTxnFirstOffset: -1 };
  const producers = Array.from({ length: 6 }, () => ({ ...entry, timestampMs: 0, batches: [] }));
  const led = { log: { failure: undefined, producers: { entries: () => producers } } };
  const lookup = { led: () => led } as unknown as PartitionLookup;
  const topics = [{ name: TOPIC, partitionIndexes: [0, 1, 2, 3] }];
  const answer = await describeProducers(lookup, { topics }, 10);
  expect(answer.topics[0]!.partitions.map((one) => one.activeProducers.length)).toEqual([
    6, 6, 0, 0,
  ]);
  expect(answer.topics[0]!.partitions[3]!.errorCode).toBe(ErrorCode.INVALID_REQUEST);
});

it('a long list of partitions lets other requests pass', async () => {
  const placement = new ReplicaPlacement(
    { topicByName: () => undefined, topicsIn: () => [] },
    { isOffline: () => false },
  );
  let turns = 0;
  const count = (): void => {
    turns += 1;
    if (turns < 1000) setImmediate(count);
  };
  setImmediate(count);
  const partitions = Array.from({ length: 50_000 }, (_, index) => index);
  const topicPartitions = [{ topic: TOPIC, partitions }];
  await placement.electLeaders('acme', { electionType: 0, topicPartitions, timeoutMs: 1000 });
  expect(turns).toBeGreaterThan(10);
});
