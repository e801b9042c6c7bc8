/** /v1/audit: who may read what of the audit log, and that reading is recorded before it happens. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ThreadAuditRecords } from '../../src/admin/audit-records.ts';
import { AuditQueryThread } from '../../src/audit/audit-query-thread.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { fileName, lineOf, type MadeRecord, madeRecord, numbers } from '../audit/query-fixture.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { testSeed } from '../tools/test-seed.ts';
import { type AdminFixture, type Answer, DENIED, startFixture } from './admin-fixture.ts';

const below = numbers(testSeed('admin-audit', 7_001));
const RECORDS = 300;

let admin: AdminFixture;
let directory = '';
let path = '';
let made: MadeRecord[] = [];
/** What was asked of the log itself. */
let asked = 0;

beforeAll(async () => {
  admin = await startFixture();
  admin.tenants.set('globex', { ...admin.tenants.get('acme')!, name: 'globex' });
});
afterAll(() => admin.dispose());
beforeEach(() => {
  directory = temporaryDirectory('admin-audit');
  path = join(directory, fileName('security', 1));
  made = Array.from({ length: RECORDS }, (_, at) => madeRecord('security', at + 1, below));
  writeFileSync(path, made.map(lineOf).join(''), 'latin1');
  asked = 0;
  const thread = new AuditQueryThread(directory);
  const log = {
    page: (request: Parameters<typeof thread.page>[0]) => {
      asked += 1;
      return thread.page(request);
    },
    end: () => thread.end(),
  };
  const parts = { log, clock: systemClock, random: systemRandom, logger: silentLogger };
  Object.assign(admin.deps, { records: new ThreadAuditRecords(parts) });
});
afterEach(() => {
  admin.decide = () => ({ allowed: true, rule: 'p, test', origin: 'test.csv:1' });
  admin.audit.failing = false;
  admin.audit.events.length = 0;
  removeDirectory(directory);
});

const get = (query: string, route = 'records'): Promise<Answer> =>
  admin.call('GET', `/v1/audit/${route}?${query}`);
const recordsIn = ({ json }: Answer) => json.records as MadeRecord[];
const ofTenant = (tenant: string): MadeRecord[] =>
  made.filter((record) => record.tenant === tenant);

describe('authorization', () => {
  it('who may read one tenant gets nothing without naming it, and of it nothing else', async () => {
    admin.decide = (tenant) =>
      tenant === 'acme' ? { allowed: true, rule: null, origin: null } : DENIED;
    expect((await get('')).status).toBe(403);
    expect((await get('tenant=globex')).status).toBe(403);
    expect((await get('tenant=acme&tenant=globex')).status).toBe(400);
    expect((await get('', 'tail')).status).toBe(403);
    expect(asked).toBe(0);
    const answer = await get('tenant=acme&limit=500');
    expect(recordsIn(answer).map(({ seq }) => seq)).toEqual(
      ofTenant('acme')
        .map(({ seq }) => seq)
        .reverse(),
    );
    expect(answer.text).not.toContain('globex');
    for (const filter of ['resourcePrefix=', 'address=0.0.0.0/0', 'decision=deny']) {
      const found = recordsIn(await get(`tenant=acme&limit=500&${filter}`));
      expect(found.length).toBeGreaterThan(0);
      expect(found.every(({ tenant }) => tenant === 'acme')).toBe(true);
    }
  });

  it('a tenant that is not there is 404, and nothing is read', async () => {
    expect((await get('tenant=nobody')).json.code).toBe('no-such-tenant');
    expect(asked).toBe(0);
  });

  it('who reads what is on stable storage before the first record is read', async () => {
    await get('tenant=acme&decision=deny&principal=User%3Adevice-1&address=10.0.0.0%2F8');
    const story = admin.audit.story();
    const at = story.indexOf('security audit-query success');
    expect(story[at - 1]).toMatch(
      /^access GET \/v1\/audit\/records DESCRIBE CLUSTER acme\/.* allow$/,
    );
    expect(story[at + 1]).toBe('durable');
    const facts = admin.audit.events[at]?.security?.facts;
    expect(facts).toEqual({
      tenant: 'acme',
      decision: 'deny',
      principal: 'User:device-1',
      address: '10.0.0.0/8',
    });
    admin.audit.failing = true;
    asked = 0;
    expect((await get('tenant=acme')).json.code).toBe('audit-offline');
    expect(asked).toBe(0);
  });
});

