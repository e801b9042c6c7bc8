/**
 * The audit topics with kcat and Kafka's own tools: read like any topic, changed by none of them,
 * and whole after kills: each line of the log is in the operator's topic once, in order.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity, javaProperties, writeProperties } from '../tools/client-identity.ts';
import { type KafkaTool, kafkaCli } from '../tools/java.ts';
import { kcat } from '../tools/kcat.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const TOPIC = '__audit';
const OPERATORS = '__audit_all';
const KILLS = 3;
const READ_MS = 20_000;

type Fields = Readonly<Record<string, unknown>>;
const parse = (line: string): Fields => JSON.parse(line) as Fields;

describeRequiring(['built-broker', 'kcat', 'java-tools'], 'audit topics', () => {
  const [dataDir, certsDir, workDir] = ['data', 'certs', 'work'].map((purpose) =>
    temporaryDirectory(`audit-topic-${purpose}`),
  ) as [string, string, string];
  let broker: BrokerProcess;
  const start = () =>
    startBroker({
      dataDir,
      certsDir,
      args: ['--set', 'audit.topic.operator.tenant=globex'],
    });
  beforeAll(async () => {
    broker = await start();
  });
  afterAll(async () => {
    await broker?.dispose();
    for (const directory of [dataDir, certsDir, workDir]) removeDirectory(directory);
  });

  const run = (name: string, args: readonly string[], tenant = 'acme', input = '') =>
    kcat(clientIdentity(certsDir, tenant, name), broker.bootstrap, args, { input });
  const read = async (topic: string, tenant: string): Promise<string[]> => {
    const args = ['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', '%s\\n'];
    const { stdout, code, stderr } = await run('admin-1', args, tenant);
    expect(code, stderr).toBe(0);
    return stdout.toString('utf8').split('\n').slice(0, -1);
  };
  const refuse = (topic: string, tenant = 'acme') =>
    run('device-1', ['-P', '-t', topic], tenant, 'x\n');
  const tool = (name: KafkaTool, args: readonly string[], configFlag = '--command-config') => {
    const identity = clientIdentity(certsDir, 'acme', 'admin-1');
    const file = writeProperties(workDir, name, javaProperties(identity, broker.bootstrap));
    return kafkaCli(name, ['--bootstrap-server', broker.bootstrap, configFlag, file, ...args]);
  };
  const awaited = async (
    topic: string,
    tenant: string,
    isThere: (lines: string[]) => boolean,
  ): Promise<string[]> => {
    const endMs = Date.now() + READ_MS;
    for (;;) {
      const lines = await read(topic, tenant);
      if (isThere(lines)) return lines;
      if (Date.now() > endMs) throw new Error(`not in ${topic} in time: ${lines.at(-1)}`);
    }
  };

  it('are read by the console consumer, with keys, headers and times', async () => {
    await refuse('mark-of-java');
    const lines = await awaited(TOPIC, 'acme', (some) => some.join().includes('mark-of-java'));
    // Its heartbeats are events too: without a number it would never come to an end.
    const count = 1 + lines.findIndex((line) => line.includes('mark-of-java'));
    const print = ['key', 'headers', 'timestamp'].flatMap((what) => [
      '--property',
      `print.${what}=true`,
    ]);
    const { text } = await tool(
      'kafka-console-consumer',
      ['--topic', TOPIC, '--from-beginning', '--max-messages', String(count), ...print],
      '--consumer.config',
    );
    const line = text.split('\n').find((candidate) => candidate.includes('mark-of-java'));
    expect(line).toMatch(
      /^CreateTime:\d{13}\tstream:security(,position:[\w-]{22})?\tUser:device-1\t\{/,
    );
    expect(text).not.toContain('globex');
  }, 60_000);

  it("are shown as internal, and changed by none of Kafka's tools", async () => {
    const listed = await tool('kafka-topics', ['--list', '--exclude-internal']);
    expect(listed.text).toBe('telemetry\n');
    const attempts: readonly (readonly [KafkaTool, readonly string[]])[] = [
      ['kafka-topics', ['--delete', '--topic', TOPIC]],
      ['kafka-topics', ['--alter', '--topic', TOPIC, '--partitions', '4']],
      ['kafka-topics', ['--create', '--topic', OPERATORS]],
      ['kafka-configs', ['--alter', '--topic', TOPIC, '--add-config', 'retention.ms=1']],
    ];
    for (const [name, args] of attempts) {
      const result = await tool(name, args);
      expect(result.code, args.join(' ')).not.toBe(0);
      expect(result.text, args.join(' ')).toMatch(/TopicAuthorizationException/);
    }
    const written = await run('admin-1', ['-P', '-t', TOPIC], 'acme', 'forged\n');
    expect(written.stderr).toMatch(/Topic authorization failed/);
    expect((await read(TOPIC, 'acme')).join()).not.toContain('forged');
  }, 60_000);

  it('have each line once, in order, after kills', async () => {
    for (let round = 0; round < KILLS; round += 1) {
      const tenants = ['acme', 'globex'];
      await Promise.all(tenants.map((tenant) => refuse(`round-${round}`, tenant)));
      const during = tenants.map((tenant) => refuse(`killed-${round}`, tenant));
      // At another moment of its work each time.
      await new Promise((resolve) => setTimeout(resolve, 15 + 60 * round));
      await broker.kill9();
      await Promise.all(during);
      broker = await start();
    }
    await refuse('the-last');
    const own = await awaited(TOPIC, 'acme', (lines) => lines.join().includes('the-last'));
    const all = await awaited(OPERATORS, 'globex', (lines) => lines.join().includes('the-last'));
    const published = all.filter((line) => parse(line).seq !== undefined);
    expect(new Set(published).size).toBe(published.length);
    const security = logged('security');
    const begin = security.indexOf(published[0]!);
    const end = security.findLastIndex((line) => line.includes('the-last'));
    expect(begin).toBeGreaterThan(-1);
    expect(published.filter((line) => security.includes(line)).slice(0, end + 1 - begin)).toEqual(
      security.slice(begin, end + 1),
    );
    const ofAcme = (lines: readonly string[]): unknown[] =>
      lines
        .map(parse)
        .filter(({ tenant, decision }) => tenant === 'acme' && decision === 'deny')
        .map(({ time, resource, connection }) => [time, resource, connection]);
    expect(ofAcme(own)).toEqual(ofAcme(security));
    expect(own.join()).not.toContain('globex');
  }, 90_000);

  function logged(stream: string): string[] {
    const directory = join(dataDir, 'audit');
    return readdirSync(directory)
      .filter((name) => name.startsWith(`${stream}-`) && name.endsWith('.ndjson'))
      .sort()
      .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
      .filter((line) => line !== '');
  }
});
