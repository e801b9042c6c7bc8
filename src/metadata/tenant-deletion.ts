/**
 * Owns what the deletion of a tenant is in the security state: the records of its beginning and of
 * its end, what was there (the counts of the proof), and what of a deleted tenant is remembered for
 * good: the keys of its CAs.
 *
 *   active, suspended -> deleting (durable; nobody of it gets in, nothing brings it back) -> deleted
 *
 * Invariants: a tenant that is being deleted changes no more; the key of a deleted tenant's own CA
 * speaks for nobody ever again, and a CA that it had imported for no later tenant of its name.
 */
import { MetadataError } from './metadata-error.ts';
import type { MetadataImage, Tenant } from './metadata-image.ts';
import { type Data, fields, malformed, text, texts } from './record-fields.ts';

/** What a tenant had when its deletion began, and what of its data was purged. */
export const TENANT_COUNTS = [
  'topics',
  'partitions',
  'bytes',
  'groups',
  'configs',
  'cas',
  'importedCas',
  'rules',
  'quotas',
  'users',
  'tokens',
  'revocations',
  'suspensions',
  'bans',
] as const;

export type TenantCounts = Readonly<Record<(typeof TENANT_COUNTS)[number], number>>;

export const NO_COUNTS: TenantCounts = {
  ...{
    topics: 0,
    partitions: 0,
    bytes: 0,
    groups: 0,
    configs: 0,
    cas: 0,
    importedCas: 0,
    rules: 0,
  },
  ...{ quotas: 0, users: 0, tokens: 0, revocations: 0, suspensions: 0, bans: 0 },
};

export interface TenantDeletingRecord {
  readonly type: 'tenant-deleting';
  readonly tenant: string;
  readonly begunAtMs: number;
  readonly counts: TenantCounts;
}

export interface TenantDeletedRecord {
  readonly type: 'tenant-deleted';
  readonly tenant: string;
  /** Which of the tenants that had this name. */
  readonly clusterId: string;
  readonly deletedAtMs: number;
  readonly counts: TenantCounts;
  /** Keys of its own CAs, SHA-256 over the public key. */
  readonly caKeyIds: readonly string[];
  readonly importedCaKeyIds: readonly string[];
}

export type DeletedTenant = Omit<TenantDeletedRecord, 'type'>;

export type Deletion = Pick<TenantDeletingRecord, 'begunAtMs' | 'counts'>;

/** The tenants that were deleted. An object of this class never changes. */
export class DeletedTenants {
  static readonly NONE: DeletedTenants = new DeletedTenants([]);

  readonly #all: readonly DeletedTenant[];
  readonly #retired: ReadonlySet<string>;

  constructor(all: readonly DeletedTenant[]) {
    this.#all = all;
    this.#retired = new Set(all.flatMap(({ caKeyIds }) => caKeyIds));
  }

  get size(): number {
    return this.#all.length;
  }

  all(): readonly DeletedTenant[] {
    return this.#all;
  }

  /** The last one that had this name. */
  lastOf(tenant: string): DeletedTenant | undefined {
    return this.#all.findLast((one) => one.tenant === tenant);
  }

  /** Throws MetadataError 'ca-retired' for the key of a CA of a deleted tenant. */
  refuseOwn(keyId: string): void {
    if (this.#retired.has(keyId)) throw retired('The key of this CA was that of a deleted tenant');
  }

  /** The same for a CA that is not ours: every key, of the tenants that had this name. */
  refuseImport(tenant: string, keyId: string): void {
    this.refuseOwn(keyId);
    const isOfName = this.#all.some(
      (one) => one.tenant === tenant && one.importedCaKeyIds.includes(keyId),
    );
    if (isOfName) throw retired('A deleted tenant of this name had imported this CA');
  }
}

const retired = (what: string): MetadataError =>
  new MetadataError(
    'ca-retired',
    `${what}, so that its certificates stay refused: give the tenant a CA with a new key.`,
  );

/** What the security state holds of the tenant; what the engine holds is for its owner to add. */
export function countsOf(tenant: Tenant, bans: MetadataImage['bans']): TenantCounts {
  const { revocations } = tenant;
  let bansOfTenant = 0;
  for (const ban of bans.all()) {
    if (ban.kind === 'principal' && ban.tenant === tenant.name) bansOfTenant += 1;
  }
  return {
    ...NO_COUNTS,
    cas: tenant.cas.length,
    importedCas: tenant.importedCas.length,
    rules: tenant.acls.length,
    quotas: tenant.clientQuotas.size + tenant.limits.size,
    users: tenant.scramCredentials.size,
    tokens: tenant.delegationTokens.size,
    revocations: revocations.certificateCount + revocations.nameCount,
    suspensions: revocations.suspensionCount,
    bans: bansOfTenant,
  };
}

export function deletedRecordOf(
  { name, clusterId, cas, importedCas, deletion }: Tenant,
  deletedAtMs: number,
): TenantDeletedRecord {
  return {
    type: 'tenant-deleted',
    tenant: name,
    clusterId,
    deletedAtMs,
    counts: deletion?.counts ?? NO_COUNTS,
    caKeyIds: cas.map(({ keyId }) => keyId),
    importedCaKeyIds: importedCas.map(({ keyId }) => keyId),
  };
}

export function deletingIn(data: Data): Deletion {
  return { begunAtMs: timeMs(data.begunAtMs), counts: countsIn(data.counts) };
}

export function deletedIn(data: Data): Omit<DeletedTenant, 'tenant'> {
  return {
    clusterId: text(data.clusterId),
    deletedAtMs: timeMs(data.deletedAtMs),
    counts: countsIn(data.counts),
    caKeyIds: texts(data.caKeyIds),
    importedCaKeyIds: texts(data.importedCaKeyIds),
  };
}

function countsIn(value: unknown): TenantCounts {
  const stored = fields(value);
  const entries = TENANT_COUNTS.map((name) => {
    const count = stored[name];
    if (!Number.isSafeInteger(count) || Number(count) < 0) throw malformed('a count is missing');
    return [name, Number(count)] as const;
  });
  return { ...NO_COUNTS, ...Object.fromEntries(entries) };
}

function timeMs(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed('a time is missing');
  return value;
}
