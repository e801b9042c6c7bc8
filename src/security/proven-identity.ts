/**
 * Who stands behind a certificate that was refused: told to the operator, who asks why a device cannot
 * connect, and never a reason to admit anybody.
 *
 * Invariant: an identity is answered only for a certificate that a registered CA of that very tenant
 * signed; that its key was used the handshake has proved, without which nobody gets here.
 */
import type { X509Certificate } from 'node:crypto';
import { parseIdentity } from '../pki/identity-name.ts';
import type { RefusalReason } from './admission.ts';
import type { TenantCaRegistry } from './tenant-ca-registry.ts';

/** A name with the certificate that proved it. */
export interface ProvenIdentity {
  readonly tenant: string;
  readonly name: string;
  readonly kind: 'device' | 'service' | 'user';
  readonly fleet: string | null;
  /** Null: it was proved without one. */
  readonly certificate: {
    /** Hexadecimal. */
    readonly serial: string;
    readonly issuerKeyId: string;
    readonly validFromMs: number;
    readonly expiresMs: number;
  } | null;
}

/** With these nobody of ours signed, or what was signed names nobody: looking costs a signature. */
const NOBODYS: ReadonlySet<RefusalReason> = new Set([
  'no_certificate',
  'unknown_issuer',
  'bad_signature',
  'malformed_identity',
  'ca_certificate',
]);

const URI_PREFIX = 'URI:';

export function provenIdentity(
  reason: RefusalReason,
  certificate: X509Certificate | null,
  registry: TenantCaRegistry,
): ProvenIdentity | null {
  if (certificate === null || NOBODYS.has(reason)) return null;
  const names = certificate.subjectAltName ?? '';
  if (!names.startsWith(URI_PREFIX)) return null;
  const identity = parseIdentity(names.slice(URI_PREFIX.length), registry.trustDomain);
  if (identity === null || identity.kind === 'operator') return null;
  const issuer = registry
    .findByIssuer(certificate.issuer)
    .find(
      (ca) =>
        ca.tenant === identity.tenant &&
        certificate.checkIssued(ca.certificate) &&
        certificate.verify(ca.publicKey),
    );
  if (issuer === undefined) return null;
  const { tenant, name, kind } = identity;
  return {
    tenant,
    name,
    kind,
    fleet: kind === 'device' ? identity.fleet : null,
    certificate: {
      serial: certificate.serialNumber,
      issuerKeyId: issuer.keyId,
      validFromMs: Date.parse(certificate.validFrom),
      expiresMs: Date.parse(certificate.validTo),
    },
  };
}
