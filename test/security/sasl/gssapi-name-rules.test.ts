/** Kafka's rules from principals to user names, and the table of realms. */
import { describe, expect, it } from 'vitest';
import { localNameOf, parseNameRules } from '../../../src/security/sasl/gssapi-name-rules.ts';
import { parseRealms, tenantFor } from '../../../src/security/sasl/gssapi-realms.ts';

const local = (rules: string, principal: string): string | undefined => {
  const [name = '', realm = ''] = principal.split('@');
  return localNameOf(parseNameRules(rules), { names: name.split('/'), realm }, 'FLEET.TEST');
};

describe('rules', () => {
  it.each<[string, string, string | undefined]>([
    ['DEFAULT', 'alice@FLEET.TEST', 'alice'],
    ['DEFAULT', 'alice/host.example@FLEET.TEST', 'alice'],
    ['DEFAULT', 'alice@OTHER.TEST', undefined],
    ['DEFAULT/L', 'ALICE@FLEET.TEST', 'alice'],
    ['RULE:[1:$1@$0](.*@OTHER.TEST)s/@.*//', 'alice@OTHER.TEST', 'alice'],
    ['RULE:[1:$1@$0](.*@OTHER.TEST)s/@.*//', 'alice@OTHER.TESTS', undefined],
    ['RULE:[1:$1@$0](.*@OTHER.TEST)s/@.*//', 'alice/host@OTHER.TEST', undefined],
    ['RULE:[2:$1-$2](app-.*)', 'app/host@ANY', 'app-host'],
    ['RULE:[2:$1;$2](^.*;admin$)s/;admin$//', 'alice/admin@ANY', 'alice'],
    ['RULE:[1:$1](App.*)s/App(.*)/service-$1/g/L', 'AppOne@ANY', 'service-one'],
    ['RULE:[1:$1]s/a/b/', 'banana@ANY', 'bbnana'],
    ['RULE:[1:$1]s/a/b/g', 'banana@ANY', 'bbnbnb'],
    ['RULE:[1:$1]/L', 'ALICE@ANY', 'alice'],
    ['RULE:[1:$1]/U', 'alice@ANY', 'ALICE'],
    ['RULE:[1:$1]s/(a)(l)/$2$1/', 'alice@ANY', 'laice'],
    ['RULE:[1:$1]s/a/\\$/', 'alice@ANY', '$lice'],
    ['RULE:[1:prefix-$1]', 'alice@ANY', 'prefix-alice'],
    // The first that applies decides, even if what it gives is no name.
    ['RULE:[1:$1@$0],DEFAULT', 'alice@FLEET.TEST', undefined],
    ['RULE:[1:$1](bob), DEFAULT', 'alice@FLEET.TEST', 'alice'],
    ['RULE:[2:$1/$2]', 'alice/host@ANY', undefined],
  ])('%s: %s -> %s', (rules, principal, name) => {
    expect(local(rules, principal)).toBe(name);
  });

  it.each([
    '',
    ' , ',
    'default',
    'DEFAULT DEFAULT',
    'RULE:[:$1]',
    'RULE:[0:$0]',
    'RULE:[3:$1]',
    'RULE:[1:$2]',
    'RULE:[1:$1]((',
    'RULE:[1:$1](*)',
    'RULE:[1:$1]s/(/x/',
    'RULE:[1:$1]s/a/$1/',
    'RULE:[1:$1]s/a/$/',
    'RULE:[1:$1]s/a/b',
    'RULE:[1:$1]/X',
  ])('%j is no list of rules', (rules) => {
    expect(() => parseNameRules(rules)).toThrow();
  });
});

describe('realms', () => {
  const realms = parseRealms('ONE.TEST=acme, TWO.TEST=acme+globex ,THREE.TEST = globex');

  it.each<[string, string | null, object]>([
    ['ONE.TEST', null, { tenant: 'acme', defaultRealm: 'ONE.TEST' }],
    ['ONE.TEST', 'acme', { tenant: 'acme', defaultRealm: 'ONE.TEST' }],
    ['ONE.TEST', 'globex', { problem: 'contradiction' }],
    ['TWO.TEST', null, { problem: 'ambiguous' }],
    ['TWO.TEST', 'acme', { tenant: 'acme', defaultRealm: 'ONE.TEST' }],
    ['TWO.TEST', 'globex', { tenant: 'globex', defaultRealm: 'TWO.TEST' }],
    ['TWO.TEST', 'initech', { problem: 'contradiction' }],
    ['THREE.TEST', null, { tenant: 'globex', defaultRealm: 'TWO.TEST' }],
    ['one.test', null, { problem: 'unknown-realm' }],
    ['FOUR.TEST', 'acme', { problem: 'unknown-realm' }],
  ])('%s under the server name of %s', (realm, serverTenant, expected) => {
    expect(tenantFor(realms, realm, serverTenant)).toEqual(expected);
  });

  it.each(['', 'ONE', 'ONE=', '=acme', 'ONE=a=b', 'ONE=Acme', 'ONE=acme,', 'ONE=a,ONE=b', 'O@E=a'])(
    '%j is no table',
    (text) => {
      expect(() => parseRealms(text)).toThrow();
    },
  );
});
