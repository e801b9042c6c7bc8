/** Threat: requests that are cheap to send and dear to answer starve the other tenants. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { encodeRequest } from '../../src/protocol/headers.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

/** Far below what each of these took (8 s and more), far above what a busy machine adds. */
const WAIT_MAX_MS = 2500;

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const shortName = (index: number): string => index.toString(36);

const ATTACKS: readonly [string, string, (client: WireClient) => Promise<unknown>][] = [
  [
    '80,000 topics to grow, without any right',
    'device-1',
    (client) =>
      client.call(ApiKey.CreatePartitions, 3, {
        topics: times(80_000, (i) => ({ name: shortName(i), count: 1, assignments: null })),
        timeoutMs: 1000,
        validateOnly: true,
      }),
  ],
  [
    '40,000 topics that do not exist and may not be created',
    'device-1',
    (client) =>
      client.call(ApiKey.Metadata, 9, {
        topics: times(40_000, (i) => ({ name: `device-1.${shortName(i)}` })),
        allowAutoTopicCreation: true,
      }),
  ],
  [
    'the configuration of one topic, 60,000 times',
    'admin-1',
    (client) =>
      client.call(ApiKey.DescribeConfigs, 4, {
        resources: times(60_000, () => ({
          resourceType: 2,
          resourceName: 'telemetry',
          configurationKeys: null,
        })),
        includeSynonyms: true,
        includeDocumentation: true,
      }),
  ],
  [
    'the producers of 60,000 topics, without any right',
    'device-1',
    (client) =>
      client.call(ApiKey.DescribeProducers, 0, {
        topics: times(60_000, (i) => ({ name: shortName(i), partitionIndexes: [0, 1] })),
      }),
  ],
  [
    'the sizes of one partition, 200,000 times',
    'admin-1',
    (client) =>
      client.call(ApiKey.DescribeLogDirs, 5, {
        topics: [{ topic: 'telemetry', partitions: times(200_000, () => 0) }],
      }),
  ],
  [
    '80,000 partitions to move',
    'admin-1',
    (client) =>
      client.call(ApiKey.AlterPartitionReassignments, 1, {
        topics: [
          {
            name: 'telemetry',
            partitions: times(80_000, () => ({ partitionIndex: 0, replicas: [9] })),
          },
        ],
      }),
  ],
  [
    '60,000 quotas at once',
    'admin-1',
    (client) =>
      client.call(ApiKey.AlterClientQuotas, 1, {
        entries: times(60_000, (i) => ({
          entity: [{ entityType: 'user', entityName: shortName(i) }],
          ops: [{ key: 'producer_byte_rate', value: 1, remove: false }],
        })),
      }),
  ],
  [
    'changes of 14,000 groups, more than may be kept',
    'admin-1',
    (client) =>
      client.call(ApiKey.IncrementalAlterConfigs, 0, {
        resources: times(14_000, (i) => ({
          resourceType: 32,
          resourceName: shortName(i),
          configs: [{ name: 'consumer.session.timeout.ms', configOperation: 0, value: '46000' }],
        })),
      }),
  ],
  [
    '100,000 users without credentials',
    'admin-1',
    (client) =>
      client.call(ApiKey.DescribeUserScramCredentials, 0, {
        users: times(100_000, (i) => ({ name: shortName(i) })),
      }),
  ],
  [
    'a change of 80,000 configs that there are not',
    'admin-1',
    (client) =>
      client.call(ApiKey.IncrementalAlterConfigs, 0, {
        resources: [
          {
            resourceType: 2,
            resourceName: 'telemetry',
            configs: times(80_000, (i) => ({
              name: shortName(i),
              configOperation: 1,
              value: null,
            })),
          },
        ],
      }),
  ],
];

describeRequiring(['built-broker'], 'costly requests', () => {
  const fixture = useBroker();

  /** Calls ApiVersions over and over during `work`; the longest wait for an answer. */
  async function longestWaitMs(victim: WireClient, work: Promise<unknown>): Promise<number> {
    let isDone = false;
    const ended = work
      .catch(() => {})
      .then(() => {
        isDone = true;
      });
    let longestMs = 0;
    while (!isDone) {
      const beganMs = performance.now();
      await victim.call(ApiKey.ApiVersions, 0, {});
      longestMs = Math.max(longestMs, performance.now() - beganMs);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
    return longestMs;
  }

  it.each(ATTACKS)('%s', async (_name, who, attack) => {
    const victim = await fixture.connect('globex', 'device-1');
    const attacker = await fixture.connect('acme', who);
    expect(await longestWaitMs(victim, attack(attacker))).toBeLessThan(WAIT_MAX_MS);
  });

  it('a partition that is named 30,000 times in a Fetch is read once', async () => {
    const client = await fixture.connect('acme', 'service-1');
    const asked = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1 };
    const answer = await client.call(ApiKey.Fetch, 11, {
      maxWaitMs: 0,
      sessionEpoch: -1,
      topics: [{ topic: 'telemetry', partitions: times(30_000, () => asked) }],
    });
    expect(answer.responses.flatMap(({ partitions }) => partitions)).toHaveLength(1);
  });

  it('a Produce of more than 20,000 batches is refused whole', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const records = buildRecordBatch([
      { timestampMs: Date.now(), key: null, value: null, headers: [] },
    ]);
    const answer = await device.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        { name: 'telemetry', partitionData: times(20_001, () => ({ index: 3, records })) },
      ],
    });
    const codes = answer.responses.flatMap(({ partitionResponses }) =>
      partitionResponses.map(({ errorCode }) => errorCode),
    );
    expect(new Set(codes)).toEqual(new Set([ErrorCode.INVALID_REQUEST]));
    const listed = await device.call(ApiKey.ListOffsets, 7, {
      topics: [{ name: 'telemetry', partitions: [{ partitionIndex: 3, timestamp: -1 }] }],
    });
    expect(listed.topics[0]!.partitions[0]!.offset).toBe(0);
  });

  it('thousands of requests in one write leave room for others', async () => {
    const victim = await fixture.connect('globex', 'device-1');
    const attacker = await fixture.connect('acme', 'admin-1');
    const body = { topics: null };
    const one = Buffer.concat(
      encodeRequest({
        apiKey: ApiKey.Metadata,
        apiVersion: 9,
        correlationId: -1,
        clientId: 'x',
        body,
      }),
    );
    attacker.socket.write(Buffer.concat(times(5000, () => one)));
    const last = attacker.call(ApiKey.ApiVersions, 0, {});
    expect(await longestWaitMs(victim, last)).toBeLessThan(WAIT_MAX_MS);
  });

  it('every topic that a Metadata request creates stands in the access log', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    const names = times(100, (i) => `made-by-asking-for-it-${i}`);
    await admin.call(ApiKey.Metadata, 9, {
      topics: names.map((name) => ({ name })),
      allowAutoTopicCreation: true,
    });
    const created = fixture
      .audit('security')
      .filter(({ reason }) => reason === 'topic-auto-create')
      .map(({ facts }) => (facts as { topic: string }).topic);
    expect(created).toEqual(names);
  });
});
