/**
 * The two Node producers that the interoperability tests use, behind one shape: send these records,
 * exactly, in order in each partition.
 */
import { type CompressionAlgorithmValue, Producer } from '@platformatic/kafka';
import { CompressionTypes, type Message } from 'kafkajs';
import type { BrokerUnderTest } from './broker-under-test.ts';
import { nodeTlsOptions } from './client-identity.ts';
import type { TestRecord } from './record-file.ts';
import { kafkajsClient } from './topics.ts';

export interface NodeProducer {
  readonly name: string;
  readonly codecs: readonly string[];
  /** Sends all, as `client`; rejects with the client's own error. */
  send(
    broker: BrokerUnderTest,
    client: string,
    topic: string,
    records: readonly TestRecord[],
    options: SendOptions,
  ): Promise<void>;
}

export interface SendOptions {
  readonly codec: string;
  readonly acks: 0 | 1 | -1;
  readonly idempotent?: boolean;
}

/** Records in one request. */
const chunkLength = 5000;

const chunksOf = (records: readonly TestRecord[]): TestRecord[][] =>
  Array.from({ length: Math.ceil(records.length / chunkLength) }, (_, index) =>
    records.slice(index * chunkLength, (index + 1) * chunkLength),
  );

const kafkajsMessage = (record: TestRecord): Message => ({
  partition: record.partition,
  timestamp: String(record.timestamp),
  key: record.key,
  value: record.value,
  headers: Object.fromEntries(
    record.headers.map((header) => [header.name, header.value ?? Buffer.alloc(0)]),
  ),
});

/** kafkajs 2.2: gzip is the only codec it brings along. */
const kafkajsProducer: NodeProducer = {
  name: 'kafkajs',
  codecs: ['none', 'gzip'],
  async send(broker, client, topic, records, options) {
    const producer = kafkajsClient(broker, client).producer({
      idempotent: options.idempotent ?? false,
      ...(options.idempotent === true ? { maxInFlightRequests: 1 } : {}),
    });
    await producer.connect();
    try {
      const compression = options.codec === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
      for (const chunk of chunksOf(records)) {
        const messages = chunk.map(kafkajsMessage);
        await producer.send({ topic, messages, acks: options.acks, compression });
      }
    } finally {
      await producer.disconnect();
    }
  },
};

const hasBuiltInZstd = 'zstdCompressSync' in process.getBuiltinModule('node:zlib');

/** @platformatic/kafka 1.35: all codecs, zstd where Node has it (22.15). */
const platformaticProducer: NodeProducer = {
  name: '@platformatic/kafka',
  codecs: ['none', 'gzip', 'snappy', 'lz4', ...(hasBuiltInZstd ? ['zstd'] : [])],
  async send(broker, client, topic, records, options) {
    const producer = new Producer({
      clientId: `${client}-platformatic`,
      bootstrapBrokers: [broker.bootstrap],
      tls: nodeTlsOptions(broker.identity(client)),
      retries: 1,
      idempotent: options.idempotent ?? false,
    });
    const compression = options.codec as CompressionAlgorithmValue;
    try {
      for (const chunk of chunksOf(records)) {
        const messages = chunk.map((record) => platformaticMessage(topic, record));
        // Said with each send: the producer's own options do not reach it.
        await producer.send({ messages, acks: options.acks, compression });
      }
    } finally {
      await producer.close();
    }
  },
};

const platformaticMessage = (topic: string, record: TestRecord) => ({
  topic,
  partition: record.partition,
  timestamp: record.timestamp,
  ...(record.key === null ? {} : { key: record.key }),
  ...(record.value === null ? {} : { value: record.value }),
  headers: new Map(
    record.headers.map((header) => [Buffer.from(header.name), header.value ?? Buffer.alloc(0)]),
  ),
});

export const nodeProducers: readonly NodeProducer[] = [kafkajsProducer, platformaticProducer];

/** What these clients can express: a header without a value becomes an empty one. */
export const withoutNullHeaders = (records: readonly TestRecord[]): TestRecord[] =>
  records.map((record) => ({
    ...record,
    headers: record.headers.map(({ name, value }) => ({ name, value: value ?? Buffer.alloc(0) })),
  }));
