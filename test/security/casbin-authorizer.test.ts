// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '../../src/security/authorizer.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';
import {
  DEV_POLICY,
  device,
  HOST,
  openAuthorizer,
  operator,
  policyFolder,
  service,
  topic,
} from './policy-fixture.ts';

const group = (operation: Action['operation'], resourceName: string): Action => ({
  operation,
  resourceType: 'GROUP',
  resourceName,
});
const cluster = (operation: Action['operation']): Action => ({
  operation,
  resourceType: 'CLUSTER',
  resourceName: 'kafka-cluster',
});

describe('the development policy', () => {
  let authorizer: CasbinAuthorizer;
  beforeAll(async () => {
    authorizer = await openAuthorizer(DEV_POLICY);
  });

  const device1 = device('acme', 'device-1');
  const service1 = service('acme', 'service-1');
  const admin1 = service('acme', 'admin-1');
  const cases: [string, KafkaPrincipal, Action, boolean][] = [
    ['a device writes telemetry', device1, topic('WRITE', 'telemetry'), true],
    ['and may describe it', device1, topic('DESCRIBE', 'telemetry'), true],
    ['but not read it', device1, topic('READ', 'telemetry'), false],
    ['nor a topic that begins so', device1, topic('WRITE', 'telemetry2'), false],
    ['it writes below its own name', device1, topic('WRITE', 'device-1.log'), true],
    ['not its bare name', device1, topic('WRITE', 'device-1'), false],
    ['not below another name', device1, topic('WRITE', 'device-10.log'), false],
    ['it reads its own commands', device1, topic('READ', 'commands.device-1'), true],
    ['not those of another device', device1, topic('READ', 'commands.device-2'), false],
    ['it does not write commands', device1, topic('WRITE', 'commands.device-1'), false],
    ['it uses no group', device1, group('READ', 'svc-a'), false],
    ['it does not create topics', device1, topic('CREATE', 'device-1.log'), false],
    [
      'a device of another fleet: nothing',
      device('acme', 'device-1', 'x'),
      topic('WRITE', 'telemetry'),
      false,
    ],
    [
      'the same in another tenant',
      device('globex', 'device-2'),
      topic('WRITE', 'device-2.a'),
      true,
    ],
    ['a service reads everything', service1, topic('READ', 'device-1.log'), true],
    ['and writes everything', service1, topic('WRITE', 'commands.device-1'), true],
    ['it uses svc- groups', service1, group('READ', 'svc-a'), true],
    ['no others', service1, group('READ', 'other'), false],
    ['it deletes nothing', service1, topic('DELETE', 'telemetry'), false],
    ['it creates nothing', service1, cluster('CREATE'), false],
    ['an administrator creates topics', admin1, cluster('CREATE'), true],
    ['and changes rules', admin1, cluster('ALTER'), true],
    ['and deletes topics', admin1, topic('DELETE', 'telemetry'), true],
    ['and groups', admin1, group('DELETE', 'x'), true],
    ['a stranger: nothing', service('acme', 'service-2'), topic('DESCRIBE', 'telemetry'), false],
    [
      'a device named admin-1 of the fleet holds the role',
      device('acme', 'admin-1'),
      cluster('ALTER'),
      true,
    ],
  ];
  for (const [name, who, action, allowed] of cases) {
    it(name, () => expect(authorizer.authorize(who, HOST, action).allowed).toBe(allowed));
  }

  it('gives the rule and its place as evidence', () => {
    expect(authorizer.authorize(device1, HOST, topic('WRITE', 'device-1.log'))).toEqual({
      allowed: true,
      rule: 'p, Fleet:dev, *, TOPIC, PREFIXED, ${principal}., WRITE, *, allow',
      origin: 'devices.csv:4',
    });
    expect(authorizer.authorize(device1, HOST, topic('READ', 'telemetry'))).toEqual({
      allowed: false,
      rule: null,
      origin: null,
    });
  });

  it('lets the operator act in every tenant and on the broker', () => {
    const ada = operator('operator');
    expect(authorizer.authorizeIn('acme', ada, HOST, topic('CREATE', 'x')).allowed).toBe(true);
    expect(authorizer.authorizeIn(null, ada, HOST, cluster('ALTER')).allowed).toBe(true);
    expect(
      authorizer.authorizeIn('acme', operator('eve'), HOST, topic('CREATE', 'x')).allowed,
    ).toBe(false);
  });

  it('gives nobody a say in another tenant', () => {
    const result = authorizer.authorizeIn('globex', admin1, HOST, topic('READ', 'telemetry'));
    expect(result).toEqual({ allowed: false, rule: null, origin: 'foreign-tenant' });
    expect(authorizer.authorizeIn('acme', admin1, HOST, topic('READ', 'x')).allowed).toBe(true);
    expect(authorizer.authorizeIn(null, admin1, HOST, cluster('ALTER')).allowed).toBe(false);
  });

  it('answers "on any resource of the type"', () => {
    const any = (who: KafkaPrincipal): boolean =>
      authorizer.authorizeByResourceType(who, HOST, 'WRITE', 'TOPIC').allowed;
    expect(any(device1)).toBe(true);
    expect(any(device('acme', 'device-1', 'other'))).toBe(false);
  });

  it('explains in a sentence', () => {
    const { sentence } = authorizer.explain(device1, HOST, topic('WRITE', 'telemetry'));
    expect(sentence).toBe(
      'User:device-1 is allowed WRITE on TOPIC "telemetry" in tenant acme from 127.0.0.1 by the rule "p, Fleet:dev, *, TOPIC, LITERAL, telemetry, WRITE, *, allow" (devices.csv:3), since User:device-1 is in Fleet:dev.',
    );
  });
});

describe('remembered decisions', () => {
  const folder = policyFolder();
  afterAll(() => folder.close());

  it('are void after a change, the same object before', async () => {
    folder.write('acme.csv', 'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow');
    const authorizer = await openAuthorizer(folder.directory);
    const ada = service('acme', 'ada');
    const first = authorizer.authorize(ada, HOST, topic('READ', 't'));
    expect(first.allowed).toBe(true);
    expect(authorizer.authorize(ada, HOST, topic('READ', 't'))).toBe(first);
    const { epoch } = authorizer;
    authorizer.setDynamicRules('acme', [
      {
        resourceType: 'TOPIC',
        resourceName: '*',
        patternType: 'LITERAL',
        principal: 'User:*',
        host: '*',
        operation: 'ALL',
        permission: 'DENY',
      },
    ]);
    expect(authorizer.epoch).toBeGreaterThan(epoch);
    expect(authorizer.authorize(ada, HOST, topic('READ', 't'))).toEqual({
      allowed: false,
      rule: 'p, User:*, acme, TOPIC, LITERAL, *, ALL, *, deny',
      origin: 'dynamic',
    });
  });

  it('of other tenants stay when one tenant changes its rules', async () => {
    folder.write('acme.csv', 'p, User:ada, *, TOPIC, LITERAL, t, READ, *, allow');
    const authorizer = await openAuthorizer(folder.directory);
    const [acme, globex] = [service('acme', 'ada'), service('globex', 'ada')];
    authorizer.authorize(acme, HOST, topic('READ', 't'));
    authorizer.authorize(globex, HOST, topic('READ', 't'));
    const before = authorizer.rememberedDecisions;
    authorizer.setDynamicRules('acme', []);
    expect(authorizer.rememberedDecisions).toBe(before / 2);
    await authorizer.reload();
    expect(authorizer.rememberedDecisions).toBe(0);
  });
});
