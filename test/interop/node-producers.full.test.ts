/**
 * kafkajs and @platformatic/kafka write 100,000 records over mutual TLS; Kafka's own Java consumer
 * reads them back byte for byte.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { runJava } from '../tools/java.ts';
import { nodeProducers, withoutNullHeaders } from '../tools/node-producers.ts';
import {
  decodeRecords,
  firstDifference,
  makeRecords,
  type TestRecord,
} from '../tools/record-file.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

const partitions = 3;
const cases = nodeProducers.flatMap((producer) =>
  producer.codecs.map((codec) => ({ producer, name: producer.name, codec })),
);
const topicOf = (client: string, codec: string): string =>
  `${client.replaceAll(/[^a-z]/g, '')}-${codec}`;

describeRequiring([...brokerTools, 'java-tools'], 'Node producers read by Java', () => {
  let broker: BrokerUnderTest;
  let records: TestRecord[];
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    records = withoutNullHeaders(makeRecords(41, 100_000, partitions));
    const topics = cases.map(({ name, codec }) => [topicOf(name, codec), partitions] as const);
    await createTopics(broker, Object.fromEntries(topics));
  });
  afterAll(() => broker?.dispose());

  describe.each(cases)('$name, codec $codec', ({ producer, name, codec }) => {
    test('100,000 records byte for byte', async () => {
      const topic = topicOf(name, codec);
      await producer.send(broker, 'service-1', topic, records, { codec, acks: -1 });
      const output = join(broker.workDir, `read-${topic}`);
      const client = broker.javaClient('service-1');
      const read = await runJava('ConsumeFile', [client, topic, output, String(records.length)]);
      expect(read.text).toBe(`read ${records.length}\n`);
      const actual = decodeRecords(readFileSync(output));
      expect(firstDifference(records, actual)).toBeUndefined();
    });
  });
});
