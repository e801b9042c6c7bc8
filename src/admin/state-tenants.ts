/**
 * The admin API's tenants, on the security state. Whether a CA may speak for a tenant is asked of
 * the registry before anything is stored.
 */
import { ConfigError } from '../base/errors.ts';
import { MetadataError, type MetadataRefusal } from '../metadata/metadata-error.ts';
import type { Tenant } from '../metadata/metadata-image.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import type { AdminTenants, TenantView } from './admin-services.ts';
import { AdminError } from './problem.ts';

const STATUS: Readonly<Record<MetadataRefusal, number>> = {
  invalid: 400,
  'private-key': 400,
  'no-such-tenant': 404,
  'tenant-exists': 409,
  'tenant-deleting': 409,
  'ca-retired': 409,
  'ca-taken': 409,
  'no-such-ca': 404,
  'last-ca': 409,
  limit: 409,
  busy: 503,
  denied: 403,
};

/** What else is known of a tenant by its name. */
export interface TenantData {
  /** Whether anything is stored under the name of a tenant that is not there. */
  isLeft(name: string): boolean;
  /** Whether a restore shut it out for want of proof. */
  isUnproven(name: string): boolean;
  /** An operator takes it over as it is; durable when it resolves. */
  accept(name: string): Promise<void>;
}

export class StateTenants implements AdminTenants {
  readonly #state: SecurityState;
  readonly #registry: TenantCaRegistry;
  readonly #data: TenantData;

  constructor(state: SecurityState, registry: TenantCaRegistry, data: TenantData) {
    this.#state = state;
    this.#registry = registry;
    this.#data = data;
  }

  *list(): Iterable<TenantView> {
    for (const tenant of this.#state.image.tenants.values()) yield this.#viewOf(tenant);
  }

  get(name: string): TenantView | undefined {
    const tenant = this.#state.image.tenants.get(name);
    return tenant === undefined ? undefined : this.#viewOf(tenant);
  }

  async create(name: string, caCertificatePem: string): Promise<TenantView> {
    const existing = this.#state.image.tenants.has(name);
    if (!existing && this.#data.isLeft(name)) {
      const detail =
        'Data lies under this name, of a tenant that is not known here: a new tenant must not see ' +
        'it. Restore the security metadata that belongs to the data, or choose another name.';
      throw new AdminError(409, 'name-holds-data', detail);
    }
    try {
      if (!existing) this.#registry.register(name, caCertificatePem);
      return this.#viewOf(await this.#state.createTenant(name, caCertificatePem));
    } catch (error) {
      if (!this.#state.image.tenants.has(name)) this.#registry.unregister(name);
      throw toAdminError(error);
    }
  }

  async setState(
    name: string,
    state: 'active' | 'suspended',
    isRestoredAccepted: boolean,
  ): Promise<TenantView> {
    const { isUnproven, accept } = this.#data;
    if (state === 'active' && isUnproven(name)) {
      if (!isRestoredAccepted) {
        const detail =
          'This tenant comes from a backup, and nothing shows what was revoked or deleted after it. ' +
          'Revoke and delete that again (the tenant may be changed while it is suspended), then ' +
          'resume it with "--accept-restored".';
        throw new AdminError(409, 'restored-unproven', detail);
      }
      await accept(name);
    }
    try {
      return this.#viewOf(await this.#state.setTenantState(name, state));
    } catch (error) {
      throw toAdminError(error);
    }
  }

  #viewOf(tenant: Tenant): TenantView {
    return { ...viewOf(tenant), isUnproven: this.#data.isUnproven(tenant.name) };
  }
}

/** What the metadata refuses, as the error of the admin API; anything else stays what it is. */
export function toAdminError(error: unknown): unknown {
  if (error instanceof MetadataError) {
    return new AdminError(STATUS[error.reason], error.reason, error.message, { cause: error });
  }
  if (error instanceof ConfigError) {
    return new AdminError(400, 'ca-refused', `Refused: ${error.message}.`, { cause: error });
  }
  return error;
}

function viewOf({ name, state, createdAtMs, cas }: Tenant): Omit<TenantView, 'isUnproven'> {
  const newest = cas.at(-1);
  return {
    name,
    state,
    createdAtMs,
    caFingerprint: newest?.fingerprint256 ?? '',
    caExpiresAtMs: newest?.notAfterMs ?? 0,
  };
}
