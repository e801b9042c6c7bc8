/**
 * Kafka's own tools on consumer groups over mutual TLS, each as a person would call it, on a living
 * group of kafka-verifiable-consumers and on one that is empty. The tests follow one another.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { awaitExit } from '../tools/child-process.ts';
import { javaProperties, writeProperties } from '../tools/client-identity.ts';
import { commitOffset, committedOffsets } from '../tools/group-member.ts';
import { type KafkaTool, kafkaCli, kafkaToolClass, spawnJava } from '../tools/java.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { startToolShell, type ToolResult, type ToolShell } from '../tools/tool-shell.ts';

const RECORDS = 3000;
const LIVING = 'svc-living';
const EMPTY = 'svc-empty';
/** The records of `resets` partition 0 are a second apart from here on: 2023-11-14T22:13:20Z. */
const FIRST_MS = 1_700_000_000_000;
const COOPERATIVE = 'org.apache.kafka.clients.consumer.CooperativeStickyAssignor';

/** The fields of each line that begins with `first`. */
const rows = (text: string, first: string): string[][] =>
  text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([field]) => field === first);

interface ToolEvent {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** What a verifiable tool tells on its standard output, a JSON object a line. */
const eventsIn = (text: string): ToolEvent[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as ToolEvent);

/** kafka-verifiable-consumer as a member. */
class Verifiable {
  readonly #child: ChildProcess;
  #text = '';
  #errors = '';

  constructor(args: readonly string[]) {
    this.#child = spawnJava(kafkaToolClass('kafka-verifiable-consumer'), args);
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8');
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString('utf8');
    });
  }

  /** Whole lines only. */
  events(name: string): ToolEvent[] {
    const whole = this.#text.slice(0, this.#text.lastIndexOf('\n') + 1);
    return eventsIn(whole).filter((event) => event.name === name);
  }

  get errors(): string {
    return this.#errors;
  }

  async leave(): Promise<void> {
    this.#child.kill('SIGTERM');
    await awaitExit(this.#child, 20_000);
  }
}

