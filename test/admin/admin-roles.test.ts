/** Each role against each route, with the development policy: role-matrix.ts says who may. */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AdminRoute } from '../../src/admin/admin-route.ts';
import type { AdminAcls } from '../../src/admin/admin-services.ts';
import { PolicyAcls } from '../../src/admin/policy-acls.ts';
import { ADMIN_ROUTES } from '../../src/admin/routes/index.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { StateAcls } from '../../src/metadata/state-acls.ts';
import { issueOperator } from '../../src/pki/issue.ts';
import { openPki } from '../../src/pki/pki-directory.ts';
import type { OutsideDecisions } from '../../src/security/authorizer.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { OperatorTokens } from '../../src/security/token/operator-tokens.ts';
import { DEV_POLICY, openAuthorizer } from '../security/policy-fixture.ts';
import { projectRoot } from '../tools/project-root.ts';
import { claimsFor, signedToken, signingKey } from '../tools/token-issuer.ts';
import { type AdminFixture, type Answer, startFixture } from './admin-fixture.ts';
import { ROLE_MATRIX, ROLES, type Role } from './role-matrix.ts';
import { sampleCall } from './sample-calls.ts';

const AUDIENCE = 'breakwater-admin';
const OPERATORS = 'https://operators.example.com/';
const TENANTS = 'https://tenants.example.com/';
/** Its tokens say with a claim for which of its tenants they are. */
const SHARED = 'https://shared.example.com/';
const key = signingKey('k1');

const issuer = (name: string, tenants: readonly string[] | null, tenantClaim: string | null) => ({
  issuer: name,
  audience: AUDIENCE,
  jwks: { keys: [key.jwk] },
  algorithms: ['ES256'] as const,
  principalClaim: 'sub',
  principalPrefix: '',
  scopeRoles: {
    claims: ['scope'],
    // A tenant's issuer may say what it likes: its roles are the tenant's.
    roles: new Map([
      ['operate', ['Role:operator']],
      ['administer', ['Role:admin']],
      ['audit', ['Role:auditor']],
    ]),
  },
  tenants,
  tenantClaim,
  clockToleranceMs: 0,
  tokenAgeMaxMs: 3_600_000,
});

const tokens = new OperatorTokens(
  [
    issuer(OPERATORS, null, null),
    issuer(TENANTS, ['acme'], null),
    issuer(SHARED, ['globex', 'initech'], 'org'),
  ],
  systemClock,
);

const tokenOf = (iss: string, scope: string, more: object = {}): string =>
  signedToken(key, claimsFor(iss, AUDIENCE, { sub: 'ada', scope, ...more }));

const TOKEN_OF = {
  operator: () => tokenOf(OPERATORS, 'operate'),
  auditor: () => tokenOf(OPERATORS, 'audit'),
  'tenant admin': () => tokenOf(TENANTS, 'administer'),
  'tenant auditor': () => tokenOf(TENANTS, 'audit'),
} satisfies Record<Role, () => string>;

/** One connection for all: each request is judged by its own token. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

const NOBODY_OUTSIDE: OutsideDecisions = {
  concerns: () => false,
  known: () => undefined,
  ask: () => Promise.reject(new Error('nobody is to be asked')),
};
let outside = NOBODY_OUTSIDE;

let admin: AdminFixture;
let authorizer: CasbinAuthorizer;

beforeAll(async () => {
  authorizer = await openAuthorizer(DEV_POLICY);
  admin = await startFixture({
    tokens,
    authorizer,
    outside: {
      concerns: (tenant) => outside.concerns(tenant),
      known: (question) => outside.known(question),
      ask: (question) => outside.ask(question),
    },
    services: { acls: policyRules() },
    limits: { connectionsMax: 64 },
  });
  for (const name of ['globex', 'initech']) {
    await admin.deps.tenants.create(name, 'PEM');
  }
});
afterAll(async () => {
  await admin.dispose();
  authorizer.close();
  agent.destroy();
});
afterEach(() => {
  admin.exclusionOf = () => null;
  admin.audit.events.length = 0;
});

/** Listed and explained by the real policy; changes are kept in memory, as the fixture does. */
function policyRules(): AdminAcls {
  const real = new PolicyAcls({ problem: () => null } as unknown as StateAcls, authorizer);
  return {
    list: (tenant, filter) => real.list(tenant, filter),
    explain: (tenant, who, host, action) => real.explain(tenant, who, host, action),
    problem: () => null,
    add: async (tenant, binding) => {
      admin.audit.events.push({ kind: 'acted', what: 'acl-add' });
      authorizer.setDynamicRules(tenant, [binding]);
      return true;
    },
    remove: async (tenant) => {
      authorizer.setDynamicRules(tenant, []);
      return 1;
    },
  };
}

