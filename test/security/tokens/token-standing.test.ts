/** Whether a delegation token still speaks for its owner. */
import { describe, expect, it } from 'vitest';
import { type RevocationData, Revocations } from '../../../src/security/revocations.ts';
import type { DelegationToken } from '../../../src/security/tokens/delegation-token.ts';
import { tokenExclusion } from '../../../src/security/tokens/token-standing.ts';

const ISSUED_MS = 1000;
const KEY = 'ab'.repeat(32);
const IMPORTED_KEY = '12'.repeat(32);
const ROOT = 'cd'.repeat(32);
const token: DelegationToken = {
  id: `${'t'.repeat(21)}A`,
  owner: 'ada',
  fleet: 'plant',
  requester: 'bob',
  renewers: ['eve'],
  certificate: { issuerKeyId: KEY, serial: '0A' },
  issuedAtMs: ISSUED_MS,
  expiresAtMs: 2000,
  maxAtMs: 3000,
};
const IMPORTED = { issuerKeyId: IMPORTED_KEY, serial: '0A' };
const reason = 'unspecified' as const;
const revokedName = (name: string, revokedAtMs: number): Partial<RevocationData> => ({
  names: new Map([[name, { name, revokedAtMs, reason }]]),
});
const suspended = (kind: 'device' | 'fleet', name: string): Partial<RevocationData> => ({
  suspensions: new Map([[`${kind} ${name}`, { kind, name, sinceMs: 1 }]]),
});

const judged = (
  data: Partial<RevocationData> = {},
  change: {
    token?: Partial<DelegationToken>;
    nowMs?: number;
    listed?: string;
    ca?: string;
    banned?: string;
  } = {},
) => {
  const empty = { certificates: new Map(), names: new Map(), suspensions: new Map() };
  const ca = { tenant: change.ca ?? 'acme', rootKeyId: ROOT, certificate: { serialNumber: '07' } };
  return tokenExclusion(
    { ...token, ...change.token },
    {
      tenant: 'acme',
      nowMs: change.nowMs ?? 1500,
      revocations: new Revocations({ ...empty, ...data }),
      banOf: (name) => (name === change.banned ? { reason: 'banned', detail: name } : null),
      isRevoked: (keyId, serial) => `${keyId} ${serial}` === change.listed,
      registry: {
        find: (keyId) => (keyId === KEY ? (ca as never) : undefined),
        isImportedBy: (keyId, tenant) => keyId === IMPORTED_KEY && tenant === 'acme',
      },
    },
  );
};

describe('a delegation token', () => {
  it('is good while nothing speaks against it', () => {
    expect(judged()).toBeNull();
    expect(judged({}, { nowMs: 1999 })).toBeNull();
    expect(judged({}, { token: { certificate: null } })).toBeNull();
    expect(judged(revokedName('ada', ISSUED_MS - 1))).toBeNull();
    expect(judged(revokedName('eve', 5000))).toBeNull();
    expect(judged(suspended('device', 'eve'))).toBeNull();
    expect(judged(suspended('fleet', 'other'))).toBeNull();
    expect(judged({}, { listed: `${ROOT} 0A` })).toBeNull();
    expect(judged({}, { banned: 'eve' })).toBeNull();
    expect(judged({}, { token: { certificate: IMPORTED } })).toBeNull();
  });

  it.each<[string, ReturnType<typeof judged>]>([
    ['it expires', judged({}, { nowMs: 2000 })],
    ['its longest time is over', judged({}, { nowMs: 3000, token: { expiresAtMs: 9000 } })],
    ['its owner is revoked by name after its issue', judged(revokedName('ada', ISSUED_MS))],
    ['its requester is revoked by name after its issue', judged(revokedName('bob', 5000))],
    ['its owner is suspended', judged(suspended('device', 'ada'))],
    ['its requester is suspended', judged(suspended('device', 'bob'))],
    ['its owner is banned', judged({}, { banned: 'ada' })],
    ['its requester is banned', judged({}, { banned: 'bob' })],
    ["its owner's fleet is suspended", judged(suspended('fleet', 'plant'))],
    [
      'its certificate is revoked',
      judged({
        certificates: new Map([
          [`${KEY} 0A`, { issuerKeyId: KEY, serial: '0A', revokedAtMs: 1, reason }],
        ]),
      }),
    ],
    ['its certificate is on a CRL', judged({}, { listed: `${KEY} 0A` })],
    ['its CA is on a CRL', judged({}, { listed: `${ROOT} 07` })],
    ["its CA is another tenant's by now", judged({}, { ca: 'globex' })],
    [
      'its certificate is on the CRL of an imported CA',
      judged({}, { token: { certificate: IMPORTED }, listed: `${IMPORTED_KEY} 0A` }),
    ],
    [
      'its CA is not known',
      judged({}, { token: { certificate: { issuerKeyId: 'ee'.repeat(32), serial: '0A' } } }),
    ],
  ])('is none when %s', (_what, exclusion) => {
    expect(exclusion?.detail).toEqual(expect.any(String));
  });
});
