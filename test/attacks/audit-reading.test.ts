/**
 * Threat: a tenant's auditor on the admin API learns from records, ids and cursors how much happens in
 * other tenants, or takes all room for readers, over one connection or many, so that operators and
 * other tenants cannot read, or fills the part of the disk that is kept for operators.
 */
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditQuestion } from '../../src/admin/admin-services.ts';
import { ThreadAuditRecords } from '../../src/admin/audit-records.ts';
import type { AuditSubject } from '../../src/audit/audit-event.ts';
import { AuditQueryThread } from '../../src/audit/audit-query-thread.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { OperatorTokens } from '../../src/security/token/operator-tokens.ts';
import { type AdminFixture, startFixture } from '../admin/admin-fixture.ts';
import { fileName, lineOf, madeRecord, numbers } from '../audit/query-fixture.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { testSeed } from '../tools/test-seed.ts';
import { claimsFor, signedToken, signingKey } from '../tools/token-issuer.ts';

const below = numbers(testSeed('audit-reading', 40_117));
const RECORDS = 200;
const FIRST = 7_654_321;

let directory = '';
let admin: AdminFixture;
let records: ThreadAuditRecords;
beforeAll(async () => {
  directory = temporaryDirectory('audit-reading');
  const made = Array.from({ length: RECORDS }, (_, at) => ({
    ...madeRecord('security', FIRST + at, below),
    prev: 'ab'.repeat(32),
    origin: '/etc/breakwater/policy.csv:12',
  }));
  writeFileSync(join(directory, fileName('security', 1)), made.map(lineOf).join(''), 'latin1');
  records = new ThreadAuditRecords({
    log: new AuditQueryThread(directory),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  admin = await startFixture();
});
afterAll(async () => {
  await admin.dispose();
  removeDirectory(directory);
});

const questionOf = (readerTenant: string | null, tenant: string): AuditQuestion => ({
  filter: { tenant },
  order: 'oldest',
  reader: `${readerTenant}/ada`,
  readerTenant,
});

describe("a tenant's reader", () => {
  it('is told nothing that counts what others do', async () => {
    const page = await records.page(questionOf('acme', 'acme'), null, 20);
    expect(page.records).toHaveLength(20);
    expect(new Set(page.records.map(({ id }) => id)).size).toBe(20);
    for (const record of page.records) {
      expect(record).not.toHaveProperty('seq');
      expect(record).not.toHaveProperty('prev');
      expect(String(record.id)).toMatch(/^security:[A-Za-z0-9_-]{22}$/);
      expect(record.origin).toBe('operator');
    }
    const bytes = Buffer.from(page.next!, 'base64url');
    expect(bytes.toString('latin1')).not.toMatch(/76543|null/);
    const next = await records.page(questionOf('acme', 'acme'), page.next, 20);
    expect(next.records.length).toBeGreaterThan(0);
    const again = await records.page(questionOf('acme', 'acme'), null, 20);
    expect(again.records.map(({ id }) => id)).toEqual(page.records.map(({ id }) => id));
  });

  it('and an operator sees each record by its number still', async () => {
    const { records: found } = await records.page(questionOf(null, 'acme'), null, 1);
    expect(found[0]).toMatchObject({ prev: 'ab'.repeat(32), origin: expect.stringMatching('csv') });
    expect(found[0]!.id).toBe(`security:${String(found[0]!.seq)}`);
  });
});

describe('room for readers', () => {
  it('is not all taken by one tenant, nor by all of them together', async () => {
    const cursors = new Map<string | null, string>();
    const begin = async (tenant: string | null): Promise<void> => {
      const { next } = await records.follow(questionOf(tenant, 'nobody'), null, 1, 1);
      cursors.set(tenant, next!);
    };
    const tenants = ['t1', 't2', 't3', 't4', 't5', 't6'];
    for (const tenant of [...tenants, null]) await begin(tenant);
    const follow = (tenant: string | null, waitMs: number): Promise<string> =>
      records.follow(questionOf(tenant, 'nobody'), cursors.get(tenant)!, 1, waitMs).then(
        () => 'answered',
        (error: { code?: string }) => String(error.code),
      );
    const greedy = Array.from({ length: 40 }, () => follow('t1', 400));
    const others = tenants
      .slice(1)
      .flatMap((tenant) => [0, 1, 2, 3].map(() => follow(tenant, 400)));
    expect(await follow(null, 1)).toBe('answered');
    const count = (ends: string[]): number => ends.filter((end) => end === 'answered').length;
    expect(count(await Promise.all(greedy))).toBe(4);
    expect(count(await Promise.all(others))).toBe(12);
    expect(await follow('t6', 1)).toBe('answered');
  });

  it('is not taken over one connection, by requests that wait for no answer', async () => {
    const socket = await admin.connect();
    const request = 'GET /v1/tenants HTTP/1.1\r\nhost: x\r\n\r\n';
    const last = 'GET /v1/tenants HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(request.repeat(200) + last);
    await ended;
    const statuses = [...text.matchAll(/HTTP\/1\.1 ([0-9]{3})/g)].map(([, status]) => status);
    expect(statuses).toHaveLength(201);
    expect(statuses.filter((status) => status === '200').length).toBeGreaterThanOrEqual(64);
    expect(statuses.filter((status) => status === '429').length).toBeGreaterThan(0);
    expect(text).toContain('too-many-requests');
    expect((await admin.call('GET', '/v1/tenants')).status).toBe(200);
  });
});

describe('the part of the log that is kept for operators', () => {
  const key = signingKey('k1');
  const AUDIENCE = 'breakwater-admin';
  const ISSUER = 'https://tenants.example.com/';
  const scopeRoles = { claims: ['scope'], roles: new Map([['audit', ['Role:auditor']]]) };
  const tokens = new OperatorTokens(
    [
      {
        issuer: ISSUER,
        audience: AUDIENCE,
        jwks: { keys: [key.jwk] },
        algorithms: ['ES256'],
        principalClaim: 'sub',
        principalPrefix: '',
        scopeRoles,
        tenants: ['acme'],
        tenantClaim: null,
        clockToleranceMs: 0,
        tokenAgeMaxMs: 3_600_000,
      },
    ],
    systemClock,
  );
  const token = signedToken(key, claimsFor(ISSUER, AUDIENCE, { sub: 'ada', scope: 'audit' }));
  let reserved: AdminFixture;
  beforeAll(async () => {
    reserved = await startFixture({ tokens });
  });
  afterAll(() => reserved.dispose());

  const ask = (as: string | null, agent?: Agent) =>
    reserved.call('GET', '/v1/tenants/acme/devices', {
      as,
      ...(agent !== undefined && { agent }),
      ...(as === null && { headers: { authorization: `Bearer ${token}` } }),
    });

  it("is not for a tenant's people, nor what is beyond the tenant's budget", async () => {
    expect((await ask(null)).status).toBe(200);
    Object.assign(reserved.audit, { accepts: ({ tenant }: AuditSubject) => tenant !== 'acme' });
    expect((await ask(null)).json.code).toBe('audit-budget');
    expect((await ask('operator')).status).toBe(200);
    Object.assign(reserved.audit, { accepts: () => true });
    Object.defineProperty(reserved.audit, 'healthyForOperators', { value: true });
    reserved.audit.healthy = false;
    expect((await ask(null)).json.code).toBe('audit-offline');
    expect((await ask('operator')).status).toBe(200);
    reserved.audit.healthy = true;
  });

  it('and equal requests of one connection are of one subject, which repeats are counted by', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      reserved.audit.events.length = 0;
      for (let at = 0; at < 3; at += 1) expect((await ask(null, agent)).status).toBe(200);
      for (let at = 0; at < 2; at += 1) await ask('operator', agent);
    } finally {
      agent.destroy();
    }
    const of = (principal: string) =>
      reserved.audit.events.filter(
        ({ kind, subject }) => kind === 'access' && subject?.principal === principal,
      );
    expect(of('User:ada')).toHaveLength(3);
    expect(new Set(of('User:ada').map(({ subject }) => subject)).size).toBe(1);
    expect(of('User:ada')[0]!.subject).toMatchObject({ tenant: 'acme', tokenIssuer: ISSUER });
  });
});
