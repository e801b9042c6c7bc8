/** Roles that a session's token brought: what they give, to whom, and how a decision shows it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { HOST, openAuthorizer, policyFolder, principal, topic } from './policy-fixture.ts';

const plain = principal('acme', 'ada', { kind: 'user' });
const withRoles = (...roles: string[]) => principal('acme', 'ada', { kind: 'user', roles });

describe('the roles of a token', () => {
  const folder = policyFolder();
  let authorizer: CasbinAuthorizer;
  beforeAll(async () => {
    folder.write(
      'acme.csv',
      'g, Role:lead, Role:writer, acme',
      'g, User:bob, Role:writer, acme',
      'g, Fleet:f1, Role:writer, acme',
      'p, Role:writer, acme, TOPIC, LITERAL, t, WRITE, *, allow',
      'p, Role:muted, acme, TOPIC, LITERAL, t, WRITE, *, deny',
      'p, Role:writer, globex, TOPIC, LITERAL, other, WRITE, *, allow',
      'p, Role:operator, _operator, TOPIC, LITERAL, *, ALL, *, allow',
    );
    authorizer = await openAuthorizer(folder.directory);
  });
  afterAll(() => {
    authorizer.close();
    folder.close();
  });
  const decide = (who = plain, name = 't') => authorizer.authorize(who, HOST, topic('WRITE', name));

  test('let the session in, and no other session of the same user', () => {
    expect(decide(withRoles('Role:writer')).allowed).toBe(true);
    expect(decide(plain).allowed).toBe(false);
    expect(decide(withRoles('Role:reader')).allowed).toBe(false);
    expect(decide(withRoles('Role:writer')).allowed).toBe(true);
  });

  test('are inherited as roles of the policy are, and denied as they are', () => {
    expect(decide(withRoles('Role:lead')).allowed).toBe(true);
    const muted = decide(withRoles('Role:muted', 'Role:writer'));
    expect(muted).toMatchObject({ allowed: false, tokenRole: 'Role:muted' });
  });

  test('count on any resource, too', () => {
    const any = (who = plain) =>
      authorizer.authorizeByResourceType(who, HOST, 'WRITE', 'TOPIC').allowed;
    expect([any(withRoles('Role:writer')), any(plain)]).toEqual([true, false]);
  });

  test('hold in the own tenant alone, and never for operators', () => {
    const globex = principal('globex', 'ada', { roles: ['Role:writer', 'Role:operator'] });
    expect(decide(globex).allowed).toBe(false);
    const other = authorizer.authorize(globex, HOST, topic('WRITE', 'other'));
    expect(other.allowed).toBe(true);
    for (const tenant of ['acme', null]) {
      const elsewhere = authorizer.authorizeIn(tenant, globex, HOST, topic('WRITE', 't'));
      expect(elsewhere.allowed).toBe(false);
    }
  });

  test('are evidence where they are needed, and only there', () => {
    expect(decide(withRoles('Role:lead'))).toMatchObject({ tokenRole: 'Role:lead' });
    const bob = principal('acme', 'bob', { roles: ['Role:writer'] });
    const member = principal('acme', 'ada', { fleet: 'f1', roles: ['Role:writer'] });
    for (const who of [bob, member]) {
      expect(decide(who).allowed).toBe(true);
      expect(decide(who)).not.toHaveProperty('tokenRole');
    }
  });

  test('are named by an explanation', () => {
    const sentence = (...roles: string[]) =>
      authorizer.explain(withRoles(...roles), HOST, topic('WRITE', 't')).sentence;
    expect(sentence('Role:writer')).toContain(
      'since the token of the session gives User:ada Role:writer.',
    );
    expect(sentence('Role:lead')).toContain(
      'the token of the session gives User:ada Role:lead, which holds Role:writer',
    );
    expect(sentence()).toContain('no rule speaks about it');
  });

  test('follow the policy when it changes', async () => {
    const session = withRoles('Role:late');
    expect(decide(session).allowed).toBe(false);
    folder.write('late.csv', 'g, Role:late, Role:writer, acme');
    await authorizer.reload();
    expect(decide(session)).toMatchObject({ allowed: true, tokenRole: 'Role:late' });
  });
});
