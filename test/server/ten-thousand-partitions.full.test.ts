/**
 * A broker with 10,000 partitions, each of them written to and read: what it holds in memory and in
 * open files, how long a clean restart takes, and how much of its logs an unclean one reads.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const TOPICS = Array.from({ length: 10 }, (_, index) => `many-${index}`);
const PARTITIONS_EACH = 1000;
const PARTITIONS = TOPICS.length * PARTITIONS_EACH;
const CLEAN_RESTART_MS_MAX = 10_000;
const OPEN_FILES_MAX = 4096 + 200;
const RESIDENT_MIB_MAX = 700;
const MIB = 1024 * 1024;
/** Written to one partition, so that reading a log as a whole would show. */
const LARGE_LOG_BYTES = 64 * MIB;
const LARGE_BATCH_BYTES = MIB / 2;
/** Partitions that are written to before the broker is killed. */
const DIRTY = 200;

const INDICES = Array.from({ length: PARTITIONS_EACH }, (_, index) => index);

/** Linux only: figures of a process from /proc. */
const statusMib = (pid: number, field: string): number => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return Math.round(Number(kib) / 1024);
};
const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
const readBytes = (pid: number): number =>
  Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);

const figures = (broker: BrokerProcess) => ({
  readyMs: Math.round(broker.readyAfterMs),
  residentMib: statusMib(broker.pid, 'VmRSS'),
  peakMib: statusMib(broker.pid, 'VmHWM'),
  openFiles: openFiles(broker.pid),
  readMib: Math.round(readBytes(broker.pid) / MIB),
});

describeRequiring(['built-broker', 'linux-proc'], '10,000 partitions', () => {
  const directories = { dataDir: '', certsDir: '' };
  let broker: BrokerProcess;
  let client: WireClient;

  const start = async (): Promise<void> => {
    const env = {
      BREAKWATER_MAX_PARTITIONS_PER_TENANT: '12000',
      BREAKWATER_MAX_PARTITIONS_PER_NODE: '12000',
    };
    broker = await startBroker({ ...directories, env, readyTimeoutMs: 120_000 });
    const identity = clientIdentity(broker.certsDir, 'acme', 'admin-1');
    client = await WireClient.connect(broker.port, identity);
  };

  const produce = async (topic: string, partitions: readonly number[], bytes: number) => {
    const value = Buffer.alloc(bytes, 'x');
    const answer = await client.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 60_000,
      topicData: [
        {
          name: topic,
          partitionData: partitions.map((index) => ({
            index,
            records: buildRecordBatch([{ timestampMs: Date.now(), key: null, value }]),
          })),
        },
      ],
    });
    for (const { index, errorCode } of answer.responses[0]!.partitionResponses) {
      expect(errorCode, `${topic}-${index}`).toBe(ErrorCode.NONE);
    }
  };

  /** The end offset of each partition of a topic. */
  const endOffsets = async (topic: string): Promise<number[]> => {
    const partitions = INDICES.map((partitionIndex) => ({ partitionIndex, timestamp: -1 }));
    const answer = await client.call(ApiKey.ListOffsets, 5, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: topic, partitions }],
    });
    return answer.topics[0]!.partitions.map(({ offset }) => Number(offset));
  };

  /** Bytes of records that a reading of every partition from its start finds. */
  const fetchAll = async (topic: string): Promise<number> => {
    const answer = await client.call(ApiKey.Fetch, 11, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 50 * MIB,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic,
          partitions: INDICES.map((partition) => ({
            partition,
            fetchOffset: 0,
            partitionMaxBytes: 1000,
          })),
        },
      ],
    });
    const partitions = answer.responses[0]!.partitions;
    for (const { errorCode } of partitions) expect(errorCode).toBe(ErrorCode.NONE);
    return partitions.reduce((sum, { records }) => sum + (records?.length ?? 0), 0);
  };

  beforeAll(async () => {
    directories.dataDir = temporaryDirectory('many-data');
    directories.certsDir = temporaryDirectory('many-certs');
    await start();
  });
  afterAll(async () => {
    client?.close();
    await broker?.dispose();
    Object.values(directories).forEach(removeDirectory);
  });

  test('are created, written and read in bounded memory and files', async () => {
    const before = figures(broker);
    for (const name of TOPICS) {
      const topic = { name, numPartitions: PARTITIONS_EACH, replicationFactor: 1 };
      const answer = await client.call(ApiKey.CreateTopics, 5, {
        topics: [{ ...topic, assignments: [], configs: [] }],
        timeoutMs: 60_000,
      });
      expect(answer.topics[0]!.errorCode, name).toBe(ErrorCode.NONE);
      for (let from = 0; from < PARTITIONS_EACH; from += 250) {
        await produce(name, INDICES.slice(from, from + 250), 100);
      }
    }
    for (const name of TOPICS) expect(await fetchAll(name)).toBeGreaterThan(PARTITIONS_EACH * 100);
    for (let bytes = 0; bytes < LARGE_LOG_BYTES; bytes += LARGE_BATCH_BYTES) {
      await produce(TOPICS[0]!, [0], LARGE_BATCH_BYTES);
    }
    const after = figures(broker);
    console.log(`${PARTITIONS} partitions: ${JSON.stringify({ before, after })}`);
    expect(after.openFiles).toBeLessThan(OPEN_FILES_MAX);
    expect(after.peakMib).toBeLessThan(RESIDENT_MIB_MAX);
  });

  test('restart cleanly in less than ten seconds, with everything there', async () => {
    client.close();
    const begun = performance.now();
    expect(await broker.stop()).toBe(0);
    const stopMs = Math.round(performance.now() - begun);
    await start();
    const clean = figures(broker);
    console.log(`clean restart: ${JSON.stringify({ stopMs, ...clean })}`);
    expect(clean.readyMs).toBeLessThan(CLEAN_RESTART_MS_MAX);
    expect(clean.openFiles).toBeLessThan(OPEN_FILES_MAX);
    for (const topic of TOPICS) {
      const ends = await endOffsets(topic);
      expect(ends.length).toBe(PARTITIONS_EACH);
      const expected = INDICES.map((index) =>
        topic === TOPICS[0] && index === 0 ? 1 + LARGE_LOG_BYTES / LARGE_BATCH_BYTES : 1,
      );
      expect(ends).toEqual(expected);
    }
  });

  test('after kill -9 only what is dirty is read', async () => {
    await produce(TOPICS[1]!, INDICES.slice(0, DIRTY), 100);
    client.close();
    await broker.kill9();
    await start();
    const unclean = figures(broker);
    console.log(`restart after kill -9: ${JSON.stringify(unclean)}`);
    expect(unclean.readMib).toBeLessThan(LARGE_LOG_BYTES / MIB);
    const ends = await endOffsets(TOPICS[1]!);
    expect(ends).toEqual(INDICES.map((index) => (index < DIRTY ? 2 : 1)));
  });
});