describe('pages', () => {
  it('give every record once, and only the first is recorded as a reading', async () => {
    const seqs: number[] = [];
    let next: unknown = null;
    do {
      const cursor: string = typeof next === 'string' ? `&cursor=${next}` : '';
      const answer = await get(`order=oldest&limit=70${cursor}`);
      seqs.push(...recordsIn(answer).map(({ seq }) => seq));
      next = answer.json.next;
    } while (next !== null);
    expect(seqs).toEqual(made.map(({ seq }) => seq));
    const readings = admin.audit.story().filter((line) => line === 'security audit-query success');
    expect(readings).toHaveLength(1);
  });

  it('a cursor is good for its own question only, and cannot be made', async () => {
    const { json } = await get('tenant=acme&limit=5');
    const cursor = String(json.next);
    expect((await get(`tenant=acme&limit=9&cursor=${cursor}`)).status).toBe(200);
    const bent = Buffer.from(cursor, 'base64url');
    bent[bent.length - 2]! ^= 1;
    asked = 0;
    for (const query of [
      `tenant=globex&cursor=${cursor}`,
      `cursor=${cursor}`,
      `tenant=acme&decision=deny&cursor=${cursor}`,
      `tenant=acme&order=oldest&cursor=${cursor}`,
      `tenant=acme&cursor=${bent.toString('base64url')}`,
      `tenant=acme&cursor=AA`,
      `tenant=acme&cursor=${Buffer.from('0123456789abcdef[null,null]').toString('base64url')}`,
    ]) {
      const { status, json: problem } = await get(query);
      expect([status, problem.code], query).toEqual([400, 'invalid-cursor']);
    }
    expect(asked).toBe(0);
    const tail = await get(`tenant=acme&cursor=${cursor}`, 'tail');
    expect(tail.json.code).toBe('invalid-cursor');
  });

  it('what cannot be is refused by its name', async () => {
    for (const [query, code] of [
      ['limit=0', 'invalid-field'],
      ['limit=501', 'invalid-field'],
      ['address=nowhere', 'invalid-field'],
      ['address=10.0.0.1%2F8', 'invalid-field'],
      ['since=yesterday', 'invalid-field'],
      ['decision=maybe', 'invalid-field'],
      ['certificate=xyz', 'invalid-field'],
      ['exceptApi=Fetch', 'unknown-field'],
      ['waitMs=1', 'unknown-field'],
    ]) {
      const { status, json } = await get(query!);
      expect([status, json.code], query).toEqual([400, code]);
    }
    expect((await get('waitMs=10001', 'tail')).status).toBe(400);
    expect((await get('order=newest', 'tail')).json.code).toBe('unknown-field');
    expect(asked).toBe(0);
  });

  it('a log that cannot be read is 503, and nothing of the disk is told', async () => {
    removeDirectory(directory);
    const answer = await get('');
    expect([answer.status, answer.json.code]).toEqual([503, 'audit-unreadable']);
    expect(answer.text).not.toContain(directory);
    expect(answer.text).not.toContain('ENOENT');
  });
});

