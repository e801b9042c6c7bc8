/**
 * Owns the MetadataLog: the log of security events (on either engine, one fenced writer), and the
 * types of its records. Invariants: private keys never enter it; a record that is unknown, newer or
 * malformed stops the start, because skipping it could undo a denial.
 */
import { StorageError } from '../base/errors.ts';
import type { StateLog, StateRecord } from '../engine/engine.ts';
import type { ClientQuotaAlteration } from '../quota/client-quota-entity.ts';
import type { Ban, BanId } from '../security/abuse/bans.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import { TENANT_GRAMMAR } from '../security/policy-rule.ts';
import { bindingProblem } from '../security/policy-store.ts';
import type {
  RevokedCertificate,
  RevokedName,
  SuspendedId,
  Suspension,
} from '../security/revocations.ts';
import type { ScramChange } from '../security/scram/scram-credentials.ts';
import type { DelegationTokenChange } from '../security/tokens/delegation-token.ts';
import { bansIn } from './ban-record.ts';
import { type CaRecord, caRecord } from './ca-record.ts';
import { delegationTokenChange } from './delegation-token-record.ts';
import {
  type BrokerLimitsRecord,
  limitAlterations,
  type TenantLimitsRecord,
} from './limit-change.ts';
import type { StoredTenantState } from './metadata-image.ts';
import { quotaAlterations } from './quota-record.ts';
import {
  type Data,
  fields,
  list,
  malformed,
  SECURITY_METADATA_LOG,
  text,
  texts,
} from './record-fields.ts';
import { revokedIn, suspensionsIn } from './revocation-record.ts';
import { scramChange } from './scram-record.ts';
import {
  deletedIn,
  deletingIn,
  type TenantDeletedRecord,
  type TenantDeletingRecord,
} from './tenant-deletion.ts';

export type MetadataLog = StateLog;

export { SECURITY_METADATA_LOG };

export interface TenantRecord {
  readonly type: 'tenant';
  readonly tenant: string;
  /** What the tenant's clients see as their cluster: 22 characters, Kafka's uuid text. */
  readonly clusterId: string;
  readonly state: StoredTenantState;
  readonly createdAtMs: number;
  /** PEM, one certificate each. */
  readonly caCertificates: readonly string[];
}

export interface TenantStateRecord {
  readonly type: 'tenant-state';
  readonly tenant: string;
  readonly state: StoredTenantState;
}

export interface AclsAddedRecord {
  readonly type: 'acls-added';
  readonly tenant: string;
  readonly bindings: readonly AclBinding[];
}

export interface AclsRemovedRecord {
  readonly type: 'acls-removed';
  readonly tenant: string;
  readonly bindings: readonly AclBinding[];
}

export interface ClientQuotasRecord {
  readonly type: 'client-quotas';
  readonly tenant: string;
  readonly alterations: readonly ClientQuotaAlteration[];
}

export interface ScramCredentialsRecord extends ScramChange {
  readonly type: 'scram-credentials';
  readonly tenant: string;
}

export interface DelegationTokensRecord extends DelegationTokenChange {
  readonly type: 'delegation-tokens';
  readonly tenant: string;
}

/** Revocations are final; a name is revoked anew when a later time is given. */
export interface CertificatesRevokedRecord {
  readonly type: 'certificates-revoked';
  readonly tenant: string;
  readonly certificates: readonly RevokedCertificate[];
  readonly names: readonly RevokedName[];
}

export interface SuspensionsRecord {
  readonly type: 'suspensions';
  readonly tenant: string;
  readonly resumed: readonly SuspendedId[];
  readonly suspended: readonly Suspension[];
}

/** Of no tenant, since an address is of none. What is lifted goes before what is banned. */
export interface BansRecord {
  readonly type: 'bans';
  readonly lifted: readonly BanId[];
  readonly banned: readonly Ban[];
}

export type MetadataRecord =
  | TenantRecord
  | TenantStateRecord
  | TenantDeletingRecord
  | TenantDeletedRecord
  | CaRecord
  | AclsAddedRecord
  | AclsRemovedRecord
  | ClientQuotasRecord
  | TenantLimitsRecord
  | BrokerLimitsRecord
  | ScramCredentialsRecord
  | DelegationTokensRecord
  | CertificatesRevokedRecord
  | SuspensionsRecord
  | BansRecord;

