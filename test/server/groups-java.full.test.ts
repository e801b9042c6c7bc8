/** Kafka's own tools on groups: console consumers, kafka-consumer-groups, the dump of the logs. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { consumerProtocolAssignment } from '../../src/protocol/coordinator-records/consumer-protocol.ts';
import { encodeVersioned } from '../../src/protocol/coordinator-records/versioned.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, javaProperties, writeProperties } from '../tools/client-identity.ts';
import { committedOffsets, formGroup } from '../tools/group-member.ts';
import { type JavaOptions, kafkaCli, runJava } from '../tools/java.ts';
import { kcat } from '../tools/kcat.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const CONSUMER_GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
const MESSAGES = 200;

describeRequiring(['built-broker', 'java-tools', 'kcat'], "Kafka's tools on groups", () => {
  const work = temporaryDirectory('groups-java');
  let broker: BrokerProcess;
  let admin = '';
  let service = '';
  beforeAll(async () => {
    const env = { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' };
    broker = await startBroker({ dataDir: join(work, 'data'), certsDir: join(work, 'certs'), env });
    const properties = (name: string, extra = {}): string =>
      writeProperties(work, name, {
        ...javaProperties(identity(name), broker.bootstrap),
        ...extra,
      });
    admin = properties('admin-1');
    service = properties('service-1', { 'auto.offset.reset': 'earliest' });
    const lines = Array.from({ length: MESSAGES }, (_, n) => `${n}\n`).join('');
    const where = ['-P', '-t', 'telemetry', '-X', 'topic.partitioner=random'];
    await kcat(identity('service-1'), broker.bootstrap, where, { input: lines });
  });
  afterAll(async () => {
    await broker?.dispose();
    removeDirectory(work);
  });

  const identity = (name: string) => clientIdentity(broker.certsDir, 'acme', name);

  async function groups(...args: string[]): Promise<string> {
    const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', admin];
    const result = await runJava(CONSUMER_GROUPS, [...connection, ...args]);
    expect(result.code, result.text).toBe(0);
    return result.text;
  }

  const consume = (args: readonly string[], options: JavaOptions = {}) => {
    const connection = ['--bootstrap-server', broker.bootstrap, '--consumer.config', service];
    const topic = ['--topic', 'telemetry', '--timeout-ms', '8000'];
    return kafkaCli('kafka-console-consumer', [...connection, ...topic, ...args], options);
  };

  const read = (text: string): number[] =>
    text
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number)
      .sort((a, b) => a - b);

  const all = Array.from({ length: MESSAGES }, (_, n) => n);

  test('a console consumer in a group reads everything, and then nothing again', async () => {
    const first = await consume(['--group', 'svc-console', '--max-messages', String(MESSAGES)]);
    expect(read(first.stdout.toString())).toEqual(all);
    const second = await consume(['--group', 'svc-console']);
    expect(read(second.stdout.toString())).toEqual([]);
    expect(second.text).toContain('Processed a total of 0 messages');
  });

  test.each([
    ['cooperative', 'org.apache.kafka.clients.consumer.CooperativeStickyAssignor', {}],
    ['static', 'org.apache.kafka.clients.consumer.RangeAssignor', { 'group.instance.id': 'pump' }],
  ])('with %s membership as well', async (name, assignor, extra) => {
    const settings = { 'partition.assignment.strategy': assignor, ...extra };
    const properties = Object.entries(settings).flatMap(([key, value]) => [
      '--consumer-property',
      `${key}=${value}`,
    ]);
    const group = ['--group', `svc-${name}`, '--max-messages', String(MESSAGES)];
    const result = await consume([...group, ...properties]);
    expect(read(result.stdout.toString())).toEqual(all);
  });

  test('kafka-consumer-groups lists groups with their state and type', async () => {
    expect(await groups('--list')).toContain('svc-console');
    expect(await groups('--list', '--state')).toMatch(/svc-console\s+Empty/);
    expect(await groups('--list', '--type')).toMatch(/svc-console\s+Classic/);
    expect(await groups('--list', '--state', 'Stable')).not.toContain('svc-console');
  });

  test('it describes offsets, members and state', async () => {
    const offsets = await groups('--describe', '--group', 'svc-console');
    const lines = offsets.split('\n').filter((line) => line.startsWith('svc-console'));
    expect(lines).toHaveLength(6);
    for (const line of lines) expect(line.split(/\s+/)[5]).toBe('0'); // the lag

    const client = await WireClient.connect(broker.port, identity('admin-1'));
    const assignment = encodeVersioned(consumerProtocolAssignment, 0, {
      assignedPartitions: [{ topic: 'telemetry', partitions: [0, 1] }],
    });
    const options = { sessionTimeoutMs: 60_000, assignment };
    const { memberId } = await formGroup(client, 'live', options);
    const members = await groups('--describe', '--group', 'live', '--members');
    expect(members).toContain(memberId);
    expect(members).toMatch(/\/127\.0\.0\.1\s+wire-client/);
    expect(await groups('--describe', '--group', 'live', '--state')).toMatch(/range\s+Stable\s+1/);
    client.close();
  });

  test('it resets, deletes offsets, and deletes the group', async () => {
    const topic = ['--topic', 'telemetry'];
    const execute = ['--group', 'svc-console', '--execute', '--reset-offsets'];
    expect(await groups(...execute, ...topic, '--to-offset', '5')).toContain('svc-console');
    const client = await WireClient.connect(broker.port, identity('admin-1'));
    const offsets = await committedOffsets(client, 'svc-console');
    // A partition that holds fewer is set to its end.
    expect(Math.max(...Object.values(offsets))).toBe(5);
    expect(Object.keys(offsets)).toHaveLength(6);
    const deleted = await groups('--delete-offsets', '--group', 'svc-console', ...topic);
    expect(deleted).toContain('Request succeed');
    expect(await committedOffsets(client, 'svc-console')).toEqual({});
    expect(await groups('--delete', '--group', 'svc-console')).toContain('was successful');
    expect(await groups('--list')).not.toContain('svc-console');
    client.close();
  });

  test("a group with members is not deleted, and the tool's words say so", async () => {
    const client = await WireClient.connect(broker.port, identity('admin-1'));
    await formGroup(client, 'busy', { sessionTimeoutMs: 60_000 });
    const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', admin];
    const result = await runJava(CONSUMER_GROUPS, [...connection, '--delete', '--group', 'busy']);
    expect(result.text).toContain('GroupNotEmptyException');
    client.close();
  });

  test("Kafka's dump tool reads the logs of groups", async () => {
    expect(await broker.stop()).toBe(0);
    const metadata = join(broker.dataDir, 'metadata');
    const files = readdirSync(metadata)
      .filter((folder) => folder.startsWith('__consumer_offsets-'))
      .flatMap((folder) =>
        readdirSync(join(metadata, folder))
          .filter((name) => name.endsWith('.log'))
          .map((name) => join(metadata, folder, name)),
      );
    const args = ['--offsets-decoder', '--deep-iteration', '--files', files.join(',')];
    const dump = await kafkaCli('kafka-dump-log', args);
    expect(dump.code, dump.text).toBe(0);
    expect(dump.text).toContain('isvalid: true');
    expect(dump.text).not.toMatch(/isvalid: false|Exception|Could not/i);
    expect(dump.text).toMatch(/"group":"acme\.svc-cooperative","topic":"acme\.telemetry"/);
    expect(dump.text).toContain('"protocolType":"consumer"');
  });
});
