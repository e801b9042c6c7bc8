/**
 * Apache Kafka's tools for quotas, SCRAM credentials, log directories, elections, reassignments, the
 * quorum, features and producers, over mutual TLS, each as an administrator would call it.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  againstKafka,
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { type KafkaTool, kafkaCli } from '../tools/java.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics } from '../tools/topics.ts';

const PASSWORD = 'open-sesame-42';

describeRequiring([...brokerTools, 'java-tools'], "Kafka's tools of administration", () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    await createTopics(broker, { placed: 2 });
    const input = 'a\nb\n';
    await run('kafka-console-producer', ['--topic', 'placed'], 'service-1', 'acme', input);
  });
  afterAll(() => broker?.dispose());

  const run = (tool: KafkaTool, args: string[], name = 'admin-1', tenant = 'acme', input = '') => {
    const client = broker.javaClient(name, {}, tenant);
    const config = tool === 'kafka-leader-election' ? '--admin.config' : '--command-config';
    return kafkaCli(tool, ['--bootstrap-server', broker.bootstrap, config, client, ...args], {
      input,
    });
  };
  const configs = (...args: string[]) => run('kafka-configs', args);
  const alter = (kind: string[], ...change: string[]) => configs('--alter', ...kind, ...change);
  const describe = (...kind: string[]) => configs('--describe', ...kind);

  test('kafka-configs sets, shows and removes quotas of users, clients and both', async () => {
    const user = ['--entity-type', 'users', '--entity-name', 'device-1'];
    const set = await alter(
      user,
      '--add-config',
      'producer_byte_rate=1024,request_percentage=12.5',
    );
    expect(set.text).toContain('Completed updating config for user device-1.');
    const shown = await describe(...user);
    expect(shown.text).toMatch(
      /Quota configs for user-principal 'device-1' are .*producer_byte_rate=1024/,
    );
    expect(shown.text).toContain('request_percentage=12.5');

    const both = [...user, '--entity-type', 'clients', '--entity-name', 'pump'];
    await alter(both, '--add-config', 'consumer_byte_rate=2048');
    expect((await describe(...both)).text).toContain(
      "Quota configs for user-principal 'device-1', client-id 'pump' are consumer_byte_rate=2048",
    );
    const clients = ['--entity-type', 'clients', '--entity-default'];
    await alter(clients, '--add-config', 'controller_mutation_rate=5');
    expect((await describe(...clients)).text).toContain(
      'Quota configs for the default client-id are controller_mutation_rate=5',
    );
    const removed = await alter(user, '--delete-config', 'producer_byte_rate,request_percentage');
    expect(removed.code, removed.text).toBe(0);
    expect((await describe(...user)).text).not.toContain('producer_byte_rate');
  });

  test('kafka-configs sets and shows quotas of addresses', async () => {
    const address = ['--entity-type', 'ips', '--entity-name', '192.0.2.7'];
    const set = await alter(address, '--add-config', 'connection_creation_rate=10');
    expect(set.text).toContain('Completed updating config for ip 192.0.2.7.');
    expect((await describe(...address)).text).toContain(
      "Quota configs for ip '192.0.2.7' are connection_creation_rate=10",
    );
    await alter(address, '--delete-config', 'connection_creation_rate');
    expect((await describe(...address)).text).not.toContain('connection_creation_rate=');
  });

  test('kafka-configs refuses what no quota can be', async () => {
    const user = ['--entity-type', 'users', '--entity-name', 'device-1'];
    const negative = await alter(user, '--add-config', 'producer_byte_rate=-5');
    expect(negative.code).toBe(1);
    expect(negative.text).toContain('must be greater than 0');
  });

  test('kafka-configs sets, shows and deletes SCRAM credentials, and no password is kept', async () => {
    const ada = ['--entity-type', 'users', '--entity-name', 'ada'];
    const config = `SCRAM-SHA-256=[iterations=8192,password=${PASSWORD}],SCRAM-SHA-512=[password=${PASSWORD}]`;
    // One mechanism a user in a request, as Kafka has it.
    const twice = await alter(ada, '--add-config', config);
    expect(twice.text).toMatch(/DuplicateResourceException|altered twice/);
    const set = await alter(
      ada,
      '--add-config',
      `SCRAM-SHA-256=[iterations=8192,password=${PASSWORD}]`,
    );
    expect(set.text).toContain('Completed updating config for user ada.');
    await alter(ada, '--add-config', `SCRAM-SHA-512=[password=${PASSWORD}]`);
    const shown = await describe(...ada);
    expect(shown.text).toContain(
      "SCRAM credential configs for user-principal 'ada' are SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096",
    );
    const everyone = await describe('--entity-type', 'users');
    expect(everyone.text).toContain("'ada' are SCRAM-SHA-256=iterations=8192");
    if (!againstKafka) {
      const foreign = await run('kafka-configs', ['--describe', ...ada], 'admin-1', 'globex');
      expect(foreign.text).not.toContain('SCRAM credential configs');
    }

    const few = await alter(ada, '--add-config', 'SCRAM-SHA-256=[iterations=100,password=x]');
    expect(few.code).toBe(1);
    expect(filesThatHold(broker.dataDir, PASSWORD)).toEqual([]);

    const deleted = await alter(ada, '--delete-config', 'SCRAM-SHA-256');
    expect(deleted.text).toContain('Completed updating config for user ada.');
    const gone = await alter(ada, '--delete-config', 'SCRAM-SHA-256');
    expect(gone.text).toMatch(/ResourceNotFoundException|does not exist/);
    expect((await describe(...ada)).text).toContain("'ada' are SCRAM-SHA-512=iterations=4096");
  });

  // Kafka shows the path.
  test.skipIf(againstKafka)(
    'kafka-log-dirs shows sizes of the own topics, and no path',
    async () => {
      const shown = await run('kafka-log-dirs', ['--describe']);
      const line = shown.text.split('\n').find((text) => text.startsWith('{'))!;
      const { brokers } = JSON.parse(line) as {
        brokers: {
          logDirs: {
            error: null;
            logDir: string;
            partitions: { partition: string; size: number }[];
          }[];
        }[];
      };
      expect(brokers).toHaveLength(1);
      const [directory] = brokers[0]!.logDirs;
      expect(directory).toMatchObject({ error: null, logDir: 'log-dir-0' });
      const placed = directory!.partitions.filter(({ partition }) =>
        partition.startsWith('placed-'),
      );
      expect(placed).toHaveLength(2);
      const onDisk = ['0', '1'].map((n) => segmentBytes(join(broker.dataDir, `acme.placed-${n}`)));
      expect(placed.map(({ size }) => size).sort()).toEqual(onDisk.sort());
      expect(Math.max(...onDisk)).toBeGreaterThan(0);
      expect(shown.text).not.toContain(broker.dataDir);
      expect(shown.text).not.toContain('acme.');
      const device = await run('kafka-log-dirs', ['--describe'], 'device-1');
      expect(device.text).toMatch(/ClusterAuthorizationException|not authorized/i);
    },
  );

  test('kafka-leader-election finds every leader in its place', async () => {
    const one = ['--election-type', 'preferred', '--topic', 'placed', '--partition', '1'];
    const elected = await run('kafka-leader-election', one);
    expect(elected.text).toMatch(/Valid replica already elected for partitions placed-1/);
    const all = await run('kafka-leader-election', [
      '--election-type',
      'preferred',
      '--all-topic-partitions',
    ]);
    expect(all.code, all.text).toBe(0);
    const unknown = ['--election-type', 'preferred', '--topic', 'nowhere', '--partition', '0'];
    expect((await run('kafka-leader-election', unknown)).text).toMatch(/UnknownTopicOrPartition/);
  });

  test('kafka-reassign-partitions lists nothing, takes what is so, and refuses another broker', async () => {
    const listed = await run('kafka-reassign-partitions', ['--list']);
    expect(listed.text).toContain('No partition reassignments found.');
    const place = async (file: string, brokerId: number): Promise<string> => {
      const path = join(broker.workDir, file);
      const partitions = [{ topic: 'placed', partition: 0, replicas: [brokerId] }];
      writeFileSync(path, JSON.stringify({ version: 1, partitions }));
      const args = ['--reassignment-json-file', path, '--execute'];
      return (await run('kafka-reassign-partitions', args)).text;
    };
    const { text } = await run('kafka-topics', ['--describe', '--topic', 'placed']);
    const brokerId = Number(/Partition: 0\s+Leader: (\d+)/.exec(text)![1]);
    expect(await place('here.json', brokerId)).toContain(
      'Successfully started partition reassignment for placed-0',
    );
    expect(await place('there.json', brokerId + 1)).toMatch(/Unknown broker id|INVALID|Invalid/);
  });

  test('kafka-metadata-quorum describes one voter that leads', async () => {
    const status = await run('kafka-metadata-quorum', ['describe', '--status']);
    expect(status.code, status.text).toBe(0);
    expect(status.text).toMatch(/LeaderId:\s+\d+/);
    expect(status.text).toMatch(/MaxFollowerLag:\s+0/);
    const replication = await run('kafka-metadata-quorum', ['describe', '--replication']);
    expect(replication.code, replication.text).toBe(0);
    expect(replication.text).toMatch(/Leader/);
  });

  test('kafka-features describes that there is nothing to choose', async () => {
    const shown = await run('kafka-features', ['describe']);
    expect(shown.code, shown.text).toBe(0);
    expect(shown.text).not.toMatch(/Exception/);
  });

  test('kafka-transactions describes the producers of a partition', async () => {
    const rows: string[] = [];
    for (const partition of ['0', '1']) {
      const where = ['--topic', 'placed', '--partition', partition];
      const shown = await run('kafka-transactions', ['describe-producers', ...where]);
      expect(shown.text).toMatch(/ProducerId\s+ProducerEpoch\s+LatestCoordinatorEpoch/);
      rows.push(...shown.text.split('\n').filter((line) => /^\d+\s+0\s+-1\s+\d+\s/.test(line)));
    }
    // The console producer is idempotent and wrote to one of them, or to both.
    expect(rows.length).toBeGreaterThan(0);
  });
});

function segmentBytes(folder: string): number {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function filesThatHold(folder: string, needle: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(needle));
}
