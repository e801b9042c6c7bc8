/**
 * Decides what a change of a tenant's CAs comes to. Invariants: the key of a tenant's own CA speaks
 * for that tenant and is imported nowhere; one imported key stands in several tenants only when every
 * one of them said so; a tenant keeps one CA of its own.
 */

import type { ImportedCaRecord } from './ca-record.ts';
import { MetadataError } from './metadata-error.ts';
import type { Tenant } from './metadata-image.ts';
import { readTenantCa, type TenantCa } from './tenant-ca.ts';

/** A CA that is not ours, as the tenant has it. */
export interface ImportedTenantCa extends TenantCa {
  readonly mappingRules: string;
  readonly isAnnounced: boolean;
  readonly isShared: boolean;
}

export type WantedImport = Omit<ImportedCaRecord, 'type' | 'tenant'>;

/** Whose a CA key is; `importers` have it as a CA that is not ours. */
export interface CaKeyOwners {
  readonly owner: string | undefined;
  readonly importers: readonly Tenant[];
}

export function importedCaOf(wanted: WantedImport): ImportedTenantCa {
  const { caCertificate, mappingRules, isAnnounced, isShared } = wanted;
  return { ...readTenantCa(caCertificate), mappingRules, isAnnounced, isShared };
}

/** Null when the tenant has exactly that import already. */
export function importOf(
  tenant: Tenant,
  wanted: WantedImport,
  ownersOf: (keyId: string) => CaKeyOwners,
  most: number,
): ImportedCaRecord | null {
  const ca = importedCaOf(wanted);
  const known = tenant.importedCas.find(({ keyId }) => keyId === ca.keyId);
  const { owner, importers } = ownersOf(ca.keyId);
  if (owner !== undefined) {
    throw new MetadataError('ca-taken', "The CA is a tenant's own: it cannot be imported.");
  }
  const others = importers
    .filter(({ name }) => name !== tenant.name)
    .flatMap(({ importedCas }) => importedCas.filter(({ keyId }) => keyId === ca.keyId));
  if (others.length > 0 && !(ca.isShared && others.every(({ isShared }) => isShared))) {
    throw new MetadataError(
      'ca-taken',
      'Another tenant has imported this CA. Both must declare it as shared; the server name of ' +
        'the handshake then has to name the tenant.',
    );
  }
  if (known === undefined && tenant.importedCas.length >= most) {
    throw new MetadataError('limit', `The limit of ${most} imported CAs of a tenant is reached.`);
  }
  if (known !== undefined && isSame(known, ca)) return null;
  const { pem: caCertificate, mappingRules, isAnnounced, isShared } = ca;
  return {
    type: 'imported-ca',
    tenant: tenant.name,
    ...{ caCertificate, mappingRules, isAnnounced, isShared },
  };
}

/** The record that takes the CA with that fingerprint from the tenant. */
export function removalOf(
  { name, cas, importedCas }: Tenant,
  fingerprint256: string,
): { type: 'tenant-ca-removed' | 'imported-ca-removed'; tenant: string; fingerprint256: string } {
  const has = (ca: TenantCa): boolean => ca.fingerprint256 === fingerprint256;
  if (importedCas.some(has)) return { type: 'imported-ca-removed', tenant: name, fingerprint256 };
  if (!cas.some(has)) {
    throw new MetadataError('no-such-ca', 'The tenant has no CA with that fingerprint.');
  }
  if (cas.length > 1) return { type: 'tenant-ca-removed', tenant: name, fingerprint256 };
  throw new MetadataError(
    'last-ca',
    'It is the only CA that the tenant has of its own: add the next one first.',
  );
}

function isSame(a: ImportedTenantCa, b: ImportedTenantCa): boolean {
  return (
    a.fingerprint256 === b.fingerprint256 &&
    a.mappingRules === b.mappingRules &&
    a.isAnnounced === b.isAnnounced &&
    a.isShared === b.isShared
  );
}
