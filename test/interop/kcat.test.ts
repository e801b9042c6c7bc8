/**
 * kcat (librdkafka 2.0) over mutual TLS: lists, writes with every codec, reads back byte for byte,
 * and is refused where policy refuses.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  againstKafka,
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { kcat } from '../tools/kcat.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

/** Lines "key<TAB>value"; every tenth key empty (null on the wire), every seventh value too. */
const inputLines = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => {
    const key = index % 10 === 0 ? '' : `key-${index % 97}`;
    const value = index % 7 === 0 ? '' : `value ${index} ${'äöü€ '.repeat(index % 13)}.`;
    return `${key}\t${value}`;
  });

/** What kcat prints for such a line: lengths, then the bytes. */
const outputLine = (line: string, offset: number): string => {
  const [key = '', value = ''] = line.split('\t');
  const length = (text: string): number => (text === '' ? -1 : Buffer.byteLength(text));
  return `${offset}|${length(key)}|${length(value)}|${key}|${value}|unit=°C,site=plant-a`;
};

describeRequiring([...brokerTools, 'kcat'], 'kcat over mutual TLS', () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    const perCodec = codecs.map((codec) => [`lines-${codec}`, 1] as const);
    await createTopics(broker, { ...Object.fromEntries(perCodec), forbidden: 1 });
  });
  afterAll(() => broker?.dispose());

  const run = (name: string, args: string[], input = '', tenant = 'acme') =>
    kcat(broker.identity(name, tenant), broker.bootstrap, args, { input });

  test('lists the topic that a device may write, and no topic that it may not see', async () => {
    const result = await run('device-1', ['-L', '-J']);
    expect(result.stderr).toBe('');
    const { topics } = JSON.parse(result.stdout.toString()) as {
      topics: { topic: string; partitions: unknown[] }[];
    };
    expect(topics.map((topic) => topic.topic)).toEqual(['telemetry']);
    expect(topics[0]?.partitions).toHaveLength(6);
  });

  test.each(codecs)('writes and reads back 5,000 lines, codec %s', async (codec) => {
    const lines = inputLines(5000);
    const topic = `lines-${codec}`;
    const written = await run(
      'service-1',
      ['-P', '-t', topic, '-p', '0', '-z', codec, '-K', '\\t', '-Z'].concat([
        '-H',
        'unit=°C',
        '-H',
        'site=plant-a',
        '-X',
        'acks=all',
      ]),
      `${lines.join('\n')}\n`,
    );
    expect(written.text).toBe('');
    expect(written.code).toBe(0);
    const format = '%o|%K|%S|%k|%s|%h\\n';
    const where = ['-C', '-q', '-e', '-o', 'beginning', '-t', topic, '-p', '0'];
    const read = await run('service-1', [...where, '-f', format]);
    expect(read.code).toBe(0);
    const got = read.stdout.toString('utf8').split('\n');
    const differing = lines.findIndex((line, index) => got[index] !== outputLine(line, index));
    expect(differing === -1 ? '' : `${differing}: ${got[differing]}`).toBe('');
    expect(got).toHaveLength(lines.length + 1);
  });

  test.each([
    ['0', 'acks=0'],
    ['1', 'acks=1'],
    ['all', 'acks=all'],
    ['all, idempotent', 'enable.idempotence=true'],
  ])('a device publishes telemetry with acks=%s and a service reads it', async (_, setting) => {
    const marker = `${setting} ${process.hrtime.bigint()}`;
    const args = ['-P', '-t', 'telemetry', '-p', '3', '-X', setting];
    const written = await run('device-1', args, `${marker}\n`);
    expect(written.code).toBe(0);
    await expect
      .poll(async () => {
        const where = ['-C', '-q', '-e', '-o', 'beginning', '-t', 'telemetry', '-p', '3'];
        return (await run('service-1', where)).stdout.toString();
      })
      .toContain(marker);
  });

  test('a topic of others refuses its writer and its reader', async () => {
    const written = await run('device-1', ['-P', '-t', 'forbidden', '-p', '0'], 'x\n');
    expect(written.code).toBe(1);
    expect(written.stderr).toMatch(/Topic authorization failed/);
    const read = await run('device-1', ['-C', '-e', '-t', 'forbidden', '-p', '0']);
    expect(read.code).toBe(1);
    expect(read.stderr).toMatch(/Topic authorization failed/);
  });

  test('a topic that may be written but not read refuses the reader', async () => {
    const read = await run('device-1', ['-C', '-e', '-t', 'telemetry', '-p', '0']);
    expect(read.code).toBe(1);
    expect(read.stderr).toMatch(/Topic authorization failed/);
  });

  test.skipIf(againstKafka)('one topic name in two tenants is two topics', async () => {
    for (const tenant of ['acme', 'globex']) {
      const args = ['-P', '-t', 'telemetry', '-p', '5'];
      expect((await run('device-1', args, `only ${tenant}\n`, tenant)).text).toBe('');
    }
    for (const tenant of ['acme', 'globex']) {
      const where = ['-C', '-q', '-e', '-o', 'beginning', '-t', 'telemetry', '-p', '5'];
      const read = await run('service-1', where, '', tenant);
      expect(read.stdout.toString()).toBe(`only ${tenant}\n`);
    }
  });
});
