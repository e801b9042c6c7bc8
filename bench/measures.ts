/**
 * The measurements: each drives one running broker with a native load (Kafka's own tools, Java
 * drivers, kcat) and returns figures. MB are 10^6 bytes of record values; the broker's processor
 * time is taken beside each load, since on a small noisy machine it says more than the rate.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { nodeTlsOptions } from '../test/tools/client-identity.ts';
import { kafkaCli, runJava } from '../test/tools/java.ts';
import { kcat } from '../test/tools/kcat.ts';
import {
  benchIdentity,
  cpuSeconds,
  javaClientFile,
  type PreparedContender,
  type RunningContender,
} from './contender.ts';

/** Name of a figure -> its value; null where it could not be measured. */
export type Figures = Record<string, number | null>;

export interface BenchPlan {
  /** About how long each load runs. */
  readonly seconds: number;
  readonly certsDir: string;
  readonly workDir: string;
  /** Partition counts of the topics; the topic for n partitions is `bench-<n>-<acks>`. */
  readonly partitionCounts: readonly number[];
  readonly connections: number;
}

const recordBytes = 1024;
/** Records that a load of one second is given: the same for all, so that the work is the same. */
const recordsPerSecond = 60_000;

/** Loads run long enough for the optimising compiler, unlike the command line tools in tests. */
const loadOptions = { timeoutMs: 300_000, isLoad: true };

const kafkajs = (
  plan: BenchPlan,
  bootstrap: string,
  client: string,
  requestTimeout = 60_000,
): Kafka =>
  new Kafka({
    clientId: 'bench',
    brokers: [bootstrap],
    ssl: nodeTlsOptions(benchIdentity(plan.certsDir, client)),
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    connectionTimeout: Math.min(2000, requestTimeout),
    requestTimeout,
  });

const serviceFile = (plan: BenchPlan, broker: RunningContender): string =>
  javaClientFile(plan.certsDir, plan.workDir, broker.bootstrap, 'service-1');

/** The topics of all measurements; on Kafka one more, whose appends are synced one by one. */
export const createBenchTopics = async (
  plan: BenchPlan,
  broker: RunningContender,
): Promise<void> => {
  const names = plan.partitionCounts.flatMap((count) =>
    ['all', '1', 'small'].map((kind) => ({ topic: `bench-${count}-${kind}`, count })),
  );
  const topics = [...names, { topic: 'bench-kcat', count: 1 }].map(({ topic, count }) => ({
    topic,
    numPartitions: count,
    replicationFactor: 1,
  }));
  const configEntries = [{ name: 'flush.messages', value: '1' }];
  const synced = { topic: 'bench-synced', numPartitions: 1, replicationFactor: 1, configEntries };
  const admin = kafkajs(plan, broker.bootstrap, 'admin-1').admin();
  await admin.connect();
  await admin.createTopics({ topics, timeout: 60_000, waitForLeaders: false });
  if (broker.name === 'kafka') {
    await admin.createTopics({ topics: [synced], waitForLeaders: false });
  }
  const all = [...topics, ...(broker.name === 'kafka' ? [synced] : [])];
  for (const { topic } of all) await untilAnswered(topic, () => admin.fetchTopicOffsets(topic));
  await admin.disconnect();
};

/** Kafka opens the logs of new partitions after it has answered that they exist. */
const untilAnswered = async (topic: string, ask: () => Promise<unknown>): Promise<void> => {
  const deadline = performance.now() + 60_000;
  const answers = (): Promise<boolean> =>
    ask().then(
      () => true,
      () => false,
    );
  while (!(await answers())) {
    if (performance.now() > deadline) throw new Error(`${topic} has no leaders after a minute`);
    await pause(50);
  }
};

