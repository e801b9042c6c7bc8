/** A tenant's CA: rotated with overlap, retired, its key encrypted or replaced by a command. */
import { createPrivateKey } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PassphraseNeededError } from '../../src/pki/ca-key.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import {
  createTenantCa,
  loadTenantCa,
  openPki,
  type Pki,
  pemOf,
} from '../../src/pki/pki-directory.ts';
import { previousCas, retireTenantCa, rotateTenantCa } from '../../src/pki/tenant-ca-rotation.ts';
import { TenantCaRegistry } from '../../src/security/tenant-ca-registry.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { runTool, temporaryPki, testDirectory } from './temporary-pki.ts';

const PASSPHRASE = 'correct horse battery';

function withAcme(options: object = {}): Pki {
  const pki = temporaryPki(options);
  createTenantCa(pki, 'acme');
  return pki;
}

const device = (pki: Pki, name: string) =>
  issueDevice(pki, { tenant: 'acme', device: name }, { outDir: testDirectory('rotation') });

describe('a rotation', () => {
  it('makes a CA that the broker takes beside the one before, whose devices stay good', () => {
    const pki = withAcme();
    const before = loadTenantCa(pki, 'acme').certificate;
    const old = device(pki, 'old-1').certificate;
    const made = rotateTenantCa(pki, 'acme', {});
    expect(made.certificate.serialNumber).not.toBe(before.serialNumber);
    const fresh = device(pki, 'new-1').certificate;
    expect(fresh.verify(made.certificate.publicKey)).toBe(true);
    const clientRootPem = readFileSync(join(pki.dir, 'client-ca.crt'), 'utf8');
    const registry = new TenantCaRegistry({ clientRootPem, trustDomain: pki.trustDomain });
    for (const ca of [before, made.certificate]) registry.register('acme', pemOf(ca));
    for (const leaf of [old, fresh]) {
      const issuers = registry.findByIssuer(leaf.issuer);
      expect(issuers.filter((issuer) => leaf.verify(issuer.publicKey))).toHaveLength(1);
    }
    const [previous] = previousCas(pki, 'acme');
    expect(previous!.certificate.serialNumber).toBe(before.serialNumber);
    expect(previous!.stillValid).toBe(1);
  });

  it('is completed after a crash at any of its steps', () => {
    for (const step of ['key only', 'both', 'key moved'] as const) {
      const pki = withAcme();
      const before = loadTenantCa(pki, 'acme').certificate.serialNumber;
      const files = (ofPki: Pki, name: string) => join(ofPki.dir, 'acme', name);
      // What a run that was killed had done by then.
      rotateTenantCa(pki, 'acme', {});
      const next = loadTenantCa(pki, 'acme').certificate.serialNumber;
      renameSync(files(pki, 'ca.crt'), files(pki, 'ca-next.crt'));
      renameSync(files(pki, 'ca.key'), files(pki, 'ca-next.key'));
      writeFileSync(files(pki, 'ca.crt'), readFileSync(files(pki, `previous/${before}.crt`)));
      writeFileSync(files(pki, 'ca.key'), readFileSync(files(pki, `previous/${before}.key`)));
      if (step === 'key only') rmSync(files(pki, 'ca-next.crt'));
      if (step === 'key moved') renameSync(files(pki, 'ca-next.key'), files(pki, 'ca.key'));
      const made = rotateTenantCa(pki, 'acme', {}).certificate.serialNumber;
      if (step === 'key only') expect([before, next]).not.toContain(made);
      else expect(made).toBe(next);
      expect(loadTenantCa(pki, 'acme').certificate.serialNumber).toBe(made);
      expect(previousCas(pki, 'acme').map((ca) => ca.certificate.serialNumber)).toEqual([before]);
      expect(readdirSync(join(pki.dir, 'acme')).filter((name) => name.includes('next'))).toEqual(
        [],
      );
    }
  });

  it('ends with the retirement of the old CA, once nobody needs it, or by force', () => {
    const pki = withAcme();
    const serial = loadTenantCa(pki, 'acme').certificate.serialNumber;
    expect(() => retireTenantCa(pki, 'acme', serial, true)).toThrow(/has no previous CA/);
    device(pki, 'old-1');
    rotateTenantCa(pki, 'acme', {});
    expect(() => retireTenantCa(pki, 'acme', serial, false)).toThrow(/1 certificates of this CA/);
    const { keyPath } = previousCas(pki, 'acme')[0]!;
    expect(existsSync(keyPath)).toBe(true);
    retireTenantCa(pki, 'acme', serial, true);
    expect(existsSync(keyPath)).toBe(false);
    expect(existsSync(join(pki.dir, 'acme', 'retired', `${serial}.crt`))).toBe(true);
    expect(previousCas(pki, 'acme')).toEqual([]);
    expect(() => device(pki, 'new-1')).not.toThrow();
  });
});

