/**
 * Owns the security state in memory: the tenants with their CAs, dynamic rules, client quotas, SCRAM
 * credentials, delegation tokens and revocations. Applying the records of the log, one after the other, gives the state; an image
 * is what others look at.
 *
 * Invariants: an image never changes, a newer one has a higher version; a CA key speaks for one
 * tenant only.
 */

import { applyAlteration, type ClientQuotaEntry, ClientQuotas } from '../quota/client-quotas.ts';
import { applyLimits, type LimitEntry, TenantLimits } from '../quota/tenant-limits.ts';
import { type Ban, Bans } from '../security/abuse/bans.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import { Revocations } from '../security/revocations.ts';
import {
  applyScramChange,
  type ScramCredential,
  ScramCredentials,
} from '../security/scram/scram-credentials.ts';
import {
  applyTokenChange,
  type DelegationToken,
  DelegationTokens,
} from '../security/tokens/delegation-token.ts';
import { AclCounts } from './acl-limits.ts';
import { applyBans } from './ban-change.ts';
import type { ImportedTenantCa } from './ca-change.ts';
import type { ImportedCaRecord } from './ca-record.ts';
import type { BrokerLimitsRecord } from './limit-change.ts';
import {
  type BansRecord,
  bindingKey,
  type MetadataRecord,
  type TenantRecord,
} from './metadata-log.ts';
import { malformed } from './record-fields.ts';
import { applyRevocations, applySuspensions, type RevocationMaps } from './revocation-change.ts';
import { readTenantCa, type TenantCa } from './tenant-ca.ts';
import {
  type DeletedTenant,
  DeletedTenants,
  type Deletion,
  type TenantDeletedRecord,
} from './tenant-deletion.ts';

/** What an operator can set. */
export type StoredTenantState = 'active' | 'suspended';
export type TenantState = StoredTenantState | 'deleting';

export interface Tenant {
  readonly name: string;
  readonly clusterId: string;
  readonly state: TenantState;
  readonly createdAtMs: number;
  /** When its deletion began, and what was there then; null while it is not being deleted. */
  readonly deletion: Deletion | null;
  /** In the order in which they were added. */
  readonly cas: readonly TenantCa[];
  /** CAs that are not ours. */
  readonly importedCas: readonly ImportedTenantCa[];
  /** The dynamic rules; those of policy files are not here. */
  readonly acls: readonly AclBinding[];
  /** The same object until a quota changes. */
  readonly clientQuotas: ClientQuotas;
  /** The operator's; the same object until one changes. */
  readonly limits: TenantLimits;
  /** The same object until a credential changes. */
  readonly scramCredentials: ScramCredentials;
  /** The same object until a token comes, changes or goes. */
  readonly delegationTokens: DelegationTokens;
  /** The same object until somebody is revoked, suspended or resumed. */
  readonly revocations: Revocations;
}

export interface MetadataImage {
  readonly version: number;
  readonly tenants: ReadonlyMap<string, Tenant>;
  /** The same object until somebody is banned, or let in again by an operator. */
  readonly bans: Bans;
  /** The same object until a tenant is deleted. */
  readonly deleted: DeletedTenants;
  /** The ceilings over all tenants; the same object until one changes. */
  readonly brokerLimits: TenantLimits;
}

/** A tenant while records are applied; `view` is its part of the current image. */
interface TenantEntry {
  readonly name: string;
  readonly clusterId: string;
  readonly createdAtMs: number;
  state: TenantState;
  deletion: Deletion | null;
  cas: readonly TenantCa[];
  importedCas: readonly ImportedTenantCa[];
  readonly acls: Map<string, AclBinding>;
  readonly quotas: Map<string, ClientQuotaEntry>;
  readonly limits: Map<string, LimitEntry>;
  readonly credentials: Map<string, readonly ScramCredential[]>;
  readonly tokens: Map<string, DelegationToken>;
  readonly shutOut: RevocationMaps;
  quotasView: ClientQuotas | null;
  limitsView: TenantLimits | null;
  credentialsView: ScramCredentials | null;
  tokensView: DelegationTokens | null;
  revocationsView: Revocations | null;
  readonly counts: AclCounts;
  view: Tenant | null;
}

/** Changes one tenant that is there. */
type TenantChangeRecord = Exclude<
  MetadataRecord,
  TenantRecord | BansRecord | TenantDeletedRecord | BrokerLimitsRecord
>;

