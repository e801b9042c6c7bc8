/** `audit explain`: what a broker recorded, in sentences. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sentencesOf } from '../../src/cli/audit-explain.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { runInProcess } from './run-cli.ts';

describe('audit explain', () => {
  const fixture = useBroker();

  it('says who was denied what and why, and what the policy says today', async () => {
    const device = await fixture.connect('acme', 'device-1');
    const topics = [{ name: 'forbidden' }];
    await device.call(ApiKey.Metadata, 9, { topics, allowAutoTopicCreation: false });
    const { seq, certificate } = await fixture.audited(
      'security',
      (line) => line.resource === 'forbidden',
    );
    const audit = join(fixture.broker.dataDir, 'audit');
    const { code, stdout } = await runInProcess([
      'audit',
      'explain',
      `security:${seq}`,
      '--audit',
      audit,
    ]);
    expect(code).toBe(0);
    const [said, today, where] = stdout.split('\n');
    expect(said).toMatch(
      /^At 20.*Z User:device-1 of tenant acme \(Fleet:dev, certificate .*, from 127\.0\.0\.1:[0-9]+, connection .*\) was denied DESCRIBE on TOPIC "forbidden" in Metadata version 9, client id .*: no rule allowed it\.$/,
    );
    expect(said).toContain(`certificate ${certificate}`);
    expect(today).toMatch(
      /^By the policy files of today: User:device-1 is denied DESCRIBE on TOPIC/,
    );
    expect(where).toMatch(/^\(.*security-.*\.ndjson, line [0-9]+\)$/);
  });

  it('explains an authentication, an allowed access and the start of the broker', async () => {
    const audit = join(fixture.broker.dataDir, 'audit');
    const device = await fixture.connect('acme', 'device-1');
    const topics = [{ name: 'telemetry' }];
    await device.call(ApiKey.Metadata, 9, { topics, allowAutoTopicCreation: false });
    const sentence = async (stream: 'security' | 'access', field: string, value: string) => {
      const { seq } = await fixture.audited(stream, (line) => line[field] === value);
      return (await runInProcess(['audit', 'explain', `${stream}:${seq}`, '--audit', audit]))
        .stdout;
    };
    expect(await sentence('security', 'reason', 'started')).toMatch(
      /^At 20.*Z the broker: server: started \(.*mtlsPort [0-9]+/,
    );
    expect(await sentence('security', 'type', 'authentication')).toMatch(
      /Z User:.* of tenant .*: authentication: /,
    );
    expect(await sentence('access', 'type', 'access')).toMatch(/ was allowed /);
  });

  it('refuses what is no id, and says when there is no such record', async () => {
    const audit = join(fixture.broker.dataDir, 'audit');
    for (const id of ['12', 'security', 'other:1', 'security:-1', 'security:1e3']) {
      expect((await runInProcess(['audit', 'explain', id, '--audit', audit])).code).toBe(2);
    }
    const missing = await runInProcess(['audit', 'explain', 'access:999999999', '--audit', audit]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('holds no record access:999999999');
  });

  it('looks into the folder that audit.dir or --dir names', async () => {
    const audit = join(fixture.broker.dataDir, 'audit');
    for (const options of [
      ['--dir', audit],
      ['--set', `audit.dir=${audit}`],
    ]) {
      const { code, stdout } = await runInProcess(['audit', 'explain', 'security:1', ...options]);
      expect([code, stdout.includes(`(${audit}/security-`)], options[0]).toEqual([0, true]);
    }
  });
});

it('a record that stands for many says so', () => {
  const record = {
    type: 'access',
    time: 'T',
    tenant: 'acme',
    principal: 'User:a',
    api: 'Fetch',
    apiVersion: 4,
    operation: 'READ',
    resourceType: 'TOPIC',
    resource: 't',
    decision: 'deny',
    rule: 'p, User:a, acme, TOPIC, LITERAL, t, READ, *, deny',
    origin: 'acme.csv:2',
    rolePath: ['User:a', 'Role:reader'],
    count: 3,
    first: 'A',
    last: 'B',
  };
  expect(sentencesOf(record)).toEqual([
    'At T User:a of tenant acme was denied READ on TOPIC "t" in Fetch version 4, client id -: the rule "p, User:a, acme, TOPIC, LITERAL, t, READ, *, deny" (acme.csv:2) decided, through User:a -> Role:reader.',
    'The record stands for 3 of them, between A and B.',
  ]);
});
