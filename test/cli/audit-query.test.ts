/** `audit query|tail|export|index` against a real broker and against files. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { madeRecord, numbers, writeStream } from '../audit/query-fixture.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { temporaryDirectory } from '../tools/temporary-directory.ts';
import { runInProcess } from './run-cli.ts';

type Shown = Readonly<Record<string, unknown>>;

const run = (...args: readonly string[]) => runInProcess(['audit', ...args]);
const rows = (stdout: string): Shown[] => JSON.parse(stdout) as Shown[];

describe('against a running broker', () => {
  const fixture = useBroker();

  beforeAll(async () => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
    for (const tenant of ['acme', 'globex']) {
      const device = await fixture.connect(tenant, 'device-1');
      const topics = [{ name: `forbidden-${tenant}` }, { name: 'telemetry' }];
      await device.call(ApiKey.Metadata, 9, { topics, allowAutoTopicCreation: false });
    }
  });
  afterAll(() => vi.unstubAllEnvs());

  it('query prints what was denied in a tenant, as JSON, newest first', async () => {
    const { code, stdout } = await run(
      ...['query', '--tenant', 'acme', '--decision', 'deny', '--since', '10m', '--json'],
    );
    expect(code).toBe(0);
    const found = rows(stdout);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      stream: 'security',
      tenant: 'acme',
      principal: 'User:device-1',
      resource: 'forbidden-acme',
      decision: 'deny',
    });
    const id = String(found[0]?.id);
    const audit = join(fixture.broker.dataDir, 'audit');
    const explained = await run('explain', id, '--audit', audit);
    expect(explained.stdout).toContain('was denied DESCRIBE on TOPIC "forbidden-acme"');
  });

  it('query prints a table and CSV, and says when there is more', async () => {
    const table = await run('query', '--device', 'device-1', '--tenant', 'globex', '--limit', '1');
    expect(table.stdout).toMatch(/^ID +TIME +TENANT/);
    expect(table.stdout.trim().split('\n')).toHaveLength(2);
    expect(table.stderr).toContain('--limit 0 prints all');
    const csv = await run('query', '--resource', 'forbidden*', '--csv', '--order', 'oldest');
    const lines = csv.stdout.trim().split('\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toContain('forbidden-acme');
    expect((await run('query', '--principal', 'User:nobody')).stdout).toBe('no records\n');
  });

  it('the broker and its files give the same', async () => {
    await fixture.audited('access', ({ principal }) => principal === 'User:device-1');
    const ask = ['query', '--device', 'device-1', '--limit', '0', '--json'];
    const online = rows((await run(...ask)).stdout);
    const dir = join(fixture.broker.dataDir, 'audit');
    expect(rows((await run(...ask, '--dir', dir)).stdout)).toEqual(online);
    expect(online.length).toBeGreaterThan(3);
  });

  it('tail prints what happens from now on, as it happens', async () => {
    const following = run('tail', '--resource', 'late*', '--json', '--limit', '1', '--for', '15');
    await fixture.audited('security', ({ reason }) => reason === 'audit-tail');
    const device = await fixture.connect('acme', 'device-2');
    const topics = [{ name: 'late-news' }];
    await device.call(ApiKey.Metadata, 9, { topics, allowAutoTopicCreation: false });
    const { code, stdout, stderr } = await following;
    expect([code, stderr]).toEqual([0, '']);
    const printed = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Shown);
    expect(printed.map(({ resource, tenant }) => [resource, tenant])).toEqual([
      ['late-news', 'acme'],
    ]);
  });

  it('export writes a file for its owner alone, whole or not at all', async () => {
    const file = join(temporaryDirectory('audit-export'), 'events.json');
    const { code } = await run(
      'export',
      '--format',
      'cloudevents',
      '--tenant',
      'acme',
      '--out',
      file,
    );
    expect(code).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const events = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Shown);
    expect(events.length).toBeGreaterThan(2);
    expect(events.every(({ data }) => (data as Shown).tenant === 'acme')).toBe(true);
    writeFileSync(`${file}.tmp`, 'of another');
    const again = await run('export', '--format', 'ocsf', '--out', file);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('is there')]);
    expect(readFileSync(`${file}.tmp`, 'utf8')).toBe('of another');
    const ndjson = await run(
      'export',
      '--format',
      'ndjson',
      '--stream',
      'security',
      '--limit',
      '2',
    );
    const log = fixture.audit('security').slice(0, 2);
    expect(
      ndjson.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Shown),
    ).toEqual(log);
  });

  it('what cannot be asked is a mistake on the command line', async () => {
    for (const args of [
      ['query', '--since', 'yesterday'],
      ['query', '--decision', 'maybe'],
      ['query', '--address', '10.0.0.1/8'],
      ['query', '--limit', 'many'],
      ['query', '--order', 'random'],
      ['query', '--json', '--csv'],
      ['query', '--device', 'a', '--principal', 'User:a'],
      ['tail', '--until', '2026-11-23'],
      ['export', '--format', 'xml'],
      ['export', '--format', 'cloudevents', '--source', 'no uri'],
    ]) {
      expect((await run(...args)).code, args.join(' ')).toBe(2);
    }
    expect((await run('query', '--dir', '/no/such/folder')).code).toBe(1);
  });
});

describe('on files', () => {
  it('index makes what is missing, finds what is wrong, and queries say the same after', async () => {
    const directory = temporaryDirectory('audit-cli');
    const below = numbers(99);
    const records = Array.from({ length: 400 }, (_, at) => madeRecord('access', at + 1, below));
    const [first] = await writeStream(directory, 'access', records, ['gzip', 'plain', 'plain']);
    const ask = ['query', '--dir', directory, '--device', 'device-7', '--limit', '0', '--json'];
    const before = rows((await run(...ask)).stdout);
    expect(before.map(({ seq }) => seq)).toEqual(
      records
        .filter(({ principal }) => principal === 'User:device-7')
        .map(({ seq }) => seq)
        .reverse(),
    );
    const made = await run('index', '--dir', directory, '--json');
    expect(JSON.parse(made.stdout)).toEqual({ files: 2, made: 2, wrong: [] });
    expect(rows((await run(...ask)).stdout)).toEqual(before);
    expect(rows((await run(...ask, '--no-index')).stdout)).toEqual(before);
    expect((await run('index', '--dir', directory, '--check')).code).toBe(0);
    const index = readFileSync(`${first}.idx`);
    index[index.length - 9]! ^= 1;
    writeFileSync(`${first}.idx`, index);
    const check = await run('index', '--dir', directory, '--check');
    expect([check.code, check.stderr]).toEqual([1, expect.stringContaining('000001.ndjson.gz')]);
    expect(rows((await run(...ask)).stdout)).toEqual(before);
  });
});
