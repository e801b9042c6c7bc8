import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_ROUTES } from '../../src/admin/routes/index.ts';
import { type AdminFixture, DENIED, startFixture } from './admin-fixture.ts';

let admin: AdminFixture;
const allowAll = () => ({ allowed: true, rule: 'p, test', origin: 'test.csv:1' });

beforeAll(async () => {
  admin = await startFixture();
});
afterAll(() => admin.dispose());
afterEach(() => {
  admin.decide = allowAll;
  admin.audit.events.length = 0;
});

const RULE = {
  principal: 'User:pump-17',
  permission: 'ALLOW',
  operation: 'WRITE',
  resourceType: 'TOPIC',
  resourceName: 'alarms',
};

const KEY = Buffer.alloc(32, 7).toString('base64');
const CREDENTIAL = {
  user: 'ada',
  mechanism: 'SCRAM-SHA-256',
  iterations: 4096,
  salt: Buffer.alloc(16, 1).toString('base64'),
  storedKey: KEY,
  serverKey: KEY,
};
const QUERIES: Readonly<Record<string, string>> = {
  'DELETE /v1/tenants/:tenant/acls': `?${new URLSearchParams(RULE).toString()}`,
  'DELETE /v1/bans': '?network=%3A%3A1',
  'DELETE /v1/tenants/:tenant/cas': `?fingerprint=${Array(32).fill('AA').join(':')}`,
};

describe('the registry', () => {
  test('every /v1 route asks for an access; only the probes do not, and say why', () => {
    for (const route of ADMIN_ROUTES) {
      if (route.path.startsWith('/v1/')) expect(route.openTo, route.name).toBeNull();
      else expect(route.openTo, route.name).toMatch(/probe/);
    }
  });

  test('every route that is not a GET or a question names the change that it makes', () => {
    for (const { method, path, change, name } of ADMIN_ROUTES) {
      const reads = method === 'GET' || path.endsWith('/explain');
      expect(change === null, name).toBe(reads);
    }
  });
});

