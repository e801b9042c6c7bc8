/** CRLs: what we sign is read back and believed by others; what is not a whole CRL is refused. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DAY_MS } from '../../src/pki/certificate-authority.ts';
import { buildCrl, type CrlEntry } from '../../src/pki/crl-builder.ts';
import { writeRootCrl, writeTenantCrl } from '../../src/pki/crl-file.ts';
import { readCrl, readingCrl } from '../../src/pki/crl-reader.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { KEY_TYPES, type KeyType } from '../../src/pki/key-pair.ts';
import { createTenantCa, loadRoot, loadTenantCa, type Pki } from '../../src/pki/pki-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { runTool, temporaryPki } from './temporary-pki.ts';

const DAYS = { days: 7 };
const SECOND_MS = 1000;

function pkiOf(keyType: KeyType): { pki: Pki; serials: string[] } {
  const pki = temporaryPki({ keyType });
  createTenantCa(pki, 'acme', { keyType });
  const serials = ['pump-1', 'pump-2'].map(
    (device) => issueDevice(pki, { tenant: 'acme', device }, { keyType }).certificate.serialNumber,
  );
  return { pki, serials };
}

const entry = (serial: string): CrlEntry => ({
  serial,
  revokedAtMs: Math.floor(Date.now() / SECOND_MS) * SECOND_MS,
  reason: 'keyCompromise',
});

describe('a CRL', () => {
  const { pki, serials } = pkiOf('p256');
  const ca = loadTenantCa(pki, 'acme');
  const nowMs = Math.floor(Date.now() / SECOND_MS) * SECOND_MS;
  const content = {
    entries: [entry(serials[0]!), { ...entry('01'), reason: 'unspecified' as const }],
    number: BigInt(nowMs),
    thisUpdateMs: nowMs,
    nextUpdateMs: nowMs + DAY_MS,
  };
  const der = buildCrl(ca, content);

  it("reads back as it was written, and is its CA's and no other's", () => {
    const crl = readCrl(der);
    expect(crl.entries).toEqual(content.entries);
    expect([...crl.serials]).toEqual([serials[0], '01']);
    expect(crl).toMatchObject({ number: BigInt(nowMs), nextUpdateMs: nowMs + DAY_MS });
    expect(crl.isSignedBy(ca.certificate)).toBe(true);
    expect(crl.isSignedBy(loadRoot(pki, 'client').certificate)).toBe(false);
    const same = createTenantCa(temporaryPki(), 'acme');
    expect(crl.isSignedBy(same.certificate), 'of the same name').toBe(false);
  });

  it('no octet of it can change unnoticed', () => {
    for (let at = 0; at < der.length; at++) {
      const changed = Buffer.from(der);
      changed[at] = changed[at]! ^ 0x01;
      let isBelieved: boolean;
      try {
        isBelieved = readCrl(changed).isSignedBy(ca.certificate);
      } catch (error) {
        expect(error, `octet ${at}`).toMatchObject({ name: 'PkiError' });
        continue;
      }
      expect(isBelieved, `octet ${at}`).toBe(false);
    }
  });

  it('cut short, or followed by more, it is refused', () => {
    for (let length = 0; length < der.length; length += 7) {
      expect(() => readCrl(der.subarray(0, length)), String(length)).toThrow(/CRL/);
    }
    expect(() => readCrl(Buffer.concat([der, Buffer.alloc(1)]))).toThrow(/CRL/);
    expect(() => readCrl(randomBytes(500))).toThrow(/CRL/);
  });

  it('of a hundred thousand entries is read in short turns', () => {
    const entries = Array.from({ length: 100_000 }, (_, n) =>
      entry((0x40000000 + n).toString(16).toUpperCase()),
    );
    const large = buildCrl(ca, { ...content, entries });
    const reading = readingCrl(large);
    let longestMs = 0;
    for (;;) {
      const beganMs = performance.now();
      const step = reading.next();
      longestMs = Math.max(longestMs, performance.now() - beganMs);
      if (step.done !== true) continue;
      expect(step.value.serials.size).toBe(100_000);
      break;
    }
    expect(longestMs).toBeLessThan(100);
  });

  it('of a root takes over what the last one held, with a larger number', () => {
    const first = writeRootCrl(pki, 'client', [entry(ca.certificate.serialNumber)], DAYS);
    const second = writeRootCrl(pki, 'client', [entry('0A')], DAYS);
    expect([first.count, second.count]).toEqual([1, 2]);
    expect(BigInt(second.number)).toBeGreaterThan(BigInt(first.number));
  });
});

/** The chain of a device against the CRLs of its CA and the root. */
function verdicts(keyType: KeyType, check: (pki: Pki, device: string) => string): string[] {
  const { pki, serials } = pkiOf(keyType);
  writeRootCrl(pki, 'client', [], DAYS);
  writeTenantCrl(pki, 'acme', [entry(serials[0]!)], DAYS);
  return ['pump-1', 'pump-2'].map((device) => check(pki, device));
}

describeRequiring(['openssl'], 'openssl verify -crl_check_all -x509_strict', () => {
  it.each(KEY_TYPES)('refuses the revoked device and accepts the other one, %s', (keyType) => {
    const [revoked, good] = verdicts(keyType, ({ dir }, device) => {
      const leaf = join(dir, 'acme', `${device}.crt`);
      const crls = ['client-ca.crl', 'acme/ca.crl'].map((name) => join(dir, name));
      return runTool('openssl', [
        ...['verify', '-x509_strict', '-crl_check_all', '-CAfile', join(dir, 'client-ca.crt')],
        ...crls.flatMap((path) => ['-CRLfile', path]),
        ...['-untrusted', leaf, leaf],
      ]).text;
    });
    expect(revoked).toContain('certificate revoked');
    expect(good).toMatch(/pump-2\.crt: OK/);
  });
});

describeRequiring(['certtool'], 'certtool', () => {
  it.each(['p256', 'p384', 'ed25519', 'rsa2048'] as const)(
    'verifies the CRL and uses it, %s',
    (keyType) => {
      const [revoked, good] = verdicts(keyType, ({ dir }, device) => {
        const file = (name: string): string => join(dir, name);
        const crl = file('acme/ca.crl');
        const verified = runTool('certtool', [
          ...['--verify-crl', `--load-ca-certificate=${file('acme/ca.crt')}`, `--infile=${crl}`],
        ]);
        expect(verified.text).toContain('Verified');
        expect(verified.text).not.toMatch(/Not verified/);
        const all = ['client-ca.crl', 'acme/ca.crl'].map(
          (name) => runTool('cat', [file(name)]).text,
        );
        writeFileSync(file('all.crl'), all.join(''));
        return runTool('certtool', [
          ...['--verify', `--load-ca-certificate=${file('client-ca.crt')}`],
          ...[`--load-crl=${file('all.crl')}`, `--infile=${file(`acme/${device}.crt`)}`],
        ]).text;
      });
      expect(revoked).toMatch(/revoked/i);
      expect(good).toContain('The certificate is trusted');
    },
  );
});
