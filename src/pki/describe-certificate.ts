/** Owns what a person or a script is told about a certificate: facts only, read from the file. */
import type { X509Certificate } from 'node:crypto';
import { readCaConstraints } from './certificate-extensions.ts';
import { parseIdentity } from './identity-name.ts';

export type CertificateKind = 'ca' | 'broker' | 'device' | 'service' | 'operator' | 'other';
export type CertificateState = 'valid' | 'expired' | 'not yet valid';

export interface CertificateDescription {
  readonly kind: CertificateKind;
  /** The name of a device, service or operator; null for others. */
  readonly name: string | null;
  readonly tenant: string | null;
  readonly fleet: string | null;
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly state: CertificateState;
  readonly alternativeNames: string | null;
  readonly extendedKeyUsages: readonly string[];
  readonly key: string;
  readonly sha256Fingerprint: string;
  /** CAs only: the URI hosts that it may sign for, and how many CAs may stand below it. */
  readonly permittedUriHosts: readonly string[] | null;
  readonly pathLength: number | null;
}

const USAGE_NAMES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
};

/** `trustDomain` is of the PKI it belongs to; null: read from the URI's own host. */
export function describeCertificate(
  certificate: X509Certificate,
  trustDomain: string | null,
  nowMs: number,
): CertificateDescription {
  const { subjectAltName, ca } = certificate;
  const uri = subjectAltName?.startsWith('URI:') ? subjectAltName.slice('URI:'.length) : null;
  const identity = uri === null || ca ? null : identityOf(uri, trustDomain);
  const usages = (certificate.keyUsage ?? []).map((oid) => USAGE_NAMES[oid] ?? oid);
  const constraints = ca ? readCaConstraints(certificate) : null;
  const otherKind = usages.includes('serverAuth') ? 'broker' : 'other';
  return {
    kind: ca ? 'ca' : (identity?.kind ?? otherKind),
    name: identity?.name ?? null,
    tenant: identity === null || identity.kind === 'operator' ? null : identity.tenant,
    fleet: identity?.kind === 'device' ? identity.fleet : null,
    subject: certificate.subject.replaceAll('\n', ', '),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    serial: certificate.serialNumber,
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    state: stateAt(certificate, nowMs),
    alternativeNames: subjectAltName ?? null,
    extendedKeyUsages: usages,
    key: keyName(certificate),
    sha256Fingerprint: certificate.fingerprint256,
    permittedUriHosts: constraints?.permittedUriHosts ?? null,
    pathLength: constraints?.pathLength ?? null,
  };
}

function identityOf(uri: string, trustDomain: string | null): ReturnType<typeof parseIdentity> {
  if (trustDomain !== null) return parseIdentity(uri, trustDomain);
  const host = uri.split('/')[2] ?? '';
  const parent = host.slice(host.indexOf('.') + 1);
  return parseIdentity(uri, host) ?? parseIdentity(uri, parent);
}

function stateAt(certificate: X509Certificate, nowMs: number): CertificateState {
  if (nowMs > Date.parse(certificate.validTo)) return 'expired';
  return nowMs < Date.parse(certificate.validFrom) ? 'not yet valid' : 'valid';
}

function keyName(certificate: X509Certificate): string {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  const size = asymmetricKeyDetails?.modulusLength ?? asymmetricKeyDetails?.namedCurve;
  return size === undefined ? String(asymmetricKeyType) : `${asymmetricKeyType} ${size}`;
}
