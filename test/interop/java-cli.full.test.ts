/**
 * Apache Kafka's own command line tools over mutual TLS, each as a person would call it.
 *
 * The tests of one topic follow one another: create, list, describe, alter, write, read, delete.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  againstKafka,
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { type KafkaTool, kafkaCli } from '../tools/java.ts';
import { segmentFiles } from '../tools/segment-files.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

describeRequiring([...brokerTools, 'java-tools'], "Kafka's command line over mutual TLS", () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    await createTopics(broker, { dumped: 1, measured: 2, vault: 1 });
  });
  afterAll(() => broker?.dispose());

  /** Runs a tool as `name`; the ways of naming the server and the settings are the same for all. */
  const run = (tool: KafkaTool, name: string, args: string[], input = '', tenant = 'acme') => {
    const client = broker.javaClient(name, {}, tenant);
    const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', client];
    return kafkaCli(tool, [...connection, ...args], { input });
  };
  const topics = (...args: string[]) => run('kafka-topics', 'admin-1', args);
  const refusal = /TopicAuthorizationException|TOPIC_AUTHORIZATION_FAILED|Not authorized to access/;

  test('kafka-topics creates, lists and describes', async () => {
    const sizes = ['--partitions', '2', '--replication-factor', '1'];
    const settings = ['--config', 'max.message.bytes=1000000'];
    const created = await topics('--create', '--topic', 'orders', ...sizes, ...settings);
    expect(created.text).toBe('Created topic orders.\n');
    const again = await topics('--create', '--topic', 'orders', ...sizes);
    expect(again.code).toBe(1);
    expect(again.text).toMatch(/TopicExistsException/);
    const listed = await topics('--list');
    expect(listed.stdout.toString().split('\n')).toEqual(
      expect.arrayContaining(['dumped', 'measured', 'orders', 'telemetry', 'vault']),
    );
    const described = await topics('--describe', '--topic', 'orders');
    expect(described.text).toMatch(/Topic: orders\s+TopicId: \S{22}\s+PartitionCount: 2\s/);
    expect(described.text).toContain('max.message.bytes=1000000');
    expect(described.text).toMatch(/Partition: 1\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/);
  });

  test('kafka-topics adds partitions and refuses to take some away', async () => {
    const altered = await topics('--alter', '--topic', 'orders', '--partitions', '4');
    expect(altered.text).toBe('');
    expect((await topics('--describe', '--topic', 'orders')).text).toContain('PartitionCount: 4');
    const fewer = await topics('--alter', '--topic', 'orders', '--partitions', '3');
    expect(fewer.code).toBe(1);
    expect(fewer.text).toContain('InvalidPartitionsException');
  });

  test('kafka-topics shows a device its own topics only, and creates none for it', async () => {
    const listed = await run('kafka-topics', 'device-1', ['--list']);
    expect(listed.text).toBe('telemetry\n');
    const created = await run('kafka-topics', 'device-1', ['--create', '--topic', 'mine']);
    expect(created.code).toBe(1);
    expect(created.text).toMatch(/TopicAuthorizationException/);
  });

  test('what the console producer writes, the console consumer reads from a partition', async () => {
    const parse = ['parse.key=true', 'parse.headers=true', 'null.marker=NULL'];
    const reader = parse.flatMap((property) => ['--reader-property', property]);
    const lines = ['a:1,b:2\tk1\tv1', 'a:3\tk1\tNULL', 'c:ü\tNULL\tlast'];
    const input = `${lines.join('\n')}\n`;
    // Sticky partitioning may choose any partition for the null key: one partition has no choice.
    const producer = await run(
      'kafka-console-producer',
      'service-1',
      [...['--topic', 'vault', ...reader]],
      input,
    );
    expect(producer.code).toBe(0);
    expect(producer.text).not.toMatch(/ERROR|Exception/);
    const show = ['print.key=true', 'print.headers=true', 'print.offset=true', 'null.literal=NULL'];
    const consumer = await run('kafka-console-consumer', 'service-1', [
      ...['--topic', 'vault', '--partition', '0', '--offset', 'earliest', '--max-messages', '3'],
      ...show.flatMap((property) => ['--formatter-property', property]),
      ...['--timeout-ms', '30000'],
    ]);
    const read = consumer.stdout.toString();
    expect(read).toBe(lines.map((line, offset) => `Offset:${offset}\t${line}\n`).join(''));
  });

  test('the console tools name the refusal of a forbidden topic', async () => {
    const producer = await run('kafka-console-producer', 'device-1', ['--topic', 'vault'], 'x\n');
    expect(producer.text).toMatch(refusal);
    const where = ['--topic', 'vault', '--partition', '0', '--offset', 'earliest'];
    const consumer = await run('kafka-console-consumer', 'device-1', [
      ...where,
      ...['--timeout-ms', '10000'],
    ]);
    expect(consumer.stdout).toHaveLength(0); // the tool's exit code stays 0
    expect(consumer.text).toMatch(refusal);
  });

  test('kafka-producer-perf-test runs to its end, and kafka-get-offsets counts its records', async () => {
    const sizes = ['--num-records', '20000', '--record-size', '1024', '--throughput', '-1'];
    const measured = await run('kafka-producer-perf-test', 'service-1', [
      ...['--topic', 'measured', ...sizes],
      ...['--command-property', 'acks=all', 'compression.type=lz4'],
    ]);
    expect(measured.text).toMatch(/20000 records sent, .* records\/sec/);
    const offsets = await run('kafka-get-offsets', 'service-1', ['--topic', 'measured']);
    const ends = offsets.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(':'));
    expect(ends.map(([topic, partition]) => `${topic}:${partition}`)).toEqual([
      'measured:0',
      'measured:1',
    ]);
    expect(ends.reduce((sum, [, , offset]) => sum + Number(offset), 0)).toBe(20_000);
    const earliest = await run('kafka-get-offsets', 'service-1', [
      ...['--topic', 'measured', '--time', 'earliest'],
    ]);
    expect(earliest.stdout.toString()).toBe('measured:0:0\nmeasured:1:0\n');
  });

  test('kafka-producer-perf-test is refused on a forbidden topic', async () => {
    const sizes = ['--num-records', '10', '--record-size', '10', '--throughput', '-1'];
    const args = ['--topic', 'vault', ...sizes];
    const refused = await run('kafka-producer-perf-test', 'device-1', args);
    expect(refused.text).toMatch(refusal);
  });

  test('kafka-dump-log reads the segments and their indexes', async () => {
    const written = await run('kafka-producer-perf-test', 'service-1', [
      ...['--topic', 'dumped', '--num-records', '5000', '--record-size', '300'],
      ...['--throughput', '-1', '--command-property', 'acks=all', 'compression.type=gzip'],
    ]);
    expect(written.text).toMatch(/5000 records sent/);
    const logs = segmentFiles(broker.dataDir, 'dumped', 0, '.log');
    const dump = await kafkaCli('kafka-dump-log', ['--deep-iteration', '--files', logs.join(',')]);
    expect(dump.text).not.toMatch(/isvalid: false|Exception|Found .*invalid/i);
    const offsets = [...dump.text.matchAll(/^\| offset: (\d+) /gm)].map((match) => match[1]);
    expect(offsets).toEqual(Array.from({ length: 5000 }, (_, offset) => String(offset)));

    for (const ending of ['.index', '.timeindex']) {
      const files = segmentFiles(broker.dataDir, 'dumped', 0, ending).join(',');
      const indexes = await kafkaCli('kafka-dump-log', ['--files', files]);
      expect(indexes.code, indexes.text).toBe(0);
      expect(indexes.text).toContain('Dumping ');
      expect(indexes.text).not.toMatch(/mismatch|out of order|Exception/i);
      // An open segment's index may hold preallocated zeros: the sanity check is for whole ones.
    }
  });

  test('kafka-broker-api-versions and kafka-cluster answer', async () => {
    const versions = await run('kafka-broker-api-versions', 'device-1', []);
    expect(versions.text).toMatch(/Produce\(0\): 0 to \d+/);
    expect(versions.text).toMatch(/\(id: \d+ rack: null/);
    const client = broker.javaClient('service-1');
    const address = ['--bootstrap-server', broker.bootstrap, '--config', client];
    const cluster = await kafkaCli('kafka-cluster', ['cluster-id', ...address]);
    expect(cluster.text).toMatch(/Cluster ID: \S+/);
  });

  test.skipIf(againstKafka)("another tenant's tools see none of this", async () => {
    const listed = await run('kafka-topics', 'admin-1', ['--list'], '', 'globex');
    expect(listed.text).toBe('__audit\ntelemetry\n');
    const args = ['--describe', '--topic', 'orders'];
    const described = await run('kafka-topics', 'admin-1', args, '', 'globex');
    expect(described.text).toMatch(/Topic 'orders' does not exist/);
  });

  test('kafka-topics deletes', async () => {
    expect((await topics('--delete', '--topic', 'orders')).text).toBe('');
    const listed = await topics('--list');
    expect(listed.stdout.toString().split('\n')).not.toContain('orders');
    const described = await topics('--describe', '--topic', 'orders');
    expect(described.text).toMatch(/Topic 'orders' does not exist/);
  });
});
