/**
 * Reads stored `certificates-revoked` and `suspensions` records. Invariant: what cannot be matched
 * against a certificate or a name is malformed, since skipping it would let somebody back in.
 */
import {
  canonicalSerial,
  isRevocationReason,
  type RevokedCertificate,
  type RevokedName,
  type SuspendedId,
  type Suspension,
} from '../security/revocations.ts';
import type { CertificatesRevokedRecord, SuspensionsRecord } from './metadata-log.ts';
import { type Data, fields, list, malformed, text } from './record-fields.ts';

const KEY_ID = /^[0-9a-f]{64}$/;

export function revokedIn(data: Data): Pick<CertificatesRevokedRecord, 'certificates' | 'names'> {
  return {
    certificates: list(data.certificates).map((item) => certificate(fields(item))),
    names: list(data.names).map((item) => revokedName(fields(item))),
  };
}

export function suspensionsIn(data: Data): Pick<SuspensionsRecord, 'resumed' | 'suspended'> {
  return {
    resumed: list(data.resumed).map((item) => suspendedId(fields(item))),
    suspended: list(data.suspended).map((item) => suspension(fields(item))),
  };
}

function certificate(stored: Data): RevokedCertificate {
  const issuerKeyId = text(stored.issuerKeyId);
  const serial = text(stored.serial);
  if (!KEY_ID.test(issuerKeyId)) throw malformed('a revoked certificate has no CA');
  if (canonicalSerial(serial) !== serial) throw malformed('a revoked certificate has no serial');
  return { issuerKeyId, serial, ...revocation(stored) };
}

function revokedName(stored: Data): RevokedName {
  return { name: text(stored.name), ...revocation(stored) };
}

function revocation(stored: Data): Pick<RevokedName, 'revokedAtMs' | 'reason'> {
  const { reason } = stored;
  if (!isRevocationReason(reason)) throw malformed('a revocation has no known reason');
  return { revokedAtMs: timeMs(stored.revokedAtMs), reason };
}

function suspension(stored: Data): Suspension {
  return { ...suspendedId(stored), sinceMs: timeMs(stored.sinceMs) };
}

function suspendedId(stored: Data): SuspendedId {
  const { kind } = stored;
  const name = text(stored.name);
  if (kind === 'certificate') {
    if (canonicalSerial(name) !== name) throw malformed('a suspended certificate has no serial');
  } else if (kind !== 'device' && kind !== 'fleet') {
    throw malformed('a suspension is of nothing known');
  }
  return { kind, name };
}

function timeMs(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed('a time is missing');
  return value;
}
