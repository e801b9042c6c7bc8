/**
 * What the real policy answers leaves whole: the fixture holds every answer against its schema, closed
 * (checked-answers.ts), so that a field that a schema forgot is a failure and not a silent loss.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PolicyAcls } from '../../src/admin/policy-acls.ts';
import { StateQuotas } from '../../src/admin/state-quotas.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { SecurityState } from '../../src/metadata/security-state.ts';
import type { StateAcls } from '../../src/metadata/state-acls.ts';
import { entityKey } from '../../src/quota/client-quota-entity.ts';
import { type ClientQuotaEntry, ClientQuotas } from '../../src/quota/client-quotas.ts';
import { type LimitEntry, scopeKey, TenantLimits } from '../../src/quota/tenant-limits.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { ShadowAuthorizer } from '../../src/security/shadow-authorizer.ts';
import {
  DEV_POLICY,
  device,
  HOST,
  openAuthorizer,
  policyFolder,
  topic,
} from '../security/policy-fixture.ts';
import { type AdminFixture, startFixture } from './admin-fixture.ts';

/** Real ones, on a security state that stands still; ten times as much is used as is allowed. */
function storedQuotas(): StateQuotas {
  const limits = (...entries: LimitEntry[]): TenantLimits =>
    new TenantLimits(new Map(entries.map((entry) => [scopeKey(entry.scope), entry])));
  const quotas: ClientQuotaEntry[] = [
    { entity: { user: 'ada', 'client-id': '<default>' }, values: { producer_byte_rate: 4 } },
    {
      entity: { user: 'ada', 'client-id': null },
      values: { producer_byte_rate: 5, consumer_byte_rate: 6 },
    },
    { entity: { user: null }, values: { request_percentage: 20 } },
  ];
  const acme = {
    limits: limits(
      { scope: { device: 'pump-17' }, values: { request_rate: 2.5 } },
      { scope: {}, values: { topics: 7 } },
    ),
    clientQuotas: new ClientQuotas(new Map(quotas.map((one) => [entityKey(one.entity), one]))),
  };
  const brokerLimits = limits({ scope: {}, values: { connections: 9 } });
  const state = { image: { tenants: new Map([['acme', acme]]), brokerLimits } };
  const used = async (_tenant: string | null, entries: readonly { values: object }[]) =>
    entries.map(({ values }) =>
      Object.fromEntries(Object.entries(values).map(([key, value]) => [key, 10 * value])),
    );
  return new StateQuotas(state as unknown as SecurityState, { ofQuotas: used, ofLimits: used });
}

const folder = policyFolder();
let authorizer: CasbinAuthorizer;
let candidate: CasbinAuthorizer;
let admin: AdminFixture;

beforeAll(async () => {
  authorizer = await openAuthorizer(DEV_POLICY);
  folder.write('empty.csv');
  candidate = await openAuthorizer(folder.directory);
  const logger = silentLogger;
  const shadow = new ShadowAuthorizer({ live: authorizer, candidate, clock: systemClock, logger });
  shadow.authorize(device('acme', 'device-1'), HOST, topic('WRITE', 'telemetry'));
  admin = await startFixture({
    services: {
      quotas: storedQuotas(),
      acls: new PolicyAcls({ problem: () => null } as unknown as StateAcls, authorizer),
      external: {
        status: () => [{ tenant: 'acme', mode: 'external', pdp: 'opa', circuit: null, asked: 7 }],
        invalidate: () => 0,
      },
      shadow: () => ({
        ...shadow.counts,
        policy: candidate.policyStatus(),
        differences: shadow.differences.map((one) => ({
          ...one,
          live: { allowed: one.live.allowed, rule: one.live.rule, origin: one.live.origin },
          candidate: { allowed: false, rule: null, origin: null },
        })),
      }),
    },
  });
});
afterAll(async () => {
  await admin.dispose();
  authorizer.close();
  candidate.close();
  folder.close();
});

test('rules, with their domain and their text', async () => {
  const { status, json } = await admin.call('GET', '/v1/tenants/acme/acls?principal=Fleet:dev');
  expect(status).toBe(200);
  expect((json.acls as object[]).length).toBe(3);
  expect(json.acls).toContainEqual(
    expect.objectContaining({ domain: '*', text: expect.stringMatching(/^p, Fleet:dev/) }),
  );
});

test('an explanation, with the windows of its rules', async () => {
  const body = {
    user: 'device-1',
    fleet: 'dev',
    operation: 'WRITE',
    resourceType: 'TOPIC',
    resourceName: 'telemetry',
  };
  const answer = await admin.call('POST', '/v1/tenants/acme/acls/explain', { body });
  expect(answer.status).toBe(200);
  expect(answer.json).toMatchObject({ allowed: true, considered: [{ inWindow: true }] });
});

test('the candidate policy, with what it would decide otherwise', async () => {
  const { status, json } = await admin.call('GET', '/v1/policy/shadow');
  expect(status).toBe(200);
  expect(json).toMatchObject({ differing: 1, policy: { healthy: true } });
  expect(json.differences).toMatchObject([{ live: { allowed: true }, candidate: { rule: null } }]);
});

test('figures of a policy decision point, whatever they are called', async () => {
  const { json } = await admin.call('GET', '/v1/authorizer');
  expect(json.tenants).toEqual([
    { tenant: 'acme', mode: 'external', pdp: 'opa', circuit: null, asked: 7 },
  ]);
});

test('quotas and ceilings, by pages, each with what is used of it', async () => {
  const met: unknown[] = [];
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ tenant: 'acme', usage: 'true', limit: '2' });
    if (cursor !== null) query.set('cursor', cursor);
    const { status, json } = await admin.call('GET', `/v1/quotas?${query}`);
    expect(status).toBe(200);
    met.push(json.quotas);
    cursor = json.next as string | null;
  } while (cursor !== null);
  const tenant = 'acme';
  // A client id that is called as the default is shown is another one.
  const ofAda = { tenant, user: 'ada' };
  expect(met).toEqual([
    [
      { scope: { tenant }, values: { topics: 7 }, usage: { topics: 70 } },
      {
        scope: { tenant, device: 'pump-17' },
        values: { request_rate: 2.5 },
        usage: { request_rate: 25 },
      },
    ],
    [
      {
        scope: { tenant, user: null },
        values: { request_percentage: 20 },
        usage: { request_percentage: 200 },
      },
      {
        scope: { ...ofAda, clientId: null },
        values: { producer_byte_rate: 5, consumer_byte_rate: 6 },
        usage: { producer_byte_rate: 50, consumer_byte_rate: 60 },
      },
    ],
    [
      {
        scope: { ...ofAda, clientId: '<default>' },
        values: { producer_byte_rate: 4 },
        usage: { producer_byte_rate: 40 },
      },
    ],
  ]);
  const ofBroker = await admin.call('GET', '/v1/quotas');
  expect(ofBroker.json).toEqual({
    quotas: [{ scope: { tenant: null }, values: { connections: 9 }, usage: null }],
    next: null,
  });
});
