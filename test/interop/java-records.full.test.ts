/**
 * Kafka's own Java producer and consumer over mutual TLS: 100,000 records byte for byte with every
 * codec, with headers, null keys and tombstones, idempotent and not; read back by kcat as well.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { runJava } from '../tools/java.ts';
import { firstDifferingByte, kcat, kcatOutput, kcatRead } from '../tools/kcat.ts';
import {
  decodeRecords,
  encodeRecords,
  firstDifference,
  makeRecords,
  type TestRecord,
} from '../tools/record-file.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

const partitions = 3;
const recordCount = 100_000;
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const producers = [
  { name: 'idempotent', settings: ['enable.idempotence=true', 'acks=all'] },
  { name: 'plain', settings: ['enable.idempotence=false', 'acks=1', 'linger.ms=5'] },
];

describeRequiring([...brokerTools, 'java-tools', 'kcat'], 'the Java client over mutual TLS', () => {
  let broker: BrokerUnderTest;
  let records: TestRecord[];
  let input: string;

  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    records = makeRecords(20_261_122, recordCount, partitions);
    input = join(broker.workDir, 'records');
    writeFileSync(input, encodeRecords(records));
    const topics = producers.flatMap(({ name }) => codecs.map((codec) => `${name}-${codec}`));
    await createTopics(
      broker,
      Object.fromEntries([...topics, 'secret', 'batches'].map((topic) => [topic, partitions])),
    );
  });
  afterAll(() => broker?.dispose());

  const readWithJava = async (topic: string, ...settings: string[]): Promise<TestRecord[]> => {
    const output = join(broker.workDir, `read-${topic}`);
    const client = broker.javaClient('service-1');
    const read = await runJava('ConsumeFile', [
      client,
      topic,
      output,
      String(recordCount),
      ...settings,
    ]);
    expect(read.code, read.text).toBe(0);
    return decodeRecords(readFileSync(output));
  };

  describe.each(producers)('$name producer', ({ name, settings }) => {
    test.each(codecs)('100,000 records, codec %s', async (codec) => {
      const topic = `${name}-${codec}`;
      const more = [`compression.type=${codec}`, ...settings];
      const args = [broker.javaClient('service-1'), topic, input, ...more];
      const written = await runJava('ProduceFile', args);
      expect(written.text).toBe(`acknowledged ${recordCount}\n`);

      expect(firstDifference(records, await readWithJava(topic))).toBeUndefined();
      for (let partition = 0; partition < partitions; partition += 1) {
        const expected = kcatOutput(records.filter((record) => record.partition === partition));
        const identity = broker.identity('service-1');
        const actual = await kcatRead(identity, broker.bootstrap, topic, partition);
        expect(firstDifferingByte(expected, actual)).toBeUndefined();
      }
    });
  });

  test('small fetches that cut batches lose nothing', async () => {
    const small = ['max.partition.fetch.bytes=5000', 'fetch.max.bytes=20000'];
    const args = [broker.javaClient('service-1'), 'batches', input, 'batch.size=60000'];
    expect((await runJava('ProduceFile', args)).code).toBe(0);
    const read = await readWithJava('batches', ...small, 'isolation.level=read_committed');
    expect(firstDifference(records, read)).toBeUndefined();
  });

  test('a forbidden topic refuses the writer', async () => {
    const args = [broker.javaClient('device-1'), 'secret', input];
    const written = await runJava('ProduceFile', args);
    expect(written.code).toBe(1);
    expect(written.text).toContain('acknowledged 0\n');
    expect(written.text).toContain('errors.TopicAuthorizationException');
    const where = ['-C', '-q', '-e', '-t', 'secret', '-p', '0'];
    const read = await kcat(broker.identity('service-1'), broker.bootstrap, where);
    expect(read.stdout).toHaveLength(0);
  });

  test('a forbidden topic refuses the reader', async () => {
    const output = join(broker.workDir, 'nothing');
    const args = [broker.javaClient('device-2'), 'secret', output, '0'];
    const read = await runJava('ConsumeFile', args);
    expect(read.code).toBe(1);
    expect(read.text).toContain('errors.TopicAuthorizationException');
  });
});