function call(route: AdminRoute, token: string, tenant = 'acme'): Promise<Answer> {
  const { path, body } = sampleCall(route, tenant);
  const headers = { authorization: `Bearer ${token}` };
  return admin.call(route.method, path, { as: null, headers, agent, ...(body && { body }) });
}

const acted = (): string[] => admin.audit.story().filter((line) => line.startsWith('acted'));
const isRefused = (answer: Answer): boolean => answer.json.code === 'not-authorized';
const ofTenants = (route: AdminRoute): boolean =>
  'of' in route.stance && route.stance.of !== 'broker';

test('every route has a row, and every row a route', () => {
  expect(Object.keys(ROLE_MATRIX)).toEqual(ADMIN_ROUTES.map(({ id }) => id));
});

const everyRoute = ADMIN_ROUTES.map((route) => ({ id: route.id, route }));

test.each(everyRoute)('$id is for the roles of its row', async ({ id, route }) => {
  for (const role of ROLES) {
    const answer = await call(route, TOKEN_OF[role]());
    expect(isRefused(answer), role).toBe(!ROLE_MATRIX[id]!.includes(role));
    if (isRefused(answer)) expect([answer.status, acted()], role).toEqual([403, []]);
    else expect(answer.status, role).not.toBe(401);
    admin.audit.events.length = 0;
  }
});

test.each(everyRoute.filter(({ route }) => ofTenants(route)))(
  '$id is closed to the roles of another tenant, whether the tenant is there or not',
  async ({ route }) => {
    for (const role of ['tenant admin', 'tenant auditor'] as const) {
      const answer = await call(route, TOKEN_OF[role](), 'globex');
      expect([answer.status, answer.json.code], role).toEqual([403, 'not-authorized']);
      const none = await call(route, TOKEN_OF[role](), 'nosuch');
      const said = (one: Answer): string => one.text.replaceAll(/globex|nosuch/g, 'T');
      expect(said(none), 'there or not').toBe(said(answer));
    }
    expect(acted()).toEqual([]);
  },
);

test('no route answers nobody', async () => {
  for (const route of ADMIN_ROUTES) {
    const { path, body } = sampleCall(route);
    const answer = await admin.call(route.method, path, { as: null, ...(body && { body }) });
    expect([answer.status, answer.json.code], route.name).toEqual([401, 'no-credentials']);
  }
});

test('an auditor changes nothing', () => {
  for (const { id, change } of ADMIN_ROUTES) {
    if (change === null) continue;
    expect(ROLE_MATRIX[id], id).not.toContain('auditor');
    expect(ROLE_MATRIX[id], id).not.toContain('tenant auditor');
  }
});

describe('roles by certificate', () => {
  test('an operator and an auditor', async () => {
    issueOperator(openPki(admin.certsDir), 'auditor');
    for (const [as, created] of [
      ['operator', 201],
      ['auditor', 403],
    ] as const) {
      expect((await admin.call('GET', '/v1/tenants', { as })).status).toBe(200);
      const body = { name: `by-${as}` };
      const answer = await admin.call('POST', '/v1/tenants/acme/topics', { as, body });
      expect(answer.status).toBe(created);
    }
  });
});