describe('authorization', () => {
  /** One request a route, all of them in order: the denial must come before anything else. */
  const requests = ADMIN_ROUTES.filter(({ path }) => path.startsWith('/v1/')).map((route) => ({
    route,
    path: route.path
      .replace(':tenant', 'acme')
      .replace(':topic', 'alarms')
      .replace(':certificate', '0A1B')
      .replace(/:(device|fleet|user)/, 'pump-17'),
    body: bodyOf(route.name),
  }));

  test.each(requests)(
    '$route.name is denied, recorded and durable before the answer',
    async ({ route, path, body }) => {
      admin.decide = () => DENIED;
      const query = route.method === 'DELETE' ? (QUERIES[route.name] ?? '') : '';
      const call = body === undefined ? {} : { body };
      const answer = await admin.call(route.method, path + query, call);
      expect(answer.status).toBe(403);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.json.code).toBe('not-authorized');
      const story = admin.audit.story();
      const denied = story.findIndex((line) => line.startsWith(`access ${route.name} `));
      expect(story[denied]).toMatch(/ deny$/);
      expect(story.slice(denied)).toContain('durable');
      expect(story.some((line) => line.startsWith('acted'))).toBe(false);
    },
  );

  function bodyOf(name: string): object | undefined {
    if (name === 'POST /v1/tenants') return { name: 'initech', caCertificate: 'PEM' };
    if (name === 'POST /v1/tenants/:tenant/topics') return { name: 'alarms' };
    if (name === 'POST /v1/tenants/:tenant/acls') return RULE;
    if (name === 'POST /v1/quotas') return { values: { connections: 9 } };
    if (name === 'POST /v1/bans') return { network: '192.0.2.1', durationMs: 1000 };
    if (name === 'POST /v1/tenants/:tenant/cas') return { caCertificate: 'PEM' };
    if (name === 'POST /v1/tenants/:tenant/imported-cas') {
      return { caCertificate: 'PEM', mappingRules: 'RULE:a/b/' };
    }
    if (name === 'POST /v1/tenants/:tenant/users') return CREDENTIAL;
    if (name === 'POST /v1/tenants/:tenant/revocations') return { name: 'pump-17' };
    if (name === 'POST /v1/tenants/:tenant/acls/explain') {
      const { principal: _principal, permission: _permission, ...action } = RULE;
      return { user: 'pump-17', ...action };
    }
    return undefined;
  }

  test('an access names operation, resource and tenant as the operators policy does', async () => {
    await admin.call('POST', '/v1/tenants/acme/topics', { body: { name: 'named' } });
    expect(admin.audit.story()).toContain(
      'access POST /v1/tenants/:tenant/topics CREATE TOPIC acme/named allow',
    );
    const [first] = admin.audit.events.filter(({ kind }) => kind === 'access');
    expect(first?.subject).toMatchObject({ listener: 'admin', principal: 'User:operator' });
    expect(first?.subject?.certificateSerial).toMatch(/^[0-9A-F]+$/);
  });

  test.each([
    ['an address, of the broker itself', { network: '192.0.2.0/24' }, 'kafka-cluster'],
    ['a name, of its tenant', { tenant: 'acme', name: 'pump-17' }, 'acme/kafka-cluster'],
  ])('a ban of %s is asked, recorded, durable, then in force', async (_, whom, cluster) => {
    admin.audit.events.length = 0;
    const body = { ...whom, durationMs: 60_000, reason: 'guessing' };
    const added = await admin.call('POST', '/v1/bans', { body });
    expect([added.status, added.json.reason]).toEqual([201, 'guessing']);
    const story = admin.audit.story();
    const asked = story.findIndex((line) => line.startsWith('access '));
    expect(story[asked]).toBe(`access POST /v1/bans ALTER CLUSTER ${cluster} allow`);
    expect(story.slice(asked + 1)).toEqual([
      'security ban-add success',
      'durable',
      'acted ban-add',
    ]);
    const query = new URLSearchParams(whom).toString();
    expect((await admin.call('DELETE', `/v1/bans?${query}`)).status).toBe(204);
    expect((await admin.call('DELETE', `/v1/bans?${query}`)).json.code).toBe('no-such-ban');
  });

  test.each([
    [{ network: '192.0.2.1' }, 'no time'],
    [{ network: 'not an address', durationMs: 1 }, 'no address'],
    [{ tenant: 'acme', durationMs: 1 }, 'no name'],
    [{ name: 'pump-17', durationMs: 1 }, 'no tenant'],
    [{ network: '192.0.2.1', tenant: 'acme', name: 'pump-17', durationMs: 1 }, 'both'],
    [{ network: '192.0.2.1', durationMs: 0 }, 'no duration'],
    [{ network: '192.0.2.1', durationMs: 1, reason: 'line\nend' }, 'two lines'],
  ])('a ban %j is refused: %s', async (body, _why) => {
    expect((await admin.call('POST', '/v1/bans', { body })).status).toBe(400);
    expect(admin.audit.story().some((line) => line.startsWith('acted ban'))).toBe(false);
  });

  test('a change is recorded and durable before it is acted upon', async () => {
    await admin.call('POST', '/v1/tenants/acme/suspend');
    const story = admin.audit.story();
    const recorded = story.indexOf('security tenant-suspend success');
    const durable = story.indexOf('durable', recorded);
    expect(recorded).toBeGreaterThanOrEqual(0);
    expect(durable).toBeGreaterThan(recorded);
    expect(story.indexOf('acted tenant-suspended')).toBeGreaterThan(durable);
    await admin.call('POST', '/v1/tenants/acme/resume');
  });

  test('a change that fails leaves a second record that says so', async () => {
    const answer = await admin.call('DELETE', '/v1/tenants/acme/topics/broken');
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('/var/lib');
    expect(admin.audit.story()).toContain('security topic-delete failure');
  });

  test('a revocation is recorded with whom and why, and durable, before it is acted upon', async () => {
    const body = { name: 'pump-17', serials: ['0A'], reason: 'keyCompromise' };
    const { status } = await admin.call('POST', '/v1/tenants/acme/revocations', { body });
    expect(status).toBe(200);
    const story = admin.audit.story();
    const recorded = story.lastIndexOf('security certificate-revoke success');
    const durable = story.indexOf('durable', recorded);
    expect(story.indexOf('acted certificate-revoke', durable)).toBeGreaterThan(durable);
    expect(durable).toBeGreaterThan(recorded);
    expect(admin.audit.events[recorded]?.security?.facts).toEqual({
      tenant: 'acme',
      name: 'pump-17',
      serialCount: 1,
      'serials-1': '0A',
      reason: 'keyCompromise',
    });
    expect(admin.revoked.at(-1)).toEqual({ ...body, caFingerprint: null });
  });

  test.each([
    ['nothing', {}],
    ['a name with a dot', { name: 'a.b' }],
    ['a serial that is none', { serials: ['xyz'] }],
    ['too many serials', { serials: Array.from({ length: 193 }, () => '01') }],
    ['a reason of its own', { name: 'pump-17', reason: 'whim' }],
    ['a field that nobody knows', { name: 'pump-17', undo: true }],
  ])('a revocation of %s is refused, and nothing is done', async (_, body) => {
    const before = admin.revoked.length;
    const { status } = await admin.call('POST', '/v1/tenants/acme/revocations', { body });
    expect(status).toBe(400);
    expect(admin.revoked).toHaveLength(before);
  });

  test('a listing leaves out what the operator may not describe', async () => {
    await admin.call('POST', '/v1/tenants/acme/topics', { body: { name: 'seen' } });
    await admin.call('POST', '/v1/tenants/acme/topics', { body: { name: 'hidden' } });
    admin.decide = (_tenant, action) => (action.resourceName === 'hidden' ? DENIED : allowAll());
    const { json } = await admin.call('GET', '/v1/tenants/acme/topics');
    const names = (json.topics as { name: string }[]).map(({ name }) => name);
    expect(names).toContain('seen');
    expect(names).not.toContain('hidden');
  });
});

