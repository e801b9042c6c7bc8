/**
 * The tenants as the connections see them: for each active one its view of the engine and its
 * cluster id, and the CAs that speak for it.
 *
 * Invariant: follows the security state, never leads it; a tenant that is suspended, gone, or whose
 * CA may not speak for it has no view, so nobody of it gets in.
 */
import type { Logger } from '../base/logger.ts';
import type { Engine } from '../engine/engine.ts';
import type { TenantLimits } from '../quota/tenant-limits.ts';
import type { ImportedCaSettings } from '../security/imported-cas.ts';
import type { KafkaPrincipal } from '../security/principal.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import type { BrokerTopics } from '../tenancy/broker-topics.ts';
import { LimitedTenant, type TenantLimitParts } from './limited-tenant.ts';
import type { TenantView } from './server.ts';

/** What this needs to know of a tenant. */
export interface TenantFacts {
  readonly name: string;
  readonly clusterId: string;
  readonly state: 'active' | 'suspended' | 'deleting';
  readonly cas: readonly { readonly pem: string }[];
  /** CAs that are not ours. */
  readonly importedCas: readonly ImportedCaSettings[];
}

/** The view with what an operator may ask of it beside. */
interface LimitedView extends TenantView {
  readonly engine: LimitedTenant;
}

/** The operator's limits, and what is needed to hold them. */
export interface TenantViewLimits extends Pick<TenantLimitParts, 'clock' | 'defaultPartitions'> {
  readonly of: (tenant: string) => TenantLimits;
}

export class TenantViews {
  readonly #engine: Engine;
  readonly #brokerTopics: BrokerTopics;
  readonly #registry: TenantCaRegistry;
  readonly #logger: Logger;
  readonly #limits: TenantViewLimits;
  readonly #disconnect: (match: (principal: KafkaPrincipal) => boolean) => void;
  /** Kept while a tenant is suspended, so that it comes back the same. */
  readonly #views = new Map<string, LimitedView>();

  constructor(parts: {
    engine: Engine;
    brokerTopics: BrokerTopics;
    registry: TenantCaRegistry;
    logger: Logger;
    limits: TenantViewLimits;
    disconnect: (match: (principal: KafkaPrincipal) => boolean) => void;
  }) {
    this.#engine = parts.engine;
    this.#brokerTopics = parts.brokerTopics;
    this.#registry = parts.registry;
    this.#logger = parts.logger;
    this.#limits = parts.limits;
    this.#disconnect = parts.disconnect;
  }

  /** The view of an active tenant, always the same object. */
  get(tenant: string): TenantView | undefined {
    return this.#registry.isActive(tenant) ? this.#views.get(tenant) : undefined;
  }

  /** The view of any tenant there is, for administration. */
  getAny(tenant: string): LimitedView | undefined {
    return this.#views.get(tenant);
  }

  /** Takes over what the security state says of a tenant. */
  update(tenant: TenantFacts): void {
    const { name, clusterId } = tenant;
    if (!this.#views.has(name)) {
      const { clock, defaultPartitions, of } = this.#limits;
      const limits = (): TenantLimits => of(name);
      const engine = new LimitedTenant(this.#engine, name, {
        ...{ clock, defaultPartitions, limits },
        brokerTopics: this.#brokerTopics,
      });
      this.#views.set(name, { engine, clusterId });
    }
    const pemsOf = (cas: readonly { readonly pem: string }[]) => cas.map(({ pem }) => pem);
    this.#registry.retain(name, pemsOf(tenant.cas), pemsOf(tenant.importedCas));
    for (const { pem } of tenant.cas) this.#tell(name, () => this.#registry.register(name, pem));
    for (const { pem, mappingRules, isAnnounced, isShared } of tenant.importedCas) {
      const settings = { pem, mappingRules, isAnnounced, isShared };
      this.#tell(name, () => this.#registry.importCa(name, settings));
    }
    const active = tenant.state === 'active';
    this.#registry.setActive(name, active);
    if (!active) this.#disconnect((principal) => principal.tenant === name);
  }

  /** The tenant is gone: a later one of its name gets a view of its own. */
  remove(tenant: string): void {
    this.#registry.unregister(tenant);
    this.#disconnect((principal) => principal.tenant === tenant);
    this.#views.delete(tenant);
  }

  /** A CA that is refused by now lets nobody in; the others work. */
  #tell(tenant: string, register: () => void): void {
    try {
      register();
    } catch (err) {
      this.#logger.error({ err, tenant }, 'a CA of the tenant is not used');
    }
  }
}
