/** Threat: a device learns or does what no rule grants. A refusal must not tell whether a topic exists. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const SECRET = 'secret-plans';
const MISSING = 'never-created';
const batch = buildRecordBatch([
  { timestampMs: Date.now(), key: null, value: Buffer.from('x'), headers: [] },
]);

describeRequiring(['built-broker'], 'a device without rights', () => {
  const fixture = useBroker();

  const prepared = (async () => {
    await new Promise((resolve) => setImmediate(resolve));
  })();

  async function secretExists(): Promise<void> {
    await prepared;
    const admin = await fixture.connect('acme', 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: SECRET, numPartitions: 3, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
  }

  /** The answers on both names, with the names taken out: they must be equal. */
  const anonymous = (answer: unknown, name: string): string =>
    JSON.stringify(answer).replaceAll(name, '<topic>');

  it('gets the same refusal for a topic that exists and one that does not, in every API', async () => {
    await secretExists();
    const device = await fixture.connect('acme', 'device-1');
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };
    const questions: ((name: string) => Promise<unknown>)[] = [
      (name) => device.call(ApiKey.Metadata, 12, { topics: [{ name }] }),
      (name) => device.call(ApiKey.DescribeTopicPartitions, 0, { topics: [{ name }] }),
      (name) =>
        device.call(ApiKey.Fetch, 11, { topics: [{ topic: name, partitions: [partition] }] }),
      (name) =>
        device.call(ApiKey.ListOffsets, 7, {
          topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
        }),
      (name) =>
        device.call(ApiKey.OffsetForLeaderEpoch, 4, {
          topics: [{ topic: name, partitions: [{ partition: 0, leaderEpoch: 0 }] }],
        }),
      (name) =>
        device.call(ApiKey.Produce, 9, {
          acks: -1,
          timeoutMs: 1000,
          topicData: [{ name, partitionData: [{ index: 0, records: batch }] }],
        }),
      (name) => device.call(ApiKey.DeleteTopics, 6, { topics: [{ name }] }),
      (name) => device.call(ApiKey.CreatePartitions, 3, { topics: [{ name, count: 9 }] }),
      (name) =>
        device.call(ApiKey.CreateTopics, 7, {
          topics: [{ name, numPartitions: 1, replicationFactor: 1 }],
        }),
      (name) =>
        device.call(ApiKey.DescribeConfigs, 4, {
          resources: [{ resourceType: 2, resourceName: name, configurationKeys: null }],
        }),
      ...[ApiKey.AlterConfigs, ApiKey.IncrementalAlterConfigs].map(
        (key) => (name: string) =>
          device.call(key, 1, {
            resources: [{ resourceType: 2, resourceName: name, configs: [] }],
          }),
      ),
    ];
    for (const ask of questions) {
      const [existing, missing] = [await ask(SECRET), await ask(MISSING)];
      expect(anonymous(existing, SECRET)).toBe(anonymous(missing, MISSING));
      expect(anonymous(existing, SECRET)).toContain(
        `"errorCode":${ErrorCode.TOPIC_AUTHORIZATION_FAILED}`,
      );
    }
  });

  it('sees only what it may describe when it asks for everything', async () => {
    await secretExists();
    const device = await fixture.connect('acme', 'device-1');
    const { topics } = await device.call(ApiKey.Metadata, 12, {
      topics: null,
      includeTopicAuthorizedOperations: true,
    });
    expect(topics.map(({ name }) => name)).toEqual(['telemetry']);
    // WRITE (4) implies DESCRIBE (8), and nothing else is there.
    expect(topics[0]!.topicAuthorizedOperations).toBe((1 << 4) | (1 << 8));
  });

  it('gets no name for an id that it may not describe', async () => {
    await secretExists();
    const admin = await fixture.connect('acme', 'admin-1');
    const known = await admin.call(ApiKey.Metadata, 12, { topics: [{ name: SECRET }] });
    const { topicId } = known.topics[0]!;
    expect(topicId).not.toBe(ZERO_UUID);
    const device = await fixture.connect('acme', 'device-1');
    const { topics } = await device.call(ApiKey.Metadata, 12, {
      topics: [{ name: null, topicId }],
    });
    expect(topics[0]).toMatchObject({ name: null, partitions: [] });
  });

  it('cannot read as a follower to get past READ', async () => {
    await secretExists();
    const device = await fixture.connect('acme', 'device-1');
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 };
    const answer = await device.call(ApiKey.Fetch, 11, {
      replicaId: 1,
      topics: [{ topic: SECRET, partitions: [partition] }],
    });
    const { errorCode, records } = answer.responses[0]!.partitions[0]!;
    expect(errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    expect(records?.length ?? 0).toBe(0);
  });

  it('writes none of a batch that it marks transactional, nor with a transactional id', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const topicData = [{ name: 'telemetry', partitionData: [{ index: 0, records: batch }] }];
    const produced = await device.call(ApiKey.Produce, 9, {
      transactionalId: 'tx',
      acks: -1,
      timeoutMs: 1000,
      topicData,
    });
    expect(produced.responses[0]!.partitionResponses[0]!.errorCode).toBe(
      ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    );
    const initialised = await device.call(ApiKey.InitProducerId, 4, {
      transactionalId: 'tx',
      transactionTimeoutMs: 60_000,
    });
    expect(initialised.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  });

  it('has each refusal in the security log, with who, what and from where', async () => {
    const device = await fixture.connect('acme', 'device-2');
    await device.call(ApiKey.Metadata, 12, { topics: [{ name: 'audited-refusal' }] });
    const line = await fixture.audited('security', (one) => one.resource === 'audited-refusal');
    expect(line).toMatchObject({
      type: 'access',
      decision: 'deny',
      tenant: 'acme',
      principal: 'User:device-2',
      operation: 'DESCRIBE',
      address: '127.0.0.1',
      api: 'Metadata',
    });
  });
});
