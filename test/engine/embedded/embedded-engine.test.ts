import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { nodeFileSystem } from '../../../src/base/file-system.ts';
import { createLogger } from '../../../src/base/logger.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { DEFAULT_CONTROLLER_SETTINGS } from '../../../src/engine/embedded/controller/controller-settings.ts';
import { EmbeddedEngine } from '../../../src/engine/embedded/embedded-engine.ts';
import type { EngineCall } from '../../../src/engine/engine.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { recordCount } from '../../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../../src/protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../../src/protocol/schema.ts';
import type { FetchRequest } from '../../../src/protocol/schemas/01-fetch.ts';

const TOPIC = 'acme.t';
const call: EngineCall = { apiVersion: 11, signal: null };

const batch = (value: string, producer?: { id: number; sequence: number }): Buffer =>
  buildRecordBatch(
    [{ timestampMs: Date.now(), key: null, value: Buffer.from(value), headers: [] }],
    producer === undefined
      ? {}
      : { producerId: producer.id, producerEpoch: 0, baseSequence: producer.sequence },
  );

describe('EmbeddedEngine', () => {
  let directory: string;
  let engine: EmbeddedEngine;

  const open = (): Promise<EmbeddedEngine> =>
    EmbeddedEngine.open({
      directory,
      fileSystem: nodeFileSystem,
      clock: systemClock,
      random: systemRandom,
      logger: createLogger('silent'),
      // A flush interval far beyond the test's patience: what is seen was asked for.
      controller: { ...DEFAULT_CONTROLLER_SETTINGS, topicDefaults: { 'flush.ms': '3600000' } },
      log: {},
      produce: { maxBatchBytes: 1 << 20, maxInflatedBytes: 1 << 20 },
    });

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'breakwater-engine-'));
    engine = await open();
    await engine.createTopics({
      topics: [
        { name: TOPIC, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 5000,
      validateOnly: false,
    });
  });

  afterEach(async () => {
    await engine.close();
    rmSync(directory, { recursive: true });
  });

  async function produce(records: Buffer, acks: number, index = 0, name = TOPIC) {
    const answer = await engine.produce(
      {
        transactionalId: null,
        acks,
        timeoutMs: 5000,
        topicData: [{ name, topicId: ZERO_UUID, partitionData: [{ index, records }] }],
      },
      call,
    );
    return answer.responses[0]!.partitionResponses[0]!;
  }

  function fetchRequest(overrides: Partial<FetchRequest> = {}, fetchOffset = 0): FetchRequest {
    return {
      clusterId: null,
      replicaId: -1,
      replicaState: { replicaId: -1, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: TOPIC,
          topicId: ZERO_UUID,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: -1,
              fetchOffset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: 1 << 20,
              replicaDirectoryId: ZERO_UUID,
              highWatermark: -1,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
      ...overrides,
    };
  }

  const fetch = async (request: FetchRequest, signal: AbortSignal | null = null) => {
    const answer = await engine.fetch(request, { ...call, signal });
    return answer.responses[0]!.partitions[0]!;
  };

  it.each([-1, 1, 0])('acks=%i appends and answers with the offset', async (acks) => {
    expect(await produce(batch('a'), acks)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await produce(batch('b'), acks)).toMatchObject({ errorCode: 0, baseOffset: 1 });
  });

  it('keeps acks=1 out of sight until it is synced, and acks=all takes it along', async () => {
    await produce(batch('a'), 1);
    expect((await fetch(fetchRequest())).records).toHaveLength(0);
    await produce(batch('b'), -1);
    const { records, highWatermark } = await fetch(fetchRequest());
    expect(highWatermark).toBe(2);
    expect(records!.toString('latin1')).toContain('a');
  });

  it('syncs at once what a waiting reader waits for', async () => {
    const waiting = fetch(fetchRequest({ maxWaitMs: 10_000 }));
    await produce(batch('for the reader'), 1);
    expect((await waiting).records!.toString('latin1')).toContain('for the reader');
  });

  it('syncs for a reader that comes after an unsynced append', async () => {
    await produce(batch('early'), 1);
    const { records } = await fetch(fetchRequest({ maxWaitMs: 10_000 }));
    expect(records!.toString('latin1')).toContain('early');
  });

  it('waits for minBytes over several appends', async () => {
    const one = batch('x'.repeat(100));
    const waiting = fetch(fetchRequest({ maxWaitMs: 10_000, minBytes: one.length * 3 }));
    for (let i = 0; i < 3; i++) await produce(batch('x'.repeat(100)), -1);
    expect((await waiting).records!.length).toBeGreaterThanOrEqual(one.length * 3);
  });

  it('ends a parked fetch with its connection', async () => {
    const gone = new AbortController();
    const waiting = fetch(fetchRequest({ maxWaitMs: 600_000 }), gone.signal);
    gone.abort();
    expect((await waiting).records).toHaveLength(0);
  });

  it('gives the first batch whole however small the limits', async () => {
    await produce(batch('y'.repeat(5000)), -1);
    const { records } = await fetch(fetchRequest({ maxBytes: 10 }));
    expect(recordCount(records!, 0)).toBe(1);
    expect(records!.length).toBeGreaterThan(5000);
  });

  it('answers a repeated batch of an idempotent producer with its first offset', async () => {
    const producer = { id: 7, sequence: 0 };
    expect((await produce(batch('once', producer), -1)).baseOffset).toBe(0);
    await produce(batch('between'), -1);
    expect(await produce(batch('once', producer), -1)).toMatchObject({
      errorCode: 0,
      baseOffset: 0,
    });
    const ahead = await produce(batch('gap', { id: 7, sequence: 5 }), -1);
    expect(ahead.errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it('keeps topics, records and ids over a restart', async () => {
    await produce(batch('kept'), -1);
    const before = engine.topicByName(TOPIC);
    await engine.close();
    engine = await open();
    expect(engine.topicByName(TOPIC)).toEqual(before);
    expect((await fetch(fetchRequest())).records!.toString('latin1')).toContain('kept');
    expect((await produce(batch('next'), -1)).baseOffset).toBe(1);
  });

  it('does not bring a deleted topic back under the same name', async () => {
    await produce(batch('old'), -1);
    const { topicId } = engine.topicByName(TOPIC)!;
    await engine.deleteTopics({
      topics: [{ name: null, topicId }],
      topicNames: [],
      timeoutMs: 5000,
    });
    await engine.createTopics({
      topics: [
        { name: TOPIC, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 5000,
      validateOnly: false,
    });
    expect(engine.topicByName(TOPIC)!.topicId).not.toBe(topicId);
    expect((await fetch(fetchRequest())).highWatermark).toBe(0);
  });

  it.each([
    ['an unknown topic', 'acme.none', 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['an unknown partition', TOPIC, 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['a negative partition', TOPIC, -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ])('refuses %s', async (_what, name, index, expected) => {
    expect((await produce(batch('x'), -1, index, name)).errorCode).toBe(expected);
  });

  it('refuses offsets outside the log, and waits at its end', async () => {
    await produce(batch('a'), -1);
    expect((await fetch(fetchRequest({}, 5))).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect(await fetch(fetchRequest({}, 1))).toMatchObject({ errorCode: 0, highWatermark: 1 });
  });

  it('lists offsets by their special timestamps and by time', async () => {
    await produce(batch('a'), -1);
    const list = async (timestamp: number, apiVersion = 11) => {
      const answer = await engine.listOffsets(
        {
          replicaId: -1,
          isolationLevel: 0,
          timeoutMs: 0,
          topics: [
            {
              name: TOPIC,
              partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp }],
            },
          ],
        },
        { apiVersion, signal: null },
      );
      return answer.topics[0]!.partitions[0]!;
    };
    expect(await list(-1)).toMatchObject({ offset: 1, timestamp: -1 });
    expect(await list(-2)).toMatchObject({ offset: 0 });
    expect(await list(-3)).toMatchObject({ offset: 0 });
    expect(await list(0)).toMatchObject({ offset: 0 });
    expect(await list(Date.now() + 100_000)).toMatchObject({ offset: -1, timestamp: -1 });
    expect(await list(-5)).toMatchObject({ offset: -1, errorCode: 0 });
    expect(await list(-3, 6)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
    expect(await list(-9)).toMatchObject({ errorCode: ErrorCode.UNSUPPORTED_VERSION });
  });
});
