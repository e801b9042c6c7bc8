/**
 * Owns the list of what was signed: `<tenant>/issued.ndjson` beside the key of a tenant's CA, and
 * `issued.ndjson` beside those of the roots, for brokers and operators.
 *
 * Invariant: a certificate is recorded before its files appear, so no serial is unknown. It is what
 * keeps a name unique in its tenant: the principal is the name alone, so a second holder in another
 * fleet, or a service of the same name, would have the first one's rights.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { appendLine, forEachLine } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import type { Identity } from './identity-name.ts';
import { keyIdOf } from './key-pair.ts';
import { type Pki, writingTo } from './pki-directory.ts';

export type IssuedKind = Identity['kind'] | 'broker';

export interface IssuedRecord {
  readonly serial: string;
  readonly kind: IssuedKind;
  readonly name: string;
  readonly fleet: string | null;
  /** Null in records of earlier releases. */
  readonly validFromMs: number | null;
  readonly expiresAtMs: number;
  /** What follows is null in records of earlier versions. */
  readonly issuedAtMs: number | null;
  /** Serial number of the CA that signed. */
  readonly issuerSerial: string | null;
  /** SHA-256 of the public key, hexadecimal. */
  readonly keyId: string | null;
}

/** `tenant` null: brokers and operators. */
const recordPath = (pki: Pki, tenant: string | null): string =>
  join(pki.caKeysDir, tenant ?? '', 'issued.ndjson');

/** The record of a certificate that was just made for `identity`. */
export function recordOf(
  identity: Pick<IssuedRecord, 'kind' | 'name' | 'fleet'>,
  certificate: X509Certificate,
  signed: {
    readonly publicKey: KeyObject;
    readonly issuer: X509Certificate;
    readonly nowMs: number;
  },
): IssuedRecord {
  return {
    serial: certificate.serialNumber,
    kind: identity.kind,
    name: identity.name,
    fleet: identity.fleet,
    validFromMs: Date.parse(certificate.validFrom),
    expiresAtMs: Date.parse(certificate.validTo),
    issuedAtMs: signed.nowMs,
    issuerSerial: signed.issuer.serialNumber,
    keyId: keyIdOf(signed.publicKey),
  };
}

export function recordIssued(
  pki: Pki,
  tenant: string | null,
  ...records: readonly IssuedRecord[]
): void {
  if (records.length === 0) return;
  const { durable } = writingTo(pki, false);
  const lines = records.map((record) => JSON.stringify(record)).join('\n');
  appendLine(recordPath(pki, tenant), lines, { access: 'private', durable });
}

/** What was issued, oldest first. A line torn by a power cut is left out: its files never appeared. */
export function readIssued(pki: Pki, tenant: string | null): IssuedRecord[] {
  const records: IssuedRecord[] = [];
  forEachIssued(pki, tenant, (record) => records.push(record));
  return records;
}

/** The same without holding them all. `text`: only records whose line holds it. */
export function forEachIssued(
  pki: Pki,
  tenant: string | null,
  visit: (record: IssuedRecord) => void,
  text = '',
): void {
  forEachLine(recordPath(pki, tenant), (line) => {
    if (!line.includes(text)) return;
    const record = parseRecord(line);
    if (record !== null) visit(record);
  });
}

const KINDS: readonly unknown[] = ['device', 'service', 'operator', 'broker'];

function parseRecord(line: string): IssuedRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const record = Object(value) as Partial<IssuedRecord>;
  const { serial, kind, name, expiresAtMs } = record;
  const isComplete =
    typeof serial === 'string' && typeof name === 'string' && typeof expiresAtMs === 'number';
  if (!isComplete || kind === undefined || !KINDS.includes(kind)) return null;
  return {
    serial,
    kind,
    name,
    fleet: record.fleet ?? null,
    validFromMs: record.validFromMs ?? null,
    expiresAtMs,
    issuedAtMs: record.issuedAtMs ?? null,
    issuerSerial: record.issuerSerial ?? null,
    keyId: record.keyId ?? null,
  };
}

/** Whether `record`, still valid, gives the identity's name to somebody else. */
export function isAnothers(record: IssuedRecord, identity: Identity, nowMs: number): boolean {
  const fleet = identity.kind === 'device' ? identity.fleet : null;
  return (
    record.name === identity.name &&
    record.expiresAtMs > nowMs &&
    (record.kind !== identity.kind || record.fleet !== fleet)
  );
}

/** Throws PkiError when a valid certificate gives the name to somebody else. */
export function checkNameIsFree(pki: Pki, identity: Identity): void {
  if (identity.kind === 'operator') return;
  const nowMs = pki.clock.nowMs();
  let holder: IssuedRecord | undefined;
  const visit = (record: IssuedRecord): void => {
    if (isAnothers(record, identity, nowMs)) holder = record;
  };
  forEachIssued(pki, identity.tenant, visit, JSON.stringify(identity.name));
  if (holder !== undefined) throw nameIsTaken(holder, identity.tenant);
}

/** Throws PkiError when the key of a request was certified for another name: keys are not shared. */
export function checkKeyIsFree(
  pki: Pki,
  tenant: string | null,
  name: string,
  publicKey: KeyObject,
): void {
  const keyId = keyIdOf(publicKey);
  let holder = name;
  const visit = (record: IssuedRecord): void => {
    if (record.keyId === keyId && record.name !== name) holder = record.name;
  };
  forEachIssued(pki, tenant, visit, keyId);
  if (holder !== name) throw new PkiError(keyIsShared(name, holder));
}

export const keyIsShared = (name: string, holder: string): string =>
  `${name} has the key of ${holder}: make a key for each, or use --force`;

export function nameIsTaken(holder: IssuedRecord, tenant: string): PkiError {
  const who = holder.kind === 'device' ? `a device of fleet ${holder.fleet}` : 'a service';
  const until = new Date(holder.expiresAtMs).toISOString().slice(0, 10);
  return new PkiError(
    `${holder.name} is ${who} of tenant ${tenant} until ${until}: choose another ` +
      'name, or use --force (the earlier certificate keeps working)',
  );
}