export class MetadataState {
  readonly #tenants = new Map<string, TenantEntry>();
  /** The tenant of each CA key. */
  readonly #caKeys = new Map<string, string>();
  readonly #bans = new Map<string, Ban>();
  #bansView: Bans | null = Bans.NONE;
  readonly #deleted: DeletedTenant[] = [];
  #deletedView: DeletedTenants | null = DeletedTenants.NONE;
  readonly #brokerLimits = new Map<string, LimitEntry>();
  #brokerLimitsView: TenantLimits | null = TenantLimits.NONE;
  #version = 0;
  #image: MetadataImage | null = null;

  get image(): MetadataImage {
    this.#bansView ??= new Bans(this.#bans);
    this.#deletedView ??= new DeletedTenants([...this.#deleted]);
    this.#brokerLimitsView ??= new TenantLimits(this.#brokerLimits);
    this.#image ??= {
      version: this.#version,
      tenants: new Map(Array.from(this.#tenants, ([name, entry]) => [name, viewOf(entry)])),
      bans: this.#bansView,
      deleted: this.#deletedView,
      brokerLimits: this.#brokerLimitsView,
    };
    return this.#image;
  }

  get tenantCount(): number {
    return this.#tenants.size;
  }

  /** The tenant for which this CA key speaks. */
  tenantOfCaKey(keyId: string): string | undefined {
    return this.#caKeys.get(keyId);
  }

  hasAcl(tenant: string, binding: AclBinding): boolean {
    return this.#tenants.get(tenant)?.acls.has(bindingKey(binding)) ?? false;
  }

  /** How many rules the tenant has, and where. */
  aclCounts(tenant: string): AclCounts | undefined {
    return this.#tenants.get(tenant)?.counts;
  }

  /** Throws a StorageError for a record that contradicts the state. */
  apply(record: MetadataRecord): void {
    if (record.type === 'tenant') this.#addTenant(record);
    else if (record.type === 'bans') this.#changeBans(record);
    else if (record.type === 'tenant-deleted') this.#delete(record);
    else if (record.type === 'broker-limits') this.#changeBrokerLimits(record);
    else this.#change(this.#entry(record.tenant), record);
    this.#version += 1;
    this.#image = null;
  }

  #addTenant(record: TenantRecord): void {
    const { tenant: name, clusterId, createdAtMs, state } = record;
    if (this.#tenants.has(name)) throw malformed('a tenant is there twice');
    const entry: TenantEntry = {
      name,
      clusterId,
      createdAtMs,
      state,
      deletion: null,
      cas: [],
      importedCas: [],
      acls: new Map(),
      quotas: new Map(),
      limits: new Map(),
      credentials: new Map(),
      tokens: new Map(),
      shutOut: { certificates: new Map(), names: new Map(), suspensions: new Map() },
      quotasView: null,
      limitsView: TenantLimits.NONE,
      credentialsView: null,
      tokensView: DelegationTokens.NONE,
      revocationsView: Revocations.NONE,
      counts: new AclCounts(),
      view: null,
    };
    this.#tenants.set(name, entry);
    for (const pem of record.caCertificates) this.#addCa(entry, pem);
  }

  /** In a snapshot it stands before the tenants, and tells of one that is gone already. */
  #delete({ type: _, ...deleted }: TenantDeletedRecord): void {
    const entry = this.#tenants.get(deleted.tenant);
    if (entry !== undefined) {
      if (entry.clusterId !== deleted.clusterId) throw malformed('another tenant is deleted');
      for (const { keyId } of entry.cas) this.#caKeys.delete(keyId);
      this.#tenants.delete(deleted.tenant);
      for (const [key, ban] of this.#bans) {
        if (ban.kind === 'principal' && ban.tenant === deleted.tenant) this.#bans.delete(key);
      }
      this.#bansView = null;
    }
    this.#deleted.push(deleted);
    this.#deletedView = null;
  }

  #changeBans(record: BansRecord): void {
    for (const ban of record.banned) if (ban.kind === 'principal') this.#entry(ban.tenant);
    applyBans(this.#bans, record);
    this.#bansView = null;
  }

  #changeBrokerLimits({ alterations }: BrokerLimitsRecord): void {
    for (const alteration of alterations) applyLimits(this.#brokerLimits, alteration);
    this.#brokerLimitsView = null;
  }

