/**
 * Owns the stored records of a tenant's CAs that came or went after it was created, and how they are
 * read. Invariant: an import without its mapping rules is malformed, for it would name nobody.
 */
import type { Data } from './record-fields.ts';
import { malformed, text } from './record-fields.ts';

export interface TenantCaRecord {
  readonly type: 'tenant-ca';
  readonly tenant: string;
  readonly caCertificate: string;
}

export interface TenantCaRemovedRecord {
  readonly type: 'tenant-ca-removed';
  readonly tenant: string;
  readonly fingerprint256: string;
}

/** A CA that is not ours; of a key that is there already, it replaces what was said of it. */
export interface ImportedCaRecord {
  readonly type: 'imported-ca';
  readonly tenant: string;
  readonly caCertificate: string;
  /** In the syntax of ssl.principal.mapping.rules. */
  readonly mappingRules: string;
  readonly isAnnounced: boolean;
  readonly isShared: boolean;
}

export interface ImportedCaRemovedRecord {
  readonly type: 'imported-ca-removed';
  readonly tenant: string;
  readonly fingerprint256: string;
}

export type CaRecord =
  | TenantCaRecord
  | TenantCaRemovedRecord
  | ImportedCaRecord
  | ImportedCaRemovedRecord;

const FINGERPRINT = /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/;

export function caRecord(type: CaRecord['type'], tenant: string, data: Data): CaRecord {
  switch (type) {
    case 'tenant-ca':
      return { type, tenant, caCertificate: text(data.caCertificate) };
    case 'tenant-ca-removed':
    case 'imported-ca-removed':
      return { type, tenant, fingerprint256: fingerprint(data) };
    case 'imported-ca':
      return {
        type,
        tenant,
        caCertificate: text(data.caCertificate),
        mappingRules: text(data.mappingRules),
        isAnnounced: flag(data.isAnnounced),
        isShared: flag(data.isShared),
      };
  }
}

function fingerprint({ fingerprint256 }: Data): string {
  const value = text(fingerprint256);
  if (!FINGERPRINT.test(value)) throw malformed('a CA has no fingerprint');
  return value;
}

function flag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw malformed('a flag is missing');
  return value;
}
