/** The files that list token issuers: what stops the start, and with which words. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/base/errors.ts';
import {
  adminIssuers,
  type IssuerConfig,
  type IssuerParts,
  saslIssuers,
} from '../../src/broker/token-issuers.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { signingKey, writeJwks } from '../tools/token-issuer.ts';

/** Nothing is recorded by the start. */
const PARTS: IssuerParts = {
  get audit(): never {
    throw new Error('the audit log was asked for');
  },
  get logger(): never {
    throw new Error('the log was asked for');
  },
} as IssuerParts;

let directory: string;
const file = (name: string): string => join(directory, name);
beforeAll(() => {
  directory = temporaryDirectory('token-issuers');
  writeJwks(file('jwks.json'), [signingKey('k1')]);
});
afterAll(() => removeDirectory(directory));

const COMMON = {
  issuer: 'https://login.example.com/',
  audience: 'breakwater',
  'jwks.file': 'jwks.json',
};
const config = (fields: Partial<IssuerConfig> = {}): IssuerConfig => ({
  'sasl.oauthbearer.issuers.file': null,
  'admin.oauth.issuers.file': null,
  ...fields,
});
/** JSON is YAML. */
const written = (name: string, ...issuers: readonly object[]): string => {
  writeFileSync(file(name), JSON.stringify({ issuers }));
  return file(name);
};
const sasl = (...issuers: readonly object[]) =>
  saslIssuers(config({ 'sasl.oauthbearer.issuers.file': written('sasl.yaml', ...issuers) }), PARTS);
const admin = (...issuers: readonly object[]) =>
  adminIssuers(config({ 'admin.oauth.issuers.file': written('admin.yaml', ...issuers) }), PARTS);

describe('an issuer of clients', () => {
  const entry = { ...COMMON, tenants: ['acme'] };

  test('may map scopes to roles, with or without their prefix', () => {
    const [issuer] = sasl({ ...entry, 'scope.roles': { a: ['x', 'Role:y'], 'b:c/d': ['x'] } });
    expect(issuer?.scopeRoles?.claims).toEqual(['scope', 'scp']);
    expect([...(issuer?.scopeRoles?.roles ?? [])]).toEqual([
      ['a', ['Role:x', 'Role:y']],
      ['b:c/d', ['Role:x']],
    ]);
    const named = { 'scope.claim': 'permissions', 'scope.roles': { a: ['x'] } };
    expect(sasl({ ...entry, ...named })[0]?.scopeRoles?.claims).toEqual(['permissions']);
    expect(sasl(entry)[0]?.scopeRoles).toBeNull();
  });

  test.each<[string, object, RegExp]>([
    ['an unknown key', { 'scope.role': {} }, /unknown key scope\.role/],
    ['a prefix that no name has', { 'principal.prefix': 'a/' }, /no beginning of a name/],
    ['no tenants', { tenants: [] }, /tenants must list/],
    ['a claim without a mapping', { 'scope.claim': 'x' }, /without scope\.roles/],
    ['an empty mapping', { 'scope.roles': {} }, /must list roles under each scope/],
    ['a list for a mapping', { 'scope.roles': ['a'] }, /must list roles under each scope/],
    ['a scope without roles', { 'scope.roles': { a: [] } }, /must list roles under each scope/],
    ['a text for roles', { 'scope.roles': { a: 'x' } }, /must list roles under each scope/],
    ['a user for a role', { 'scope.roles': { a: ['User:admin-1'] } }, /"User:admin-1" is no role/],
    ['a number for a role', { 'scope.roles': { a: [5] } }, /5 is no role/],
    ['a scope that is none', { 'scope.roles': { 'a b': ['x'] } }, /"a b" can be no scope/],
    [
      'very many roles',
      { 'scope.roles': { a: Array.from({ length: 65 }, (_, at) => `r${at}`) } },
      /more than 64 roles/,
    ],
    ['no keys', { 'jwks.file': undefined }, /either jwks\.url or jwks\.file/],
    ['keys from afar in plain', { 'jwks.file': undefined, 'jwks.url': 'http://a.b/c' }, /https/],
    ['a weak algorithm', { algorithms: ['HS256'] }, /algorithms must be among/],
  ])('with %s stops the start', (_what, more, sentence) => {
    expect(() => sasl({ ...entry, ...more })).toThrow(sentence);
    expect(() => sasl({ ...entry, ...more })).toThrow(ConfigError);
  });
});

describe('an issuer of operators', () => {
  const entry = { ...COMMON, 'scope.roles': { ops: ['operator'] } };

  test('may be bound to tenants, and then names nobody else', () => {
    expect(admin(entry)).toMatchObject([{ tenants: null, tenantClaim: null }]);
    expect(admin({ ...entry, tenants: ['acme'] })).toMatchObject([{ tenants: ['acme'] }]);
    const two = { ...entry, tenants: ['acme', 'globex'] };
    expect(() => admin(two)).toThrow(/tenant\.claim must say which claim/);
    expect(admin({ ...two, 'tenant.claim': 'org' })).toMatchObject([{ tenantClaim: 'org' }]);
  });

  test.each([
    ['an empty list', { tenants: [] }],
    ['null', { tenants: null }],
    ['a text', { tenants: 'acme' }],
    ['the domain of the operators', { tenants: ['_operator'] }],
    ['an empty name', { tenants: [''] }],
    ['a star', { tenants: ['*'] }],
  ])('with %s for tenants stops the start', (_what, more) => {
    expect(() => admin({ ...entry, ...more })).toThrow(/tenants must list/);
  });

  test('needs a mapping', () => {
    expect(admin(entry)).toMatchObject([{ audience: 'breakwater', tokenAgeMaxMs: 3_600_000 }]);
    expect(() => admin(COMMON)).toThrow(/scope\.roles must say which scope/);
    expect(() => admin({ ...entry, 'tenant.claim': 'tenant' })).toThrow(/without tenants/);
  });

  test('is none without the file, and none of the clients', () => {
    const clients = written('sasl.yaml', { ...COMMON, tenants: ['acme'] });
    const both = { 'sasl.oauthbearer.issuers.file': clients };
    expect(adminIssuers(config(both), PARTS)).toEqual([]);
  });

  test('with the same audience as for clients stops the start', () => {
    const clients = written('sasl.yaml', { ...COMMON, tenants: ['acme'] });
    const start = (audience: string) =>
      adminIssuers(
        config({
          'sasl.oauthbearer.issuers.file': clients,
          'admin.oauth.issuers.file': written('admin.yaml', { ...entry, audience }),
        }),
        PARTS,
      );
    expect(() => start('breakwater')).toThrow(/token for clients would be one for operators/);
    expect(start('breakwater-admin')).toHaveLength(1);
  });
});
