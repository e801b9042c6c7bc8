/**
 * What of a tenant's revocations belongs into the CRL of one of its CAs. Invariant: what the broker
 * says and is not understood is an error: a CRL must not leave anybody out in silence.
 */
import type { X509Certificate } from 'node:crypto';
import { readRequired } from '../base/credential-files.ts';
import type { CrlEntry } from '../pki/crl-builder.ts';
import { readIssued } from '../pki/issue-record.ts';
import type { Pki } from '../pki/pki-directory.ts';
import { isRevocationReason } from '../pki/revocation-reason.ts';
import { canonicalSerial } from '../security/revocations.ts';
import { issuerOf } from '../security/tenant-ca-registry.ts';
import { type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { listIn } from './answer-fields.ts';
import { CommandError } from './command-error.ts';

export async function revocationsOf(
  tenant: string,
  options: ConnectionOptions & { readonly from?: string },
): Promise<unknown> {
  if (options.from === undefined) {
    const path = pathOf('v1', 'tenants', tenant, 'revocations');
    return withAdmin(options, (client) => client.all(path, {}, ['names', 'certificates']));
  }
  try {
    const document: unknown = JSON.parse(readRequired(options.from, 'name a file with --from'));
    if (document instanceof Object && 'names' in document && 'certificates' in document) {
      return document;
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new CommandError(`${options.from} is not what "cert revocations --json" prints`);
}

/**
 * Serials of this CA's key, and those of the revoked names as far as the folder knows them. What the
 * broker said and is not understood is an error: a CRL must not leave anybody out in silence.
 */
export function tenantEntries(
  pki: Pki,
  tenant: string,
  ca: X509Certificate,
  answer: unknown,
): { entries: CrlEntry[]; namesWithoutSerial: number } {
  const { keyId } = issuerOf(ca);
  const entries = new Map<string, CrlEntry>();
  for (const one of listIn(answer, 'certificates')) {
    const serial = typeof one.serial === 'string' ? canonicalSerial(one.serial) : null;
    if (serial === null) throw notUnderstood();
    if (one.caKeyId === keyId) entries.set(serial, { serial, ...revocationIn(one) });
  }
  const issued = readIssued(pki, tenant);
  let namesWithoutSerial = 0;
  for (const one of listIn(answer, 'names')) {
    const revocation = revocationIn(one);
    const serials = issued
      .filter(({ name }) => name === one.name)
      // A record of an earlier version does not say which CA signed.
      .filter(({ issuerSerial }) => (issuerSerial ?? ca.serialNumber) === ca.serialNumber)
      .filter(({ validFromMs }) => (validFromMs ?? 0) <= revocation.revokedAtMs)
      .map(({ serial }) => canonicalSerial(serial) ?? serial);
    if (serials.length === 0) namesWithoutSerial += 1;
    for (const serial of serials) {
      if (!entries.has(serial)) entries.set(serial, { serial, ...revocation });
    }
  }
  return { entries: [...entries.values()], namesWithoutSerial };
}

function revocationIn(
  one: Readonly<Record<string, unknown>>,
): Pick<CrlEntry, 'revokedAtMs' | 'reason'> {
  const { revokedAtMs, reason } = one;
  if (typeof revokedAtMs !== 'number' || !isRevocationReason(reason)) throw notUnderstood();
  return { revokedAtMs, reason };
}

const notUnderstood = (): CommandError =>
  new CommandError(
    'the broker lists a revocation that this release does not understand: update it',
  );
