/** The admin API's quotas, on the security state; what is used comes from whoever counts it. */
import type { SecurityState } from '../metadata/security-state.ts';
import { type ClientQuotaEntity, isQuotaKey, type QuotaKey } from '../quota/client-quota-entity.ts';
import type { ClientQuotaEntry } from '../quota/client-quotas.ts';
import { isLimitKey, type LimitEntry, type LimitKey } from '../quota/tenant-limits.ts';
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

  async list(tenant: string | null, withUsage: boolean): Promise<QuotaView[] | undefined> {
    const { tenants, brokerLimits } = this.#state.image;
    const found = tenant === null ? null : tenants.get(tenant);
    if (found === undefined) return undefined;
    const limits = [...(found?.limits ?? brokerLimits).entries()];
    const quotas = [...(found?.clientQuotas.entries() ?? [])];
    const ofLimits = withUsage ? await this.#usage.ofLimits(tenant, limits) : null;
    const ofQuotas =
      withUsage && tenant !== null ? await this.#usage.ofQuotas(tenant, quotas) : null;
    return [
      ...limits.map(({ scope, values }, index) => ({
        scope: { tenant, ...scope },
        values,
        usage: ofLimits?.[index] ?? null,
      })),
      ...quotas.map(({ entity, values }, index) => ({
        scope: { tenant, ...scopeOf(entity) },
        values,
        usage: ofQuotas?.[index] ?? null,
      })),
    ];
  }

  async set(
    { tenant, user, clientId, ip, fleet, device }: QuotaScope,
    values: Readonly<Record<string, number | null>>,
  ): Promise<void> {
    const entity: ClientQuotaEntity = {
      ...(user !== undefined && { user }),
      ...(clientId !== undefined && { 'client-id': clientId }),
      ...(ip !== undefined && { ip }),
    };
    const isOwn = Object.keys(entity).length > 0;
    try {
      if (isOwn && tenant !== null) {
        await this.#state.alterClientQuotas(tenant, [{ entity, values: only(values, isQuotaKey) }]);
        return;
      }
      const scope = {
        ...(fleet !== undefined && { fleet }),
        ...(device !== undefined && { device }),
      };
      await this.#state.alterLimits(tenant, [{ scope, values: only(values, isLimitKey) }]);
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

function scopeOf(entity: ClientQuotaEntity): Omit<QuotaScope, 'tenant'> {
  return {
    ...(entity.user !== undefined && { user: entity.user }),
    ...(entity['client-id'] !== undefined && { clientId: entity['client-id'] }),
    ...(entity.ip !== undefined && { ip: entity.ip }),
  };
}
