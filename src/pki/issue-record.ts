/**
 * Owns the list of what a tenant's CA has signed: `<tenant>/issued.ndjson`, beside the CA's key.
 *
 * Invariant: a certificate is recorded before its files appear, so no serial is unknown. It is what
 * keeps a name unique in its tenant: the principal is the name alone, so a second holder in another
 * fleet, or a service of the same name, would have the first one's rights.
 */
import { join } from 'node:path';
import { appendLine, readIfThere } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import type { Identity } from './identity-name.ts';
import { type Pki, writingTo } from './pki-directory.ts';

export interface IssuedRecord {
  readonly serial: string;
  readonly kind: Identity['kind'];
  readonly name: string;
  readonly fleet: string | null;
  /** Null in records of earlier releases. */
  readonly validFromMs: number | null;
  readonly expiresAtMs: number;
}

const recordPath = (pki: Pki, tenant: string): string =>
  join(pki.caKeysDir, tenant, 'issued.ndjson');

export function recordIssued(pki: Pki, tenant: string, record: IssuedRecord): void {
  const { durable } = writingTo(pki, false);
  appendLine(recordPath(pki, tenant), JSON.stringify(record), { access: 'private', durable });
}

/** What was issued, oldest first. A line torn by a power cut is left out: nothing followed it. */
export function readIssued(pki: Pki, tenant: string): IssuedRecord[] {
  const lines = (readIfThere(recordPath(pki, tenant)) ?? '').split('\n');
  return lines.flatMap((line) => {
    const record = parseRecord(line);
    return record === null ? [] : [record];
  });
}

function parseRecord(line: string): IssuedRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const { serial, kind, name, fleet, validFromMs, expiresAtMs } = Object(
    value,
  ) as Partial<IssuedRecord>;
  const isComplete =
    typeof serial === 'string' && typeof name === 'string' && typeof expiresAtMs === 'number';
  if (!isComplete || (kind !== 'device' && kind !== 'service')) return null;
  return {
    serial,
    kind,
    name,
    fleet: fleet ?? null,
    validFromMs: typeof validFromMs === 'number' ? validFromMs : null,
    expiresAtMs,
  };
}

/** Throws PkiError when a valid certificate gives the name to somebody else. */
export function checkNameIsFree(pki: Pki, identity: Identity): void {
  if (identity.kind === 'operator') return;
  const fleet = identity.kind === 'device' ? identity.fleet : null;
  const nowMs = pki.clock.nowMs();
  const holder = readIssued(pki, identity.tenant).findLast(
    (record) =>
      record.name === identity.name &&
      record.expiresAtMs > nowMs &&
      (record.kind !== identity.kind || record.fleet !== fleet),
  );
  if (holder === undefined) return;
  const who = holder.kind === 'device' ? `a device of fleet ${holder.fleet}` : 'a service';
  const until = new Date(holder.expiresAtMs).toISOString().slice(0, 10);
  throw new PkiError(
    `${identity.name} is ${who} of tenant ${identity.tenant} until ${until}: choose another ` +
      'name, or use --force (the earlier certificate keeps working)',
  );
}
