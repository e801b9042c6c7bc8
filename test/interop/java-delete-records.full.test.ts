/** Apache Kafka's kafka-delete-records over mutual TLS: what it deletes, and what it is refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  againstKafka,
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { type KafkaTool, kafkaCli } from '../tools/java.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

describeRequiring([...brokerTools, 'java-tools'], 'kafka-delete-records over mutual TLS', () => {
  let broker: BrokerUnderTest;
  let directory: string;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    directory = temporaryDirectory('delete-records');
    await createTopics(broker, { shortened: 1 });
  });
  afterAll(async () => {
    await broker?.dispose();
    removeDirectory(directory);
  });

  const run = (tool: KafkaTool, name: string, args: string[], input = '', tenant = 'acme') => {
    // The tools ask for a missing topic again until then.
    const settings = { 'default.api.timeout.ms': '5000', 'request.timeout.ms': '5000' };
    const client = broker.javaClient(name, settings, tenant);
    const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', client];
    return kafkaCli(tool, [...connection, ...args], { input });
  };
  const deleteBefore = (topic: string, offset: number, name = 'admin-1', tenant = 'acme') => {
    const file = join(directory, 'offsets.json');
    const partitions = [{ topic, partition: 0, offset }];
    writeFileSync(file, JSON.stringify({ partitions, version: 1 }));
    return run('kafka-delete-records', name, ['--offset-json-file', file], '', tenant);
  };
  const earliest = async (): Promise<string> => {
    const args = ['--topic', 'shortened', '--time', 'earliest'];
    return (await run('kafka-get-offsets', 'admin-1', args)).stdout.toString();
  };

  test('deletes before an offset, and all of it', async () => {
    const lines = Array.from({ length: 10 }, (_, index) => `record ${index}\n`).join('');
    const topic = ['--topic', 'shortened'];
    const produced = await run('kafka-console-producer', 'service-1', topic, lines);
    expect(produced.code, produced.text).toBe(0);

    const deleted = await deleteBefore('shortened', 4);
    expect(deleted.code, deleted.text).toBe(0);
    expect(deleted.text).toMatch(/partition: shortened-0\s+low_watermark: 4/);
    expect(await earliest()).toBe('shortened:0:4\n');
    const read = await run('kafka-console-consumer', 'service-1', [
      ...[...topic, '--partition', '0', '--offset', 'earliest'],
      ...['--max-messages', '6', '--timeout-ms', '30000'],
    ]);
    expect(read.stdout.toString()).toBe(lines.slice(lines.indexOf('record 4')));

    const all = await deleteBefore('shortened', -1);
    expect(all.text).toMatch(/partition: shortened-0\s+low_watermark: 10/);
    expect(await earliest()).toBe('shortened:0:10\n');
  });

  test('names the error of an offset that is out of range', async () => {
    const refused = await deleteBefore('shortened', 11);
    expect(refused.text).toMatch(/partition: shortened-0\s+error: .*OffsetOutOfRange/);
  });

  test('a device without the right is refused', async () => {
    const refused = await deleteBefore('shortened', -1, 'device-1');
    expect(refused.text).toMatch(/TopicAuthorizationException|Not authorized/);
  });

  test.skipIf(againstKafka)("another tenant's tool reaches none of it", async () => {
    const refused = await deleteBefore('acme.shortened', 0, 'admin-1', 'globex');
    expect(refused.text).not.toMatch(/low_watermark/);
    expect(await earliest()).toBe('shortened:0:10\n');
  });
});