  #change(entry: TenantEntry, record: TenantChangeRecord): void {
    entry.view = null;
    switch (record.type) {
      case 'tenant-state':
        if (entry.deletion !== null) throw malformed('a tenant comes back from its deletion');
        entry.state = record.state;
        break;
      case 'tenant-deleting':
        entry.state = 'deleting';
        entry.deletion = { begunAtMs: record.begunAtMs, counts: record.counts };
        break;
      case 'tenant-ca':
        this.#addCa(entry, record.caCertificate);
        break;
      case 'tenant-ca-removed':
        this.#removeCa(entry, record.fingerprint256);
        break;
      case 'imported-ca':
        this.#importCa(entry, record);
        break;
      case 'imported-ca-removed':
        entry.importedCas = entry.importedCas.filter(
          ({ fingerprint256 }) => fingerprint256 !== record.fingerprint256,
        );
        break;
      case 'acls-added':
        for (const binding of record.bindings) addAcl(entry, binding);
        break;
      case 'acls-removed':
        for (const binding of record.bindings) removeAcl(entry, binding);
        break;
      case 'client-quotas':
        for (const alteration of record.alterations) applyAlteration(entry.quotas, alteration);
        entry.quotasView = null;
        break;
      case 'tenant-limits':
        for (const alteration of record.alterations) applyLimits(entry.limits, alteration);
        entry.limitsView = null;
        break;
      case 'scram-credentials':
        applyScramChange(entry.credentials, record);
        entry.credentialsView = null;
        break;
      case 'delegation-tokens':
        applyTokenChange(entry.tokens, record);
        entry.tokensView = null;
        break;
      case 'certificates-revoked':
        applyRevocations(entry.shutOut, record);
        entry.revocationsView = null;
        break;
      case 'suspensions':
        applySuspensions(entry.shutOut, record);
        entry.revocationsView = null;
        break;
    }
  }

  #addCa(entry: TenantEntry, pem: string): void {
    const ca = storedCa(pem);
    const owner = this.#caKeys.get(ca.keyId);
    if (owner !== undefined && owner !== entry.name) throw malformed('two tenants share a CA key');
    this.#caKeys.set(ca.keyId, entry.name);
    entry.cas = [...entry.cas, ca];
  }

  #removeCa(entry: TenantEntry, fingerprint: string): void {
    const gone = entry.cas.filter(({ fingerprint256 }) => fingerprint256 === fingerprint);
    entry.cas = entry.cas.filter((ca) => !gone.includes(ca));
    for (const { keyId } of gone) {
      if (!entry.cas.some((ca) => ca.keyId === keyId)) this.#caKeys.delete(keyId);
    }
  }

  #importCa(entry: TenantEntry, record: ImportedCaRecord): void {
    const { mappingRules, isAnnounced, isShared } = record;
    const ca = { ...storedCa(record.caCertificate), mappingRules, isAnnounced, isShared };
    if (this.#caKeys.has(ca.keyId)) throw malformed("a tenant's own CA is imported");
    const rest = entry.importedCas.filter(({ keyId }) => keyId !== ca.keyId);
    entry.importedCas = [...rest, ca];
  }

  #entry(tenant: string): TenantEntry {
    const entry = this.#tenants.get(tenant);
    if (entry === undefined) throw malformed('it changes a tenant that is not there');
    return entry;
  }
}

function addAcl({ acls, counts }: TenantEntry, binding: AclBinding): void {
  const key = bindingKey(binding);
  if (acls.has(key)) return;
  acls.set(key, binding);
  counts.add(binding);
}

function removeAcl({ acls, counts }: TenantEntry, binding: AclBinding): void {
  if (acls.delete(bindingKey(binding))) counts.remove(binding);
}

/** What was checked when it came in must still be readable. */
function storedCa(pem: string): TenantCa {
  try {
    return readTenantCa(pem);
  } catch (cause) {
    throw malformed('a CA certificate cannot be read', cause);
  }
}

function viewOf(entry: TenantEntry): Tenant {
  const { name, clusterId, state, createdAtMs } = entry;
  entry.quotasView ??= new ClientQuotas(entry.quotas);
  entry.limitsView ??= new TenantLimits(entry.limits);
  entry.credentialsView ??= new ScramCredentials(entry.credentials);
  entry.tokensView ??= new DelegationTokens(entry.tokens);
  entry.revocationsView ??= new Revocations(entry.shutOut);
  entry.view ??= {
    name,
    clusterId,
    state,
    createdAtMs,
    deletion: entry.deletion,
    cas: entry.cas,
    importedCas: entry.importedCas,
    acls: [...entry.acls.values()],
    clientQuotas: entry.quotasView,
    limits: entry.limitsView,
    scramCredentials: entry.credentialsView,
    delegationTokens: entry.tokensView,
    revocations: entry.revocationsView,
  };
  return entry.view;
}
