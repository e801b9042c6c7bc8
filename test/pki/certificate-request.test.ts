/** What a certificate request may be, and what it never decides. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PkiError } from '../../src/base/errors.ts';
import { readCertificateRequest } from '../../src/pki/certificate-request.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { createTenantCa } from '../../src/pki/pki-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { derOf, EC_P256, opensslRequest, toPemRequest } from './csr-cases.ts';
import { runTool, temporaryPki, testDirectory } from './temporary-pki.ts';

const read = (bytes: Buffer) => readCertificateRequest(bytes, 'a.csr');

describeRequiring(['openssl'], 'a certificate request', () => {
  it.each([
    [EC_P256, 'ec'],
    [['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'ec'],
    [['ed25519'], 'ed25519'],
    [['rsa:2048'], 'rsa'],
  ])('with a key %j is read, as PEM and as DER', (newKey, type) => {
    const { pem } = opensslRequest({ newKey });
    expect(read(pem).asymmetricKeyType).toBe(type);
    expect(read(derOf(pem)).equals(read(pem))).toBe(true);
  });

  it.each([
    [{ newKey: ['rsa:1024'] }, /RSA key has 1024 bits/],
    [{ newKey: ['rsa:2048', '-pkeyopt', 'rsa_keygen_pubexp:3'] }, /exponent 3/],
    [{ newKey: ['ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'] }, /curve secp256k1/],
    [{ newKey: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'] }, /curve secp521r1/],
    [{ newKey: ['ed448'] }, /type ed448/],
    [{ newKey: ['rsa:2048'], digest: '-sha1' }, /of a kind that is not accepted/],
    [{ extensions: ['basicConstraints=critical,CA:TRUE'] }, /asks to be a CA/],
    [{ extensions: ['keyUsage=keyCertSign'] }, /right to sign certificates/],
    [{ extensions: ['keyUsage=cRLSign,digitalSignature'] }, /right to sign certificates/],
  ])('%j is refused', (options, problem) => {
    const { pem } = opensslRequest(options);
    expect(() => read(pem)).toThrow(PkiError);
    expect(() => read(pem)).toThrow(problem);
  });

  it('that says it is no CA is as good as one that says nothing', () => {
    const { pem } = opensslRequest({ extensions: ['basicConstraints=CA:FALSE'] });
    expect(() => read(pem)).not.toThrow();
  });

  it("with somebody else's key, or a changed name, has no proof of possession", () => {
    const der = derOf(opensslRequest().pem);
    const other = derOf(opensslRequest().pem);
    const keyAt = der.indexOf(Buffer.from('03420004', 'hex'));
    const otherAt = other.indexOf(Buffer.from('03420004', 'hex'));
    const stolen = Buffer.from(der);
    other.copy(stolen, keyAt, otherAt, otherAt + 68);
    expect(() => read(toPemRequest(stolen))).toThrow(/does not prove possession/);
    const renamed = Buffer.from(der);
    renamed[der.indexOf('from-the-request')] = 0x46;
    expect(() => read(toPemRequest(renamed))).toThrow(/does not prove possession/);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('hello')],
    ['two requests', Buffer.concat([opensslRequest().pem, opensslRequest().pem])],
    ['bytes after it', Buffer.concat([derOf(opensslRequest().pem), Buffer.from([0])])],
    ['too much', Buffer.alloc(70_000, 0x30)],
  ])('is not %s', (_, bytes) => {
    expect(() => read(bytes)).toThrow(PkiError);
  });

  it('changed anywhere by a bit is refused, and only in words', () => {
    const der = derOf(opensslRequest().pem);
    const anywhere = fc.nat({ max: der.length * 8 - 1 });
    fc.assert(
      fc.property(anywhere, (bit) => {
        const changed = Buffer.from(der);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => read(changed)).toThrow(PkiError);
      }),
      { numRuns: 300, verbose: 1 },
    );
  });

  it('gives its key and nothing else to the certificate', () => {
    const pki = temporaryPki();
    createTenantCa(pki, 'acme');
    const { pem, keyPath } = opensslRequest({
      subject: '/O=globex/CN=operator',
      extensions: [`subjectAltName=URI:spiffe://${pki.trustDomain}/operator/root,DNS:localhost`],
    });
    const outDir = testDirectory('csr-out');
    const request = { bytes: pem, what: 'pump-1.csr' };
    const issued = issueDevice(pki, { tenant: 'acme', device: 'pump-1' }, { outDir, request });
    expect(issued).toMatchObject({ keyPath: null, p12Path: null, p12PasswordPath: null });
    expect(existsSync(join(outDir, 'pump-1.key'))).toBe(false);
    const { certificate } = issued;
    expect(certificate.subject).toBe(`O=${pki.trustDomain}\nOU=acme\nCN=pump-1`);
    expect(certificate.subjectAltName).toBe(
      `URI:spiffe://acme.${pki.trustDomain}/fleet/default/device/pump-1`,
    );
    expect(certificate.ca).toBe(false);
    const pub = runTool('openssl', ['pkey', '-in', keyPath, '-pubout']).text;
    expect(certificate.publicKey.export({ format: 'pem', type: 'spki' })).toBe(pub);
    const chain = join(pki.dir, 'client-ca.crt');
    const path = join(outDir, 'pump-1.crt');
    const args = ['verify', '-x509_strict', '-CAfile', chain, '-untrusted', path, path];
    expect(runTool('openssl', args).text).toBe(`${path}: OK\n`);
    expect(new X509Certificate(readFileSync(path)).serialNumber).toBe(certificate.serialNumber);
  });

  it('whose key another name has is refused', () => {
    const pki = temporaryPki();
    createTenantCa(pki, 'acme');
    const request = { bytes: opensslRequest().pem, what: 'a.csr' };
    const issue = (device: string, force = false): unknown => {
      const outDir = testDirectory('csr-out');
      return issueDevice(pki, { tenant: 'acme', device }, { outDir, request, force });
    };
    issue('pump-1');
    expect(() => issue('pump-1')).not.toThrow();
    expect(() => issue('pump-2')).toThrow(/has the key of pump-1/);
    expect(() => issue('pump-2', true)).not.toThrow();
  });
});
