/**
 * kafkajs and @platformatic/kafka as producers over mutual TLS, read back with kcat; refused where
 * policy refuses. The same with 100,000 records and the Java reader: node-producers.full.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { firstDifferingByte, kcatOutput, kcatRead } from '../tools/kcat.ts';
import { nodeProducers, withoutNullHeaders } from '../tools/node-producers.ts';
import { makeRecords } from '../tools/record-file.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

const topicOf = (client: string, kind: string): string =>
  `${client.replaceAll(/[^a-z]/g, '')}-${kind}`;

describeRequiring([...brokerTools, 'kcat'], 'Node producers over mutual TLS', () => {
  let broker: BrokerUnderTest;
  const records = withoutNullHeaders(makeRecords(7, 3000, 1));
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    const kinds = nodeProducers.flatMap(({ name, codecs }) =>
      [...codecs, 'idempotent', 'closed'].map((kind) => topicOf(name, kind)),
    );
    await createTopics(broker, Object.fromEntries(kinds.map((topic) => [topic, 1])));
  });
  afterAll(() => broker?.dispose());

  const expectInTopic = async (topic: string): Promise<void> => {
    const actual = await kcatRead(broker.identity('service-1'), broker.bootstrap, topic, 0);
    expect(firstDifferingByte(kcatOutput(records), actual)).toBeUndefined();
  };

  describe.each(nodeProducers)('$name', (producer) => {
    test.each(producer.codecs)('3,000 records, codec %s', async (codec) => {
      const topic = topicOf(producer.name, codec);
      await producer.send(broker, 'service-1', topic, records, { codec, acks: -1 });
      await expectInTopic(topic);
    });

    test('idempotent', async () => {
      const topic = topicOf(producer.name, 'idempotent');
      const options = { codec: 'none', acks: -1, idempotent: true } as const;
      await producer.send(broker, 'service-1', topic, records, options);
      await expectInTopic(topic);
    });

    test('a forbidden topic fails with its authorization error, and nothing is written', async () => {
      const topic = topicOf(producer.name, 'closed');
      const options = { codec: 'none', acks: 1 } as const;
      const refused = producer.send(broker, 'device-1', topic, records.slice(0, 1), options);
      const error = await refused.then(
        () => new Error('was accepted'),
        (reason: unknown) => reason,
      );
      expect(everythingSaidBy(error)).toMatch(/TOPIC_AUTHORIZATION_FAILED|not authorized/i);
      const read = await kcatRead(broker.identity('service-1'), broker.bootstrap, topic, 0);
      expect(read).toHaveLength(0);
    });
  });
});

/** Message, type and code of an error, of its causes and of the errors it gathers. */
const everythingSaidBy = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const { type, apiId } = error as { type?: unknown; apiId?: unknown };
  const gathered = error instanceof AggregateError ? error.errors : [];
  const inner = [error.cause, ...gathered].filter((each) => each !== undefined);
  return [error.message, type, apiId, ...inner.map(everythingSaidBy)].join(' ');
};
