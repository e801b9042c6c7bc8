import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRoot, DAY_MS, issueCredential } from '../../src/pki/certificate-authority.ts';
import { encodeAddress } from '../../src/pki/certificate-builder.ts';
import { readCaConstraints } from '../../src/pki/certificate-extensions.ts';
import {
  brokerProfile,
  clientRootProfile,
  LEAF_DAYS,
  serverCaProfile,
  TENANT_CA_DAYS,
} from '../../src/pki/certificate-profile.ts';
import { clockAt, device, profileOf, TRUST_DOMAIN, tenantCa } from './test-pki.ts';

/** RSA-3072 takes seconds: it is in the full suite. */
const FAST_KEY_TYPES = ['p256', 'p384', 'ed25519', 'rsa2048'] as const;

const root = createRoot(clientRootProfile(TRUST_DOMAIN));
const acme = tenantCa(root, 'acme');
const profile = profileOf(device('acme'));

describe('a certificate', () => {
  it.each(FAST_KEY_TYPES)('with a key of type %s is signed, and belongs to its key', (keyType) => {
    const ca = createRoot(serverCaProfile(TRUST_DOMAIN), { keyType });
    const leaf = issueCredential(ca, brokerProfile(['localhost'], TRUST_DOMAIN), { keyType });
    expect(leaf.certificate.checkIssued(ca.certificate)).toBe(true);
    expect(leaf.certificate.verify(ca.certificate.publicKey)).toBe(true);
    expect(leaf.certificate.checkPrivateKey(leaf.privateKey)).toBe(true);
    const details = leaf.certificate.publicKey.asymmetricKeyDetails;
    const size = { rsa2048: 2048, p256: 'prime256v1', p384: 'secp384r1' };
    const expected = keyType === 'ed25519' ? undefined : size[keyType];
    expect(details?.modulusLength ?? details?.namedCurve).toBe(expected);
  });

  it('begins five minutes ago and lives as long as its profile says', () => {
    const nowMs = Date.parse('2030-01-01T00:00:00Z');
    const clock = { ...clockAt(0), nowMs: () => nowMs };
    const ca = createRoot(clientRootProfile(TRUST_DOMAIN), { clock });
    const leaf = issueCredential(ca, profile, { clock }).certificate;
    expect(Date.parse(leaf.validFrom)).toBe(nowMs - 5 * 60_000);
    expect(Date.parse(leaf.validTo)).toBe(nowMs + LEAF_DAYS * DAY_MS);
  });

  it('has a validity beyond 2049 in the other form of time', () => {
    const clock = { ...clockAt(0), nowMs: () => Date.parse('2049-06-01T00:00:00Z') };
    const { certificate } = createRoot(clientRootProfile(TRUST_DOMAIN), { clock });
    expect(new Date(certificate.validTo).toISOString()).toBe('2059-05-30T00:00:00.000Z');
  });

  it('never outlives its CA: shortened by default, refused when asked for', () => {
    const late = { clock: clockAt((TENANT_CA_DAYS - 400 - 10) * DAY_MS) };
    const leaf = issueCredential(acme, profile, late).certificate;
    expect(leaf.validTo).toBe(acme.certificate.validTo);
    expect(() => issueCredential(acme, profile, { ...late, days: 30 })).toThrow(
      /at most 9 are left/,
    );
    const after = { clock: clockAt(TENANT_CA_DAYS * DAY_MS) };
    expect(() => issueCredential(acme, profile, after)).toThrow(/expired on/);
  });

  it.each([0, -1, 1.5, Number.NaN, 1e9])('cannot live %d days', (days) => {
    expect(() => issueCredential(acme, profile, { days })).toThrow(/is not possible/);
  });

  it('has a serial of 128 bits, positive, and its own', () => {
    const serials = Array.from(
      { length: 50 },
      () => issueCredential(acme, profile).certificate,
    ).map((certificate) => certificate.serialNumber);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(new Set(serials).size).toBe(50);
  });

  it('names exactly what its job needs', () => {
    const names = ['localhost', '*.kafka.example', '127.0.0.1', '::1'];
    const ca = createRoot(serverCaProfile(TRUST_DOMAIN));
    const broker = issueCredential(ca, brokerProfile(names, TRUST_DOMAIN)).certificate;
    expect(broker.subjectAltName).toBe(
      'DNS:localhost, DNS:*.kafka.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(broker.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    const leaf = issueCredential(acme, profile).certificate;
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(leaf.subjectAltName).toBe(
      `URI:spiffe://acme.${TRUST_DOMAIN}/fleet/plant-a/device/device-1`,
    );
    expect([leaf.ca, broker.ca, acme.certificate.ca]).toEqual([false, false, true]);
  });

  it.each([[], [''], ['a b'], ['-a.example'], ['*'], ['a.*.example'], ['1.2.3.4.5.']])(
    'for a broker refuses the name %j',
    (...names: string[]) => {
      expect(() => brokerProfile(names, TRUST_DOMAIN)).toThrow(/is not a DNS name or IP address/);
    },
  );
});

describe("a tenant's CA", () => {
  it('may sign leaves of its own host only', () => {
    expect(readCaConstraints(acme.certificate)).toEqual({
      pathLength: 0,
      permittedUriHosts: [`acme.${TRUST_DOMAIN}`],
    });
  });

  it('has constraints that are read alike after a copy in PEM', () => {
    const copy = new X509Certificate(acme.certificate.toString());
    expect(readCaConstraints(copy).pathLength).toBe(0);
  });
});

it('encodes every address as its certificate shows it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      const bytes = encodeAddress(address);
      expect(bytes.length).toBe(address.includes(':') ? 16 : 4);
      const groups = new URL(`http://${address.includes(':') ? `[${address}]` : address}`).hostname;
      const again = encodeAddress(groups.replace(/[[\]]/g, ''));
      expect(again.equals(bytes)).toBe(true);
    }),
  );
});