describe('a passphrase', () => {
  it('encrypts every CA key that is made, and opens them', () => {
    const pki = withAcme({ caPassphrase: PASSPHRASE });
    rotateTenantCa(pki, 'acme', {});
    const names = ['server-ca', 'client-ca', 'operator-ca', 'acme/ca'];
    const previous = readdirSync(join(pki.dir, 'acme', 'previous')).filter((n) =>
      n.endsWith('key'),
    );
    const paths = [...names.map((name) => `${name}.key`), `acme/previous/${previous[0]}`];
    for (const path of paths) {
      const pem = readFileSync(join(pki.dir, path), 'utf8');
      expect(pem.split('\n')[0]).toMatch(/^-+BEGIN ENCRYPTED PRIVATE KEY-+$/);
      expect(() => createPrivateKey({ key: pem, passphrase: PASSPHRASE })).not.toThrow();
    }
    expect(() => device(pki, 'pump-1')).not.toThrow();
    const without = openPki(pki.dir);
    expect(() => device(without, 'pump-2')).toThrow(PassphraseNeededError);
    const wrong = openPki(pki.dir, { caPassphrase: 'incorrect horse battery' });
    expect(() => device(wrong, 'pump-2')).toThrow(/the passphrase does not open .*ca\.key/);
    expect(() => device(wrong, 'pump-2')).not.toThrow(/incorrect/);
  }, 30_000);

  it('must be long enough to be worth it', () => {
    expect(() => temporaryPki({ caPassphrase: 'short' })).toThrow(/12 characters or more/);
  });
});

describeRequiring(['openssl'], 'outside of this program', () => {
  it('openssl opens an encrypted key', () => {
    const path = join(temporaryPki({ caPassphrase: PASSPHRASE }).dir, 'server-ca.key');
    const args = ['pkey', '-in', path, '-passin', `pass:${PASSPHRASE}`, '-noout', '-text'];
    expect(runTool('openssl', args).text).toContain('Private-Key: (256 bit)');
    const asn1 = runTool('openssl', ['asn1parse', '-in', path]).text;
    expect(asn1).toMatch(/PBES2[\s\S]*PBKDF2[\s\S]*:0927C0[\s\S]*hmacWithSHA256[\s\S]*aes-256-cbc/);
  });

  it('a command signs for a CA whose key is elsewhere', () => {
    const pki = withAcme();
    const keyAt = join(testDirectory('token'), 'key');
    renameSync(join(pki.dir, 'acme', 'ca.key'), keyAt);
    const signer = join(pki.dir, 'acme', 'ca.signer');
    const command = (...words: string[]): void =>
      writeFileSync(signer, JSON.stringify({ command: words }), { mode: 0o600 });
    command('openssl', 'dgst', '-sha256', '-sign', keyAt);
    const { certificate } = device(pki, 'pump-1');
    expect(certificate.verify(loadTenantCa(pki, 'acme').certificate.publicKey)).toBe(true);
    command('openssl', 'dgst', '-sha384', '-sign', keyAt);
    expect(() => device(pki, 'pump-2')).toThrow(/is no signature by the CA's key/);
    command('sh', '-c', 'echo the token is locked >&2; exit 3');
    expect(() => device(pki, 'pump-2')).toThrow(/failed \(exit code 3\): the token is locked/);
    command('no-such-program-anywhere');
    expect(() => device(pki, 'pump-2')).toThrow(/cannot be used/);
    chmodSync(signer, 0o666);
    expect(() => device(pki, 'pump-2')).toThrow(/others may write to it/);
    writeFileSync(signer, '{"command":"sh"}');
    chmodSync(signer, 0o600);
    expect(() => device(pki, 'pump-2')).toThrow(/must hold/);
  });
});