const VERSION = 1;

export function toStateRecord(record: MetadataRecord): StateRecord {
  const { type, ...data } = record;
  return { type, version: VERSION, data };
}

/** Throws a StorageError for a record that this release does not understand. */
export function fromStateRecord({ type, version, data }: StateRecord): MetadataRecord {
  if (version !== VERSION) throw notUnderstood(type, version);
  if (type === 'bans') return { type, ...bansIn(data) };
  if (type === 'broker-limits') return { type, alterations: limitAlterations('broker', data) };
  const tenant = tenantName(data);
  switch (type) {
    case 'tenant':
      return {
        type,
        tenant,
        clusterId: clusterId(data),
        state: tenantState(data),
        createdAtMs: timeMs(data),
        caCertificates: texts(data.caCertificates),
      };
    case 'tenant-state':
      return { type, tenant, state: tenantState(data) };
    case 'tenant-deleting':
      return { type, tenant, ...deletingIn(data) };
    case 'tenant-deleted':
      return { type, tenant, ...deletedIn(data) };
    case 'tenant-ca':
    case 'tenant-ca-removed':
    case 'imported-ca':
    case 'imported-ca-removed':
      return caRecord(type, tenant, data);
    case 'acls-added':
    case 'acls-removed':
      return { type, tenant, bindings: bindings(data, tenant) };
    case 'client-quotas':
      return { type, tenant, alterations: quotaAlterations(data) };
    case 'tenant-limits':
      return { type, tenant, alterations: limitAlterations('tenant', data) };
    case 'scram-credentials':
      return { type, tenant, ...scramChange(data) };
    case 'delegation-tokens':
      return { type, tenant, ...delegationTokenChange(data) };
    case 'certificates-revoked':
      return { type, tenant, ...revokedIn(data) };
    case 'suspensions':
      return { type, tenant, ...suspensionsIn(data) };
    default:
      throw notUnderstood(type, version);
  }
}

function notUnderstood(type: string, version: number): StorageError {
  return new StorageError(
    `The ${SECURITY_METADATA_LOG} log holds a record that this release does not know ` +
      `(${type}, version ${version}): start the release that wrote it, or a newer one.`,
  );
}

function tenantName(data: Data): string {
  const name = text(data.tenant);
  if (!TENANT_GRAMMAR.test(name)) throw malformed('the tenant has no name');
  return name;
}

function clusterId(data: Data): string {
  const id = text(data.clusterId);
  if (!/^[A-Za-z0-9_-]{22}$/.test(id)) throw malformed('the cluster id is none');
  return id;
}

function tenantState(data: Data): StoredTenantState {
  const { state } = data;
  if (state !== 'active' && state !== 'suspended') throw malformed('the state is unknown');
  return state;
}

function timeMs(data: Data): number {
  const { createdAtMs } = data;
  if (typeof createdAtMs !== 'number') throw malformed('a time is missing');
  return createdAtMs;
}

const BINDING_FIELDS = [
  'resourceType',
  'resourceName',
  'patternType',
  'principal',
  'host',
  'operation',
  'permission',
] as const satisfies readonly (keyof AclBinding)[];

function bindings(data: Data, tenant: string): readonly AclBinding[] {
  return list(data.bindings).map((item) => {
    const binding = fields(item) as unknown as AclBinding;
    for (const field of BINDING_FIELDS) text(binding[field]);
    const problem = bindingProblem(tenant, binding);
    if (problem !== null) throw malformed(problem);
    return copyBinding(binding);
  });
}

/** The seven fields and nothing else, in a fixed order. */
export function copyBinding(binding: AclBinding): AclBinding {
  return {
    resourceType: binding.resourceType,
    resourceName: binding.resourceName,
    patternType: binding.patternType,
    principal: binding.principal,
    host: binding.host,
    operation: binding.operation,
    permission: binding.permission,
  };
}

/** Equal for equal bindings: no value of a binding in order holds a line end. */
export function bindingKey(binding: AclBinding): string {
  return BINDING_FIELDS.map((field) => binding[field]).join('\n');
}
