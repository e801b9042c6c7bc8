/** CAs that are not ours and what they sign, as a vendor or an attacker may have them. */

import type { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '../../src/base/random.ts';
import {
  type CertificateAuthority,
  type Credential,
  createRoot,
  DAY_MS,
  type IssueOptions,
  issueCredential,
} from '../../src/pki/certificate-authority.ts';
import { buildCertificate } from '../../src/pki/certificate-builder.ts';
import type { CertificateProfile, SubjectName } from '../../src/pki/certificate-profile.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import type { ImportedCaSettings } from '../../src/security/imported-cas.ts';
import { runTool, testDirectory } from './temporary-pki.ts';
import { type ClientCredential, clockAt } from './test-pki.ts';

export const CN_RULE = 'RULE:^CN=([^,]+),.*$/$1/';

const profile = (
  subject: SubjectName,
  pathLength: number | null,
  uri = 'urn:vendor',
): CertificateProfile => ({
  subject,
  days: pathLength === null ? 30 : 3000,
  extendedKeyUsages: ['clientAuth'],
  pathLength,
  alternativeNames: { uri: [uri] },
  permittedUriHost: null,
});

const LONG_AGO: IssueOptions = { clock: clockAt(-400 * DAY_MS) };

/** A root; two of one name have two keys. */
export const foreignCa = (
  subject: SubjectName = { organization: 'Vendor', commonName: 'Vendor CA' },
  options: IssueOptions = {},
): Credential => createRoot(profile(subject, 1), { ...LONG_AGO, ...options });

/** A CA below another. */
export const subCa = (issuer: CertificateAuthority, commonName: string): Credential =>
  issueCredential(issuer, profile({ organization: 'Vendor', commonName }, 0));

/** The key of `ca` under the signature of `by`. */
export const crossSigned = (ca: Credential, by: Credential): X509Certificate =>
  buildCertificate({
    profile: profile({ organization: 'Vendor', commonName: commonNameOf(ca.certificate) }, 0),
    publicKey: ca.certificate.publicKey,
    issuer: by.certificate,
    signer: by.signer,
    notBeforeMs: Date.now() - DAY_MS,
    notAfterMs: Date.now() + DAY_MS,
    random: systemRandom,
  });

const commonNameOf = ({ subject }: X509Certificate): string => /CN=(.*)/.exec(subject)![1]!;

/** A client of that CA; it sends no more than its certificate along. */
export function foreignClient(
  ca: CertificateAuthority,
  commonName: string,
  { uri, ...options }: IssueOptions & { readonly uri?: string } = {},
): ClientCredential {
  const subject = { organization: 'Vendor', commonName };
  const { certificate, privateKey } = issueCredential(ca, profile(subject, null, uri), options);
  return { chain: [certificate], privateKey };
}

export const imported = (
  { certificate }: { readonly certificate: X509Certificate },
  settings: Partial<ImportedCaSettings> = {},
): ImportedCaSettings => ({
  pem: pemOf(certificate),
  mappingRules: CN_RULE,
  isAnnounced: false,
  isShared: false,
  ...settings,
});

/** A self-signed certificate that openssl makes from extension lines and options. */
export function opensslCa(extensions: readonly string[], more: readonly string[] = []): string {
  const dir = testDirectory('foreign');
  const file = (name: string): string => join(dir, name);
  const lines = [
    '[req]',
    'distinguished_name=dn',
    'x509_extensions=x',
    '[dn]',
    '[x]',
    ...extensions,
  ];
  writeFileSync(file('config'), lines.map((line) => `${line}\n`).join(''));
  const key = more.includes('-newkey')
    ? []
    : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const made = runTool('openssl', [
    ...['req', '-x509', '-nodes', '-config', file('config'), '-subj', '/O=Odd/CN=Odd CA'],
    ...['-days', '30', '-keyout', file('key'), '-out', file('crt'), ...key, ...more],
  ]);
  if (made.status !== 0) throw new Error(made.text);
  return readFileSync(file('crt'), 'utf8');
}
