/**
 * Apache Kafka's own kafka-acls over mutual TLS, with every option it has, and a producer that the
 * rules let in and shut out again.
 */
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

describeRequiring([...brokerTools, 'java-tools'], 'kafka-acls over mutual TLS', () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    await createTopics(broker, { guarded: 1 });
  });
  afterAll(() => broker?.dispose());

  const run = (tool: KafkaTool, name: string, args: string[], input = '', tenant = 'acme') => {
    const client = broker.javaClient(name, {}, tenant);
    const connection = ['--bootstrap-server', broker.bootstrap, '--command-config', client];
    return kafkaCli(tool, [...connection, ...args], { input });
  };
  const acls = (...args: string[]) => run('kafka-acls', 'admin-1', args);

  /** A pattern as the tool prints it. */
  const pattern = (type: string, name: string, patternType = 'LITERAL'): string =>
    `ResourcePattern(resourceType=${type}, name=${name}, patternType=${patternType})`;
  const entry = (principal: string, operation: string, host = '*', permission = 'ALLOW'): string =>
    `(principal=User:${principal}, host=${host}, operation=${operation}, permissionType=${permission})`;

  /** What the tool says of each resource, in any order: pattern -> its entries, sorted. */
  const resourcesIn = (text: string, heading: string): Record<string, string[]> => {
    const resources: Record<string, string[]> = {};
    let current: string[] = [];
    for (const line of text.split('\n')) {
      const named = new RegExp(`^${heading} for resource \`(.*)\`:`).exec(line);
      if (named !== null) {
        current = [];
        resources[named[1]!] = current;
      }
      const shown = /^\s+(\(principal=.*\))\s*$/.exec(line);
      if (shown !== null) current.push(shown[1]!);
    }
    for (const entries of Object.values(resources)) entries.sort();
    return resources;
  };
  const added = async (...args: string[]) => {
    const result = await acls('--add', ...args);
    expect(result.text).not.toMatch(/Exception|Error/);
    expect(result.code).toBe(0);
    return resourcesIn(result.text, 'Adding ACLs');
  };
  const listed = async (...args: string[]) => {
    const result = await acls('--list', ...args);
    expect(result.text).not.toMatch(/Exception|Error/);
    expect(result.code).toBe(0);
    return resourcesIn(result.text, 'Current ACLs');
  };
  const removed = async (...args: string[]) => {
    const result = await acls('--remove', '--force', ...args);
    expect(result.text).not.toMatch(/Exception|Error/);
    expect(result.code).toBe(0);
  };

  test('--add with hosts, several operations and both permissions, --list, --remove', async () => {
    const resource = ['--topic', 'orders'];
    const allow = ['--allow-principal', 'User:ada', '--allow-host', '10.0.0.1'];
    const deny = ['--deny-principal', 'User:eve', '--deny-host', '10.0.0.2'];
    const operations = ['--operation', 'Read', '--operation', 'DescribeConfigs'];
    const expected = {
      [pattern('TOPIC', 'orders')]: [
        entry('ada', 'DESCRIBE_CONFIGS', '10.0.0.1'),
        entry('ada', 'READ', '10.0.0.1'),
        entry('eve', 'DESCRIBE_CONFIGS', '10.0.0.2', 'DENY'),
        entry('eve', 'READ', '10.0.0.2', 'DENY'),
      ],
    };
    expect(await added(...allow, ...deny, ...operations, ...resource)).toEqual(expected);
    expect(await listed(...resource)).toEqual(expected);
    const again = await acls('--add', ...allow, ...operations, ...resource);
    expect(again.text.match(/already exists\./g)).toHaveLength(2);

    await removed(...allow, '--operation', 'Read', ...resource);
    expect((await listed(...resource))[pattern('TOPIC', 'orders')]).toEqual(
      expected[pattern('TOPIC', 'orders')]!.filter(
        (one) => one !== entry('ada', 'READ', '10.0.0.1'),
      ),
    );
    await removed(...resource);
    expect(await listed(...resource)).toEqual({});
  });

  test('every type of resource, and the rules of one principal', async () => {
    const who = ['--allow-principal', 'User:typist'];
    const cases: [string[], string, string][] = [
      [['--topic', 'a', '--group', 'b', '--operation', 'Read'], 'TOPIC', 'a'],
      [['--cluster', '--operation', 'Create'], 'CLUSTER', 'kafka-cluster'],
      [['--transactional-id', 'tx', '--operation', 'Write'], 'TRANSACTIONAL_ID', 'tx'],
      [['--delegation-token', 'tok', '--operation', 'Describe'], 'DELEGATION_TOKEN', 'tok'],
      [['--user-principal', 'User:bob', '--operation', 'CreateTokens'], 'USER', 'User:bob'],
    ];
    for (const [args, type, name] of cases) {
      expect(Object.keys(await added(...who, ...args))).toContain(pattern(type, name));
    }
    const own = await listed('--principal', 'User:typist');
    expect(own).toEqual({
      [pattern('TOPIC', 'a')]: [entry('typist', 'READ')],
      [pattern('GROUP', 'b')]: [entry('typist', 'READ')],
      [pattern('CLUSTER', 'kafka-cluster')]: [entry('typist', 'CREATE')],
      [pattern('TRANSACTIONAL_ID', 'tx')]: [entry('typist', 'WRITE')],
      [pattern('DELEGATION_TOKEN', 'tok')]: [entry('typist', 'DESCRIBE')],
      [pattern('USER', 'User:bob')]: [entry('typist', 'CREATE_TOKENS')],
    });
    for (const [args] of cases) await removed(...who, ...args);
    expect(await listed('--principal', 'User:typist')).toEqual({});
  });

  test('--resource-pattern-type prefixed, match and any', async () => {
    const who = ['--allow-principal', 'User:pat', '--operation', 'Read'];
    const prefixed = ['--resource-pattern-type', 'prefixed'];
    await added(...who, '--topic', 'logs.', ...prefixed);
    await added(...who, '--topic', 'logs.');
    await added(...who, '--topic', 'logs.a');
    const of = async (...args: string[]) =>
      Object.keys(await listed('--principal', 'User:pat', ...args)).sort();
    const [exact, prefix, other] = [
      pattern('TOPIC', 'logs.a'),
      pattern('TOPIC', 'logs.', 'PREFIXED'),
      pattern('TOPIC', 'logs.'),
    ];
    expect(await of('--topic', 'logs.', '--resource-pattern-type', 'any')).toEqual([other, prefix]);
    expect(await of('--topic', 'logs.', ...prefixed)).toEqual([prefix]);
    const matched = ['--topic', 'logs.a', '--resource-pattern-type', 'match'];
    expect(await of(...matched)).toEqual([prefix, exact].sort());
    await removed('--allow-principal', 'User:pat', '--operation', 'Read', ...matched);
    expect(await of()).toEqual([other]);
    await removed('--topic', 'logs.', '--resource-pattern-type', 'any');
    expect(await of()).toEqual([]);
  });

  test('--producer, --consumer and --idempotent give what they promise', async () => {
    const who = ['--allow-principal', 'User:both'];
    const producer = [...who, '--producer', '--idempotent', '--topic', 'p'];
    expect(await added(...producer, '--transactional-id', 'px')).toEqual({
      [pattern('TOPIC', 'p')]: ['CREATE', 'DESCRIBE', 'WRITE'].map((one) => entry('both', one)),
      [pattern('TRANSACTIONAL_ID', 'px')]: ['DESCRIBE', 'WRITE'].map((one) => entry('both', one)),
      [pattern('CLUSTER', 'kafka-cluster')]: [entry('both', 'IDEMPOTENT_WRITE')],
    });
    const consumer = [...who, '--consumer', '--topic', 'c', '--group', 'g'];
    expect(await added(...consumer)).toEqual({
      [pattern('TOPIC', 'c')]: ['DESCRIBE', 'READ'].map((one) => entry('both', one)),
      [pattern('GROUP', 'g')]: [entry('both', 'READ')],
    });
    expect(Object.keys(await listed('--principal', 'User:both'))).toHaveLength(5);
    await removed(...producer, '--transactional-id', 'px');
    await removed(...consumer);
    expect(await listed('--principal', 'User:both')).toEqual({});
  });

  test('a producer is let in by --add and shut out by --remove', async () => {
    const write = () =>
      run('kafka-console-producer', 'device-2', ['--topic', 'guarded'], 'hello\n');
    const refusal = /TopicAuthorizationException|TOPIC_AUTHORIZATION_FAILED|Not authorized/;
    const rule = ['--allow-principal', 'User:device-2', '--producer', '--topic', 'guarded'];
    expect((await write()).text).toMatch(refusal);
    await added(...rule);
    const allowed = await write();
    expect(allowed.text).not.toMatch(/ERROR|Exception/);
    const where = ['--topic', 'guarded', '--partition', '0', '--offset', 'earliest'];
    const read = await run('kafka-console-consumer', 'service-1', [
      ...where,
      ...['--max-messages', '1', '--timeout-ms', '20000'],
    ]);
    expect(read.stdout.toString()).toBe('hello\n');
    await removed(...rule);
    expect((await write()).text).toMatch(refusal);
  });

  test('a refused rule and a caller without the right are told so', async () => {
    const badHost = ['--allow-principal', 'User:ada', '--allow-host', 'no.address.example'];
    if (!againstKafka) {
      const refused = await acls('--add', ...badHost, '--topic', 'x', '--operation', 'Read');
      expect(refused.code).toBe(1);
      expect(refused.text).toMatch(/InvalidRequestException.*host "no\.address\.example"/s);
    }
    for (const verb of ['--list', '--add', '--remove']) {
      const rule = ['--allow-principal', 'User:device-1', '--operation', 'All', '--topic', '*'];
      const args = verb === '--list' ? [verb] : [verb, '--force', ...rule];
      const refused = await run('kafka-acls', 'device-1', args);
      expect(refused.code).toBe(1);
      expect(refused.text).toContain('ClusterAuthorizationException');
    }
  });

  test.skipIf(againstKafka)('rules of policy files are listed and stay', async () => {
    const file = '(principal=Fleet:dev, host=*, operation=WRITE, permissionType=ALLOW)';
    const topic = ['--topic', 'telemetry'];
    await added('--allow-principal', 'User:ada', '--operation', 'Read', ...topic);
    expect(await listed(...topic)).toEqual({
      [pattern('TOPIC', 'telemetry')]: [file, entry('ada', 'READ')],
    });
    const refused = await acls('--remove', '--force', ...topic);
    expect(refused.code).toBe(1);
    expect(refused.text).toMatch(/PolicyViolationException.*policy file.*read-only/s);
    expect(await listed(...topic)).toEqual({ [pattern('TOPIC', 'telemetry')]: [file] });
  });

  test.skipIf(againstKafka)('of one tenant are unknown to another', async () => {
    await added('--allow-principal', 'User:ada', '--operation', 'Read', '--topic', 'own-of-acme');
    const other = await run('kafka-acls', 'admin-1', ['--list'], '', 'globex');
    expect(other.text).toContain('Current ACLs');
    expect(other.text).not.toContain('own-of-acme');
    const cleared = await run(
      'kafka-acls',
      'admin-1',
      ['--remove', '--force', '--topic', 'own-of-acme'],
      '',
      'globex',
    );
    expect(cleared.code).toBe(0);
    expect(Object.keys(await listed('--topic', 'own-of-acme'))).toHaveLength(1);
    await removed('--topic', 'own-of-acme');
  });
});
