/**
 * Owns questions to the lists of what was signed: by name, fleet, serial, state, and what ends soon.
 *
 * Invariant: it reads the lists only, never certificates, so it answers for certificates whose files
 * are on the other side of the world; memory is that of what is found, and of one line for each
 * name where the newest of each is asked for.
 */
import { join } from 'node:path';
import { fileExists, listDirectory } from '../base/credential-files.ts';
import { isTenantName } from './identity-name.ts';
import { forEachIssued, type IssuedKind, type IssuedRecord } from './issue-record.ts';
import type { Pki } from './pki-directory.ts';

export interface FoundRecord extends IssuedRecord {
  /** null: a broker or an operator. */
  readonly tenant: string | null;
  readonly state: 'valid' | 'expired';
}

export interface IssuedFilter {
  /** One tenant's list only. */
  readonly tenant?: string;
  /** A part of the name, the fleet, the tenant or the serial number, in any case. */
  readonly text?: string;
  readonly kind?: IssuedKind;
  readonly fleet?: string;
  readonly state?: FoundRecord['state'];
}

/** Oldest first in each tenant; tenants in order of name, after the roots' own. */
export function searchIssued(pki: Pki, filter: IssuedFilter = {}): FoundRecord[] {
  const found: FoundRecord[] = [];
  forEachFound(pki, filter, (record) => found.push(record));
  return found;
}

/**
 * The newest certificate of each name that ends within `withinMs` from now, or ended no longer ago
 * than that; the first to end first. What was renewed since is not among them.
 */
export function expiringIssued(pki: Pki, withinMs: number, filter: IssuedFilter): FoundRecord[] {
  const newest = new Map<string, FoundRecord>();
  forEachFound(pki, filter, (record) => {
    const key = JSON.stringify([record.tenant, record.kind, record.name]);
    if ((newest.get(key)?.expiresAtMs ?? 0) <= record.expiresAtMs) newest.set(key, record);
  });
  const nowMs = pki.clock.nowMs();
  return [...newest.values()]
    .filter(({ expiresAtMs }) => Math.abs(expiresAtMs - nowMs) <= withinMs)
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs);
}

function forEachFound(
  pki: Pki,
  { tenant, text = '', kind, fleet, state }: IssuedFilter,
  visit: (record: FoundRecord) => void,
): void {
  const nowMs = pki.clock.nowMs();
  const wanted = text.toLowerCase();
  for (const owner of tenant === undefined ? [null, ...tenantsWithList(pki)] : [tenant]) {
    forEachIssued(pki, owner, (record) => {
      const found: FoundRecord = {
        tenant: owner,
        ...record,
        state: record.expiresAtMs > nowMs ? 'valid' : 'expired',
      };
      const texts = [record.name, record.fleet ?? '', record.serial, owner ?? ''];
      const matches =
        (kind === undefined || record.kind === kind) &&
        (fleet === undefined || record.fleet === fleet) &&
        (state === undefined || found.state === state) &&
        texts.some((one) => one.toLowerCase().includes(wanted));
      if (matches) visit(found);
    });
  }
}

const tenantsWithList = (pki: Pki): string[] =>
  listDirectory(pki.caKeysDir)
    .filter((entry) => entry.isDirectory && isTenantName(entry.name))
    .map(({ name }) => name)
    .filter((name) => fileExists(join(pki.caKeysDir, name, 'issued.ndjson')));
