import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TopicLog } from '../../src/broker/audit-topics/topic-log.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { access, denied, subject } from '../audit/audit-fixture.ts';
import { AuditTopicsFixture, failingProduce, OPERATORS, TOPIC } from './audit-topics-fixture.ts';

let fixture: AuditTopicsFixture;
beforeEach(() => {
  fixture = new AuditTopicsFixture();
});
afterEach(() => fixture.dispose());

const ACME = subject({ tenant: 'acme' });
const GLOBEX = subject({ tenant: 'globex', connectionId: 'c2' });
const acmeTopic = `acme.${TOPIC}`;
const globexTopic = `globex.${TOPIC}`;
const everything = `office.${OPERATORS}`;

type Fields = Readonly<Record<string, unknown>>;
const parse = (value: string): Fields => JSON.parse(value) as Fields;
const isNote = (value: string): boolean => String(parse(value).reason).startsWith('audit-');
const events = (values: readonly string[]): string[] => values.filter((value) => !isNote(value));
const resources = (values: readonly string[]): unknown[] =>
  values.map((value) => parse(value).resource).filter((resource) => resource !== undefined);
const has =
  (count: number) =>
  (values: readonly string[]): boolean =>
    resources(values).length >= count;

function deny(names: readonly string[], who = ACME): void {
  for (const resourceName of names) fixture.running.audit.access(who, denied({ resourceName }));
}
function allow(names: readonly string[], who = ACME): void {
  for (const resourceName of names) fixture.running.audit.access(who, access({ resourceName }));
}
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}-${n}`);

describe('audit topics', () => {
  it('give each tenant its own events, and the operator all lines as they are', async () => {
    const { audit } = await fixture.start();
    deny(['a-1', 'a-2']);
    allow(['a-3']);
    deny(['g-1'], GLOBEX);
    audit.security(null, { type: 'server', outcome: 'success', reason: 'started' });
    audit.security(subject({ tenant: null, principal: null }), {
      type: 'administration',
      outcome: 'success',
      reason: 'tenant-suspend',
      facts: { tenant: 'acme' },
    });
    const acme = await fixture.values(acmeTopic, has(3));
    const globex = await fixture.values(globexTopic, has(1));
    expect(resources(acme).sort()).toEqual(['a-1', 'a-2', 'a-3']);
    expect(resources(globex)).toEqual(['g-1']);
    expect(new Set(acme.map((value) => parse(value).tenant))).toEqual(new Set(['acme']));
    const all = await fixture.values(everything, (values) => values.length >= 7);
    expect(events(all).sort()).toEqual(
      [...fixture.lines('security').slice(1), ...fixture.lines('access')].sort(),
    );
  });

  it('tell a tenant nothing that counts the events of others or names files of the operator', async () => {
    await fixture.start();
    deny(['g-1'], GLOBEX);
    allow(['a-1']);
    await fixture.values(acmeTopic, has(1));
    const [, record] = await fixture.records(acmeTopic);
    const fields = parse(record!.value!.toString('utf8'));
    expect(fields).toMatchObject({ resource: 'a-1', origin: 'operator', rule: access().rule });
    expect(Object.keys(fields)).not.toContain('seq');
    expect(Object.keys(fields)).not.toContain('prev');
    expect(record!.key!.toString()).toBe('User:device-1');
    expect(record!.timestampMs).toBe(Date.parse(String(fields.time)));
    expect(record!.headers.map(({ key }) => key)).toEqual(['stream', 'position']);
    await fixture.values(everything, has(2));
    const last = (await fixture.records(everything)).at(-1)!;
    const seq = last.headers.find(({ key }) => key === 'seq')!.value!.toString();
    expect(seq).toBe(String(parse(last.value!.toString('utf8')).seq));
  });

  it('hold no allowed reading of an audit topic, but refusals and everything else', async () => {
    await fixture.start();
    allow([TOPIC, OPERATORS]);
    fixture.running.audit.access(ACME, access({ resourceType: 'GROUP', resourceName: TOPIC }));
    deny([TOPIC]);
    allow(['last']);
    const values = await fixture.values(acmeTopic, has(3));
    expect(
      events(values).map((value) => [parse(value).resourceType, parse(value).decision]),
    ).toEqual(
      expect.arrayContaining([
        ['GROUP', 'allow'],
        ['TOPIC', 'deny'],
        ['TOPIC', 'allow'],
      ]),
    );
    expect(resources(values)).toHaveLength(3);
  });

  it('go on after a restart where they were, with what was written meanwhile', async () => {
    await fixture.start();
    deny(names('first', 50));
    await fixture.values(acmeTopic, has(50));
    await fixture.stop();
    const alone = await fixture.start({ topicName: 'elsewhere' });
    deny(names('meanwhile', 50));
    await alone.audit.durable();
    await fixture.stop();
    await fixture.start();
    deny(names('third', 50));
    const wanted = [...names('first', 50), ...names('meanwhile', 50), ...names('third', 50)];
    expect(resources(await fixture.values(acmeTopic, has(150)))).toEqual(wanted);
    const all = await fixture.values(everything, has(150));
    expect(new Set(all).size).toBe(all.length);
  });

  it('catch up from the files when more comes than they may hold, in order and once', async () => {
    await fixture.start({ queueCharsMax: 4_000 });
    const wanted = names('flood', 600);
    allow(wanted.slice(0, 300));
    allow(names('g', 100), GLOBEX);
    allow(wanted.slice(300));
    expect(resources(await fixture.values(acmeTopic, has(600)))).toEqual(wanted);
    expect(resources(await fixture.values(globexTopic, has(100)))).toEqual(names('g', 100));
  });

  it('of one tenant that cannot be written hold up nobody, and are made up for', async () => {
    let isBroken = true;
    const through = (engine: Engine): Engine =>
      failingProduce(engine, (name) => isBroken && name === acmeTopic);
    isBroken = false;
    await fixture.start({ through });
    isBroken = true;
    deny(names('a', 20));
    deny(names('g', 20), GLOBEX);
    await fixture.values(globexTopic, has(20));
    expect(resources(await fixture.values(everything, has(40)))).toHaveLength(40);
    expect(resources(await fixture.values(acmeTopic, () => true))).toEqual([]);
    isBroken = false;
    expect(resources(await fixture.values(acmeTopic, has(20)))).toEqual(names('a', 20));
  });

  it('say so where audit files are gone before they were published', async () => {
    await fixture.start();
    deny(['before']);
    await fixture.values(acmeTopic, has(1));
    await fixture.stop();
    await fixture.start({ topicName: 'elsewhere', operatorTenant: null });
    deny(names('lost', 5));
    await fixture.stop();
    for (const name of readdirSync(fixture.auditDirectory)) {
      if (!name.startsWith('security-')) continue;
      const path = join(fixture.auditDirectory, name);
      const kept = readFileSync(path, 'utf8').split('\n').slice(-2);
      writeFileSync(path, kept.join('\n'));
    }
    await fixture.start();
    deny(['after']);
    const values = await fixture.values(acmeTopic, has(3));
    expect(resources(values)).toEqual(['before', 'lost-4', 'after']);
    expect(values.map((value) => parse(value).reason).filter(Boolean)).toEqual([
      'audit-topic-begins',
      'audit-records-missing',
    ]);
  });

  it('are read on from files that were compressed meanwhile', async () => {
    await fixture.start();
    await fixture.stop();
    await fixture.start({ topicName: 'elsewhere' });
    deny(names('packed', 30));
    await fixture.stop();
    const [name] = readdirSync(fixture.auditDirectory).filter((file) =>
      file.startsWith('security'),
    );
    const path = join(fixture.auditDirectory, name!);
    writeFileSync(`${path.replace(/-[0-9]{6}\./, '-000000.')}.gz`, gzipSync(readFileSync(path)));
    const last = readFileSync(path, 'utf8').split('\n').slice(-2).join('\n');
    writeFileSync(path, last);
    await fixture.start();
    expect(resources(await fixture.values(acmeTopic, has(30)))).toEqual(names('packed', 30));
  });

  it("leave a topic alone that somebody else wrote before the name was the broker's", async () => {
    const { engine } = await fixture.start({ topicName: 'elsewhere' });
    const log = new TopicLog(engine, {});
    await log.create([acmeTopic]);
    const forged = { timestampMs: 1, key: null, value: Buffer.from('{"type":"forged"}') };
    await log.append(acmeTopic, [forged], 'all');
    await fixture.stop();
    await fixture.start();
    deny(['a-1']);
    deny(['g-1'], GLOBEX);
    await fixture.values(globexTopic, has(1));
    expect(await fixture.values(acmeTopic, () => true)).toEqual(['{"type":"forged"}']);
  });

  it('of a tenant that is made again begin with it, not with the one of that name before', async () => {
    await fixture.start({ tenants: [] });
    deny(names('predecessor', 10));
    await fixture.running.audit.durable();
    fixture.running.topics.follow([{ name: 'acme', clusterId: 'another' }]);
    await expect
      .poll(async () => (await fixture.records(acmeTopic)).length, { timeout: 5_000 })
      .toBeGreaterThan(0);
    deny(['own']);
    expect(resources(await fixture.values(acmeTopic, has(1)))).toEqual(['own']);
  });

  it('take lines anew whose numbers a power cut gave free', async () => {
    await fixture.start();
    allow(names('unsynced', 3));
    await fixture.values(acmeTopic, has(3));
    await fixture.stop();
    for (const name of readdirSync(fixture.auditDirectory)) {
      if (name.startsWith('access-')) rmSync(join(fixture.auditDirectory, name));
    }
    await fixture.start();
    allow(names('again', 3));
    const values = await fixture.values(acmeTopic, has(6));
    expect(resources(values)).toEqual([...names('unsynced', 3), ...names('again', 3)]);
  });

  it('begin anew, and say so, when the file of positions is lost', async () => {
    await fixture.start();
    deny(['before']);
    await fixture.values(acmeTopic, has(1));
    await fixture.stop();
    writeFileSync(join(fixture.directory, 'audit-topics.json'), '{"version":1');
    await fixture.start();
    deny(['after']);
    const values = await fixture.values(acmeTopic, has(2));
    expect(values.map((value) => parse(value).resource ?? parse(value).reason)).toEqual([
      'audit-topic-begins',
      'before',
      'audit-records-missing',
      'after',
    ]);
  });
});
