/** What other implementations say: OpenSSL and GnuTLS. RSA and Java are in the full suite. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTenantCa } from '../../src/pki/pki-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { runTool, temporaryPki, testDirectory } from './temporary-pki.ts';
import { TRUST_DOMAIN } from './test-pki.ts';
import {
  CHAINS,
  expectCerttoolAccepts,
  expectOpensslAccepts,
  opensslVerify,
  wholePki,
} from './verifier-cases.ts';

const FAST_KEY_TYPES = ['p256', 'p384', 'ed25519'] as const;

describeRequiring(['openssl'], 'openssl verify -x509_strict', () => {
  it.each(FAST_KEY_TYPES)('accepts every certificate with keys of type %s', expectOpensslAccepts);

  it('accepts no certificate under another root, or for the other purpose', () => {
    const dir = wholePki('p256');
    for (const { leaf, root, purpose } of CHAINS) {
      const path = join(dir, leaf);
      for (const other of ['ca.crt', 'client-ca.crt', 'operator-ca.crt']) {
        if (other === root) continue;
        const foreign = { dir, root: other, purpose, leaf: path, untrusted: path };
        expect(opensslVerify(foreign).status).not.toBe(0);
      }
      const wrong = purpose === 'sslserver' ? 'sslclient' : 'sslserver';
      const misused = { dir, root, purpose: wrong, leaf: path, untrusted: path };
      expect(opensslVerify(misused).text).toContain('certificate purpose');
    }
  });

  it.each([
    ['DNS:localhost', 'excluded subtree violation'],
    ['IP:127.0.0.1', 'excluded subtree violation'],
    ['IP:::1', 'excluded subtree violation'],
    ['email:x@example.com', 'permitted subtree violation'],
    [`URI:spiffe://globex.${TRUST_DOMAIN}/service/x`, 'permitted subtree violation'],
    [`URI:spiffe://${TRUST_DOMAIN}/operator/x`, 'permitted subtree violation'],
    [`URI:spiffe://x.acme.${TRUST_DOMAIN}/service/x`, 'permitted subtree violation'],
  ])("refuses %s below a tenant's CA: %s", (name, problem) => {
    const { dir, leaf } = signedByAcme(name, 'CN=x');
    const { status, text } = opensslVerify({ dir, leaf, purpose: 'any', ...belowAcme(dir) });
    expect(status).not.toBe(0);
    expect(text).toContain(problem);
  });

  it("accepts the tenant's own URI from the same hand, so the refusals above mean something", () => {
    const { dir, leaf } = signedByAcme(`URI:spiffe://acme.${TRUST_DOMAIN}/service/x`, 'CN=x');
    const { status } = opensslVerify({ dir, leaf, purpose: 'sslclient', ...belowAcme(dir) });
    expect(status).toBe(0);
  });
});

describeRequiring(['certtool'], 'certtool --verify', () => {
  it.each(FAST_KEY_TYPES)('accepts every certificate with keys of type %s', expectCerttoolAccepts);
});

const belowAcme = (dir: string) => ({
  root: 'client-ca.crt',
  untrusted: join(dir, 'acme', 'ca.crt'),
});

/** A client certificate that openssl itself makes with the key of acme's CA. */
function signedByAcme(alternativeName: string, subject: string): { dir: string; leaf: string } {
  const pki = temporaryPki();
  createTenantCa(pki, 'acme');
  const work = testDirectory('openssl');
  const [key, request, extensions, leaf] = ['key', 'csr', 'ext', 'crt'].map((name) =>
    join(work, name),
  ) as [string, string, string, string];
  writeFileSync(
    extensions,
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' +
      'extendedKeyUsage=clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' +
      `subjectAltName=${alternativeName}\n`,
  );
  const made = runTool('openssl', [
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-keyout', key, '-out', request, '-subj', `/${subject}`],
  ]);
  const signed = runTool('openssl', [
    ...['x509', '-req', '-in', request, '-out', leaf, '-days', '10', '-extfile', extensions],
    ...['-CA', join(pki.dir, 'acme', 'ca.crt'), '-CAkey', join(pki.dir, 'acme', 'ca.key')],
  ]);
  expect({ made, signed }).toMatchObject({ made: { status: 0 }, signed: { status: 0 } });
  expect(readFileSync(leaf, 'utf8')).toContain('BEGIN CERTIFICATE');
  return { dir: pki.dir, leaf };
}
