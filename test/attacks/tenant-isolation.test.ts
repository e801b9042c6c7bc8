/** Threat: a tenant reaches, sees or infers another tenant's topics. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const batch = (value: string): Buffer =>
  buildRecordBatch([
    { timestampMs: Date.now(), key: null, value: Buffer.from(value), headers: [] },
  ]);

async function topicIdOf(client: WireClient, name: string): Promise<string> {
  const { topics } = await client.call(ApiKey.Metadata, 12, { topics: [{ name }] });
  return topics[0]!.topicId;
}

async function read(client: WireClient, topic: string): Promise<string> {
  const answer = await client.call(ApiKey.Fetch, 11, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
  });
  return answer.responses[0]!.partitions[0]!.records!.toString('latin1');
}

describeRequiring(['built-broker'], 'tenants', () => {
  const fixture = useBroker();

  it('the same topic name is another topic, with another id, in another cluster', async () => {
    const acme = await fixture.connect('acme', 'service-1');
    const globex = await fixture.connect('globex', 'service-1');
    await acme.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        { name: 'telemetry', partitionData: [{ index: 0, records: batch('only for acme') }] },
      ],
    });
    expect(await read(acme, 'telemetry')).toContain('only for acme');
    expect(await read(globex, 'telemetry')).toBe('');
    expect(await topicIdOf(acme, 'telemetry')).not.toBe(await topicIdOf(globex, 'telemetry'));
    const [a, b] = await Promise.all(
      [acme, globex].map((client) => client.call(ApiKey.DescribeCluster, 0, {})),
    );
    expect(a!.clusterId).not.toBe(b!.clusterId);
  });

  it.each(['globex.telemetry', '../globex.telemetry', 'globex/telemetry', '__cluster_metadata'])(
    'the physical name %s leads nowhere',
    async (name) => {
      const admin = await fixture.connect('acme', 'admin-1');
      const { topics } = await admin.call(ApiKey.Metadata, 12, {
        topics: [{ name }],
        allowAutoTopicCreation: false,
      });
      expect([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INVALID_TOPIC_EXCEPTION]).toContain(
        topics[0]!.errorCode,
      );
      expect(topics[0]).toMatchObject({ topicId: ZERO_UUID, partitions: [] });
    },
  );

  it("another tenant's topic id looks unknown in every API that takes ids", async () => {
    const globex = await fixture.connect('globex', 'admin-1');
    const foreignId = await topicIdOf(globex, 'telemetry');
    const admin = await fixture.connect('acme', 'admin-1');
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 };
    const [metadata, fetch, produce, deletion] = await Promise.all([
      admin.call(ApiKey.Metadata, 12, { topics: [{ name: null, topicId: foreignId }] }),
      admin.call(ApiKey.Fetch, 13, { topics: [{ topicId: foreignId, partitions: [partition] }] }),
      admin.call(ApiKey.Produce, 13, {
        acks: -1,
        timeoutMs: 5000,
        topicData: [
          { topicId: foreignId, partitionData: [{ index: 0, records: batch('intruder') }] },
        ],
      }),
      admin.call(ApiKey.DeleteTopics, 6, { topics: [{ name: null, topicId: foreignId }] }),
    ]);
    expect(metadata.topics[0]).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_ID, name: null });
    expect(fetch.responses[0]!.partitions[0]!.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    const written = produce.responses[0]!.partitionResponses[0]!;
    expect(written.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
    expect(deletion.responses[0]).toMatchObject({
      errorCode: ErrorCode.UNKNOWN_TOPIC_ID,
      name: null,
    });
    expect(await topicIdOf(globex, 'telemetry')).toBe(foreignId);
  });

  it('an administrator sees and counts the topics of the own tenant only', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'acme-only', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    const globex = await fixture.connect('globex', 'admin-1');
    const { topics } = await globex.call(ApiKey.Metadata, 12, { topics: null });
    expect(topics.map(({ name }) => name)).toEqual(['__audit', 'telemetry']);
    const pages = await globex.call(ApiKey.DescribeTopicPartitions, 0, {});
    expect(pages.topics.map(({ name }) => name)).toEqual(['__audit', 'telemetry']);
  });

  it('error texts name the topic as the tenant does', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    const { topics } = await admin.call(ApiKey.CreateTopics, 7, {
      topics: [
        { name: 'telemetry', numPartitions: 1, replicationFactor: 1 },
        { name: 'bad name!', numPartitions: 1, replicationFactor: 1 },
        { name: 'tele_metry', numPartitions: 1, replicationFactor: 9 },
        { name: 'x', numPartitions: -7, replicationFactor: 1 },
      ],
      timeoutMs: 5000,
    });
    for (const { errorCode, errorMessage } of topics) {
      expect(errorCode).not.toBe(ErrorCode.NONE);
      expect(errorMessage ?? '').not.toContain('acme.');
      expect(errorMessage ?? '').not.toContain('globex');
    }
  });
});
