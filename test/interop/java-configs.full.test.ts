/**
 * kafka-configs and every verb of kafka-topics over mutual TLS, each as a person would call it.
 * (kafka-configs for users and clients has a file of its own.)
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

describeRequiring([...brokerTools, 'java-tools'], 'kafka-configs and kafka-topics', () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    await createTopics(broker, { orders: 2, plain: 1 });
  });
  afterAll(() => broker?.dispose());

  const run = (tool: KafkaTool, name: string, args: readonly string[]) => {
    const connection = ['--bootstrap-server', broker.bootstrap];
    const client = ['--command-config', broker.javaClient(name)];
    return kafkaCli(tool, [...connection, ...client, ...args]);
  };
  const configs = (...args: string[]) => run('kafka-configs', 'admin-1', args);
  const topics = (...args: string[]) => run('kafka-topics', 'admin-1', args);

  const ofTopic = (name: string) => ['--entity-type', 'topics', '--entity-name', name];
  const ofBroker = ['--entity-type', 'brokers', '--entity-name', '1'];
  const ofAllBrokers = ['--entity-type', 'brokers', '--entity-default'];
  const ofGroup = (name: string) => ['--entity-type', 'groups', '--entity-name', name];

  test('a topic: alter, describe, describe all, delete', async () => {
    const added = await configs(
      ...['--alter', ...ofTopic('orders')],
      ...['--add-config', 'segment.ms=3600000,max.message.bytes=1000000'],
    );
    expect(added.text).toBe('Completed updating config for topic orders.\n');
    const own = await configs('--describe', ...ofTopic('orders'));
    expect(own.text).toMatch(/^Dynamic configs for topic orders are:$/m);
    expect(own.text).toContain(
      '  max.message.bytes=1000000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=1000000, DEFAULT_CONFIG:message.max.bytes=1048588}\n',
    );
    expect(own.text).toContain(
      '  segment.ms=3600000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:segment.ms=3600000',
    );
    const all = await configs('--describe', '--all', ...ofTopic('orders'));
    expect(all.text).toContain('All configs for topic orders are:');
    expect(all.text).toMatch(
      / {2}cleanup\.policy=delete sensitive=false synonyms=\{DEFAULT_CONFIG:/,
    );
    expect(all.text).toContain('  segment.ms=3600000 ');
    const deleted = await configs(
      ...['--alter', ...ofTopic('orders'), '--delete-config', 'segment.ms'],
    );
    expect(deleted.text).toBe('Completed updating config for topic orders.\n');
    expect((await configs('--describe', ...ofTopic('orders'))).text).not.toContain('segment.ms');
  });

  test('a topic: what is unknown or not valid is refused', async () => {
    // The tool no longer looks whether what it deletes is there, and to delete nothing is no error.
    const deleted = await configs('--alter', ...ofTopic('orders'), '--delete-config', 'no.such');
    expect(deleted.text).toBe('Completed updating config for topic orders.\n');
    const add = (config: string, topic = 'orders') =>
      configs('--alter', ...ofTopic(topic), '--add-config', config);
    const [bad, unknown, missing] = [
      await add('segment.ms=soon'),
      await add('no.such=1'),
      await add('segment.ms=1000', 'missing'),
    ];
    expect([bad.code, unknown.code, missing.code]).toEqual([1, 1, 1]);
    expect(bad.text).toContain('InvalidConfigurationException: Invalid value');
    expect(unknown.text).toContain(
      'InvalidConfigurationException: Unknown topic config name: no.such',
    );
    expect(missing.text).toContain('UnknownTopicOrPartitionException');
  });

  test('all topics at once', async () => {
    const { text } = await configs('--describe', '--entity-type', 'topics');
    for (const name of ['orders', 'plain', 'telemetry']) {
      expect(text).toContain(`Dynamic configs for topic ${name} are:`);
    }
  });

  test('the cluster-wide default is what topics inherit, until it is deleted', async () => {
    const added = await configs(
      ...['--alter', ...ofAllBrokers, '--add-config', 'log.roll.ms=7200000'],
    );
    expect(added.text).toBe('Completed updating default config for brokers in the cluster.\n');
    const all = await configs('--describe', ...ofAllBrokers);
    expect(all.text).toMatch(/^Default configs for brokers in the cluster are:$/m);
    expect(all.text).toContain(
      '  log.roll.ms=7200000 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.roll.ms=7200000}\n',
    );
    const topic = await configs('--describe', '--all', ...ofTopic('plain'));
    expect(topic.text).toContain(
      '  segment.ms=7200000 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.roll.ms=7200000',
    );
    const deleted = await configs(
      ...['--alter', ...ofAllBrokers, '--delete-config', 'log.roll.ms'],
    );
    expect(deleted.code).toBe(0);
    const back = await configs('--describe', '--all', ...ofTopic('plain'));
    expect(back.text).toContain('  segment.ms=604800000 ');
  });

  test('one broker: alter, describe, describe all, delete, refuse', async () => {
    const added = await configs(
      ...['--alter', ...ofBroker, '--add-config', 'log.index.interval.bytes=8192'],
    );
    expect(added.text).toBe('Completed updating config for broker 1.\n');
    const own = await configs('--describe', ...ofBroker);
    expect(own.text).toMatch(/^Dynamic configs for broker 1 are:$/m);
    expect(own.text).toContain(
      '  log.index.interval.bytes=8192 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.index.interval.bytes=8192, DEFAULT_CONFIG:log.index.interval.bytes=4096}\n',
    );
    const all = await configs('--describe', '--all', ...ofBroker);
    expect(all.text).toContain('All configs for broker 1 are:');
    expect(all.text).toContain('  log.index.interval.bytes=8192 ');
    expect(all.text).toMatch(/ {2}node\.id=1 /);
    if (!againstKafka) expect(all.text).not.toContain(broker.dataDir);
    const brokers = await configs('--describe', '--entity-type', 'brokers');
    expect(brokers.text).toContain('Dynamic configs for broker 1 are:');
    expect(brokers.text).toContain('Default configs for brokers in the cluster are:');
    const refused = await configs(...['--alter', ...ofBroker, '--add-config', 'node.id=7']);
    expect(refused.code).toBe(1);
    expect(refused.text).toContain('InvalidRequestException');
    if (!againstKafka) expect(refused.text).toContain('Broker config node.id is read-only');
    const deleted = await configs(
      ...['--alter', ...ofBroker, '--delete-config', 'log.index.interval.bytes'],
    );
    expect(deleted.code).toBe(0);
    expect((await configs('--describe', ...ofBroker)).text).not.toContain('DYNAMIC_BROKER_CONFIG');
  });

  test('a group: alter, describe, describe all, delete, refuse', async () => {
    const added = await configs(
      ...['--alter', ...ofGroup('readers'), '--add-config', 'consumer.session.timeout.ms=46000'],
    );
    expect(added.text).toBe('Completed updating config for group readers.\n');
    const own = await configs('--describe', ...ofGroup('readers'));
    expect(own.text).toBe(
      'Dynamic configs for group readers are:\n' +
        '  consumer.session.timeout.ms=46000 sensitive=false synonyms={DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=46000, DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000}\n',
    );
    const all = await configs('--describe', '--all', ...ofGroup('readers'));
    expect(all.text).toContain('  consumer.heartbeat.interval.ms=5000 ');
    const groups = await configs('--describe', '--entity-type', 'groups');
    expect(groups.text).toContain('Dynamic configs for group readers are:');
    const refused = await configs(
      ...['--alter', ...ofGroup('readers'), '--add-config', 'consumer.session.timeout.ms=1'],
    );
    expect(refused.text).toContain('InvalidConfigurationException');
    const deleted = await configs(
      ...['--alter', ...ofGroup('readers'), '--delete-config', 'consumer.session.timeout.ms'],
    );
    expect(deleted.code).toBe(0);
    expect((await configs('--describe', ...ofGroup('readers'))).text).toBe(
      "The group 'readers' doesn't exist and doesn't have dynamic config.\n",
    );
  });

  test('of client metrics none are set; loggers: none, said in words', async () => {
    const metrics = await configs('--describe', '--entity-type', 'client-metrics');
    expect([metrics.code, metrics.text]).toEqual([0, '']);
    if (againstKafka) return;
    const loggers = ['--entity-type', 'broker-loggers', '--entity-name', '1'];
    const refused = await configs('--describe', ...loggers);
    expect(refused.text).toContain('Loggers are not served');
  });

  test('a device may neither describe nor alter', async () => {
    const device = (...args: string[]) => run('kafka-configs', 'device-1', args);
    const add = ['--add-config', 'segment.ms=1000'];
    expect((await device('--alter', ...ofTopic('orders'), ...add)).text).toContain(
      'TopicAuthorizationException',
    );
    expect((await device('--describe', ...ofAllBrokers)).text).toContain(
      'ClusterAuthorizationException',
    );
    expect((await device('--describe', ...ofGroup('readers'))).text).toContain(
      'GroupAuthorizationException',
    );
  });

  test('every verb of kafka-topics', async () => {
    const created = await topics(
      ...['--create', '--topic', 'made', '--partitions', '2', '--config', 'segment.ms=60000'],
    );
    expect(created.text).toBe('Created topic made.\n');
    const again = await topics(...['--create', '--if-not-exists', '--topic', 'made']);
    expect([again.code, again.text]).toEqual([0, '']);
    const grown = await topics('--alter', '--topic', 'made', '--partitions', '5');
    expect([grown.code, grown.text]).toEqual([0, '']);
    const described = await topics('--describe', '--topic', 'made');
    expect(described.text).toMatch(
      /Topic: made\s.*PartitionCount: 5\s.*Configs: .*segment\.ms=60000/,
    );
    const overridden = await topics('--describe', '--topics-with-overrides');
    expect(overridden.text).toMatch(/Topic: made\s/);
    // Apache Kafka itself sets min.insync.replicas for all brokers, which the tool counts.
    if (!againstKafka) expect(overridden.text).not.toMatch(/Topic: plain\s/);
    for (const troubled of [
      '--under-replicated-partitions',
      '--unavailable-partitions',
      '--under-min-isr-partitions',
      '--at-min-isr-partitions',
    ]) {
      const { code, text } = await topics('--describe', troubled);
      expect([troubled, code]).toEqual([troubled, 0]);
      // One replica of one is at the minimum, always.
      if (troubled === '--at-min-isr-partitions')
        expect(text).toMatch(/Topic: made\s+Partition: 0/);
      else expect([troubled, text]).toEqual([troubled, '']);
    }
    expect((await topics('--list')).text.split('\n')).toContain('made');
    const byPattern = await topics('--list', '--topic', 'ma.*');
    expect(byPattern.text).toBe('made\n');
    const id = /TopicId: (\S{22})/.exec(described.text)?.[1] ?? '';
    const byId = await topics('--describe', '--topic-id', id);
    expect(byId.text).toMatch(/Topic: made\s/);
    expect((await topics('--delete', '--topic', 'made')).text).toBe('');
    const gone = await topics('--describe', '--topic', 'made');
    expect([gone.code, gone.text.includes("Topic 'made' does not exist as expected")]).toEqual([
      1,
      true,
    ]);
    const absent = await topics('--delete', '--if-exists', '--topic', 'made');
    expect([absent.code, absent.text]).toEqual([0, '']);
  });
});
