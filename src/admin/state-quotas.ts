/** The admin API's quotas, on the security state; what is used comes from whoever counts it. */
import type { SecurityState } from '../metadata/security-state.ts';
import { type ClientQuotaEntity, isQuotaKey, type QuotaKey } from '../quota/client-quota-entity.ts';
import type { ClientQuotaEntry } from '../quota/client-quotas.ts';
import {
  isLimitKey,
  type LimitEntry,
  type LimitKey,
  type LimitScope,
} from '../quota/tenant-limits.ts';
import type { AdminQuotas, QuotaScope, QuotaView } from './admin-services.ts';
import { AdminError } from './problem.ts';
import { toAdminError } from './state-tenants.ts';

type Figures = Readonly<Record<string, number>>;

/** What is used of a tenant's quotas and limits now, in the order of what is asked about. */
export interface QuotaUsage {
  ofQuotas(tenant: string, entries: readonly ClientQuotaEntry[]): Promise<readonly Figures[]>;
  ofLimits(tenant: string | null, entries: readonly LimitEntry[]): Promise<readonly Figures[]>;
}

export class StateQuotas implements AdminQuotas {
  readonly #state: SecurityState;
  readonly #usage: QuotaUsage;

  constructor(state: SecurityState, usage: QuotaUsage) {
    this.#state = state;
    this.#usage = usage;
  }

  list(tenant: string | null): QuotaView[] | undefined {
    const { tenants, brokerLimits } = this.#state.image;
    const found = tenant === null ? null : tenants.get(tenant);
    if (found === undefined) return undefined;
    const limits = [...(found?.limits ?? brokerLimits).entries()];
    const quotas = [...(found?.clientQuotas.entries() ?? [])];
    return [
      ...limits.map(({ scope, values }) => ({
        scope: { tenant, ...scope },
        values,
        usage: null,
      })),
      ...quotas.map(({ entity, values }) => ({
        scope: { tenant, ...scopeOf(entity) },
        values,
        usage: null,
      })),
    ];
  }

  async withUsage(tenant: string | null, views: readonly QuotaView[]): Promise<QuotaView[]> {
    const isLimit = ({ scope }: QuotaView): boolean => Object.keys(entityOf(scope)).length === 0;
    const limits = views.filter(isLimit);
    const quotas = views.filter((view) => !isLimit(view));
    const used = new Map<QuotaView, Figures | undefined>();
    const ofLimits = await this.#usage.ofLimits(
      tenant,
      limits.map(({ scope, values }) => ({ scope: partOf(scope), values })),
    );
    limits.forEach((view, index) => void used.set(view, ofLimits[index]));
    if (tenant !== null && quotas.length > 0) {
      const ofQuotas = await this.#usage.ofQuotas(
        tenant,
        quotas.map(({ scope, values }) => ({ entity: entityOf(scope), values })),
      );
      quotas.forEach((view, index) => void used.set(view, ofQuotas[index]));
    }
    return views.map((view) => ({ ...view, usage: used.get(view) ?? null }));
  }

  async set(scope: QuotaScope, values: Readonly<Record<string, number | null>>): Promise<void> {
    const { tenant } = scope;
    const entity = entityOf(scope);
    const isOwn = Object.keys(entity).length > 0;
    try {
      if (isOwn && tenant !== null) {
        await this.#state.alterClientQuotas(tenant, [{ entity, values: only(values, isQuotaKey) }]);
        return;
      }
      const alteration = { scope: partOf(scope), values: only(values, isLimitKey) };
      await this.#state.alterLimits(tenant, [alteration]);
    } catch (error) {
      throw toAdminError(error);
    }
  }
}

/** Throws for a name that is none here: nothing of it may be ignored. */
function only<K extends QuotaKey | LimitKey>(
  values: Readonly<Record<string, number | null>>,
  isKey: (name: string) => name is K,
): Partial<Record<K, number | null>> {
  const known: Partial<Record<K, number | null>> = {};
  for (const [name, value] of Object.entries(values)) {
    if (!isKey(name)) {
      throw new AdminError(400, 'invalid', `${name} cannot be set for this: see "quota --help".`);
    }
    known[name] = value;
  }
  return known;
}

/** Of a quota of the tenant's own; empty for a ceiling. */
function entityOf({ user, clientId, ip }: QuotaScope): ClientQuotaEntity {
  return {
    ...(user !== undefined && { user }),
    ...(clientId !== undefined && { 'client-id': clientId }),
    ...(ip !== undefined && { ip }),
  };
}

/** The part of the tenant that a ceiling is over. */
function partOf({ fleet, device }: QuotaScope): LimitScope {
  return {
    ...(fleet !== undefined && { fleet }),
    ...(device !== undefined && { device }),
  };
}

function scopeOf(entity: ClientQuotaEntity): Omit<QuotaScope, 'tenant'> {
  return {
    ...(entity.user !== undefined && { user: entity.user }),
    ...(entity['client-id'] !== undefined && { clientId: entity['client-id'] }),
    ...(entity.ip !== undefined && { ip: entity.ip }),
  };
}
