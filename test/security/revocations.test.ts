import { describe, expect, it } from 'vitest';
import {
  type CertificateFacts,
  canonicalSerial,
  certificateKey,
  Revocations,
  suspensionKey,
} from '../../src/security/revocations.ts';

const CA = 'a'.repeat(64);
const OTHER_CA = 'b'.repeat(64);
const AT_MS = 1_700_000_000_000;

const facts = (change: Partial<CertificateFacts> = {}): CertificateFacts => ({
  issuerKeyId: CA,
  serial: '0A',
  name: 'pump-17',
  fleet: 'plant-a',
  validFromMs: AT_MS,
  ...change,
});

const serial = { issuerKeyId: CA, serial: '0A', revokedAtMs: AT_MS, reason: 'superseded' } as const;
const name = { name: 'pump-17', revokedAtMs: AT_MS, reason: 'keyCompromise' } as const;

const revocations = (of: {
  serial?: true;
  name?: true;
  suspended?: readonly (readonly ['device' | 'fleet', string])[];
}): Revocations =>
  new Revocations({
    certificates: new Map(of.serial ? [[certificateKey(serial), serial]] : []),
    names: new Map(of.name ? [[name.name, name]] : []),
    suspensions: new Map(
      (of.suspended ?? []).map(([kind, named]) => {
        const one = { kind, name: named, sinceMs: AT_MS };
        return [suspensionKey(one), one];
      }),
    ),
  });

const reasonFor = (of: Revocations, change?: Partial<CertificateFacts>): string | null =>
  of.exclusionOf(facts(change))?.reason ?? null;

describe('a revoked serial', () => {
  const of = revocations({ serial: true });

  it.each(['0A', '0a', 'A', '00000A'])('counts however it is written: %s', (text) => {
    expect(reasonFor(of, { serial: text })).toBe('revoked');
  });

  it('counts under the CA that signed, and no other serial does', () => {
    expect(reasonFor(of, { issuerKeyId: OTHER_CA })).toBeNull();
    expect(reasonFor(of, { serial: '0B' })).toBeNull();
  });
});

describe('a revoked name', () => {
  const of = revocations({ name: true });

  it.each([
    ['that began before', AT_MS - 1, 'revoked'],
    ['that began at that moment', AT_MS, 'revoked'],
    ['whose beginning cannot be read', Number.NaN, 'revoked'],
    ['that began after', AT_MS + 1, null],
  ])('covers a certificate %s as it should', (_, validFromMs, reason) => {
    expect(reasonFor(of, { validFromMs })).toBe(reason);
    expect(reasonFor(of, { validFromMs, issuerKeyId: OTHER_CA, serial: 'FF' })).toBe(reason);
  });

  it('says nothing of another name, nor of a login', () => {
    expect(reasonFor(of, { name: 'pump-18' })).toBeNull();
    expect(of.exclusionOfName('pump-17')).toBeNull();
  });
});

describe('a suspension', () => {
  it('of a device shuts out its name, whatever it proves itself with', () => {
    const of = revocations({ suspended: [['device', 'pump-17']] });
    expect(reasonFor(of)).toBe('suspended');
    expect(of.exclusionOfName('pump-17')?.reason).toBe('suspended');
    expect(of.exclusionOfName('pump-18')).toBeNull();
  });

  it('of a fleet shuts out its devices, and nobody of the same name as the fleet', () => {
    const of = revocations({ suspended: [['fleet', 'plant-a']] });
    expect(reasonFor(of)).toBe('suspended');
    expect(reasonFor(of, { fleet: 'plant-b' })).toBeNull();
    expect(reasonFor(of, { fleet: null, name: 'plant-a' })).toBeNull();
    expect(of.exclusionOfName('plant-a')).toBeNull();
  });
});

describe('a serial', () => {
  it.each([
    ['a1b', '0A1B'],
    ['00', '00'],
    ['0001', '01'],
    ['-01', null],
    ['', null],
    ['0x1', null],
    ['1'.repeat(65), null],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalSerial(text)).toBe(canonical);
  });
});
