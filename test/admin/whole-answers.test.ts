/**
 * What the real policy answers leaves whole: the fixture holds every answer against its schema, closed
 * (checked-answers.ts), so that a field that a schema forgot is a failure and not a silent loss.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PolicyAcls } from '../../src/admin/policy-acls.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import type { StateAcls } from '../../src/metadata/state-acls.ts';
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
