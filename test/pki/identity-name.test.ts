import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkTrustDomain,
  formatIdentity,
  type Identity,
  isSubjectName,
  isTenantName,
  parseIdentity,
} from '../../src/pki/identity-name.ts';

const DOMAIN = 'breakwater.test';
const tenant = fc.stringMatching(/^[a-z0-9-]{1,63}$/);
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/);
const identity: fc.Arbitrary<Identity> = fc.oneof(
  fc.record({ kind: fc.constant('device' as const), tenant, fleet: name, name }),
  fc.record({ kind: fc.constant('service' as const), tenant, name }),
  fc.record({ kind: fc.constant('operator' as const), name }),
);

describe('identities as URIs', () => {
  it('parse what they format', () => {
    fc.assert(
      fc.property(identity, (one) => {
        expect(parseIdentity(formatIdentity(one, DOMAIN), DOMAIN)).toEqual(one);
      }),
    );
  });

  it('stand for one URI only: another text is another identity or none', () => {
    const anyText = fc.oneof(
      fc.string(),
      fc.tuple(identity, fc.string(), fc.nat()).map(([one, extra, at]) => {
        const uri = formatIdentity(one, DOMAIN);
        return uri.slice(0, at % uri.length) + extra + uri.slice(at % uri.length);
      }),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parseIdentity(text, DOMAIN);
        if (parsed !== null) expect(formatIdentity(parsed, DOMAIN)).toBe(text);
      }),
    );
  });

  it.each([
    'spiffe://breakwater.test/service/x',
    'spiffe://acme.breakwater.test/operator/x',
    'spiffe://acme.breakwater.test:8443/service/x',
    'spiffe://user@acme.breakwater.test/service/x',
    'spiffe://ACME.breakwater.test/service/x',
    'SPIFFE://acme.breakwater.test/service/x',
    'https://acme.breakwater.test/service/x',
    'spiffe://acme.breakwater.test/service/x/',
    'spiffe://acme.breakwater.test/service/x?y',
    'spiffe://acme.breakwater.test/service/x\n',
    'spiffe://acme.breakwater.test/service/%78',
    'spiffe://acmexbreakwater.test/service/x',
    'spiffe://.breakwater.test/service/x',
    'spiffe://a.acme.breakwater.test/service/x',
    'spiffe://acme.breakwater.test/fleet/f/device/d/e',
    'spiffe://acme.breakwater.test/fleet/f/sensor/d',
    'spiffe://acme.breakwater.test/fleet/f',
    '',
  ])('refuses %j', (uri) => {
    expect(parseIdentity(uri, DOMAIN)).toBeNull();
  });
});

describe('names', () => {
  it.each(['', 'A', 'a.b', 'a_b', 'a/b', 'é', 'a'.repeat(64)])('%j is no tenant', (text) => {
    expect(isTenantName(text)).toBe(false);
  });

  it.each(['', '-a', '_a', 'a.b', 'a b', 'a\n', 'a/..', 'é', 'a'.repeat(64)])(
    '%j is no device',
    (text) => {
      expect(isSubjectName(text)).toBe(false);
    },
  );

  it.each(['', 'A.b', 'a..b', '.a', 'a.', '-a.b', '10.0.0.1', `${'a'.repeat(63)}.b`.repeat(2)])(
    '%j is no trust domain',
    (text) => {
      expect(() => checkTrustDomain(text)).toThrow(/is not a trust domain/);
    },
  );
});
