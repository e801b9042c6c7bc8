/**
 * Limits of 1 MiB/s, measured with real clients at full speed: after the first 15 seconds (a burst is
 * granted) each holds within 5 %, for producers and consumers, by user, client id, fleet and tenant.
 * All run at once on one broker. BREAKWATER_QUOTA_SPAN_S sets how many seconds are measured; 20 by
 * default.
 */
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { spawnReaped } from '../tools/child-process.ts';
import {
  clientIdentity,
  javaProperties,
  kcatConnection,
  writeProperties,
} from '../tools/client-identity.ts';
import { kafkaCli } from '../tools/java.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const MIB = 1024 * 1024;
const LIMIT = MIB;
const RECORD_BYTES = 65_000;
const BURST_S = 15;
const SPAN_S = Number(process.env.BREAKWATER_QUOTA_SPAN_S ?? 20);
const RUN_S = BURST_S + SPAN_S;
/** More than a consumer takes in all. */
const FILLED_RECORDS = Math.ceil(((RUN_S + 15) * MIB) / RECORD_BYTES);

const IN_FLIGHT = 20;

/** Bytes as they came, by the second since the beginning. */
class Meter {
  readonly #beganMs = performance.now();
  readonly #bytes: number[] = [];

  add(bytes: number): void {
    const second = Math.floor((performance.now() - this.#beganMs) / 1000);
    this.#bytes[second] = (this.#bytes[second] ?? 0) + bytes;
  }

  /** Of the limit, in the seconds that count. */
  share(): number {
    let sum = 0;
    for (let second = BURST_S; second < RUN_S; second++) sum += this.#bytes[second] ?? 0;
    return sum / SPAN_S / LIMIT;
  }
}

describeRequiring(['built-broker', 'java-tools', 'kcat'], 'a limit of 1 MiB/s', () => {
  let broker: BrokerProcess;
  let directory = '';
  const shares = new Map<string, number>();
  const running: ChildProcess[] = [];
  let perfOutput = '';

  const admin = async (path: string, body: object): Promise<void> => {
    const { status } = await adminRequest(broker, 'POST', path, body);
    expect(status).toBeLessThan(300);
  };
  const limit = (tenant: string, scope: object, key: string): Promise<void> =>
    admin('/v1/quotas', { tenant, ...scope, values: { [key]: LIMIT } });
  const topic = (tenant: string, name: string): Promise<void> =>
    admin(`/v1/tenants/${tenant}/topics`, { name, partitions: 1 });
  const as = (tenant: string, name: string) => clientIdentity(broker.certsDir, tenant, name);
  const settings = (tenant: string, name: string, more: Readonly<Record<string, string>>) =>
    writeProperties(directory, Object.keys(more).join('-').slice(0, 40), {
      ...javaProperties(as(tenant, name), broker.bootstrap),
      ...more,
    });

  async function fill(tenant: string, name: string): Promise<void> {
    const client = await WireClient.connect(broker.port, as(tenant, 'admin-1'));
    const value = Buffer.alloc(RECORD_BYTES, 'x');
    const records = buildRecordBatch([{ timestampMs: 1, key: null, value }]);
    const produce = () =>
      client.call(ApiKey.Produce, 9, {
        transactionalId: null,
        acks: 1,
        timeoutMs: 5000,
        topicData: [{ name, partitionData: [{ index: 0, records }] }],
      });
    for (let count = 0; count < FILLED_RECORDS; count += IN_FLIGHT) {
      await Promise.all(Array.from({ length: IN_FLIGHT }, produce));
    }
    client.close();
  }

  const kcat = (tenant: string, name: string, args: readonly string[]): ChildProcess => {
    const child = spawnReaped(
      'kcat',
      [...kcatConnection(as(tenant, name), broker.bootstrap), ...args],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    running.push(child);
    child.stdin?.on('error', () => undefined);
    return child;
  };

  /** Writes at full speed; what the broker has is what counts. */
  async function kcatProduces(
    what: string,
    tenant: string,
    name: string,
    to: string,
    ...more: string[]
  ) {
    const child = kcat(tenant, name, [
      ...['-P', '-t', to, '-p', '0', '-X', 'batch.num.messages=1', '-X', 'linger.ms=0'],
      ...['-X', 'queue.buffering.max.messages=50', '-X', 'message.timeout.ms=600000', ...more],
    ]);
    const line = Buffer.from(`${'x'.repeat(RECORD_BYTES)}\n`);
    const write = (): void => {
      while (!child.killed && child.stdin!.write(line));
    };
    child.stdin!.on('drain', write);
    write();
    const reader = await WireClient.connect(broker.port, as(tenant, 'admin-1'));
    const meter = new Meter();
    let before = 0;
    await every(200, async () => {
      const { topics } = await reader.call(ApiKey.ListOffsets, 5, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [
          { name: to, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }] },
        ],
      } as never);
      const offset = Number(topics[0]!.partitions[0]!.offset);
      meter.add((offset - before) * RECORD_BYTES);
      before = offset;
    });
    reader.close();
    child.kill('SIGKILL');
    shares.set(what, meter.share());
  }

  async function kcatConsumes(
    what: string,
    tenant: string,
    name: string,
    from: string,
    ...more: string[]
  ) {
    const child = kcat(tenant, name, [
      ...['-C', '-q', '-t', from, '-p', '0', '-o', 'beginning', '-f', '%s'],
      ...['-X', 'fetch.message.max.bytes=65536', '-X', 'fetch.max.bytes=65536'],
      ...['-X', 'message.max.bytes=65536'],
      ...more,
    ]);
    const meter = new Meter();
    child.stdout!.on('data', (chunk: Buffer) => meter.add(chunk.length));
    await every(RUN_S * 1000 + 500, async () => {});
    child.kill('SIGKILL');
    shares.set(what, meter.share());
  }

  async function every(ms: number, step: () => Promise<void>): Promise<void> {
    const endMs = performance.now() + RUN_S * 1000 + 300;
    while (performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      await step();
    }
  }

  /** kafka-producer-perf-test says every five seconds what it sent in them. */
  async function javaProduces(): Promise<void> {
    const client = settings('acme', 'admin-1', {
      'batch.size': '65536',
      'linger.ms': '0',
      'delivery.timeout.ms': '300000',
      'buffer.memory': '1048576',
      acks: '1',
    });
    const records = Math.floor(((RUN_S + 9) * LIMIT) / RECORD_BYTES);
    const { stdout, stderr, code } = await kafkaCli(
      'kafka-producer-perf-test',
      [
        ...['--topic', 'by-user', '--num-records', String(records), '--throughput', '-1'],
        ...['--record-size', String(RECORD_BYTES), '--producer.config', client, '--print-metrics'],
      ],
      { heap: '256m', timeoutMs: (RUN_S + 60) * 1000 },
    );
    perfOutput = stdout.toString();
    expect([code, stderr.toString()]).toEqual([0, expect.anything()]);
    const windows = [
      ...perfOutput.matchAll(/ records\/sec \(([0-9.]+) MB\/sec\).* max latency\.$/gm),
    ];
    const counted = windows.slice(BURST_S / 5, RUN_S / 5).map((match) => Number(match[1]));
    shares.set('producer by user (Java)', average(counted));
  }

  /** kafka-consumer-perf-test tells every second what it has had so far. */
  async function javaConsumes(): Promise<void> {
    const client = settings('acme', 'admin-1', {
      'fetch.max.bytes': '65536',
      'max.partition.fetch.bytes': '65536',
      'client.id': 'perf',
      'group.id': 'perf',
    });
    const records = Math.floor(((RUN_S + 9) * LIMIT) / RECORD_BYTES);
    const { stdout, code, stderr } = await kafkaCli(
      'kafka-consumer-perf-test',
      [
        ...['--bootstrap-server', broker.bootstrap, '--topic', 'filled', '--timeout', '60000'],
        ...['--messages', String(records), '--consumer.config', client],
        ...['--show-detailed-stats', '--reporting-interval', '1000', '--hide-header'],
      ],
      { heap: '256m', timeoutMs: (RUN_S + 60) * 1000 },
    );
    expect([code, stderr.toString()]).toEqual([0, expect.anything()]);
    // Its lines: time, fetcher, MB so far, MB a second, and so on.
    const had = stdout
      .toString()
      .split('\n')
      .map((row) => row.split(', '))
      .filter((cells) => cells.length >= 6)
      .map((cells) => Number(cells[2]));
    const rates = had.map((mib, index) => mib - (had[index - 1] ?? 0));
    shares.set('consumer by user (Java)', average(rates.slice(BURST_S, RUN_S)));
  }

  beforeAll(
    async () => {
      broker = await startBroker();
      directory = temporaryDirectory('quota-rates');
      await topic('acme', 'by-user');
      await topic('acme', 'device-2.perf');
      await topic('acme', 'by-client');
      await topic('globex', 'by-tenant');
      for (const [tenant, name] of [
        ['acme', 'filled'],
        ['acme', 'commands.device-2'],
        ['globex', 'filled'],
      ] as const) {
        await topic(tenant, name);
        await fill(tenant, name);
      }
      const [produce, consume] = ['producer_byte_rate', 'consumer_byte_rate'];
      await limit('acme', { user: 'admin-1' }, produce!);
      await limit('acme', { clientId: 'limited' }, produce!);
      await limit('acme', { fleet: 'dev' }, produce!);
      await limit('acme', { fleet: 'dev' }, consume!);
      await limit('acme', { user: 'admin-1' }, consume!);
      await limit('acme', { clientId: 'reader' }, consume!);
      await limit('globex', {}, produce!);
      await limit('globex', {}, consume!);
      const filledMs = performance.now();
      await Promise.all([
        javaProduces(),
        javaConsumes(),
        kcatProduces(
          'producer by client id',
          'acme',
          'service-1',
          'by-client',
          '-X',
          'client.id=limited',
        ),
        kcatProduces('producer by fleet', 'acme', 'device-2', 'device-2.perf'),
        kcatProduces('producer by tenant', 'globex', 'service-1', 'by-tenant'),
        kcatConsumes(
          'consumer by client id',
          'acme',
          'service-1',
          'filled',
          '-X',
          'client.id=reader',
        ),
        kcatConsumes('consumer by fleet', 'acme', 'device-2', 'commands.device-2'),
        kcatConsumes('consumer by tenant', 'globex', 'service-1', 'filled'),
      ]);
      const seconds = Math.round((performance.now() - filledMs) / 1000);
      console.info(JSON.stringify({ seconds, ...Object.fromEntries(shares) }));
    },
    (RUN_S + 120) * 1000,
  );
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await broker?.dispose();
    if (directory !== '') removeDirectory(directory);
  });

  describe('holds within 5 %', () => {
    test.each([
      'producer by user (Java)',
      'producer by client id',
      'producer by fleet',
      'producer by tenant',
      'consumer by user (Java)',
      'consumer by client id',
      'consumer by fleet',
      'consumer by tenant',
    ])('%s', (what) => {
      expect(shares.get(what)).toBeGreaterThan(0.95);
      expect(shares.get(what)).toBeLessThan(1.05);
    });
  });

  test("the Java producer's own metrics tell of the throttling", () => {
    const metric = (name: string): number =>
      Number(new RegExp(`^producer-metrics:${name}:.*: ([0-9.]+)$`, 'm').exec(perfOutput)?.[1]);
    expect(metric('produce-throttle-time-avg')).toBeGreaterThan(10);
    expect(metric('produce-throttle-time-max')).toBeGreaterThan(40);
  });
});

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / Math.max(1, numbers.length);
}