describeRequiring(['built-broker', 'java-tools'], "Kafka's tools on consumer groups", () => {
  const fixture = useBroker({ env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '300' } });
  const work = temporaryDirectory('java-groups');
  const members: Verifiable[] = [];
  let shell: ToolShell;

  const connection = (name: string, tenant = 'acme'): string[] => {
    const { bootstrap } = fixture.broker;
    const properties = javaProperties(fixture.who(tenant, name), bootstrap);
    const file = writeProperties(work, `${tenant}-${name}`, properties);
    return ['--bootstrap-server', bootstrap, '--command-config', file];
  };
  const run = (tool: KafkaTool, ...args: string[]): Promise<ToolResult> =>
    shell.run(tool, [...connection('admin-1'), ...args]);
  const groups = async (...args: string[]): Promise<string> =>
    (await run('kafka-consumer-groups', ...args)).text;
  const committed = async (group: string): Promise<Record<string, number>> =>
    committedOffsets(await fixture.connect('acme', 'admin-1'), group);

  beforeAll(async () => {
    shell = startToolShell();
    const admin = await fixture.connect('acme', 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'resets', numPartitions: 2, replicationFactor: 1 }],
      timeoutMs: 10_000,
    });
    for (let n = 0; n < 10; n++) {
      const records = buildRecordBatch([
        { timestampMs: FIRST_MS + n * 1000, key: null, value: Buffer.from(`${n}`) },
      ]);
      const topicData = [{ name: 'resets', partitionData: [{ index: 0, records }] }];
      await admin.call(ApiKey.Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
    }
    await commitOffset(admin, EMPTY, 4, { topic: 'resets' });
    await commitOffset(admin, EMPTY, 0, { topic: 'resets', partition: 1 });
  });

  afterAll(async () => {
    await Promise.all(members.map((member) => member.leave()));
    await shell?.end();
    removeDirectory(work);
  });

  test('kafka-verifiable-producer writes, two kafka-verifiable-consumers share it out', async () => {
    for (let n = 0; n < 2; n++) {
      const where = ['--topic', 'telemetry', '--group-id', LIVING, '--verbose'];
      const how = ['--assignment-strategy', COOPERATIVE, '--session-timeout', '6000'];
      members.push(new Verifiable([...connection('service-1'), ...where, ...how]));
    }
    const assigned = (): number[] =>
      members.map((member) => member.events('partitions_assigned').length);
    await expect.poll(assigned, { timeout: 30_000 }).not.toContain(0);

    const written = await kafkaCli('kafka-verifiable-producer', [
      ...connection('service-1'),
      ...['--topic', 'telemetry', '--max-messages', String(RECORDS), '--acks', '-1'],
      ...['--repeating-keys', '100'], // all partitions get some
    ]);
    const produced = eventsIn(written.text);
    const sent = produced.filter(({ name }) => name === 'producer_send_success');
    expect(new Set(sent.map(({ value }) => value)).size).toBe(RECORDS);
    expect(produced.at(-1)).toMatchObject({ name: 'tool_data', sent: RECORDS, acked: RECORDS });

    const place = ({ partition, offset, value }: ToolEvent): string =>
      `${partition}/${offset} ${value}`;
    const read = (): ToolEvent[] => members.flatMap((member) => member.events('record_data'));
    await expect.poll(() => read().length, { timeout: 30_000 }).toBeGreaterThanOrEqual(RECORDS);
    // Each once, whoever read it.
    expect(read().map(place).sort()).toEqual(sent.map(place).sort());
    for (const member of members) {
      expect(member.events('record_data').length).toBeGreaterThan(0);
      const commits = member.events('offsets_committed');
      expect(commits.length).toBeGreaterThan(0);
      expect(commits.filter(({ success }) => success !== true)).toEqual([]);
    }
    const sum = async (): Promise<number> =>
      Object.values(await committed(LIVING)).reduce((total, offset) => total + offset, 0);
    await expect.poll(sum).toBe(RECORDS);
  });

  test('kafka-consumer-groups lists, also by state and type', async () => {
    expect((await groups('--list')).trim().split('\n').sort()).toEqual([EMPTY, LIVING]);
    const states = await groups('--list', '--state');
    expect(rows(states, 'GROUP')).toEqual([['GROUP', 'STATE']]);
    expect(rows(states, LIVING)).toEqual([[LIVING, 'Stable']]);
    expect(rows(states, EMPTY)).toEqual([[EMPTY, 'Empty']]);
    const stable = await groups('--list', '--state', 'stable');
    expect(stable).toContain(LIVING);
    expect(stable).not.toContain(EMPTY);
    expect(rows(await groups('--list', '--type'), LIVING)).toEqual([[LIVING, 'Classic']]);
    expect(await groups('--list', '--type', 'consumer')).not.toContain(LIVING);
    const admin = connection('admin-1', 'globex');
    const others = await shell.run('kafka-consumer-groups', [...admin, '--list']);
    expect(others.text.trim()).toBe('');
  });

  test('it describes a living group: members, their partitions, state and offsets', async () => {
    const described = ['--describe', '--group', LIVING];
    const offsets = rows(await groups(...described, '--offsets'), LIVING);
    expect(offsets).toHaveLength(6);
    for (const [, topic, , current, end, lag, consumer, host, client] of offsets) {
      expect([topic, current, lag, host]).toEqual(['telemetry', end, '0', '/127.0.0.1']);
      expect(consumer).toContain(client);
    }
    expect(new Set(offsets.map((row) => row[6])).size).toBe(2);

    const brief = rows(await groups(...described, '--members'), LIVING);
    expect(brief.map((row) => row[4])).toEqual(['3', '3']);
    const verbose = await groups(...described, '--members', '--verbose');
    const partitions = [...verbose.matchAll(/telemetry:([\d,]+)/g)].map((match) => match[1]!);
    const numbers = new Set(partitions.flatMap((list) => list.split(',')));
    expect([...numbers].sort()).toEqual(['0', '1', '2', '3', '4', '5']);

    const [state = []] = rows(await groups(...described, '--state'), LIVING);
    expect(state).toEqual([
      ...[LIVING, fixture.broker.bootstrap, '(1)'],
      ...['cooperative-sticky', 'Stable', '2'],
    ]);
    const all = await groups('--describe', '--all-groups', '--state');
    expect(rows(all, LIVING)).toHaveLength(1);
    expect(rows(all, EMPTY)[0]?.slice(-2)).toEqual(['Empty', '0']);
    expect(await groups('--describe', '--group', 'nobody')).toContain('GroupIdNotFoundException');
  });

  test('a living group is not reset, not deleted, and its offsets are not', async () => {
    const before = await committed(LIVING);
    const group = ['--group', LIVING];
    const topic = ['--topic', 'telemetry'];
    const reset = ['--reset-offsets', ...group, ...topic, '--to-earliest', '--execute'];
    expect(await groups(...reset)).toMatch(/only be reset if the group '.*' is inactive/);
    expect(await groups('--delete', ...group)).toContain('GroupNotEmptyException');
    const deleted = await groups('--delete-offsets', ...group, ...topic);
    expect(deleted).toMatch(/telemetry\s+0\s+Error: .*subscribed/i);
    expect(await committed(LIVING)).toEqual(before);
  });

  test('a member that leaves gives its partitions over, and the last one leaves it empty', async () => {
    const [first, second] = members;
    await first!.leave();
    expect(first!.events('shutdown_complete')).toHaveLength(1);
    const owned = async (): Promise<(string | undefined)[]> =>
      rows(await groups('--describe', '--group', LIVING, '--members'), LIVING).map((row) => row[4]);
    await expect.poll(owned, { timeout: 20_000 }).toEqual(['6']);
    await second!.leave();
    const [state = []] = rows(await groups('--describe', '--group', LIVING, '--state'), LIVING);
    expect(state.slice(-2)).toEqual(['Empty', '0']);
    expect(first!.errors + second!.errors).not.toMatch(/ERROR|Exception/);
  });

  test.each([
    { by: ['--to-earliest'], offset: 0 },
    { by: ['--to-latest'], offset: 10 },
    { by: ['--to-offset', '3'], offset: 3 },
    { by: ['--shift-by', '4'], offset: 7 },
    { by: ['--shift-by', '-5'], offset: 2 },
    { by: ['--shift-by', '100'], offset: 10 },
    { by: ['--to-datetime', '2023-11-14T22:13:25.000'], offset: 5 },
    { by: ['--to-datetime', '2023-11-14T22:13:25.001'], offset: 6 },
    { by: ['--by-duration', 'PT1H'], offset: 10 },
    { by: ['--by-duration', 'P20000D'], offset: 0 },
    { by: ['--to-offset', '8'], offset: 8 },
    { by: ['--to-current'], offset: 8 },
  ])('it resets offsets $by to $offset', async ({ by, offset }) => {
    const reset = ['--reset-offsets', '--group', EMPTY, '--topic', 'resets', ...by];
    const before = await committed(EMPTY);
    const planned = rows(await groups(...reset, '--dry-run'), EMPTY);
    expect(await committed(EMPTY)).toEqual(before);
    const done = rows(await groups(...reset, '--execute'), EMPTY);
    expect(done).toEqual(planned);
    expect(done.sort()).toEqual([
      [EMPTY, 'resets', '0', String(offset)],
      [EMPTY, 'resets', '1', '0'],
    ]);
    expect(await committed(EMPTY)).toEqual({ 'resets-0': offset, 'resets-1': 0 });
  });

  test('it exports a plan, and takes one from a file', async () => {
    const reset = ['--reset-offsets', '--group', EMPTY];
    const plan = await groups(...reset, '--all-topics', '--to-offset', '6', '--export');
    const lines = plan.split('\n').filter((line) => /^resets,/.test(line));
    expect(lines.sort()).toEqual(['resets,0,6', 'resets,1,0']);
    expect((await committed(EMPTY))['resets-0']).toBe(8);
    const file = join(work, 'plan.csv');
    writeFileSync(file, `${lines.join('\n')}\n`);
    expect(rows(await groups(...reset, '--from-file', file, '--execute'), EMPTY)).toHaveLength(2);
    expect((await committed(EMPTY))['resets-0']).toBe(6);
    const one = await groups(...reset, '--topic', 'resets:0', '--to-offset', '1', '--execute');
    expect(rows(one, EMPTY)).toEqual([[EMPTY, 'resets', '0', '1']]);
  });

  test('kafka-console-consumer and kafka-consumer-perf-test go on where the group is', async () => {
    const group = ['--topic', 'resets', '--group', EMPTY];
    const service = connection('service-1');
    const console = await shell.run('kafka-console-consumer', [
      ...[...service, ...group, '--max-messages', '4', '--timeout-ms', '20000'],
    ]);
    expect(console.text.split('\n').filter((line) => /^\d$/.test(line))).toEqual(
      ['1', '2', '3', '4'], // the values are the offsets
    );
    expect(console.text).toContain('Processed a total of 4 messages');
    expect((await committed(EMPTY))['resets-0']).toBe(5);
    const measured = await shell.run('kafka-consumer-perf-test', [
      ...[...service, ...group, '--num-records', '5', '--timeout', '20000', '--hide-header'],
    ]);
    expect(measured.text).not.toMatch(/Exception|WARNING/);
    const figures = measured.text.trim().split('\n').at(-1)?.split(', ') ?? [];
    expect(figures[4]).toBe('5'); // data.consumed.in.nMsg
    await expect.poll(async () => (await committed(EMPTY))['resets-0']).toBe(10);
  });

  test.each([
    ['latest', ['resets:0:10', 'resets:1:0']],
    ['-1', ['resets:0:10', 'resets:1:0']],
    ['earliest', ['resets:0:0', 'resets:1:0']],
    ['-2', ['resets:0:0', 'resets:1:0']],
    ['max-timestamp', ['resets:0:9']],
    ['-3', ['resets:0:9']],
    ['earliest-local', ['resets:0:0', 'resets:1:0']],
    ['latest-tiered', []],
    ['earliest-pending-upload', []],
    [String(FIRST_MS + 4500), ['resets:0:5']],
    [String(FIRST_MS + 60_000), []],
  ])('kafka-get-offsets --time %s', async (time, expected) => {
    const result = await run('kafka-get-offsets', '--topic', 'resets', '--time', time);
    expect(result.code, result.text).toBe(0);
    expect(result.text.split('\n').filter((line) => line !== '')).toEqual(expected);
  });

  test('kafka-get-offsets takes patterns of topics and partitions', async () => {
    const wanted = ['--topic-partitions', 'res.*:0,telemetry:4-'];
    const { text } = await run('kafka-get-offsets', ...wanted);
    expect(text).toMatch(/^resets:0:10\ntelemetry:4:\d+\ntelemetry:5:\d+\n*$/);
    const missing = await run('kafka-get-offsets', '--topic', 'nothere');
    expect(missing.code).toBe(1);
    expect(missing.text).toContain('Could not match any topic-partitions');
  });

  test('kafka-broker-api-versions names the APIs of groups', async () => {
    const { text } = await run('kafka-broker-api-versions');
    for (const [api, key] of Object.entries({ JoinGroup: 11, Heartbeat: 12, OffsetDelete: 47 })) {
      expect(text).toMatch(new RegExp(`${api}\\(${key}\\): 0( to \\d+)? \\[usable: \\d+\\]`));
    }
  });

  test('kafka-consumer-groups deletes offsets, and groups', async () => {
    const offsets = await groups('--delete-offsets', '--group', EMPTY, '--topic', 'resets:1');
    expect(offsets).toContain(`Request succeeded for deleting offsets from group ${EMPTY}.`);
    expect(rows(offsets, 'resets')).toEqual([['resets', '1', 'Successful']]);
    expect(await committed(EMPTY)).toEqual({ 'resets-0': 10 });
    const some = await groups('--delete', '--group', EMPTY, '--group', 'nobody');
    expect(some).toContain(`These consumer groups were deleted successfully: '${EMPTY}'`);
    expect(some).toContain("Group 'nobody' could not be deleted due to: ");
    const last = await groups('--delete', '--group', LIVING);
    expect(last).toContain(`Deletion of requested consumer groups ('${LIVING}') was successful.`);
    expect((await groups('--list')).trim()).toBe('');
  });
});
