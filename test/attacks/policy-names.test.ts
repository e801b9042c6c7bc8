/**
 * Threat: a caller chooses its own name, or the name it asks for, so that a rule means more than its
 * author wrote: patterns in names, case, look-alike identities, variables with crafted values, and
 * dynamic rules that carry a second rule inside.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';
import {
  device,
  HOST,
  openAuthorizer,
  operator,
  type PolicyFolderFixture,
  policyFolder,
  principal,
  service,
  topic,
} from '../security/policy-fixture.ts';

let folder: PolicyFolderFixture;
beforeEach(() => {
  folder = policyFolder();
});
afterEach(() => folder.close());

const open = (...lines: string[]): Promise<CasbinAuthorizer> => {
  folder.write('acme.csv', ...lines);
  return openAuthorizer(folder.directory);
};
const rule = (subject: string, pattern: string, name: string, effect = 'allow'): string =>
  `p, ${subject}, acme, TOPIC, ${pattern}, ${name}, READ, *, ${effect}`;
const reads = (authorizer: CasbinAuthorizer, who: KafkaPrincipal, name: string): boolean =>
  authorizer.authorize(who, HOST, topic('READ', name)).allowed;

const ada = service('acme', 'ada');

describe('patterns', () => {
  it('PREFIXED * is a plain prefix, LITERAL * is every name', async () => {
    const prefixed = await open(rule('User:ada', 'PREFIXED', '*'));
    expect([reads(prefixed, ada, 'a'), reads(prefixed, ada, '*a')]).toEqual([false, true]);
    const literal = await open(rule('User:ada', 'LITERAL', '*'));
    expect([reads(literal, ada, 'a'), reads(literal, ada, '*')]).toEqual([true, true]);
  });

  it('asking for * or for a prefix gives nothing more', async () => {
    const authorizer = await open(rule('User:ada', 'PREFIXED', 'logs.'));
    for (const name of ['*', 'logs', 'log', '', 'Logs.a', ' logs.a', 'x.logs.a']) {
      expect(reads(authorizer, ada, name), name).toBe(false);
    }
  });

  it('a deny wins wherever it stands and however it was found', async () => {
    const denies = [
      rule('User:ada', 'LITERAL', 'logs.a', 'deny'),
      rule('User:ada', 'PREFIXED', 'logs.', 'deny'),
      rule('User:*', 'LITERAL', '*', 'deny'),
      rule('Role:staff', 'PREFIXED', 'l', 'deny'),
      rule('User:*', 'LITERAL', 'logs.${principal}a', 'deny').replace('${principal}', ''),
    ];
    const allow = rule('User:ada', 'LITERAL', 'logs.a');
    for (const deny of denies) {
      for (const lines of [
        [allow, deny],
        [deny, allow],
      ]) {
        const authorizer = await open('g, User:ada, Role:staff, acme', ...lines);
        const result = authorizer.authorize(ada, HOST, topic('READ', 'logs.a'));
        expect(result, deny).toMatchObject({ allowed: false, rule: deny });
      }
    }
  });

  it('a deny of READ does not imply a deny of DESCRIBE', async () => {
    const authorizer = await open(
      'p, User:ada, acme, TOPIC, LITERAL, t, WRITE, *, allow',
      'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, deny',
    );
    expect(authorizer.authorize(ada, HOST, topic('DESCRIBE', 't')).allowed).toBe(true);
    expect(reads(authorizer, ada, 't')).toBe(false);
  });
});

describe('identities', () => {
  it('are compared exactly: case, spaces, look-alikes', async () => {
    const authorizer = await open(rule('User:ada', 'LITERAL', 't'));
    const others = [
      'Ada',
      'ADA',
      'ada ',
      ' ada',
      'ada\n',
      'ada\u0000',
      'аda',
      'ada, acme',
      'User:ada',
    ];
    for (const name of others) {
      expect(reads(authorizer, service('acme', name), 't'), JSON.stringify(name)).toBe(false);
    }
    expect(reads(authorizer, ada, 't')).toBe(true);
  });

  it('no name of a user makes it a role, a fleet or everyone', async () => {
    const authorizer = await open(
      rule('Role:admin', 'LITERAL', 'r'),
      rule('Fleet:f', 'LITERAL', 'f'),
      'g, User:ada, Role:admin, acme',
    );
    for (const name of ['Role:admin', 'Fleet:f', '*', 'admin', 'f', '']) {
      const who = service('acme', name);
      expect([reads(authorizer, who, 'r'), reads(authorizer, who, 'f')], name).toEqual([
        false,
        false,
      ]);
    }
    expect(reads(authorizer, device('acme', 'x', '*'), 'f')).toBe(false);
    expect(reads(authorizer, device('acme', 'x', ''), 'f')).toBe(false);
  });

  it('of one tenant mean nothing in another', async () => {
    const authorizer = await open(rule('User:ada', 'LITERAL', 't'), rule('User:*', 'LITERAL', 'u'));
    for (const tenant of ['globex', 'ACME', 'acme ', '', '*', '_operator', 'acme/x']) {
      const who = service(tenant, 'ada');
      expect([reads(authorizer, who, 't'), reads(authorizer, who, 'u')], tenant).toEqual([
        false,
        false,
      ]);
    }
  });

  it('two callers that differ in fleet or kind alone never share a decision', async () => {
    const authorizer = await open(rule('Fleet:f', 'LITERAL', 't'));
    expect(reads(authorizer, device('acme', 'x', 'f'), 't')).toBe(true);
    expect(reads(authorizer, device('acme', 'x', 'g'), 't')).toBe(false);
    expect(reads(authorizer, service('acme', 'x'), 't')).toBe(false);
    expect(reads(authorizer, principal('', 'x', { kind: 'operator', fleet: 'f' }), 't')).toBe(
      false,
    );
  });

  it('an operator holds nothing that tenants hold, and the reverse', async () => {
    const authorizer = await open(
      'p, User:*, *, TOPIC, LITERAL, *, READ, *, allow',
      'p, User:root, _operator, TOPIC, PREFIXED, acme/, READ, *, allow',
    );
    const root = operator('root');
    const inTenant = (tenant: string | null, who: KafkaPrincipal): boolean =>
      authorizer.authorizeIn(tenant, who, HOST, topic('READ', 't')).allowed;
    expect(inTenant('acme', root)).toBe(true);
    for (const tenant of ['acme-two', 'globex', null, '', 'acme/x', '..', 'ACME']) {
      expect(inTenant(tenant, root), String(tenant)).toBe(false);
    }
    expect(inTenant('acme', operator('eve'))).toBe(false);
    expect(reads(authorizer, service('acme', 'root'), 'acme/t')).toBe(true);
    expect(reads(authorizer, principal('acme', 'root', { kind: 'operator' }), 't')).toBe(false);
  });
});

describe('variables', () => {
  const HOSTILE = [
    '',
    'a.b',
    '*',
    '..',
    'x/y',
    '${tenant}',
    'a b',
    'a,b',
    'é',
    '-x',
    'x'.repeat(64),
  ];

  it('grant nothing when the value breaks the grammar of names', async () => {
    const authorizer = await open(
      rule('User:*', 'PREFIXED', 'own.${principal}.'),
      rule('User:*', 'LITERAL', '${principal}'),
    );
    expect(reads(authorizer, ada, 'own.ada.x')).toBe(true);
    for (const name of HOSTILE) {
      const who = service('acme', name);
      for (const asked of [`own.${name}.x`, name, '*', 'a', 'own..x']) {
        expect(reads(authorizer, who, asked), JSON.stringify([name, asked])).toBe(false);
      }
    }
  });

  it('deny everything when the value of a deny breaks it', async () => {
    const authorizer = await open(
      rule('User:*', 'LITERAL', 't'),
      rule('User:*', 'PREFIXED', 'secret.${principal}.', 'deny'),
    );
    expect(reads(authorizer, ada, 't')).toBe(true);
    for (const name of HOSTILE.filter((value) => value !== '')) {
      expect(reads(authorizer, service('acme', name), 't'), name).toBe(false);
      const any = authorizer.authorizeByResourceType(service('acme', name), HOST, 'READ', 'TOPIC');
      expect(any.allowed, name).toBe(false);
    }
  });

  it('of a caller without a fleet: the rule is not about it', async () => {
    const authorizer = await open(
      rule('User:*', 'LITERAL', 't'),
      rule('User:*', 'LITERAL', '${fleet}'),
      rule('User:*', 'PREFIXED', '${fleet}.', 'deny'),
    );
    expect([reads(authorizer, ada, 't'), reads(authorizer, ada, '')]).toEqual([true, false]);
    expect(reads(authorizer, device('acme', 'x', 'f'), 'f')).toBe(true);
    expect(reads(authorizer, device('acme', 'x', 'f'), 'f.a')).toBe(false);
  });

  it('in a name that somebody asks for are plain text', async () => {
    const authorizer = await open(rule('User:*', 'PREFIXED', '${principal}.'));
    expect(reads(authorizer, ada, '${principal}.x')).toBe(false);
  });
});

describe('dynamic rules', () => {
  const binding = (fields: Partial<AclBinding>): AclBinding => ({
    resourceType: 'TOPIC',
    resourceName: 't',
    patternType: 'LITERAL',
    principal: 'User:ada',
    host: '*',
    operation: 'READ',
    permission: 'ALLOW',
    ...fields,
  });

  it('with separators, line ends or anything unknown never take force', async () => {
    const authorizer = await open();
    const bad: Partial<AclBinding>[] = [
      { resourceName: 't\np, User:eve, acme, TOPIC, LITERAL, *, ALL, *, allow' },
      { resourceName: 't, READ, *, allow' },
      { resourceName: '' },
      { principal: 'User:ada\ng, User:eve, Role:admin, acme' },
      { principal: 'User:a,b' },
      { principal: 'ada' },
      { principal: 'User:' },
      { host: '10.0.0.1\n' },
      { host: '*, allow' },
      { operation: 'ANY' as 'ALL' },
      { patternType: 'MATCH' as 'LITERAL' },
      { resourceType: '__proto__' as 'TOPIC' },
      { permission: 'Allow' as 'ALLOW' },
    ];
    for (const fields of bad) {
      const rules = [binding({}), binding(fields)];
      expect(() => authorizer.setDynamicRules('acme', rules), JSON.stringify(fields)).toThrow(
        RangeError,
      );
      expect(reads(authorizer, ada, 't')).toBe(false);
    }
    for (const tenant of ['*', 'ACME', '', 'a\nb']) {
      expect(() => authorizer.setDynamicRules(tenant, [binding({})]), tenant).toThrow(RangeError);
    }
    authorizer.setDynamicRules('acme', [binding({})]);
    expect(reads(authorizer, ada, 't')).toBe(true);
    expect(reads(authorizer, service('globex', 'ada'), 't')).toBe(false);
  });

  it('never loosen a deny of the files, nor does a file loosen theirs', async () => {
    const authorizer = await open(
      rule('User:ada', 'LITERAL', 'a', 'deny'),
      rule('User:ada', 'LITERAL', 'b'),
    );
    authorizer.setDynamicRules('acme', [
      binding({ resourceName: 'a' }),
      binding({ resourceName: 'b', permission: 'DENY' }),
    ]);
    expect([reads(authorizer, ada, 'a'), reads(authorizer, ada, 'b')]).toEqual([false, false]);
  });

  it('outlive a reload of the files', async () => {
    const authorizer = await open(rule('User:ada', 'LITERAL', 't'));
    authorizer.setDynamicRules('acme', [binding({ permission: 'DENY' })]);
    await authorizer.reload();
    expect(reads(authorizer, ada, 't')).toBe(false);
  });
});

describe('endless names', () => {
  it('fill only the memory of who asks for them', async () => {
    folder.write('acme.csv', rule('User:*', 'LITERAL', 't'));
    const authorizer = await openAuthorizer(folder.directory, { decisionsMax: 10_000 });
    const eve = service('acme', 'eve');
    const before = authorizer.authorize(ada, HOST, topic('READ', 't'));
    for (let index = 0; index < 20_000; index += 1) reads(authorizer, eve, `x${index}`);
    expect(reads(authorizer, eve, 'x'.repeat(100_000))).toBe(false);
    expect(authorizer.authorize(ada, HOST, topic('READ', 't'))).toBe(before);
    expect(authorizer.rememberedDecisions).toBeLessThanOrEqual(10_000);
  });
});
