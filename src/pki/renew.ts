/**
 * Owns renewal: a new certificate for a name that holds one, in the fleet and kind of the old one.
 *
 * Invariant: only who is on the list of what was issued is renewed, and nobody whose name was
 * revoked, or has gone to another holder since.
 */
import { join } from 'node:path';
import { readRequired } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { parsePrivateKey } from './ca-key.ts';
import type { ListedIdentity } from './device-list.ts';
import { checkSubjectName, checkTenantName } from './identity-name.ts';
import { type IssuedFiles, issueDevice, issueService, type LeafOptions } from './issue.ts';
import { forEachIssued, type IssuedRecord } from './issue-record.ts';
import { expiringIssued } from './issue-search.ts';
import type { Pki } from './pki-directory.ts';
import { earliestStartsMs, isRevoked } from './revoked-record.ts';

export interface RenewOptions extends Omit<LeafOptions, 'force' | 'keepKey'> {
  /** Certify the key again that lies beside the certificate, instead of a new one. */
  readonly keepsKey?: boolean;
}

/** Renews the certificate of one device or service, replacing its files. */
export function renewCertificate(
  pki: Pki,
  tenant: string,
  name: string,
  options: RenewOptions = {},
): IssuedFiles {
  const { keepsKey, ...rest } = options;
  const holder = newestHolder(pki, checkTenantName(tenant), checkSubjectName('device', name));
  if (isRevoked(earliestStartsMs(pki, tenant), holder)) throw wasRevoked(name, tenant);
  const keyPath = join(options.outDir ?? join(pki.dir, tenant), `${name}.key`);
  const keepKey =
    keepsKey === true
      ? parsePrivateKey(readRequired(keyPath, 'name its folder with --out'), keyPath)
      : undefined;
  const leaf = { ...rest, ...(keepKey === undefined ? {} : { keepKey }), force: true };
  return holder.kind === 'device'
    ? issueDevice(pki, { tenant, device: name, fleet: holder.fleet ?? '' }, leaf)
    : issueService(pki, { tenant, service: name }, leaf);
}

function newestHolder(pki: Pki, tenant: string, name: string): IssuedRecord {
  let newest: IssuedRecord | undefined;
  const visit = (record: IssuedRecord): void => {
    if (record.name === name) newest = record;
  };
  forEachIssued(pki, tenant, visit, JSON.stringify(name));
  if (newest !== undefined) return newest;
  throw new PkiError(`nothing was issued to ${name} of tenant ${tenant}: use "cert issue"`);
}

/** A revoked name comes back by a decision about it, never by the way. */
export function wasRevoked(name: string, tenant: string): PkiError {
  return new PkiError(
    `${name} of tenant ${tenant} was revoked: to let it in again, use "cert issue --force"`,
  );
}

/**
 * Whose newest certificate ends within that time and was not revoked, as a list for a bulk issue.
 */
export function dueForRenewal(pki: Pki, tenant: string, withinMs: number): ListedIdentity[] {
  const startsMs = earliestStartsMs(pki, tenant);
  return expiringIssued(pki, withinMs, { tenant }).flatMap((record) => {
    const { kind, name, fleet } = record;
    const isClient = kind === 'device' || kind === 'service';
    return isClient && !isRevoked(startsMs, record) ? [{ kind, name, fleet }] : [];
  });
}
