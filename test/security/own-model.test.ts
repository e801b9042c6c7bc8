/** A model that an operator wrote: decided as stock Casbin does, remembered and refused as ours. */
import { newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import { testSeed } from '../tools/test-seed.ts';
import {
  device,
  HOST,
  openAuthorizer,
  type PolicyFolderFixture,
  policyFolder,
  service,
  topic,
} from './policy-fixture.ts';

const model = (matcher: string, more: { r?: string; p?: string; e?: string; g?: string } = {}) =>
  [
    '[request_definition]',
    `r = ${more.r ?? 'user, dom, obj, act'}`,
    '[policy_definition]',
    `p = ${more.p ?? 'sub, dom, obj, act, eft'}`,
    ...(more.g === undefined ? [] : ['[role_definition]', `g = ${more.g}`]),
    '[policy_effect]',
    `e = ${more.e ?? 'some(where (p.eft == allow)) && !some(where (p.eft == deny))'}`,
    '[matchers]',
    `m = ${matcher}`,
    '',
  ].join('\n');

const RBAC = model(
  'g(r.user, p.sub, r.dom) && keyMatch(r.dom, p.dom) && keyMatch(r.obj, p.obj) && regexMatch(r.act, p.act)',
  { g: '_, _, _' },
);

/** The columns of the shipped policy, matched in another way: everyone of a domain. */
const SHIPPED_COLUMNS = model('r.dom == p.dom && r.name == p.name && covers(p.op, p.eft, r.op)', {
  r: 'dom, name, op',
  p: 'sub, dom, type, pattern, name, op, host, eft',
});

const denyAll: AclBinding = {
  resourceType: 'TOPIC',
  resourceName: 't',
  patternType: 'LITERAL',
  principal: 'User:*',
  host: '*',
  operation: 'ALL',
  permission: 'DENY',
};

describe('a model of the operator', () => {
  let folder: PolicyFolderFixture;
  beforeEach(() => {
    folder = policyFolder();
  });
  afterEach(() => folder.close());
  const open = (text: string, ...lines: string[]) => {
    folder.writeRaw('model.conf', text);
    folder.write('all.csv', ...lines);
    return openAuthorizer(folder.directory, { modelFile: `${folder.directory}/model.conf` });
  };

  it('decides as stock Casbin does, now and remembered', async () => {
    const of = (...values: string[]): fc.Arbitrary<string> => fc.constantFrom(...values);
    const rules = fc.array(
      fc
        .tuple(
          of('ada', 'bob', 'reader', 'writer'),
          of('acme', 'globex', '*'),
          of('TOPIC:a', 'TOPIC:a*', 'TOPIC:*', 'GROUP:*'),
          of('read', '(read)|(write)', '.*'),
          of('allow', 'allow', 'deny'),
        )
        .map((columns) => `p, ${columns.join(', ')}`),
      { minLength: 1, maxLength: 12 },
    );
    const links = fc.array(
      fc
        .tuple(of('ada', 'bob'), of('reader', 'writer'), of('acme', 'globex'))
        .map((columns) => `g, ${columns.join(', ')}`),
      { maxLength: 5 },
    );
    const authorizer = await open(RBAC, 'p, ada, acme, TOPIC:a, read, allow');
    const run = { compared: 0, allowed: 0 };
    const compare = async (lines: string[]): Promise<void> => {
      folder.write('all.csv', ...lines);
      expect((await authorizer.reload()).refusal).toBeNull();
      const stock = await newEnforcer(newModelFromString(RBAC));
      stock.setAdapter(new StringAdapter(lines.join('\n')));
      await stock.loadPolicy();
      for (const [tenant, name, action] of [
        ['acme', 'ada', topic('READ', 'a')],
        ['acme', 'bob', topic('WRITE', 'ab')],
        ['globex', 'ada', topic('WRITE', 'b')],
        ['globex', 'eve', topic('READ', 'a')],
      ] as const) {
        const { resourceType, resourceName, operation } = action;
        const [expected, row] = stock.enforceExSync(
          name,
          tenant,
          `${resourceType}:${resourceName}`,
          operation.toLowerCase(),
        );
        const first = authorizer.authorize(service(tenant, name), HOST, action);
        expect(first.allowed).toBe(expected);
        expect(first.rule).toBe(row.length === 0 ? null : `p, ${row.join(', ')}`);
        expect(authorizer.authorize(service(tenant, name), HOST, action)).toBe(first);
        run.compared += 1;
        if (expected) run.allowed += 1;
      }
    };
    await fc.assert(
      fc.asyncProperty(rules, links, (all, given) => compare([...all, ...given])),
      { seed: testSeed('own-model', 4_711), numRuns: 60 },
    );
    expect(run.compared).toBe(240);
    expect(run.allowed).toBeGreaterThan(40);
  });

  it("gives Casbin's evidence with its place, in decisions and explanations", async () => {
    const authorizer = await open(
      RBAC,
      '# roles first',
      'g, ada, reader, acme',
      'p, reader, acme, TOPIC:*, read, allow',
    );
    const ada = service('acme', 'ada');
    expect(authorizer.authorize(ada, HOST, topic('READ', 'x'))).toEqual({
      allowed: true,
      rule: 'p, reader, acme, TOPIC:*, read, allow',
      origin: 'all.csv:3',
    });
    expect(authorizer.explain(ada, HOST, topic('READ', 'x')).sentence).toContain('(all.csv:3)');
    expect(authorizer.authorize(ada, HOST, topic('WRITE', 'x'))).toEqual({
      allowed: false,
      rule: null,
      origin: null,
    });
    expect(authorizer.policyStatus().fileRules).toBe(1);
  });

  it('void at a change, and a broken set leaves the last good one in force', async () => {
    const authorizer = await open(RBAC, 'p, ada, acme, TOPIC:*, read, allow');
    const reads = () => authorizer.authorize(service('acme', 'ada'), HOST, topic('READ', 'x'));
    expect(reads().allowed).toBe(true);
    folder.write('all.csv', 'p, ada, acme, TOPIC:*, read, perhaps');
    expect((await authorizer.reload()).refusal).toMatchObject({
      file: 'all.csv',
      line: 1,
      reason: '"perhaps" is not allow or deny',
    });
    expect(reads().allowed).toBe(true);
    folder.write('all.csv', 'p, ada, acme, TOPIC:*, read, deny');
    await authorizer.reload();
    expect(reads().allowed).toBe(false);
  });

  it('sees the whole request', async () => {
    const matcher =
      'r.sub == "User:ada" && r.user == "ada" && r.fleet == "Fleet:f" && r.host == "127.0.0.1" && r.type == p.type && r.name == "x" && r.op == "READ" && r.act == "read" && r.obj == "TOPIC:x" && r.dom == "acme" && r.time > 1000';
    const authorizer = await open(
      model(matcher, {
        r: 'sub, user, fleet, roles, dom, attrs, host, type, name, obj, op, act, time',
        p: 'type',
      }),
      'p, TOPIC',
    );
    const result = authorizer.authorize(device('acme', 'ada', 'f'), HOST, topic('READ', 'x'));
    expect(result).toMatchObject({ allowed: true, rule: 'p, TOPIC' });
    // It read the time: what came of it ends with the minute.
    expect(result.validUntilMs! % 60_000).toBe(0);
    expect(authorizer.authorize(device('acme', 'ada', 'g'), HOST, topic('READ', 'x')).allowed).toBe(
      false,
    );
  });

  it('obeys an effect by priority', async () => {
    const authorizer = await open(
      model('r.user == p.sub && keyMatch(r.obj, p.obj)', {
        p: 'priority, sub, obj, act, eft',
        e: 'priority(p.eft) || deny',
      }),
      'p, 10, ada, TOPIC:*, read, deny',
      'p, 1, ada, TOPIC:x, read, allow',
    );
    const allowed = (name: string) =>
      authorizer.authorize(service('acme', 'ada'), HOST, topic('READ', name)).allowed;
    expect([allowed('x'), allowed('y')]).toEqual([true, false]);
  });

  it('denies where there is no rule, though its matcher holds for empty columns', async () => {
    const authorizer = await open(model('r.user != p.sub', { p: 'sub, act' }), '# nothing');
    expect(authorizer.authorize(service('acme', 'ada'), HOST, topic('READ', 'x')).allowed).toBe(
      false,
    );
  });

  it('denies when a decision throws', async () => {
    const authorizer = await open(
      model('r.user == p.sub && inWindow(p.when, r.time)', { r: 'user, time', p: 'sub, when' }),
      'p, ada, sometimes',
      'p, bob, *',
    );
    const of = (name: string) =>
      authorizer.authorize(service('acme', name), HOST, topic('READ', 'x'));
    expect(of('ada')).toEqual({ allowed: false, rule: null, origin: 'error' });
    expect(of('bob').allowed).toBe(true);
  });

  it('takes dynamic rules where the columns are the shipped ones, each in its tenant', async () => {
    const authorizer = await open(
      SHIPPED_COLUMNS,
      'p, User:*, acme, TOPIC, LITERAL, t, READ, *, allow',
      'p, User:*, globex, TOPIC, LITERAL, t, READ, *, allow',
    );
    const reads = (tenant: string) =>
      authorizer.authorize(service(tenant, 'ada'), HOST, topic('READ', 't'));
    expect([reads('acme').allowed, reads('globex').allowed]).toEqual([true, true]);
    expect(authorizer.bindingProblem('acme', denyAll)).toBeNull();
    authorizer.setDynamicRules('acme', [denyAll]);
    expect(reads('acme')).toMatchObject({ allowed: false, origin: 'dynamic' });
    expect(reads('globex').allowed).toBe(true);
    authorizer.setDynamicRules('acme', []);
    expect(reads('acme').allowed).toBe(true);
  });

  it('refuses dynamic rules where the columns are others', async () => {
    const authorizer = await open(RBAC, 'p, ada, acme, TOPIC:*, read, allow');
    expect(authorizer.bindingProblem('acme', denyAll)).toContain('takes no rules of this kind');
    expect(() => authorizer.setDynamicRules('acme', [denyAll])).toThrow(RangeError);
  });

  const refused: [string, string, string[], RegExp][] = [
    [
      'a field that no request has',
      model('r.colour == p.sub', { r: 'colour' }),
      [],
      /model\.conf:2: a request has no "colour"/,
    ],
    ['no matcher', RBAC.slice(0, RBAC.indexOf('[matchers]')), [], /model\.conf/],
    [
      'an unknown function',
      model('nonsense(r.user, p.sub)'),
      ['p, a, b, c, d, allow'],
      /model\.conf:8: there is no function "nonsense"/,
    ],
    [
      'a matcher that is no expression',
      model('r.user == == p.sub'),
      ['p, a, b, c, d, allow'],
      /model\.conf/,
    ],
    [
      'a column that is not defined',
      model('r.user != p.owner'),
      [],
      /model\.conf:8: "p\.owner" is in no/,
    ],
    ['a second matcher', `${RBAC}m2 = r.user == p.sub\n`, [], /"m2" is not used here/],
    [
      'a line of another shape',
      RBAC,
      ['p, a, b, c, allow'],
      /all\.csv:1: a line of "p" has 5 columns/,
    ],
    ['a line of another kind', RBAC, ['g2, a, b'], /all\.csv:1: a line begins with p or g/],
    ['a quote', RBAC, ['p, "a, b, c, d, allow'], /all\.csv:1: a value holds a quote/],
    [
      'more rules than Casbin can go through',
      RBAC,
      Array.from({ length: 1_001 }, () => 'p, a, b, c, d, deny'),
      /all\.csv:1001: more than 1000 rules/,
    ],
  ];
  for (const [what, text, lines, reason] of refused) {
    it(`is refused at the start with ${what}`, async () => {
      await expect(open(text, ...lines)).rejects.toThrow(reason);
    });
  }
});
