import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { encodeKeyStore, encodeTrustStore } from '../../src/pki/pkcs12.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { runTool, testDirectory } from './temporary-pki.ts';
import { clientOf, createTestPki, device, profileOf } from './test-pki.ts';

/** RSA-3072 takes seconds: it is in the full suite. */
const FAST_KEY_TYPES = ['p256', 'p384', 'ed25519', 'rsa2048'] as const;

const pki = createTestPki();
const profile = profileOf(device('acme'));

describe('a key store', () => {
  it.each(FAST_KEY_TYPES)(
    'with a key of type %s opens in OpenSSL, with its password only',
    (keyType) => {
      const { chain, privateKey } = clientOf(pki.tenants.acme, profile, { keyType });
      const pfx = encodeKeyStore('device-1', privateKey, chain, { password: 'changeit' });
      expect(() => createSecureContext({ pfx, passphrase: 'changeit' })).not.toThrow();
      expect(() => createSecureContext({ pfx, passphrase: 'Changeit' })).toThrow(
        /mac verify failure/,
      );
    },
  );

  it('notices one changed byte', () => {
    const { chain, privateKey } = clientOf(pki.tenants.acme, profile);
    const pfx = encodeKeyStore('device-1', privateKey, chain, { password: 'changeit' });
    for (let at = 40; at < pfx.length; at += 97) {
      const changed = Buffer.from(pfx);
      changed[at] = changed[at]! ^ 1;
      expect(() => createSecureContext({ pfx: changed, passphrase: 'changeit' })).toThrow();
    }
  });

  it('takes a long password, and one that is not ASCII', () => {
    const { chain, privateKey } = clientOf(pki.tenants.acme, profile);
    for (const password of ['x'.repeat(200), 'pâßwörd €', randomBytes(18).toString('base64url')]) {
      const pfx = encodeKeyStore('device-1', privateKey, chain, { password });
      expect(() => createSecureContext({ pfx, passphrase: password })).not.toThrow();
    }
  });
});

describeRequiring(['openssl'], 'as openssl pkcs12 sees it', () => {
  it('everything is AES-256 and SHA-256, and the chain is whole', () => {
    const { chain, privateKey } = clientOf(pki.tenants.acme, profile);
    const path = join(testDirectory('pkcs12'), 'device-1.p12');
    writeFileSync(path, encodeKeyStore('device-1', privateKey, chain, { password: 'changeit' }));
    const args = ['pkcs12', '-in', path, '-passin', 'pass:changeit', '-nodes', '-info'];
    const { status, text } = runTool('openssl', args);
    expect(status).toBe(0);
    expect(text).toContain('MAC: sha256, Iteration 10000');
    expect(
      text.match(/PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256/g),
    ).toHaveLength(2);
    expect(text).toContain('friendlyName: device-1');
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(text.match(/BEGIN PRIVATE KEY/g)).toHaveLength(1);
  });

  it('a truststore holds the certificate and no key', () => {
    const path = join(testDirectory('pkcs12'), 'truststore.p12');
    const entries = [{ alias: 'breakwater-server-ca', certificate: pki.server.certificate }];
    writeFileSync(path, encodeTrustStore(entries, { password: 'changeit' }));
    const { status, text } = runTool('openssl', [
      ...['pkcs12', '-in', path, '-passin', 'pass:changeit', '-nodes'],
    ]);
    expect(status).toBe(0);
    expect(text).toContain('2.16.840.1.113894.746875.1.1');
    expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(text).not.toContain('PRIVATE KEY');
  });
});
