/** Consumers in a group, with clients that nobody here wrote: read, commit, and go on after a restart. */
import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, nodeTlsOptions } from '../tools/client-identity.ts';
import { kcat } from '../tools/kcat.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const TOPIC = 'telemetry';
const PARTITIONS = 6;
const GROUP = 'svc-readers';

const connect = (broker: BrokerProcess, tenant: string, name: string): Promise<WireClient> =>
  WireClient.connect(broker.port, clientIdentity(broker.certsDir, tenant, name));

async function publish(broker: BrokerProcess, values: readonly string[]): Promise<void> {
  const device = await connect(broker, 'acme', 'device-1');
  for (const [index, value] of values.entries()) {
    const records = buildRecordBatch([
      { timestampMs: Date.now(), key: null, value: Buffer.from(value), headers: [] },
    ]);
    const answer = await device.call(ApiKey.Produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [{ name: TOPIC, partitionData: [{ index: index % PARTITIONS, records }] }],
    });
    expect(answer.responses[0]!.partitionResponses[0]!.errorCode).toBe(ErrorCode.NONE);
  }
  device.close();
}

/** Reads `count` values with kafkajs in the group, commits, and leaves. */
async function consume(broker: BrokerProcess, count: number): Promise<string[]> {
  const identity = clientIdentity(broker.certsDir, 'acme', 'service-1');
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${broker.port}`],
    ssl: { ...nodeTlsOptions(identity), servername: 'localhost' },
    logLevel: logLevel.NOTHING,
  });
  const consumer = kafka.consumer({ groupId: GROUP });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(message.value!.toString());
          if (values.length >= count) resolve();
        },
      })
      .catch(reject);
  });
  // Stopping commits what was handled.
  await consumer.disconnect();
  return values;
}

describeRequiring(['built-broker'], 'consumer groups', () => {
  it('kafkajs reads in a group and goes on where it was after the broker was killed', async () => {
    let broker = await startBroker();
    try {
      const first = Array.from({ length: 30 }, (_, n) => `first-${n}`);
      await publish(broker, first);
      expect((await consume(broker, first.length)).sort()).toEqual([...first].sort());
      await broker.kill9();
      broker = await startBroker({ dataDir: broker.dataDir, certsDir: broker.certsDir });
      const second = Array.from({ length: 12 }, (_, n) => `second-${n}`);
      await publish(broker, second);
      expect((await consume(broker, second.length)).sort()).toEqual([...second].sort());
    } finally {
      await broker.dispose();
    }
  }, 60_000);

  it('a group of the same name in another tenant is another group, and unseen', async () => {
    const broker = await startBroker();
    try {
      await publish(broker, ['for acme']);
      await consume(broker, 1);
      const acme = await connect(broker, 'acme', 'admin-1');
      const globex = await connect(broker, 'globex', 'admin-1');
      const names = async (client: WireClient): Promise<string[]> =>
        (await client.call(ApiKey.ListGroups, 4, {})).groups.map(({ groupId }) => groupId);
      expect(await names(acme)).toEqual([GROUP]);
      expect(await names(globex)).toEqual([]);
      const { groups } = await globex.call(ApiKey.OffsetFetch, 8, {
        groups: [{ groupId: GROUP, topics: null }],
      });
      expect(groups[0]).toMatchObject({ errorCode: ErrorCode.NONE, topics: [] });
      const all = await acme.call(ApiKey.Metadata, 12, { topics: null });
      expect(all.topics.map(({ name }) => name).sort()).toEqual(['__audit', TOPIC]);
      acme.close();
      globex.close();
    } finally {
      await broker.dispose();
    }
  }, 60_000);
});

describeRequiring(['built-broker', 'kcat'], 'kcat in a group', () => {
  it('reads everything once', async () => {
    const broker = await startBroker();
    try {
      const values = Array.from({ length: 12 }, (_, n) => `value-${n}`);
      await publish(broker, values);
      const identity = clientIdentity(broker.certsDir, 'acme', 'service-1');
      const result = await kcat(identity, broker.bootstrap, [
        ...['-X', 'auto.offset.reset=earliest', '-c', String(values.length), '-q'],
        ...['-G', 'svc-kcat', TOPIC],
      ]);
      expect(result.stdout.toString().trim().split('\n').sort()).toEqual([...values].sort());
    } finally {
      await broker.dispose();
    }
  }, 60_000);
});
