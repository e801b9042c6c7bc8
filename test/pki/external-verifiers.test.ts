/** What other implementations say: OpenSSL and GnuTLS. RSA and Java are in the full suite. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadTenantCa, openPki } from '../../src/pki/pki-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { opensslLeaf } from './openssl-leaf.ts';
import type { ToolResult } from './temporary-pki.ts';
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
    const { status, text } = verifyBelowAcme(name);
    expect(status).not.toBe(0);
    expect(text).toContain(problem);
  });

  it("accepts the tenant's own URI from the same hand, so the refusals above mean something", () => {
    expect(verifyBelowAcme(`URI:spiffe://acme.${TRUST_DOMAIN}/service/x`).status).toBe(0);
  });
});

describeRequiring(['certtool'], 'certtool --verify', () => {
  it.each(FAST_KEY_TYPES)('accepts every certificate with keys of type %s', expectCerttoolAccepts);
});

/** What OpenSSL says to a certificate that acme's CA signed for one alternative name. */
function verifyBelowAcme(subjectAltName: string): ToolResult {
  const dir = wholePki('p256');
  const leaf = opensslLeaf(loadTenantCa(openPki(dir), 'acme'), { subjectAltName }).path;
  const untrusted = join(dir, 'acme', 'ca.crt');
  return opensslVerify({ dir, root: 'client-ca.crt', purpose: 'sslclient', leaf, untrusted });
}
