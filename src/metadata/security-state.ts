/**
 * Owns the security state: tenants with their CAs, and each tenant's dynamic rules, client quotas,
 * SCRAM credentials, delegation tokens, revocations, suspensions and bans, and who was deleted, as events on the
 * MetadataLog and in memory as a MetadataImage.
 *
 * Invariants: the image and its listeners see a change after its record is on stable storage, and
 * before the caller does; a refused or failed change changes nothing; asking for what is so already
 * succeeds and writes nothing. Who may change what is the caller's to settle, and to audit, before.
 *
 * Concurrency: changes run one at a time, in the turns of the ChangeQueue: a tenant's own (rules,
 * quotas, credentials) in its turn, those that only operators make before all of them. Reading never
 * waits.
 */
import { ChangeQueue, OWN } from '../base/change-queue.ts';
import type { Clock } from '../base/clock.ts';
import { StorageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { type Random, randomUuid } from '../base/random.ts';
import type { ClientQuotaAlteration } from '../quota/client-quota-entity.ts';
import type { LimitAlteration } from '../quota/tenant-limits.ts';
import type { Ban, BanId } from '../security/abuse/bans.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import { TENANT_GRAMMAR } from '../security/policy-rule.ts';
import { bindingProblem } from '../security/policy-store.ts';
import type { SuspendedId } from '../security/revocations.ts';
import type { ScramChange } from '../security/scram/scram-credentials.ts';
import type { DelegationTokenDecision } from '../security/tokens/delegation-token.ts';
import type { AclLimits } from './acl-limits.ts';
import { type BanLimits, banOf, liftOf, type WantedBan } from './ban-change.ts';
import { type CaKeyOwners, importOf, removalOf, type WantedImport } from './ca-change.ts';
import { effectiveAlterations, entitiesAfter } from './client-quota-change.ts';
import { type DelegationTokenLimits, decidedTokenChange } from './delegation-token-change.ts';
import { effectiveLimits } from './limit-change.ts';
import { MetadataError } from './metadata-error.ts';
import {
  type MetadataImage,
  MetadataState,
  type StoredTenantState,
  type Tenant,
} from './metadata-image.ts';
import {
  bindingKey,
  type CertificatesRevokedRecord,
  copyBinding,
  fromStateRecord,
  type MetadataLog,
  type MetadataRecord,
  toStateRecord,
} from './metadata-log.ts';
import {
  type RevocationLimits,
  revocationOf,
  suspensionOf,
  type WantedRevocation,
} from './revocation-change.ts';
import { credentialsAfter, effectiveScramChange } from './scram-change.ts';
import { snapshotOf } from './security-snapshot.ts';
import { readTenantCa, type TenantCa } from './tenant-ca.ts';
import { type Deletion, deletedRecordOf, type TenantCounts } from './tenant-deletion.ts';

export interface SecurityLimits
  extends AclLimits,
    DelegationTokenLimits,
    RevocationLimits,
    BanLimits {
  readonly tenantsMax: number;
  readonly casPerTenantMax: number;
  readonly importedCasPerTenantMax: number;
  readonly aclsPerChangeMax: number;
  /** Entities that have a quota. */
  readonly quotaEntitiesPerTenantMax: number;
  readonly scramCredentialsPerTenantMax: number;
  /** Remembered for good: a deletion beyond is refused. */
  readonly deletedTenantsMax: number;
  readonly waitingChangesMax: number;
}

export const DEFAULT_SECURITY_LIMITS: SecurityLimits = {
  tenantsMax: 10_000,
  casPerTenantMax: 16,
  importedCasPerTenantMax: 16,
  aclsPerTenantMax: 20_000,
  aclsPerNameMax: 128,
  wideAclsPerPrincipalMax: 1024,
  aclsPerChangeMax: 5000,
  quotaEntitiesPerTenantMax: 10_000,
  scramCredentialsPerTenantMax: 10_000,
  delegationTokensPerTenantMax: 2000,
  delegationTokensPerOwnerMax: 100,
  revokedCertificatesPerTenantMax: 50_000,
  revokedNamesPerTenantMax: 50_000,
  suspensionsPerTenantMax: 50_000,
  serialsPerRevocationMax: 1000,
  bansMax: 10_000,
  banReasonLengthMax: 200,
  banMsMax: 10 * 366 * 24 * 60 * 60 * 1000,
  deletedTenantsMax: 100_000,
  waitingChangesMax: 1000,
};

export interface SecurityStateOptions {
  /** The state log named SECURITY_METADATA_LOG, just opened. */
  readonly log: MetadataLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: SecurityLimits;
  /** A snapshot is taken once the log has grown by this much. */
  readonly snapshotAfterBytes?: number;
  /** Called after each record that is durable; nothing is confirmed before it has resolved. */
  readonly onStored?: () => Promise<void>;
}

/** `isPermitted` is asked when the change's turn has come; false: MetadataError 'denied'. */
export interface AlterOptions {
  readonly isPermitted?: () => boolean | Promise<boolean>;
}

/** Called with the new image and what led to it. It must not throw. */
export type MetadataListener = (image: MetadataImage, changes: readonly MetadataRecord[]) => void;

const SNAPSHOT_AFTER_BYTES = 4 * 1024 * 1024;

export class SecurityState {
  readonly #log: MetadataLog;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #limits: SecurityLimits;
  readonly #snapshotAfterBytes: number;
  readonly #state: MetadataState;
  readonly #onStored: () => Promise<void>;
  readonly #listeners = new Set<MetadataListener>();
  readonly #changes: ChangeQueue;
  /** The last append failed. */
  #isUncertain = false;

  private constructor(options: SecurityStateOptions, state: MetadataState) {
    this.#log = options.log;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#limits = options.limits ?? DEFAULT_SECURITY_LIMITS;
    this.#snapshotAfterBytes = options.snapshotAfterBytes ?? SNAPSHOT_AFTER_BYTES;
    this.#state = state;
    this.#onStored = options.onStored ?? (async () => {});
    this.#changes = new ChangeQueue(options.clock, this.#limits.waitingChangesMax);
  }

  /** Replays the log; rejects with a StorageError when a record is not understood. */
  static async open(options: SecurityStateOptions): Promise<SecurityState> {
    const state = new MetadataState();
    await options.log.replay((record) => state.apply(fromStateRecord(record)));
    return new SecurityState(options, state);
  }

  get image(): MetadataImage {
    return this.#state.image;
  }

  /** Calls `listener` after every change; the returned function ends that. */
  onChange(listener: MetadataListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * A new tenant, active, with a cluster id of its own. Asked for again with the same CA it is the
   * tenant that is there. Rejects with MetadataError 'tenant-exists', 'ca-taken', 'limit',
   * 'invalid' or 'private-key'.
   */
  createTenant(name: string, caCertificatePem: string): Promise<Tenant> {
    return this.#change(OWN, async () => {
      if (!TENANT_GRAMMAR.test(name)) {
        const message = 'A tenant name is 1 to 63 lower-case letters, digits and "-".';
        throw new MetadataError('invalid', message);
      }
      const ca = readTenantCa(caCertificatePem);
      const existing = this.image.tenants.get(name);
      if (existing !== undefined) {
        if (existing.deletion !== null) this.#tenant(name);
        if (hasCa(existing, ca)) return this.#asItIs(existing);
        throw new MetadataError('tenant-exists', `Tenant ${name} exists already.`);
      }
      this.image.deleted.refuseOwn(ca.keyId);
      this.#refuseTakenCa(name, ca);
      this.#refuseBeyond(this.#state.tenantCount + 1, this.#limits.tenantsMax, 'tenants');
      await this.#store({
        type: 'tenant',
        tenant: name,
        clusterId: randomUuid(this.#random),
        state: 'active',
        createdAtMs: this.#clock.nowMs(),
        caCertificates: [ca.pem],
      });
      return this.#tenant(name);
    });
  }

  /** Suspends or resumes the tenant. Rejects with MetadataError 'no-such-tenant'. */
  setTenantState(name: string, state: StoredTenantState): Promise<Tenant> {
    return this.#change(OWN, async () => {
      const tenant = this.#tenant(name);
      if (tenant.state === state) return this.#asItIs(tenant);
      await this.#store({ type: 'tenant-state', tenant: name, state });
      return this.#tenant(name);
    });
  }

  /**
   * Nothing of the tenant changes any more, and nobody of it gets in; asked for again it is what is
   * so. `beforeStoring` as for addAcls. Rejects with 'no-such-tenant' or 'limit'.
   */
  beginTenantDeletion(
    name: string,
    countsNow: (tenant: Tenant) => TenantCounts,
    beforeStoring: (counts: TenantCounts) => Promise<void>,
  ): Promise<Deletion> {
    return this.#change(OWN, async () => {
      const tenant = this.#tenant(name, true);
      if (tenant.deletion !== null) return this.#asItIs(tenant.deletion);
      const { deletedTenantsMax } = this.#limits;
      this.#refuseBeyond(this.image.deleted.size + 1, deletedTenantsMax, 'deleted tenants');
      const counts = countsNow(tenant);
      await beforeStoring(counts);
      const deletion = { begunAtMs: this.#clock.nowMs(), counts };
      await this.#store({ type: 'tenant-deleting', tenant: name, ...deletion });
      return deletion;
    });
  }

  /** Its data is gone: so is the tenant, from the log's files too. Rejects with 'no-such-tenant'. */
  finishTenantDeletion(name: string): Promise<void> {
    return this.#change(OWN, async () => {
      const tenant = this.#tenant(name, true);
      if (tenant.deletion === null) throw new Error('the deletion of a tenant was not begun');
      await this.#store(deletedRecordOf(tenant, this.#clock.nowMs()));
      await this.#takeSnapshot();
    });
  }

  /** One more CA for the tenant, beside those it has: for the change from one to the next. */
  addTenantCa(name: string, caCertificatePem: string): Promise<Tenant> {
    return this.#change(OWN, async () => {
      const ca = readTenantCa(caCertificatePem);
      const tenant = this.#tenant(name);
      if (hasCa(tenant, ca)) return this.#asItIs(tenant);
      this.image.deleted.refuseOwn(ca.keyId);
      this.#refuseTakenCa(name, ca);
      this.#refuseBeyond(tenant.cas.length + 1, this.#limits.casPerTenantMax, 'CAs of a tenant');
      await this.#store({ type: 'tenant-ca', tenant: name, caCertificate: ca.pem });
      return this.#tenant(name);
    });
  }

  /** A CA that is not ours, or another word on it. Rejects with 'ca-taken', 'invalid' or 'limit'. */
  importCa(name: string, wanted: WantedImport): Promise<Tenant> {
    return this.#change(OWN, async () => {
      const tenant = this.#tenant(name);
      const ownersOf = (keyId: string): CaKeyOwners => ({
        owner: this.#state.tenantOfCaKey(keyId),
        importers: [...this.image.tenants.values()].filter(({ importedCas }) =>
          importedCas.some((ca) => ca.keyId === keyId),
        ),
      });
      this.image.deleted.refuseImport(name, readTenantCa(wanted.caCertificate).keyId);
      const most = this.#limits.importedCasPerTenantMax;
      const record = importOf(tenant, wanted, ownersOf, most);
      if (record === null) return this.#asItIs(tenant);
      await this.#store(record);
      return this.#tenant(name);
    });
  }

  /** Takes a CA from the tenant, ours or imported. Rejects with 'no-such-ca' or 'last-ca'. */
  removeCa(name: string, fingerprint256: string): Promise<Tenant> {
    return this.#change(OWN, async () => {
      await this.#store(removalOf(this.#tenant(name), fingerprint256));
      return this.#tenant(name);
    });
  }

  /**
   * Adds all of the rules or none; answers how many were not there before. `beforeStoring` is called
   * in the turn of the change, once it is sure that something is stored; nothing is when it rejects.
   */
  addAcls(
    tenant: string,
    bindings: readonly AclBinding[],
    beforeStoring?: () => Promise<void>,
  ): Promise<number> {
    return this.#change(tenant, async () => {
      this.#tenant(tenant);
      const wanted = this.#inOrder(tenant, bindings);
      const missing = wanted.filter((binding) => !this.#state.hasAcl(tenant, binding));
      if (missing.length === 0) return this.#asItIs(0);
      this.admitAcls(
        tenant,
        missing.map((binding) => ({ binding })),
        (_, message) => {
          throw new MetadataError('limit', message);
        },
      );
      await beforeStoring?.();
      await this.#store({ type: 'acls-added', tenant, bindings: missing });
      return missing.length;
    });
  }

  /** Is this dynamic rule there? */
  hasAcl(tenant: string, binding: AclBinding): boolean {
    return this.#state.hasAcl(tenant, binding);
  }

  /** Those of the new rules that there is room for; `refuse` is told of each other one. */
  admitAcls<T extends { readonly binding: AclBinding }>(
    tenant: string,
    wanted: readonly T[],
    refuse: (item: T, message: string) => void,
  ): T[] {
    this.#tenant(tenant);
    const refusalOf = this.#state.aclCounts(tenant)!.admission(this.#limits);
    return wanted.filter((item) => {
      const message = refusalOf(item.binding);
      if (message !== null) refuse(item, message);
      return message === null;
    });
  }

  /** Removes all of the rules that are there; answers how many. `beforeStoring` as for addAcls. */
  removeAcls(
    tenant: string,
    bindings: readonly AclBinding[],
    beforeStoring?: () => Promise<void>,
  ): Promise<number> {
    return this.#change(tenant, async () => {
      this.#tenant(tenant);
      const wanted = this.#inOrder(tenant, bindings);
      const present = wanted.filter((binding) => this.#state.hasAcl(tenant, binding));
      if (present.length === 0) return this.#asItIs(0);
      await beforeStoring?.();
      await this.#store({ type: 'acls-removed', tenant, bindings: present });
      return present.length;
    });
  }

  /**
   * Makes all of the alterations or none; with `validateOnly` it only says whether it would. Each
   * entity once and in order, or MetadataError 'invalid'; 'limit' when there would be too many.
   */
  alterClientQuotas(
    tenant: string,
    wanted: readonly ClientQuotaAlteration[],
    { validateOnly = false, isPermitted }: AlterOptions & { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    return this.#change(
      tenant,
      async () => {
        const { clientQuotas } = this.#tenant(tenant);
        const alterations = effectiveAlterations(clientQuotas, wanted);
        const count = entitiesAfter(clientQuotas, alterations);
        if (count > clientQuotas.size) {
          this.#refuseBeyond(count, this.#limits.quotaEntitiesPerTenantMax, 'client quotas');
        }
        if (validateOnly) return;
        if (alterations.length === 0) return this.#asItIs(undefined);
        await this.#store({ type: 'client-quotas', tenant, alterations });
      },
      isPermitted,
    );
  }

  /**
   * Sets and removes the operator's limits of a tenant, or of the broker where it is null; all or
   * nothing. Rejects with MetadataError 'invalid', 'limit' or 'no-such-tenant'.
   */
  alterLimits(tenant: string | null, wanted: readonly LimitAlteration[]): Promise<void> {
    return this.#change(OWN, async () => {
      const now = tenant === null ? this.image.brokerLimits : this.#tenant(tenant).limits;
      const holder = tenant === null ? 'broker' : 'tenant';
      const most = this.#limits.quotaEntitiesPerTenantMax;
      const alterations = effectiveLimits(holder, now, wanted, most);
      if (alterations.length === 0) return this.#asItIs(undefined);
      await this.#store(
        tenant === null
          ? { type: 'broker-limits', alterations }
          : { type: 'tenant-limits', tenant, alterations },
      );
    });
  }

  /** Makes the deletions of what is there, and the upsertions: all or nothing, else 'limit'. */
  alterScramCredentials(
    tenant: string,
    wanted: ScramChange,
    { isPermitted }: AlterOptions = {},
  ): Promise<void> {
    return this.#change(
      tenant,
      async () => {
        const { scramCredentials } = this.#tenant(tenant);
        const change = effectiveScramChange(scramCredentials, wanted);
        const count = credentialsAfter(scramCredentials, change);
        if (count > scramCredentials.size) {
          this.#refuseBeyond(count, this.#limits.scramCredentialsPerTenantMax, 'SCRAM credentials');
        }
        if (change.deleted.length + change.upserted.length === 0) return this.#asItIs(undefined);
        await this.#store({ type: 'scram-credentials', tenant, ...change });
      },
      isPermitted,
    );
  }

  /** Makes the change that `decide` comes to, in its turn: all or nothing, 'invalid' or 'limit'. */
  changeDelegationTokens(
    tenant: string,
    decide: DelegationTokenDecision,
    { isPermitted }: AlterOptions = {},
  ): Promise<void> {
    return this.#change(
      tenant,
      async () => {
        const { delegationTokens } = this.#tenant(tenant);
        const nowMs = this.#clock.nowMs();
        const change = decidedTokenChange(delegationTokens, nowMs, decide, this.#limits);
        if (change.set.length + change.removed.length === 0) return this.#asItIs(undefined);
        await this.#store({ type: 'delegation-tokens', tenant, ...change });
      },
      isPermitted,
    );
  }

  /**
   * Revokes serials, and a name's certificates so far: final. Answers what of it is new. Rejects
   * with MetadataError 'invalid' or 'limit', and nothing is revoked then.
   */
  revokeCertificates(tenant: string, wanted: WantedRevocation): Promise<CertificatesRevokedRecord> {
    return this.#change(OWN, async () => {
      const nowMs = this.#clock.nowMs();
      const record = revocationOf(this.#tenant(tenant), wanted, nowMs, this.#limits);
      if (record.certificates.length + record.names.length === 0) return this.#asItIs(record);
      await this.#store(record);
      return record;
    });
  }

  /** Suspends or resumes a name, or a fleet. Rejects with MetadataError 'invalid' or 'limit'. */
  setSuspended(tenant: string, id: SuspendedId, isSuspended: boolean): Promise<void> {
    return this.#change(OWN, async () => {
      const nowMs = this.#clock.nowMs();
      const record = suspensionOf(this.#tenant(tenant), id, isSuspended, nowMs, this.#limits);
      if (record === null) return this.#asItIs(undefined);
      await this.#store(record);
    });
  }

  /** Bans an address or a name until then. Rejects with 'invalid', 'limit' or 'no-such-tenant'. */
  addBan(wanted: WantedBan): Promise<Ban> {
    return this.#change(OWN, async () => {
      if (wanted.id.kind === 'principal') this.#tenant(wanted.id.tenant);
      const nowMs = this.#clock.nowMs();
      const record = banOf(this.image.bans, wanted, nowMs, this.#limits);
      await this.#store(record);
      return record.banned[0]!;
    });
  }

  /** Lets in again; false when there was no such ban. Rejects with MetadataError 'invalid'. */
  removeBan(id: BanId): Promise<boolean> {
    return this.#change(OWN, async () => {
      const record = liftOf(this.image.bans, id);
      if (record === null) return this.#asItIs(false);
      await this.#store(record);
      return true;
    });
  }

  /** Resolves when the changes that were begun have ended; the log is its owner's to close. */
  async close(): Promise<void> {
    await this.#changes.idle();
  }

  async #change<T>(
    namespace: string,
    change: () => Promise<T>,
    isPermitted?: AlterOptions['isPermitted'],
  ): Promise<T> {
    const turn = await this.#changes.run(namespace, change, { isPermitted });
    if ('outcome' in turn) return turn.outcome;
    if (turn.refused === 'denied') {
      throw new MetadataError('denied', 'The right to this change was taken away meanwhile.');
    }
    throw new MetadataError('busy', 'Too many changes are waiting: try again later.');
  }

  /**
   * The answer to a change that changes nothing. A change that failed before may be on the disk all
   * the same and undo this one at the next start: until the log has taken another record, which an
   * offline one never does, nothing is confirmed.
   */
  #asItIs<T>(answer: T): T {
    if (!this.#isUncertain) return answer;
    throw new StorageError('an earlier change could not be stored: its outcome is uncertain');
  }

  async #store(record: MetadataRecord): Promise<void> {
    this.#isUncertain = true;
    await this.#log.append([toStateRecord(record)]);
    this.#state.apply(record);
    for (const listener of this.#listeners) listener(this.image, [record]);
    // In force, and not confirmed: an older log could still take this one's place unnoticed.
    await this.#onStored();
    this.#isUncertain = false;
    if (this.#log.bytesSinceSnapshot >= this.#snapshotAfterBytes) await this.#takeSnapshot();
  }

  async #takeSnapshot(): Promise<void> {
    try {
      await this.#log.snapshot(snapshotOf(this.image).map(toStateRecord));
    } catch (err) {
      // The record itself is durable: the log is longer than it need be, no more.
      this.#logger.error({ err }, 'the snapshot of the security metadata failed');
    }
  }

  #tenant(name: string, isLeaving = false): Tenant {
    const tenant = this.image.tenants.get(name);
    if (tenant === undefined) throw new MetadataError('no-such-tenant', 'There is no such tenant.');
    if (tenant.deletion !== null && !isLeaving) {
      throw new MetadataError('tenant-deleting', `Tenant ${name} is being deleted.`);
    }
    return tenant;
  }

  #refuseTakenCa(name: string, ca: TenantCa): void {
    const owner = this.#state.tenantOfCaKey(ca.keyId);
    if (owner !== undefined && owner !== name) {
      throw new MetadataError('ca-taken', 'The CA belongs to another tenant already.');
    }
    const isImported = [...this.image.tenants.values()].some(({ importedCas }) =>
      importedCas.some(({ keyId }) => keyId === ca.keyId),
    );
    if (isImported) throw new MetadataError('ca-taken', 'A tenant has imported this CA.');
  }

  #refuseBeyond(count: number, most: number, what: string): void {
    if (count <= most) return;
    throw new MetadataError('limit', `The limit of ${most} ${what} is reached.`);
  }

  /** Each binding once, in order or refused. */
  #inOrder(tenant: string, bindings: readonly AclBinding[]): AclBinding[] {
    this.#refuseBeyond(bindings.length, this.#limits.aclsPerChangeMax, 'rules in one change');
    const distinct = new Map<string, AclBinding>();
    for (const binding of bindings) {
      const problem = bindingProblem(tenant, binding);
      if (problem !== null) throw new MetadataError('invalid', `The rule is refused: ${problem}.`);
      distinct.set(bindingKey(binding), copyBinding(binding));
    }
    return [...distinct.values()];
  }
}

function hasCa(tenant: Tenant, ca: TenantCa): boolean {
  return tenant.cas.some(({ fingerprint256 }) => fingerprint256 === ca.fingerprint256);
}
