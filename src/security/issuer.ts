/** Owns a CA made ready for checking what it signed. */
import { createHash, type KeyObject, type X509Certificate } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import { readCertificateFacts } from '../pki/certificate-facts.ts';

export interface Issuer {
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
  /** SHA-256 over the public key, hexadecimal: names this CA in revocation sets and in the audit. */
  readonly keyId: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export function issuerOf(certificate: X509Certificate): Issuer {
  const { publicKey } = certificate;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    certificate,
    publicKey,
    keyId: createHash('sha256').update(spki).digest('hex'),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
  };
}

/** The subject in the form of RFC 2253, for people; as node:crypto has it when it is an odd one. */
export function subjectText(certificate: X509Certificate): string {
  try {
    return readCertificateFacts(certificate.raw).subject;
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return certificate.subject.replaceAll('\n', ', ');
  }
}
