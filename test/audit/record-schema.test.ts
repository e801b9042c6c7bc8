/**
 * docs/audit-record.schema.json says what a record is: every record that a real broker writes while
 * everything of note happens to it, and nothing else. The same records as OCSF and CloudEvents, against
 * those schemas' own data.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { beforeAll, describe, expect, it } from 'vitest';
import { toCloudEvent } from '../../src/audit/export-cloudevents.ts';
import { CSV_COLUMNS, csvCell, csvHeader, csvLine } from '../../src/audit/export-csv.ts';
import { toOcsf } from '../../src/audit/export-ocsf.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { auditRecordProblem } from '../tools/audit-schema.ts';
import { type AuditLine, useBroker } from '../tools/broker-fixture.ts';
import { ocsfProblems } from './ocsf-check.ts';

const fixture = useBroker();
let shown: (AuditLine & { id: string; stream: string })[] = [];

/** One of each kind of thing that is recorded, as far as a test can cause it. */
beforeAll(async () => {
  const { broker } = fixture;
  const device = await fixture.connect('acme', 'device-1');
  const metadata = (...names: string[]) =>
    device.call(ApiKey.Metadata, 9, {
      topics: names.map((name) => ({ name })),
      allowAutoTopicCreation: false,
    });
  await metadata('telemetry', 'forbidden', `long-${'x'.repeat(240)}`);
  for (let at = 0; at < 40; at += 1) await metadata('telemetry', 'forbidden');
  await adminRequest(broker, 'POST', '/v1/tenants/acme/topics', { name: 'made', partitions: 1 });
  await adminRequest(broker, 'POST', '/v1/tenants/acme/topics', { name: 'made', partitions: 1 });
  await adminRequest(broker, 'POST', '/v1/bans', {
    network: '203.0.113.0/24',
    durationMs: 60_000,
    reason: 'a test',
  });
  const rule = { principal: 'User:device-2', permission: 'ALLOW', operation: 'WRITE' };
  const on = { resourceType: 'TOPIC', resourceName: 'made' };
  await adminRequest(broker, 'POST', '/v1/tenants/acme/acls', { ...rule, ...on });
  await adminRequest(broker, 'GET', '/v1/audit/records?tenant=acme&decision=deny');
  await throttled();
  await strangers(broker.port);
  const spoiled = await fixture.connect('acme', 'device-2');
  spoiled.close();
  await fixture.audited('security', (line) => line.reason === 'audit-query');
  await fixture.audited(
    'security',
    ({ type, outcome }) => type === 'authentication' && outcome === 'failure',
  );
  await fixture.audited('access', (line) => line.count !== undefined);
  await fixture.audited('security', ({ type, count }) => type !== 'access' && count !== undefined);
  shown = (['security', 'access'] as const).flatMap((stream) =>
    fixture.audit(stream).map((line) => ({ id: `${stream}:${String(line.seq)}`, stream, ...line })),
  );
}, 60_000);

/** Asks once more than a second allows. */
async function throttled(): Promise<void> {
  const of = { tenant: 'acme', device: 'service-1' };
  const set = (request_rate: number | null) =>
    adminRequest(fixture.broker, 'POST', '/v1/quotas', { ...of, values: { request_rate } });
  await set(1);
  const service = await fixture.connect('acme', 'service-1');
  const asked = Array.from({ length: 2 }, () => service.call(ApiKey.ApiVersions, 0, {}));
  await fixture.audited('security', ({ type }) => type === 'quota');
  await set(null);
  await Promise.all(asked);
  service.close();
}