/** kafka-producer-perf-test, 1 KiB records; the first third of the records warms up. */
const produce = async (
  plan: BenchPlan,
  broker: RunningContender,
  topic: string,
  acks: string,
  scale = 1,
): Promise<Figures> => {
  const counted = Math.round(plan.seconds * recordsPerSecond * scale);
  const warmUp = Math.round(counted / 2);
  const before = cpuSeconds(broker.pid);
  const result = await kafkaCli(
    'kafka-producer-perf-test',
    [
      ...['--bootstrap-server', broker.bootstrap, '--command-config', serviceFile(plan, broker)],
      ...['--topic', topic, '--num-records', String(counted + warmUp), '--throughput', '-1'],
      ...['--warmup-records', String(warmUp), '--record-size', String(recordBytes)],
      ...['--command-property', `acks=${acks}`, 'batch.size=65536', 'linger.ms=5'],
    ],
    loadOptions,
  );
  const rates = [...result.text.matchAll(/([\d.]+) records\/sec .*? ([\d.]+) ms 99th/g)];
  const last = rates.at(-1);
  if (last === undefined || /TimeoutException|AuthorizationException/.test(result.text)) {
    throw new Error(`kafka-producer-perf-test: ${result.text.slice(-2000)}`);
  }
  const megabytes = ((counted + warmUp) * recordBytes) / 1e6;
  return {
    mb_per_s: (Number(last[1]) * recordBytes) / 1e6,
    p99_ms: Number(last[2]),
    cpu_ms_per_mb: ((cpuSeconds(broker.pid) - before) * 1000) / megabytes,
  };
};

const lastJson = (text: string): Figures =>
  JSON.parse(text.trim().split('\n').at(-1) ?? '') as Figures;

/** Reads what `produce` wrote, all partitions assigned. */
const consume = async (
  plan: BenchPlan,
  broker: RunningContender,
  topic: string,
): Promise<Figures> => {
  const records = Math.round(plan.seconds * recordsPerSecond * 1.4);
  const before = cpuSeconds(broker.pid);
  const args = [serviceFile(plan, broker), topic, String(records)];
  const result = await runJava('AssignedConsumerLoad', args, loadOptions);
  if (result.code !== 0) throw new Error(`AssignedConsumerLoad: ${result.text.slice(-2000)}`);
  const { mb_per_s = null } = lastJson(result.text);
  const megabytes = (records * recordBytes) / 1e6;
  return { mb_per_s, cpu_ms_per_mb: ((cpuSeconds(broker.pid) - before) * 1000) / megabytes };
};

/** kafka-consumer-perf-test: it joins a group, so it needs a broker with groups. */
const consumeWithGroup = async (
  plan: BenchPlan,
  broker: RunningContender,
  topic: string,
): Promise<Figures> => {
  const client = serviceFile(plan, broker);
  const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', client];
  const versions = await kafkaCli('kafka-broker-api-versions', connection);
  if (!/JoinGroup\(11\): \d/.test(versions.text)) return { mb_per_s: null };
  const records = Math.round(plan.seconds * recordsPerSecond);
  const result = await kafkaCli(
    'kafka-consumer-perf-test',
    [
      ...[...connection, '--topic', topic, '--num-records', String(records)],
      ...['--group', `svc-bench-${topic}`, '--timeout', '60000', '--hide-header'],
    ],
    loadOptions,
  );
  // start, end, MiB, MiB/s, records, records/s, rebalance ms, fetch ms, fetch MiB/s, ...
  const columns = result.stdout.toString().trim().split('\n').at(-1)?.split(', ') ?? [];
  const mebibytesPerSecond = Number(columns[8]);
  if (Number.isNaN(mebibytesPerSecond)) throw new Error(result.text.slice(-2000));
  return { mb_per_s: (mebibytesPerSecond * 1024 * 1024) / 1e6 };
};

/** Small requests in a closed loop: `depth` on their way on each connection, 100-byte records. */
const smallRequests = async (
  plan: BenchPlan,
  broker: RunningContender,
  partitions: number,
  acks: string,
  depth: number,
): Promise<Figures> => {
  const before = cpuSeconds(broker.pid);
  const sizes = [partitions, plan.connections, depth, plan.seconds, 100].map(String);
  const topic = `bench-${partitions}-small`;
  const settings = [`acks=${acks}`, `enable.idempotence=${acks === 'all'}`];
  const args = [serviceFile(plan, broker), topic, ...sizes, ...settings];
  const result = await runJava('RequestLoad', args, { ...loadOptions, heap: '1g' });
  if (result.code !== 0) throw new Error(`RequestLoad: ${result.text.slice(-2000)}`);
  const {
    requests_per_s = null,
    p50_us = null,
    p99_us = null,
    all,
    errors,
  } = lastJson(result.text);
  if (errors !== 0) throw new Error(`RequestLoad: ${errors} errors\n${result.text.slice(-2000)}`);
  const cpu_us_per_request = ((cpuSeconds(broker.pid) - before) * 1e6) / Number(all);
  return { requests_per_s, p50_us, p99_us, cpu_us_per_request };
};

