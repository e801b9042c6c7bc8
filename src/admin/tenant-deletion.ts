/**
 * Owns the deletion of tenants, from the operator's word to the proof of its end:
 *
 *   counted, recorded (`tenant-delete-begun`) -> state `deleting`, durable: connections end
 *   -> topics, groups, offsets, configs purged, then what the hooks keep
 *   -> recorded with what was purged (`tenant-purged`) -> the tenant leaves the security state
 *
 * Invariants: each record is durable before the step that it tells of; a step that failed, or that a
 * crash cut off, is done again (at the next start too) and never skipped; the name is free again only
 * after the last step. The access log keeps all that it has of the tenant: it is the evidence.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { NamespaceStore } from '../engine/engine.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { countsOf, NO_COUNTS, type TenantCounts } from '../metadata/tenant-deletion.ts';
import type { AdminDeletions, DeletionView } from './admin-services.ts';
import { auditOffline } from './problem.ts';
import { toAdminError } from './state-tenants.ts';

export interface TenantDeletionParts {
  readonly state: SecurityState;
  readonly store: NamespaceStore;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What else is kept of a tenant; each may be called again for the same tenant. */
  readonly hooks: readonly ((tenant: string) => Promise<void> | void)[];
}

const RETRY_MS = 10_000;

export class TenantDeletion implements AdminDeletions {
  readonly #parts: TenantDeletionParts;
  readonly #running = new Map<string, Promise<void>>();
  /** Why the last attempt failed. */
  readonly #failures = new Map<string, string>();
  readonly #retries = new Map<string, Timer>();
  #isStopped = false;

  constructor(parts: TenantDeletionParts) {
    this.#parts = parts;
  }

  /** Goes on with what an earlier life of the broker began. */
  resume(): void {
    for (const { name, deletion } of this.#parts.state.image.tenants.values()) {
      if (deletion !== null) this.#purge(name);
    }
  }

  /** Resolves when nothing is at work any more; what is unfinished waits for the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#retries.values()) timer.cancel();
    await Promise.all(this.#running.values());
  }

  async begin(name: string): Promise<DeletionView> {
    const { state, store } = this.#parts;
    try {
      await state.beginTenantDeletion(
        name,
        (tenant) => ({ ...countsOf(tenant, state.image.bans), ...store.namespaceContents(name) }),
        (counts) => this.#record('tenant-delete-begun', name, counts),
      );
    } catch (error) {
      throw toAdminError(error);
    }
    this.#purge(name);
    return this.view(name)!;
  }

  view(name: string): DeletionView | undefined {
    const { tenants, deleted } = this.#parts.state.image;
    const deletion = tenants.get(name)?.deletion;
    if (deletion != null) {
      const failure = this.#failures.get(name) ?? null;
      return { tenant: name, state: 'deleting', ...deletion, deletedAtMs: null, failure };
    }
    const last = deleted.lastOf(name);
    if (last === undefined || tenants.has(name)) return undefined;
    const { counts, deletedAtMs } = last;
    return { tenant: name, state: 'deleted', begunAtMs: null, counts, deletedAtMs, failure: null };
  }

  /** Whether data lies under the name of a tenant that is not there. */
  hasLeftOvers(name: string): boolean {
    const { topics, groups, configs } = this.#parts.store.namespaceContents(name);
    return topics + groups + configs > 0;
  }

  /** Removes data under the names of no tenant, before anybody can connect. */
  async purgeLeftOvers(names: Iterable<string>): Promise<void> {
    const { state, store, logger } = this.#parts;
    for (const name of names) {
      if (state.image.tenants.has(name) || !this.hasLeftOvers(name)) continue;
      logger.warn({ tenant: name }, 'removing the data of a deleted tenant');
      const purged = await store.purgeNamespace(name);
      await this.#record('tenant-purged', name, { ...NO_COUNTS, ...purged });
    }
  }

  #purge(name: string): void {
    if (this.#running.has(name) || this.#isStopped) return;
    this.#retries.get(name)?.cancel();
    this.#retries.delete(name);
    const running = this.#run(name)
      .catch((err: unknown) => this.#failed(name, err))
      .finally(() => this.#running.delete(name));
    this.#running.set(name, running);
  }

  async #run(name: string): Promise<void> {
    const { state, store, hooks, logger } = this.#parts;
    const purged = await store.purgeNamespace(name);
    for (const hook of hooks) await hook(name);
    const { deletion } = state.image.tenants.get(name)!;
    // What a crash interrupted was purged in part before: the counts of the beginning hold.
    const counts = { ...(deletion?.counts ?? NO_COUNTS) };
    for (const kind of ['topics', 'partitions', 'bytes', 'groups', 'configs'] as const) {
      counts[kind] = Math.max(counts[kind], purged[kind]);
    }
    await this.#record('tenant-purged', name, counts);
    await state.finishTenantDeletion(name);
    this.#failures.delete(name);
    logger.info({ tenant: name }, 'a tenant was deleted');
  }

  #failed(name: string, err: unknown): void {
    const { logger, clock } = this.#parts;
    this.#failures.set(name, 'the purge failed and is tried again: see the log of the broker');
    if (this.#isStopped) return;
    logger.error({ err, tenant: name }, 'a tenant could not be purged: it is tried again');
    const timer = clock.setTimer(RETRY_MS, () => this.#purge(name));
    this.#retries.set(name, timer);
  }

  async #record(reason: string, tenant: string, counts: TenantCounts): Promise<void> {
    const { audit } = this.#parts;
    audit.security(null, {
      type: 'administration',
      outcome: 'success',
      reason,
      facts: { tenant, ...counts },
    });
    await audit.durable().catch((cause: unknown) => {
      throw auditOffline(cause);
    });
  }
}