/** Without certificates and without TLS, often enough to be counted instead of written out. */
async function strangers(port: number): Promise<void> {
  const refused = Array.from(
    { length: 40 },
    () =>
      new Promise<void>((resolve) => {
        const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
      }),
  );
  await Promise.all(refused);
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\n\r\n'));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

const recordOf = ({ id: _id, stream: _stream, ...record }: (typeof shown)[number]) => record;

describe('the schema of a record', () => {
  it('holds for every record that the broker wrote', () => {
    const problems = shown.map((line) => auditRecordProblem(recordOf(line)));
    expect(problems.filter((problem) => problem !== null)).toEqual([]);
    const types = new Set(shown.map(({ type }) => type));
    for (const type of [
      'access',
      'authentication',
      'administration',
      'policy',
      'quota',
      'server',
    ]) {
      expect(types).toContain(type);
    }
  });

  it('refuses what is no record of ours', () => {
    const access = recordOf(shown.find(({ type }) => type === 'access')!);
    const login = recordOf(shown.find(({ type }) => type === 'authentication')!);
    const wrong = [
      {},
      { ...access, more: 1 },
      { ...access, v: 3 },
      { ...access, seq: 0 },
      { ...access, time: '2026-11-23' },
      { ...access, operation: 'EAT' },
      { ...access, decision: 'maybe' },
      { ...access, count: 2 },
      { ...access, outcome: 'success' },
      { ...access, v: 1, prev: 'a'.repeat(64) },
      { ...access, v: 2, prev: undefined },
      { ...access, v: 2, prev: 'A'.repeat(64) },
      { ...login, type: 'dance' },
      { ...login, decision: undefined },
      { ...login, facts: { nested: {} } },
      { ...login, api: 'Fetch' },
    ];
    for (const record of wrong) {
      // As it would stand in a line: without what is undefined.
      const line: unknown = JSON.parse(JSON.stringify(record));
      expect(auditRecordProblem(line), JSON.stringify(record)).not.toBeNull();
    }
    const { v, seq, prev, level, time } = access;
    const [tenant, principal, address] = ['acme', null, null];
    const counted = {
      count: 9,
      first: time,
      last: time,
      detail: 'Counted.',
      reason: 'over-budget',
    };
    const budget = {
      level,
      v,
      seq,
      prev,
      time,
      type: 'administration',
      tenant,
      principal,
      address,
    };
    expect(auditRecordProblem({ ...budget, ...counted })).toBeNull();
    expect(auditRecordProblem({ ...budget, ...counted, count: undefined })).not.toBeNull();
    const { prev: _, ...first } = { prev: '', ...access, v: 1 };
    expect(auditRecordProblem(first)).toBeNull();
    expect(auditRecordProblem({ ...first, v: 2, prev: '0'.repeat(64) })).toBeNull();
  });
});

describe('exports', () => {
  it('as OCSF have what the classes require, in their types and enumerations', () => {
    const events = shown.map((line) => toOcsf(line, '0.1.0'));
    expect(events.flatMap((event) => ocsfProblems(event))).toEqual([]);
    const login = events.find(({ class_uid: uid }) => uid === 3002);
    expect(login).toMatchObject({ type_uid: 300_201, category_uid: 3 });
    const denied = toOcsf(shown.find(({ resource }) => resource === 'forbidden')!, '0.1.0');
    expect(denied).toMatchObject({
      class_uid: 6003,
      type_uid: 600_302,
      status_id: 2,
      actor: { user: { name: 'device-1', domain: 'acme' } },
      api: { operation: 'Metadata' },
      resources: [{ name: 'forbidden', type: 'TOPIC', namespace: 'acme' }],
      src_endpoint: { ip: '127.0.0.1' },
      unmapped: { decision: 'deny', operation: 'DESCRIBE' },
    });
  });

  it('the check of OCSF is one', () => {
    const good = toOcsf(shown[0]!, '0.1.0');
    const { metadata: _, ...bare } = good;
    expect(ocsfProblems(bare)).toEqual(['metadata is required']);
    expect(ocsfProblems({ ...good, activity_id: 77 })).not.toEqual([]);
    expect(ocsfProblems({ ...good, src_endpoint: { port: 1 } })).not.toEqual([]);
    expect(ocsfProblems({ ...good, time: 'now' })).not.toEqual([]);
    expect(ocsfProblems({ ...good, invented: 1 })).not.toEqual([]);
  });

  it('a value that was made unreadable is no address, and nobody is named unknown', () => {
    const hidden = { ...shown.find(({ type }) => type === 'access')!, address: 'hmac:AAAA' };
    expect(toOcsf(hidden, '0.1.0')).toMatchObject({ src_endpoint: { uid: 'hmac:AAAA' } });
    const stranger = shown.find(
      ({ type, principal }) => type === 'authentication' && principal === null,
    );
    expect(toOcsf(stranger!, '0.1.0')).toMatchObject({ user: { name: 'unknown', type_id: 0 } });
  });

  it('as CloudEvents satisfy their schema, and no two have the same id', () => {
    const ajv = new Ajv({ strict: false });
    ('default' in formats ? formats.default : formats)(ajv);
    const path = join(import.meta.dirname, 'fixtures', 'cloudevents.schema.json');
    const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')) as object);
    const events = shown.map((line) => toCloudEvent(line, 'urn:breakwater:audit'));
    for (const event of events) expect(validate(event), JSON.stringify(validate.errors)).toBe(true);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    const [first] = events;
    expect(first?.specversion).toBe('1.0');
    expect(auditRecordProblem(first?.data)).toBeNull();
  });

  it('as CSV have a column for every field, and no cell is a formula', () => {
    const columns: readonly string[] = CSV_COLUMNS;
    for (const line of shown) {
      for (const field of Object.keys(line)) expect(columns).toContain(field);
      expect(cellsOf(csvLine(line))).toHaveLength(columns.length);
    }
    expect(cellsOf(csvHeader())).toEqual(columns);
    expect(csvCell('=cmd|calc')).toBe(`"'=cmd|calc"`);
    for (const begin of ['+1', '-1', '@SUM(A1)', '\t=1', '\r=1']) {
      expect(cellsOf(`${csvCell(begin)}\r\n`)).toEqual([`'${begin}`]);
    }
    for (const text of ['a,b', 'a "b"', 'a\r\nb', 'plain', ' edge ', "it's"]) {
      expect(cellsOf(`${csvCell(text)}\r\n`)).toEqual([text]);
    }
    expect(csvCell(null)).toBe('');
    expect(csvCell(-1)).toBe('-1');
  });
});

/** One record of RFC 4180. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r\n)/gy;
  for (let match = cell.exec(line); match !== null; match = cell.exec(line)) {
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '\r\n') {
      expect(cell.lastIndex).toBe(line.length);
      return cells;
    }
  }
  throw new Error(`no CSV: ${line}`);
}
