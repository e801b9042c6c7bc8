/**
 * Owns the reading of a tenant's CA certificate for the metadata: one certificate, in PEM, that is a
 * CA's, and no private key, ever. Whether the client root signed it and which names it may speak
 * for is security/tenant-ca-registry.ts's to judge.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { MetadataError } from './metadata-error.ts';

export interface TenantCa {
  /** As node:crypto writes it: the certificate and nothing around it. */
  readonly pem: string;
  /** SHA-256 of the certificate, as openssl prints it. */
  readonly fingerprint256: string;
  /** SHA-256 over the public key, hexadecimal. */
  readonly keyId: string;
  readonly notAfterMs: number;
}

const PEM_LENGTH_MAX = 65_536;
const ONE_CERTIFICATE =
  /^\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/;

/** Throws MetadataError 'private-key' or 'invalid'. */
export function readTenantCa(pem: string): TenantCa {
  if (/PRIVATE KEY/i.test(pem)) {
    throw new MetadataError(
      'private-key',
      'This is a private key: keep it where it is, and give the CA certificate only.',
    );
  }
  if (pem.length > PEM_LENGTH_MAX || !ONE_CERTIFICATE.test(pem)) {
    throw new MetadataError('invalid', 'Give exactly one CA certificate in PEM.');
  }
  const certificate = parse(pem);
  if (!certificate.ca) {
    throw new MetadataError('invalid', 'The certificate is not a CA certificate.');
  }
  const key = certificate.publicKey.export({ format: 'der', type: 'spki' });
  return {
    pem: certificate.toString(),
    fingerprint256: certificate.fingerprint256,
    keyId: createHash('sha256').update(key).digest('hex'),
    notAfterMs: Date.parse(certificate.validTo),
  };
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new MetadataError('invalid', 'The CA certificate cannot be read.', { cause });
  }
}
