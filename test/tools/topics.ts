/** Topics for tests, made and removed over the wire by kafkajs as the tenant's administrator. */
import { Kafka, logLevel } from 'kafkajs';
import type { BrokerUnderTest } from './broker-under-test.ts';
import { nodeTlsOptions } from './client-identity.ts';

/** A kafkajs client; quiet, and with few retries so that a refusal shows at once. */
export const kafkajsClient = (broker: BrokerUnderTest, name: string, tenant = 'acme'): Kafka =>
  new Kafka({
    clientId: `${name}-kafkajs`,
    brokers: [broker.bootstrap],
    ssl: nodeTlsOptions(broker.identity(name, tenant)),
    logLevel: logLevel.NOTHING,
    retry: { retries: 3, initialRetryTime: 50 },
    connectionTimeout: 10_000,
  });

/** Creates topics as `admin-1` of the tenant; resolves when they have leaders. */
export const createTopics = async (
  broker: BrokerUnderTest,
  topics: Readonly<Record<string, number>>,
  tenant = 'acme',
): Promise<void> => {
  const admin = kafkajsClient(broker, 'admin-1', tenant).admin();
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: Object.entries(topics).map(([topic, numPartitions]) => ({
        topic,
        numPartitions,
        replicationFactor: 1,
      })),
    });
  } finally {
    await admin.disconnect();
  }
};
