/**
 * Decides what a revocation or a suspension comes to, and applies records of both. Invariants: what
 * is revoked stays revoked, and a name's revocation never moves to an earlier time; a serial is bound
 * to the key of a CA of its own tenant.
 */

import { NAME_GRAMMAR } from '../security/policy-rule.ts';
import {
  canonicalSerial,
  certificateKey,
  type RevocationReason,
  type Revocations,
  type RevokedCertificate,
  type RevokedName,
  type SuspendedId,
  type Suspension,
  suspensionKey,
} from '../security/revocations.ts';
import { MetadataError } from './metadata-error.ts';
import type { Tenant } from './metadata-image.ts';
import type { CertificatesRevokedRecord, SuspensionsRecord } from './metadata-log.ts';

export interface RevocationLimits {
  readonly revokedCertificatesPerTenantMax: number;
  readonly revokedNamesPerTenantMax: number;
  readonly suspensionsPerTenantMax: number;
  readonly serialsPerRevocationMax: number;
}

export interface WantedRevocation {
  /** All certificates of this name so far; null: only the serials. */
  readonly name: string | null;
  /** Hexadecimal. */
  readonly serials: readonly string[];
  /** SHA-256 of the certificate of the CA that signed; null: whichever of the tenant's CAs did. */
  readonly caFingerprint: string | null;
  readonly reason: RevocationReason;
}

export type RevocationMaps = {
  readonly certificates: Map<string, RevokedCertificate>;
  readonly names: Map<string, RevokedName>;
  readonly suspensions: Map<string, Suspension>;
};

export function applyRevocations(
  { certificates, names }: RevocationMaps,
  record: CertificatesRevokedRecord,
): void {
  for (const one of record.certificates) {
    const key = certificateKey(one);
    if (!certificates.has(key)) certificates.set(key, one);
  }
  for (const one of record.names) {
    const known = names.get(one.name);
    if (known === undefined || known.revokedAtMs < one.revokedAtMs) names.set(one.name, one);
  }
}

export function applySuspensions(
  { suspensions }: RevocationMaps,
  { resumed, suspended }: SuspensionsRecord,
): void {
  for (const id of resumed) suspensions.delete(suspensionKey(id));
  for (const one of suspended) suspensions.set(suspensionKey(one), one);
}

/** What is to be stored; empty lists when all of it is revoked already. */
export function revocationOf(
  tenant: Tenant,
  wanted: WantedRevocation,
  nowMs: number,
  limits: RevocationLimits,
): CertificatesRevokedRecord {
  const { name, reason } = wanted;
  const { revocations } = tenant;
  if (name !== null && !NAME_GRAMMAR.test(name)) throw invalid('Nobody can have that name.');
  refuseBeyond(wanted.serials.length, limits.serialsPerRevocationMax, 'serials in one revocation');
  const known = name === null ? undefined : revocations.revokedName(name);
  const isLater = known === undefined || known.revokedAtMs < nowMs;
  const names = name === null || !isLater ? [] : [{ name, revokedAtMs: nowMs, reason }];
  const certificates = serialsOf(tenant, wanted)
    .filter((id) => revocations.revokedCertificate(id) === undefined)
    .map((id) => ({ ...id, revokedAtMs: nowMs, reason }));
  refuseGrowth(revocations, names.length - Number(known !== undefined), certificates, limits);
  return { type: 'certificates-revoked', tenant: tenant.name, certificates, names };
}

/** Each serial under each CA key that it may belong to, once. */
function serialsOf(
  { cas, importedCas }: Tenant,
  { serials, caFingerprint }: WantedRevocation,
): { issuerKeyId: string; serial: string }[] {
  const signers = [...cas, ...importedCas].filter(
    ({ fingerprint256 }) => caFingerprint === null || fingerprint256 === caFingerprint,
  );
  if (signers.length === 0) throw invalid('The tenant has no CA with that fingerprint.');
  const found = new Map<string, { issuerKeyId: string; serial: string }>();
  for (const text of serials) {
    const serial = canonicalSerial(text);
    if (serial === null)
      throw invalid('A serial is hexadecimal, as "openssl x509 -serial" has it.');
    for (const { keyId } of signers) {
      const id = { issuerKeyId: keyId, serial };
      found.set(certificateKey(id), id);
    }
  }
  return [...found.values()];
}

function refuseGrowth(
  now: Revocations,
  namesAdded: number,
  certificates: readonly RevokedCertificate[],
  limits: RevocationLimits,
): void {
  if (namesAdded > 0) {
    const count = now.nameCount + namesAdded;
    refuseBeyond(count, limits.revokedNamesPerTenantMax, 'revoked names of a tenant');
  }
  if (certificates.length > 0) {
    const count = now.certificateCount + certificates.length;
    const most = limits.revokedCertificatesPerTenantMax;
    refuseBeyond(count, most, 'revoked certificates of a tenant');
  }
}

/** What is to be stored; null when it is so already. */
export function suspensionOf(
  tenant: Tenant,
  wanted: SuspendedId,
  isSuspended: boolean,
  nowMs: number,
  limits: RevocationLimits,
): SuspensionsRecord | null {
  const id = suspendedIdOf(wanted);
  const { revocations } = tenant;
  if ((revocations.suspension(id) !== undefined) === isSuspended) return null;
  const common = { type: 'suspensions', tenant: tenant.name } as const;
  const { kind, name } = id;
  if (!isSuspended) return { ...common, resumed: [{ kind, name }], suspended: [] };
  const count = revocations.suspensionCount + 1;
  refuseBeyond(count, limits.suspensionsPerTenantMax, 'suspended devices and fleets of a tenant');
  return { ...common, resumed: [], suspended: [{ kind, name, sinceMs: nowMs }] };
}

function suspendedIdOf({ kind, name }: SuspendedId): SuspendedId {
  if (kind === 'certificate') {
    const serial = canonicalSerial(name);
    if (serial === null)
      throw invalid('A serial is hexadecimal, as "openssl x509 -serial" has it.');
    return { kind, name: serial };
  }
  if (!NAME_GRAMMAR.test(name)) throw invalid('Nobody can have that name.');
  return { kind, name };
}

function refuseBeyond(count: number, most: number, what: string): void {
  if (count <= most) return;
  throw new MetadataError('limit', `The limit of ${most} ${what} is reached.`);
}

const invalid = (message: string): MetadataError => new MetadataError('invalid', message);
