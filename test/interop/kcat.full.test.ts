/**
 * kcat writes 100,000 records with each codec over mutual TLS; Kafka's own Java consumer reads them
 * back byte for byte. (The other direction is in java-records.full.test.ts.)
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { runJava } from '../tools/java.ts';
import { kcat } from '../tools/kcat.ts';
import { decodeRecords, makeRecords, type TestRecord } from '../tools/record-file.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

const recordCount = 100_000;
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** What kcat can read from lines: no newline and no tab inside; empty keys and values mean null. */
const asLine = (bytes: Buffer | null): Buffer | null => {
  if (bytes === null || bytes.length === 0) return null;
  return Buffer.from(bytes.map((byte) => (byte === 0x0a || byte === 0x09 ? 0x20 : byte)));
};

const nothing = Buffer.alloc(0);

describeRequiring([...brokerTools, 'java-tools', 'kcat'], 'kcat read by Java', () => {
  let broker: BrokerUnderTest;
  let records: Pick<TestRecord, 'key' | 'value'>[];
  let input: Buffer;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    records = makeRecords(97, recordCount, 1).map((record) => ({
      key: asLine(record.key),
      value: asLine(record.value),
    }));
    input = Buffer.concat(
      records.flatMap(({ key, value }) => [
        key ?? nothing,
        Buffer.from('\t'),
        value ?? nothing,
        Buffer.from('\n'),
      ]),
    );
    await createTopics(broker, Object.fromEntries(codecs.map((codec) => [`by-kcat-${codec}`, 1])));
  });
  afterAll(() => broker?.dispose());

  test.each(codecs)('100,000 records, codec %s', async (codec) => {
    const topic = `by-kcat-${codec}`;
    const how = ['-z', codec, '-K', '\\t', '-Z', '-H', 'unit=°C', '-X', 'acks=all'];
    const args = ['-P', '-t', topic, '-p', '0', ...how];
    const written = await kcat(broker.identity('service-1'), broker.bootstrap, args, { input });
    expect(written.text).toBe('');
    expect(written.code).toBe(0);

    const output = join(broker.workDir, `read-${topic}`);
    const client = broker.javaClient('service-1');
    const read = await runJava('ConsumeFile', [client, topic, output, String(recordCount)]);
    expect(read.text).toBe(`read ${recordCount}\n`);
    const unit = Buffer.from('°C');
    const same = (left: Buffer | null, right: Buffer | null): boolean =>
      left === null || right === null ? left === right : left.equals(right);
    const wrong = decodeRecords(readFileSync(output)).findIndex((got, index) => {
      const wanted = records[index];
      const [header, ...more] = got.headers;
      const isHeaderRight =
        header?.name === 'unit' && same(header.value, unit) && more.length === 0;
      const isPlaceRight = got.offset === BigInt(index) && isHeaderRight;
      return !(isPlaceRight && same(got.key, wanted!.key) && same(got.value, wanted!.value));
    });
    expect(wrong).toBe(-1);
  });
});
