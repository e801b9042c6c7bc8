/** Certificates that openssl makes with the key of one of our CAs: what our own builder never would. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateAuthority } from '../../src/pki/certificate-authority.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import { runTool, testDirectory } from './temporary-pki.ts';

export interface OpensslLeaf {
  readonly path: string;
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

export interface OpensslLeafOptions {
  /** As for `openssl req -subj`. */
  readonly subject?: string;
  /** Lines of an extension file; null leaves one of the usual lines out. */
  readonly keyUsage?: string;
  readonly extendedKeyUsage?: string | null;
  readonly subjectAltName?: string | null;
  readonly more?: string;
}

export function opensslLeaf(ca: CertificateAuthority, options: OpensslLeafOptions): OpensslLeaf {
  const dir = testDirectory('openssl');
  const file = (name: string): string => join(dir, name);
  writeFileSync(file('ca.crt'), pemOf(ca.certificate));
  if (ca.signer.spec?.kind !== 'key') throw new Error('the key of the CA is not at hand');
  const key = ca.signer.spec.privateKey.export({ format: 'pem', type: 'pkcs8' });
  writeFileSync(file('ca.key'), key, { mode: 0o600 });
  writeFileSync(file('extensions'), extensionLines(options));
  const made = runTool('openssl', [
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-utf8'],
    ...['-keyout', file('key'), '-out', file('csr'), '-subj', options.subject ?? '/CN=device-1'],
  ]);
  const signed = runTool('openssl', [
    ...['x509', '-req', '-in', file('csr'), '-out', file('crt'), '-days', '10'],
    ...['-extfile', file('extensions'), '-CA', file('ca.crt'), '-CAkey', file('ca.key')],
  ]);
  if (made.status !== 0 || signed.status !== 0) throw new Error(`${made.text}\n${signed.text}`);
  return {
    path: file('crt'),
    certificate: new X509Certificate(readFileSync(file('crt'))),
    privateKey: createPrivateKey(readFileSync(file('key'))),
  };
}

function extensionLines(options: OpensslLeafOptions): string {
  const { keyUsage = 'critical,digitalSignature', extendedKeyUsage = 'clientAuth' } = options;
  const lines = [
    'basicConstraints=critical,CA:FALSE',
    `keyUsage=${keyUsage}`,
    'subjectKeyIdentifier=hash',
    'authorityKeyIdentifier=keyid',
    options.more ?? '',
  ];
  if (extendedKeyUsage !== null) lines.push(`extendedKeyUsage=${extendedKeyUsage}`);
  if (options.subjectAltName) lines.push(`subjectAltName=${options.subjectAltName}`);
  return `${lines.join('\n')}\n`;
}