/** Writes lines of 1 KiB for kcat, once for all rounds. */
export const writeKcatLines = (plan: BenchPlan): string => {
  const file = join(plan.workDir, 'kcat-lines');
  const line = `${'breakwater '.repeat(100).slice(0, recordBytes - 1)}\n`;
  const block = line.repeat(1000);
  const handle = openSync(file, 'w');
  for (let left = plan.seconds * 50; left > 0; left -= 1) writeSync(handle, block);
  closeSync(handle);
  return file;
};

const kcatBothWays = async (
  plan: BenchPlan,
  broker: RunningContender,
  file: string,
): Promise<Figures> => {
  const megabytes = (Math.ceil(plan.seconds * 50) * 1000 * recordBytes) / 1e6;
  const identity = benchIdentity(plan.certsDir, 'service-1');
  const run = async (args: string[]): Promise<number> => {
    const begun = performance.now();
    const result = await kcat(identity, broker.bootstrap, args, loadOptions);
    if (result.code !== 0) throw new Error(`kcat: ${result.stderr.slice(-2000)}`);
    return megabytes / ((performance.now() - begun) / 1000);
  };
  const topic = ['-t', 'bench-kcat', '-p', '0'];
  const tuned = ['-X', 'acks=all', '-X', 'queue.buffering.max.kbytes=262144', '-X', 'linger.ms=5'];
  const produce_mb_per_s = await run(['-P', ...topic, ...tuned, '-l', file]);
  const consume_mb_per_s = await run(['-C', ...topic, '-q', '-e', '-o', 'beginning', '-f', '.']);
  return { produce_mb_per_s, consume_mb_per_s };
};

/** From the spawn of the process to the first acknowledged produce of a waiting client. */
export const startToFirstProduce = async (
  plan: BenchPlan,
  contender: PreparedContender,
): Promise<{ readonly milliseconds: number; readonly running: RunningContender }> => {
  const begun = performance.now();
  const starting = contender.start();
  const deadline = begun + 60_000;
  const attempt = async (): Promise<boolean> => {
    // Short time-outs: a broker that listens but does not answer yet is asked again.
    const producer = kafkajs(plan, contender.bootstrap, 'device-1', 2000).producer();
    try {
      await producer.connect();
      await producer.send({ topic: 'telemetry', acks: -1, messages: [{ value: 'first' }] });
      return true;
    } catch {
      return false;
    } finally {
      await producer.disconnect();
    }
  };
  while (!(await attempt())) {
    if (performance.now() > deadline) throw new Error(`${contender.name} accepts no produce`);
    await pause(10);
  }
  const milliseconds = performance.now() - begun;
  return { milliseconds, running: await starting };
};

const prefixed = (prefix: string, figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}.${name}`, value]));

/** One measurement: the prefix of its figures, and how to take them. */
export type Measurement = readonly [prefix: string, take: () => Promise<Figures>];

/** All loads of one round against one broker, in order: a topic is read after it was written. */
export const measurementsOf = (
  plan: BenchPlan,
  broker: RunningContender,
  kcatLines: string,
): Measurement[] => {
  const perCount = plan.partitionCounts.flatMap((count): Measurement[] => {
    const small = (acks: string, depth: number): Measurement => [
      `${count}p.small_acks_${acks}_depth_${depth}`,
      () => smallRequests(plan, broker, count, acks, depth),
    ];
    return [
      [`${count}p.produce_acks_all`, () => produce(plan, broker, `bench-${count}-all`, 'all')],
      [`${count}p.produce_acks_1`, () => produce(plan, broker, `bench-${count}-1`, '1')],
      [`${count}p.consume`, () => consume(plan, broker, `bench-${count}-all`)],
      [`${count}p.consume_group`, () => consumeWithGroup(plan, broker, `bench-${count}-all`)],
      small('all', 1),
      small('1', 1),
      small('1', 5),
    ];
  });
  const synced: Measurement = [
    '1p.produce_acks_all_peer_synced',
    // A sync for each append is slow: a tenth of the records is enough.
    () =>
      produce(plan, broker, broker.name === 'kafka' ? 'bench-synced' : 'bench-1-all', 'all', 0.1),
  ];
  return [...perCount, synced, ['kcat', () => kcatBothWays(plan, broker, kcatLines)]];
};

/** Takes one measurement; a failure becomes a note on stderr and null figures. */
export const takeMeasurement = async (
  [prefix, take]: Measurement,
  broker: RunningContender,
): Promise<Figures> => {
  try {
    return prefixed(prefix, await take());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${prefix}: ${message}\n${broker.log()}\n`);
    return {};
  }
};