describe('hidden values', () => {
  it('are found by what they were, and a part of one is refused', async () => {
    const hide = (field: string, value: string): string | null =>
      ['principal', 'address', 'resource'].includes(field) ? `hmac:${field}:${value}` : null;
    const whole = made[0]!;
    const hidden = {
      ...whole,
      principal: hide('principal', 'User:ada'),
      address: hide('address', '10.1.2.3'),
      resource: hide('resource', 'alarms'),
    };
    writeFileSync(path, lineOf(hidden) + made.slice(1).map(lineOf).join(''), 'latin1');
    const log = new AuditQueryThread(directory);
    const parts = { log, clock: systemClock, random: systemRandom, logger: silentLogger, hide };
    Object.assign(admin.deps, { records: new ThreadAuditRecords(parts) });
    for (const query of ['principal=User:ada', 'address=10.1.2.3', 'resource=alarms']) {
      expect(
        recordsIn(await get(query)).map(({ seq }) => seq),
        query,
      ).toEqual([1]);
    }
    for (const query of ['address=10.0.0.0/8', 'resourcePrefix=al']) {
      expect((await get(query)).json.code, query).toBe('invalid-field');
    }
    expect(recordsIn(await get(`certificate=${String(whole.certificate)}`)).length).toBeGreaterThan(
      0,
    );
  });
});

describe('following', () => {
  it('begins behind the newest record and answers as soon as there is another', async () => {
    const { json } = await get('', 'tail');
    expect(json.records).toEqual([]);
    const waiting = get(`cursor=${String(json.next)}&waitMs=10000`, 'tail');
    const late = { ...madeRecord('security', RECORDS + 1, below), tenant: 'globex' };
    appendFileSync(path, lineOf(late), 'latin1');
    const answer = await waiting;
    expect(recordsIn(answer).map(({ seq }) => seq)).toEqual([RECORDS + 1]);
    const again = await get(`cursor=${String(answer.json.next)}&waitMs=1`, 'tail');
    expect(again.json.records).toEqual([]);
  });

  it("shows a tenant's reader that tenant only, from --since on", async () => {
    const since = made[100]!.time;
    const { json } = await get(`tenant=acme&since=${since}&limit=500`, 'tail');
    const found = json.records as MadeRecord[];
    expect(found.length).toBeGreaterThan(20);
    expect(found.every(({ tenant }) => tenant === 'acme')).toBe(true);
  });

  it('does not follow its own requests, unless asked for them', async () => {
    const own = { ...madeRecord('security', RECORDS + 1, below), api: 'GET /v1/audit/tail' };
    appendFileSync(path, lineOf(own), 'latin1');
    const since = `since=${own.time}`;
    expect((await get(`${since}&waitMs=1`, 'tail')).json.records).toEqual([]);
    const asking = `${since}&api=${encodeURIComponent('GET /v1/audit/tail')}`;
    expect(recordsIn(await get(asking, 'tail')).map(({ seq }) => seq)).toEqual([RECORDS + 1]);
  });

  it('a right that goes while it waits is asked for again', async () => {
    const { json } = await get('', 'tail');
    let asks = 0;
    const allowed = admin.decide;
    admin.decide = (tenant, action) => {
      asks += 1;
      return asks === 1 ? allowed(tenant, action) : DENIED;
    };
    const late = lineOf(madeRecord('security', RECORDS + 1, below));
    const waiting = get(`cursor=${String(json.next)}&waitMs=10000`, 'tail');
    appendFileSync(path, late, 'latin1');
    expect((await waiting).json.code).toBe('not-authorized');
  });

  it('has room for a bounded number of readers', async () => {
    const { json } = await get('', 'tail');
    const records = admin.deps.records;
    const question = {
      filter: { exceptApi: 'x' },
      order: 'oldest',
      reader: 'r',
      readerTenant: null,
    } as const;
    const from = String((await records.follow(question, null, 1, 1)).next);
    const many = Array.from({ length: 33 }, () =>
      records.follow(question, from, 1, 300).then(
        () => 'answered',
        (error: { code?: string }) => error.code,
      ),
    );
    const ends = await Promise.all(many);
    expect(ends.filter((end) => end === 'audit-busy')).toHaveLength(1);
    expect(json.next).toEqual(expect.any(String));
  });
});