describe('somebody of a tenant', () => {
  const get = (path: string, token: string) =>
    admin.call('GET', path, { as: null, headers: { authorization: `Bearer ${token}` } });

  test('is nobody at the broker, whatever the role of the tenant is called', async () => {
    const token = tokenOf(TENANTS, 'operate administer');
    expect((await get('/v1/tenants/acme', token)).status).toBe(200);
    for (const path of ['/v1/tenants', '/v1/status', '/v1/bans', '/v1/tenants/globex', '/readyz']) {
      expect((await get(path, token)).json.code, path).toBe('not-authorized');
    }
  });

  test('reads no record of an earlier tenant of its name', async () => {
    const sinceOf: (number | undefined)[] = [];
    const { records } = admin.deps;
    const note = async ({ filter }: Parameters<typeof records.page>[0]) => {
      sinceOf.push(filter.sinceMs);
      return { records: [], next: null, badLines: 0 };
    };
    Object.assign(admin.deps, { records: { ...records, page: note, follow: note } });
    const { createdAtMs } = admin.tenants.get('acme')!;
    const later = createdAtMs + 1;
    for (const query of ['', '&since=5', `&since=${later}`]) {
      for (const route of ['records', 'tail']) {
        const path = `/v1/audit/${route}?tenant=acme${query}`;
        expect((await get(path, TOKEN_OF['tenant auditor']())).status, path).toBe(200);
      }
    }
    // A tail without a time begins behind the newest record.
    expect(sinceOf.splice(0)).toEqual([
      ...[createdAtMs, undefined],
      ...[createdAtMs, createdAtMs],
      ...[later, later],
    ]);
    await get('/v1/audit/records?tenant=acme', TOKEN_OF.operator());
    expect(sinceOf).toEqual([undefined]);
    Object.assign(admin.deps, { records });
  });

  test('sets quotas of its clients, and no ceiling; of what limits it, it reads its own', async () => {
    const set = async (token: string, whose: object) => {
      const headers = { authorization: `Bearer ${token}` };
      const body = { ...whose, values: { producer_byte_rate: 5 } };
      const answer = await admin.call('POST', '/v1/quotas', { as: null, headers, body });
      return answer.status;
    };
    const token = TOKEN_OF['tenant admin']();
    for (const whose of [{ user: 'ada' }, { clientId: '<default>' }, { ip: '192.0.2.1' }]) {
      expect(await set(token, { tenant: 'acme', ...whose }), JSON.stringify(whose)).toBe(200);
      expect(await set(token, { tenant: 'globex', ...whose }), JSON.stringify(whose)).toBe(403);
    }
    const ceilings = [{}, { fleet: 'plant-a' }, { device: 'pump' }];
    admin.audit.events.length = 0;
    for (const whose of [{}, ...ceilings.map((one) => ({ tenant: 'acme', ...one }))]) {
      expect(await set(token, whose), JSON.stringify(whose)).toBe(403);
      expect(await set(TOKEN_OF.auditor(), whose), JSON.stringify(whose)).toBe(403);
      expect(acted()).toEqual([]);
    }
    for (const whose of [{}, ...ceilings.map((one) => ({ tenant: 'acme', ...one }))]) {
      expect(await set(TOKEN_OF.operator(), whose), JSON.stringify(whose)).toBe(200);
    }
    const own = (await get('/v1/quotas?tenant=acme', token)).json.quotas as { scope: object }[];
    expect(own.filter(({ scope }) => !('tenant' in scope && scope.tenant === 'acme'))).toEqual([]);
    expect(own.map(({ scope }) => scope)).toContainEqual({ tenant: 'acme', fleet: 'plant-a' });
    for (const path of ['/v1/quotas', '/v1/quotas?tenant=globex']) {
      expect((await get(path, token)).json.code, path).toBe('not-authorized');
    }
  });

  test('cannot give itself the rights of an operator by a rule', async () => {
    const token = TOKEN_OF['tenant admin']();
    const body = {
      principal: 'User:ada',
      permission: 'ALLOW',
      operation: 'ALL',
      resourceType: 'CLUSTER',
    };
    const headers = { authorization: `Bearer ${token}` };
    const add = { as: null, headers, body };
    expect((await admin.call('POST', '/v1/tenants/acme/acls', add)).status).toBe(201);
    expect(authorizer.bindingsIn('acme').dynamic).toHaveLength(1);
    try {
      const suspend = await admin.call('POST', '/v1/tenants/acme/suspend', { as: null, headers });
      expect(suspend.json.code).toBe('not-authorized');
      expect((await get('/v1/tenants', token)).json.code).toBe('not-authorized');
    } finally {
      authorizer.setDynamicRules('acme', []);
    }
  });

  test.each([
    ['no claim', {}],
    ['a tenant that is not the issuer’s', { org: 'acme' }],
    ['the operators', { org: '' }],
    ['the operators by their domain', { org: '_operator' }],
    ['no text', { org: ['globex'] }],
  ])('is refused when the token chooses with %s', async (_what, more) => {
    const answer = await get('/v1/tenants/globex', tokenOf(SHARED, 'administer', more));
    expect([answer.status, answer.json.code]).toEqual([403, 'no-tenant']);
    expect(admin.audit.story()).toContain('security token_of_no_tenant failure');
  });

  test('acts in the tenant that its token chooses, and in no other of the issuer', async () => {
    const token = tokenOf(SHARED, 'administer', { org: 'initech' });
    expect((await get('/v1/tenants/initech', token)).status).toBe(200);
    expect((await get('/v1/tenants/globex', token)).status).toBe(403);
    // The issuer of one tenant needs no claim, and is not led out of it by one.
    expect((await get('/v1/tenants/acme', tokenOf(TENANTS, 'audit', { org: 'x' }))).status).toBe(
      200,
    );
  });

  test('stands in the audit log with the tenant, its resources by their own names', async () => {
    await get('/v1/tenants/acme', TOKEN_OF['tenant auditor']());
    const [login] = admin.audit.events;
    expect(login?.subject).toMatchObject({ tenant: 'acme', principal: 'User:ada' });
    const access = admin.audit.events.find(({ kind }) => kind === 'access');
    expect(access?.subject).toMatchObject({ tenant: 'acme', tokenIssuer: TENANTS });
    expect(access?.access?.resourceName).toBe('kafka-cluster');
  });

  test('is told its rules, and not in which files of the operators they stand', async () => {
    const told = async (token: string): Promise<string> => {
      const headers = { authorization: `Bearer ${token}` };
      const body = { user: 'x', fleet: 'dev', operation: 'WRITE', resourceType: 'TOPIC' };
      const asked = { ...body, resourceName: 'telemetry' };
      const explain = { as: null, headers, body: asked };
      const { text } = await admin.call('POST', '/v1/tenants/acme/acls/explain', explain);
      return (await get('/v1/tenants/acme/acls', token)).text + text;
    };
    expect(await told(TOKEN_OF['tenant admin']())).not.toMatch(/\.csv/);
    expect(await told(TOKEN_OF['tenant admin']())).toMatch(/"origin":"policy".*\(policy\)/);
    expect(await told(TOKEN_OF.auditor())).toMatch(/devices\.csv:\d.*\(devices\.csv:\d\)/);
  });

  test('is decided by whoever decides in the tenant; an operator is not', async () => {
    const asked: string[] = [];
    outside = {
      concerns: (tenant) => tenant === 'acme',
      known: () => undefined,
      ask: async ({ principal, action }) => {
        asked.push(`${principal.tenant} ${action.operation} ${action.resourceName}`);
        return { allowed: false, rule: null, origin: 'external:opa' };
      },
    };
    try {
      const answer = await get('/v1/tenants/acme', TOKEN_OF['tenant admin']());
      expect([answer.status, asked]).toEqual([403, ['acme DESCRIBE kafka-cluster']]);
      // What is not of the tenant is not even asked.
      expect((await get('/v1/tenants/globex', TOKEN_OF['tenant admin']())).status).toBe(403);
      expect((await get('/v1/tenants/acme', TOKEN_OF.operator())).status).toBe(200);
      expect(asked).toHaveLength(1);
    } finally {
      outside = NOBODY_OUTSIDE;
    }
  });

  test('is shut out with the tenant or the name, from the next request on', async () => {
    const token = TOKEN_OF['tenant admin']();
    admin.exclusionOf = (tenant, name) =>
      tenant === 'acme' && name === 'ada' ? { reason: 'suspended', detail: 'ada' } : null;
    const answer = await get('/v1/tenants/acme', token);
    expect([answer.status, answer.json.code]).toEqual([403, 'shut-out']);
    const refusal = admin.audit.events.find(({ kind }) => kind === 'security');
    expect(refusal).toMatchObject({
      subject: { tenant: 'acme', principal: 'User:ada' },
      security: { reason: 'suspended', outcome: 'failure' },
    });
    expect((await get('/v1/tenants/acme', TOKEN_OF.operator())).status).toBe(200);
  });

  test('leaves room for operators and for other tenants', async () => {
    const small = await startFixture({ tokens, authorizer, limits: { connectionsMax: 8 } });
    const authorization = `Bearer ${TOKEN_OF['tenant admin']()}`;
    const held = await small.connect(null);
    try {
      held.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n\r\n`);
      await new Promise((resolve) => held.once('data', resolve));
      const second = await small.call('GET', '/healthz', { as: null, headers: { authorization } });
      expect(second.json.code).toBe('max-connections');
      const other = tokenOf(SHARED, 'audit', { org: 'globex' });
      const headers = { authorization: `Bearer ${other}` };
      expect((await small.call('GET', '/healthz', { as: null, headers })).status).toBe(200);
      expect((await small.call('GET', '/healthz')).status).toBe(200);
    } finally {
      held.destroy();
      await small.dispose();
    }
  });
});

test('the operator guide shows the same table', () => {
  const guide = readFileSync(join(projectRoot, 'docs', 'admin-api.md'), 'utf8');
  const rows = ADMIN_ROUTES.map(({ id, method, path }) => {
    const marks = ROLES.map((role) => (ROLE_MATRIX[id]!.includes(role) ? 'yes' : ''));
    return `| ${method} ${path} | ${marks.join(' | ')} |`;
  });
  const told = guide.split('\n').filter((line) => /^\| (GET|POST|PUT|DELETE) \//.test(line));
  expect(told).toEqual(rows);
});
