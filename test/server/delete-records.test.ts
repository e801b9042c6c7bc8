/** DeleteRecords and retention over the wire, and what one tenant's mean to another. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { compressionCodec } from '../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const { NONE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED } =
  ErrorCode;
const EARLIEST = -2;
const LATEST = -1;

interface Answered {
  readonly lowWatermark: number;
  readonly errorCode: number;
}

describeRequiring(['built-broker'], 'the beginning of a log, over the wire', () => {
  const fixture = useBroker({
    env: { BREAKWATER_LOG_RETENTION_CHECK_INTERVAL_MS: '50' },
  });

  async function createTopic(
    client: WireClient,
    name: string,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<{ errorCode: number; errorMessage: string | null }> {
    const { topics } = await client.call(ApiKey.CreateTopics, 7, {
      topics: [
        {
          name,
          numPartitions: 1,
          replicationFactor: 1,
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
    });
    return topics[0]!;
  }

  async function produce(client: WireClient, topic: string, count: number, ageMs = 0) {
    let answer: { logStartOffset: number; baseOffset: number; errorCode: number } | undefined;
    for (let index = 0; index < count; index += 1) {
      const timestampMs = Date.now() - ageMs;
      const value = Buffer.from(`record ${index} `.repeat(20));
      const records = buildRecordBatch([{ timestampMs, key: null, value }]);
      const { responses } = await client.call(ApiKey.Produce, 9, {
        acks: -1,
        timeoutMs: 10_000,
        topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
      });
      answer = responses[0]!.partitionResponses[0]!;
      expect(answer.errorCode).toBe(NONE);
    }
    return answer!;
  }

  async function deleteRecords(client: WireClient, topic: string, offset: number, partition = 0) {
    const { topics } = await client.call(ApiKey.DeleteRecords, 2, {
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }],
      timeoutMs: 10_000,
    });
    expect(topics.map(({ name }) => name)).toEqual([topic]);
    const { lowWatermark, errorCode }: Answered = topics[0]!.partitions[0]!;
    return [errorCode, lowWatermark];
  }

  async function offsetAt(client: WireClient, topic: string, timestamp: number): Promise<number> {
    const { topics } = await client.call(ApiKey.ListOffsets, 7, {
      replicaId: -1,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }],
    });
    return topics[0]!.partitions[0]!.offset;
  }

  async function fetched(client: WireClient, topic: string, fetchOffset: number) {
    const { responses } = await client.call(ApiKey.Fetch, 11, {
      maxWaitMs: 0,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 100_000 }] }],
    });
    return responses[0]!.partitions[0]!;
  }

  it('DeleteRecords moves it, and Produce, Fetch and ListOffsets tell of it', async () => {
    const client = await fixture.connect('acme', 'admin-1');
    await createTopic(client, 'shortened');
    await produce(client, 'shortened', 6);
    expect(await deleteRecords(client, 'shortened', 4)).toEqual([NONE, 4]);
    expect(await offsetAt(client, 'shortened', EARLIEST)).toBe(4);
    expect(await fetched(client, 'shortened', 3)).toMatchObject({
      errorCode: OFFSET_OUT_OF_RANGE,
      logStartOffset: 4,
    });
    expect(await fetched(client, 'shortened', 4)).toMatchObject({
      errorCode: NONE,
      logStartOffset: 4,
    });
    expect((await produce(client, 'shortened', 1)).logStartOffset).toBe(4);
    // An offset that is gone already changes nothing.
    expect(await deleteRecords(client, 'shortened', 1)).toEqual([NONE, 4]);
    expect(await deleteRecords(client, 'shortened', -1)).toEqual([NONE, 7]);
    expect(await offsetAt(client, 'shortened', LATEST)).toBe(7);
    const isTold = (line: object): boolean => JSON.stringify(line).includes('records-delete');
    expect(await fixture.audited('security', isTold)).toMatchObject({ tenant: 'acme' });
  });

  it('tells the access log of every partition, however many stand before it', async () => {
    const client = await fixture.connect('acme', 'admin-1');
    await createTopic(client, 'hidden');
    await produce(client, 'hidden', 3);
    const chaff = Array.from({ length: 400 }, (_, n) => ({ partitionIndex: n + 1, offset: 12345 }));
    const { topics } = await client.call(ApiKey.DeleteRecords, 2, {
      topics: [{ name: 'hidden', partitions: [...chaff, { partitionIndex: 0, offset: 2 }] }],
      timeoutMs: 10_000,
    });
    expect(topics[0]!.partitions.at(-1)).toMatchObject({ errorCode: NONE, lowWatermark: 2 });
    const told = fixture
      .audit('security')
      .map(({ facts }) => facts as { topic?: string; before?: string } | undefined)
      .filter((facts) => facts?.topic === 'hidden' && facts.before !== undefined)
      .flatMap((facts) => facts!.before!.split(','));
    expect(told).toEqual([...chaff.map((one) => `${one.partitionIndex}:12345`), '0:2']);
  });

  it('refuses what lies beyond the high watermark, and what is not there', async () => {
    const client = await fixture.connect('acme', 'admin-1');
    await createTopic(client, 'bounded');
    await produce(client, 'bounded', 2);
    expect(await deleteRecords(client, 'bounded', 3)).toEqual([OFFSET_OUT_OF_RANGE, -1]);
    expect(await deleteRecords(client, 'bounded', -2)).toEqual([OFFSET_OUT_OF_RANGE, -1]);
    expect(await deleteRecords(client, 'bounded', 0, 9)).toEqual([UNKNOWN_TOPIC_OR_PARTITION, -1]);
    expect(await deleteRecords(client, 'no-such', 0)).toEqual([UNKNOWN_TOPIC_OR_PARTITION, -1]);
    expect(await offsetAt(client, 'bounded', EARLIEST)).toBe(0);
  });

  it('a device without DELETE is refused, whether the topic exists or not', async () => {
    const device = await fixture.connect('acme', 'device-1');
    for (const topic of ['telemetry', 'no-such']) {
      const refused = await deleteRecords(device, topic, -1);
      expect(refused).toEqual([TOPIC_AUTHORIZATION_FAILED, -1]);
    }
  });

  it("another tenant's topic of the same name loses nothing, by no name", async () => {
    const acme = await fixture.connect('acme', 'admin-1');
    const globex = await fixture.connect('globex', 'admin-1');
    for (const client of [acme, globex]) {
      await createTopic(client, 'shared');
      await produce(client, 'shared', 3);
    }
    expect(await deleteRecords(globex, 'shared', -1)).toEqual([NONE, 3]);
    for (const name of ['acme.shared', '../acme.shared']) {
      expect(await deleteRecords(globex, name, -1)).toEqual([UNKNOWN_TOPIC_OR_PARTITION, -1]);
    }
    expect(await offsetAt(acme, 'shared', EARLIEST)).toBe(0);
    expect((await fetched(acme, 'shared', 0)).errorCode).toBe(NONE);
  });

  it('retention takes what is too old, of the topics that ask for it only', async () => {
    const acme = await fixture.connect('acme', 'admin-1');
    const globex = await fixture.connect('globex', 'admin-1');
    await createTopic(acme, 'ageing', { 'retention.ms': '60000' });
    await createTopic(globex, 'ageing', { 'retention.ms': '-1' });
    for (const client of [acme, globex]) await produce(client, 'ageing', 3, 120_000);
    await expect.poll(() => offsetAt(acme, 'ageing', EARLIEST), { timeout: 10_000 }).toBe(3);
    const folder = join(fixture.broker.dataDir, 'acme.ageing-0');
    const logs = (): string[] => readdirSync(folder).filter((name) => name.includes('.log'));
    await expect.poll(logs, { timeout: 10_000 }).toEqual(['00000000000000000003.log']);
    expect(await offsetAt(globex, 'ageing', EARLIEST)).toBe(0);
    expect((await produce(acme, 'ageing', 1)).baseOffset).toBe(3);
  });

  it('compression.type compresses anew, and settings that flood the disk or slow reads are refused', async () => {
    const client = await fixture.connect('acme', 'admin-1');
    await createTopic(client, 'squeezed', { 'compression.type': 'zstd' });
    await produce(client, 'squeezed', 1);
    const { records } = await fetched(client, 'squeezed', 0);
    expect(compressionCodec(records!, 0)).toBe(4);
    for (const [name, value] of [
      ['segment.ms', '1'],
      ['segment.index.bytes', '4'],
      ['index.interval.bytes', '0'],
      ['index.interval.bytes', '2147483647'],
    ] as const) {
      const refused = await createTopic(client, 'flooding', { [name]: value });
      expect(refused.errorCode).toBe(ErrorCode.INVALID_CONFIG);
      expect(refused.errorMessage).toContain(`Invalid value for topic config ${name}`);
    }
  });
});
