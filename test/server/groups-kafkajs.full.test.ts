/** kafkajs consumers in groups, through rebalances and kills. */
import { type Consumer, Kafka } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, nodeTlsOptions } from '../tools/client-identity.ts';
import { committedOffsets } from '../tools/group-member.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const GROUP = 'svc-reader';

describeRequiring(['built-broker'], 'kafkajs in a group', () => {
  const place = { dataDir: temporaryDirectory('groups'), certsDir: temporaryDirectory('certs') };
  let broker: BrokerProcess | undefined;
  const consumers: Consumer[] = [];

  afterEach(async () => {
    for (const consumer of consumers.splice(0)) await consumer.disconnect();
    await broker?.dispose();
    broker = undefined;
    removeDirectory(place.dataDir);
    removeDirectory(place.certsDir);
  });

  async function start(): Promise<BrokerProcess> {
    const ports = broker === undefined ? {} : { port: broker.port, adminPort: broker.adminPort };
    const env = { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' };
    broker = await startBroker({ ...place, ...ports, env });
    return broker;
  }

  const identity = () => clientIdentity(place.certsDir, 'acme', 'service-1');
  const kafka = (): Kafka =>
    new Kafka({
      clientId: 'reader',
      brokers: [broker!.bootstrap],
      ssl: nodeTlsOptions(identity()),
      logLevel: 0,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 100 },
    });

  /** Commits each message before it takes the next. */
  async function read(seen: number[]): Promise<Consumer> {
    const consumer = kafka().consumer({ groupId: GROUP, sessionTimeout: 6000 });
    consumers.push(consumer);
    await consumer.connect();
    await consumer.subscribe({ topic: 'telemetry', fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        seen.push(Number(message.value?.toString()));
        const offset = String(Number(message.offset) + 1);
        await consumer.commitOffsets([{ topic, partition, offset }]);
      },
    });
    return consumer;
  }

  async function send(from: number, count: number): Promise<void> {
    const producer = kafka().producer();
    await producer.connect();
    await producer.send({
      topic: 'telemetry',
      messages: Array.from({ length: count }, (_, n) => ({ value: String(from + n) })),
    });
    await producer.disconnect();
  }

  /** Everything of the topic is committed. */
  async function committed(count: number): Promise<void> {
    const watcher = await WireClient.connect(broker!.port, identity());
    const sum = async (): Promise<number> => {
      const offsets = Object.values(await committedOffsets(watcher, GROUP));
      return offsets.reduce((total, offset) => total + offset, 0);
    };
    await expect.poll(sum, { timeout: 20_000 }).toBe(count);
    watcher.close();
  }

  const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
  const inOrder = (seen: readonly number[]): number[] => seen.toSorted((a, b) => a - b);

  it('reads on through a kill: nothing committed comes again, nothing is lost', async () => {
    await start();
    const seen: number[] = [];
    await read(seen);
    await send(0, 100);
    await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(100);
    await committed(100);
    await broker!.kill9();
    await start();
    await send(100, 50);
    await expect.poll(() => seen.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(150);
    expect(inOrder(seen)).toEqual(numbers(150));
  });

  it('shares the partitions with a second one, and takes them over when it leaves', async () => {
    await start();
    const [first, second]: [number[], number[]] = [[], []];
    await read(first);
    await send(0, 60);
    await expect.poll(() => first.length, { timeout: 20_000 }).toBe(60);
    await committed(60);
    const other = await read(second);
    await expect
      .poll(
        async () => {
          await send(60 + first.length + second.length, 6);
          return second.length;
        },
        { timeout: 30_000, interval: 500 },
      )
      .toBeGreaterThan(0);
    await other.disconnect();
    const before = first.length;
    await send(10_000, 30);
    await expect.poll(() => first.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(before + 30);
    const later = [...first, ...second].filter((value) => value >= 10_000);
    expect(new Set(later).size).toBe(30);
  });
});