describe('while the audit log cannot be written', () => {
  afterEach(() => {
    admin.audit.failing = false;
    admin.audit.healthy = true;
  });

  test('nothing is done, and the answer is 503 without the cause', async () => {
    admin.audit.failing = true;
    const answer = await admin.call('POST', '/v1/tenants/acme/topics', { body: { name: 'never' } });
    expect(answer.status).toBe(503);
    expect(answer.json.code).toBe('audit-offline');
    expect(answer.text).not.toContain('disk');
    expect(admin.topics.has('never')).toBe(false);
  });

  test('reading is refused too, and the probes still answer', async () => {
    admin.audit.healthy = false;
    expect((await admin.call('GET', '/v1/tenants')).status).toBe(503);
    expect((await admin.call('GET', '/readyz')).status).toBe(200);
  });
});

describe('tenants, topics and rules', () => {
  test('a tenant is created once, and again only with the same CA', async () => {
    const body = { name: 'initech', caCertificate: '-----BEGIN CERTIFICATE-----\nAA==\n' };
    expect((await admin.call('POST', '/v1/tenants', { body })).status).toBe(201);
    expect((await admin.call('POST', '/v1/tenants', { body })).status).toBe(200);
    const other = { ...body, caCertificate: '-----BEGIN CERTIFICATE-----\nBB==\n' };
    const again = await admin.call('POST', '/v1/tenants', { body: other });
    expect([again.status, again.json.code]).toEqual([409, 'tenant-exists']);
    expect((await admin.call('GET', '/v1/tenants/initech')).json.name).toBe('initech');
    const { json } = await admin.call('GET', '/v1/tenants');
    expect((json.tenants as object[]).length).toBe(2);
  });

  test('an unknown tenant is 404 on every route below it', async () => {
    for (const path of ['', '/topics', '/topics/alarms', '/acls']) {
      const answer = await admin.call('GET', `/v1/tenants/nobody${path}`);
      expect([answer.status, answer.json.code]).toEqual([404, 'no-such-tenant']);
    }
  });

  test('a topic is created, described, deleted', async () => {
    const body = { name: 'alarms', partitions: 3, configs: { 'retention.ms': '1000' } };
    const made = await admin.call('POST', '/v1/tenants/acme/topics', { body });
    expect([made.status, made.json.partitions]).toEqual([201, 3]);
    const again = await admin.call('POST', '/v1/tenants/acme/topics', { body });
    expect([again.status, again.json.code]).toEqual([409, 'topic-already-exists']);
    expect((await admin.call('GET', '/v1/tenants/acme/topics/alarms')).json.name).toBe('alarms');
    const removed = await admin.call('DELETE', '/v1/tenants/acme/topics/alarms');
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect((await admin.call('GET', '/v1/tenants/acme/topics/alarms')).status).toBe(404);
  });

  test('a rule is added once, listed, removed once', async () => {
    expect((await admin.call('POST', '/v1/tenants/acme/acls', { body: RULE })).status).toBe(201);
    expect((await admin.call('POST', '/v1/tenants/acme/acls', { body: RULE })).status).toBe(200);
    const { json } = await admin.call('GET', '/v1/tenants/acme/acls');
    expect(json.acls).toEqual([{ ...RULE, patternType: 'LITERAL', host: '*', origin: 'dynamic' }]);
    const path = `/v1/tenants/acme/acls?${new URLSearchParams(RULE).toString()}`;
    expect((await admin.call('DELETE', path)).status).toBe(204);
    expect((await admin.call('DELETE', path)).json.code).toBe('no-such-rule');
  });

  test('a rule that makes no sense is refused with the reason', async () => {
    const body = { ...RULE, host: '999.1.1.1' };
    const answer = await admin.call('POST', '/v1/tenants/acme/acls', { body });
    expect([answer.status, answer.json.detail]).toEqual([400, 'the host is no address.']);
  });

  test('a question about a decision is answered in a sentence', async () => {
    const body = {
      user: 'pump-17',
      operation: 'WRITE',
      resourceType: 'TOPIC',
      resourceName: 'alarms',
    };
    const answer = await admin.call('POST', '/v1/tenants/acme/acls/explain', { body });
    expect(answer.status).toBe(200);
    expect(answer.json.sentence).toBe('pump-17 in acme from 127.0.0.1: WRITE');
  });

  test('status shows versions, policy and the checks', async () => {
    const { status, json } = await admin.call('GET', '/v1/status');
    expect(status).toBe(200);
    expect(json).toMatchObject({ nodeId: 1, checks: [{ name: 'policy', state: 'ok' }] });
  });
});

describe('probes', () => {
  afterEach(() => {
    admin.checks.length = 1;
  });

  test('/healthz says that the process answers', async () => {
    const answer = await admin.call('GET', '/healthz');
    expect([answer.status, answer.text]).toEqual([200, '{"status":"ok"}']);
  });

  test('/readyz tells degraded (200) from failed (503), with the reasons', async () => {
    admin.checks.push({ name: 'certificates', state: 'degraded', reason: 'broker.key is broken' });
    const degraded = await admin.call('GET', '/readyz');
    expect([degraded.status, degraded.json.status]).toEqual([200, 'degraded']);
    expect(degraded.text).toContain('broker.key is broken');
    admin.checks.push({ name: 'log directory', state: 'failed', reason: 'it is offline' });
    const failed = await admin.call('GET', '/readyz');
    expect([failed.status, failed.json.status]).toEqual([503, 'failed']);
    expect(failed.text).toContain('it is offline');
  });
});

describe('users who log in with a password', () => {
  const path = '/v1/tenants/acme/users';
  const set = (change: object) => admin.call('POST', path, { body: { ...CREDENTIAL, ...change } });

  test('are set by keys that are in no answer and no record', async () => {
    const known = await set({});
    const fresh = await set({ user: 'new' });
    expect([known.status, fresh.status]).toEqual([200, 201]);
    expect(fresh.json).toEqual({ name: 'new', mechanism: 'SCRAM-SHA-256', iterations: 4096 });
    expect(JSON.stringify(admin.audit.events)).not.toContain(KEY);
    expect(admin.audit.story()).toContain('security scram-credential-set success');
  });

  test.each([
    [{ iterations: 4095 }],
    [{ iterations: 16_385 }],
    [{ mechanism: 'SCRAM-SHA-1' }],
    [{ mechanism: 'SCRAM-SHA-512' }],
    [{ storedKey: Buffer.alloc(31).toString('base64') }],
    [{ serverKey: `${KEY.slice(0, -2)}9=` }],
    [{ salt: Buffer.alloc(7).toString('base64') }],
    [{ user: 'a b' }],
    [{ password: 'hunter2hunter2' }],
  ])('are refused with %j', async (change) => {
    const { status, text } = await set(change);
    expect(status).toBe(400);
    expect(text).not.toContain('hunter2');
    expect(admin.audit.story().some((line) => line.startsWith('acted'))).toBe(false);
  });

  test('are listed a page at a time and removed by name', async () => {
    const page = await admin.call('GET', `${path}?after=ada&limit=1000`);
    expect(page.json).toMatchObject({ users: [{ name: 'ada-1000' }] });
    expect((await admin.call('GET', `${path}?limit=1001`)).status).toBe(400);
    expect((await admin.call('DELETE', `${path}/ada?mechanism=SCRAM-SHA-256`)).status).toBe(204);
    expect((await admin.call('DELETE', `${path}/eve`)).status).toBe(404);
  });
});
