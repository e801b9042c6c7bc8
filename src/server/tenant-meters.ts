/**
 * Owns the figures that are kept for each tenant, and which tenants have a label of their own.
 *
 * Invariant: a tenant's label is the name of a tenant that there is, never anything a client says;
 * there are at most so many, the tenants beyond share `_other` (no tenant can have that name); the
 * series of a tenant that is gone go with it.
 */
import type { Counter, Family, Gauge, MetricRegistry } from '../base/metrics.ts';

/** The label of all tenants beyond the limit. */
export const OTHER_TENANTS = '_other';

/** What is counted for one tenant; kept by each of its sessions. */
export interface TenantMeter {
  readonly requests: Counter;
  readonly receivedBytes: Counter;
  readonly sentBytes: Counter;
  readonly producedBytes: Counter;
  readonly producedRecords: Counter;
  readonly fetchedBytes: Counter;
  readonly denials: Counter;
  readonly throttledRequests: Counter;
  readonly throttleSeconds: Counter;
  readonly connections: Gauge;
}

type Families = { readonly [K in keyof TenantMeter]: Family<TenantMeter[K]> };

export class TenantMeters {
  readonly #families: Families;
  readonly #labelled: Family<unknown>[];
  readonly #meters = new Map<string, TenantMeter>();
  readonly #tenantsMax: number;
  #other: TenantMeter | null = null;

  constructor(registry: MetricRegistry, tenantsMax: number) {
    this.#tenantsMax = tenantsMax;
    this.#families = familiesOf(registry);
    this.#labelled = Object.values(this.#families);
  }

  of(tenant: string): TenantMeter {
    const known = this.#meters.get(tenant);
    if (known !== undefined) return known;
    if (this.#meters.size >= this.#tenantsMax) {
      this.#other ??= this.#make(OTHER_TENANTS);
      return this.#other;
    }
    const made = this.#make(tenant);
    this.#meters.set(tenant, made);
    return made;
  }

  /** The label under which the tenant stands, in families of others too. */
  labelOf(tenant: string): string {
    return this.#meters.has(tenant) || this.#meters.size < this.#tenantsMax
      ? tenant
      : OTHER_TENANTS;
  }

  /** The tenants that there are, by now: each has its series, those that are gone have none. */
  setTenants(tenants: ReadonlyMap<string, unknown>): void {
    for (const tenant of this.#meters.keys()) {
      if (tenants.has(tenant)) continue;
      this.#meters.delete(tenant);
      for (const family of this.#labelled) family.remove(tenant);
    }
    for (const tenant of tenants.keys()) {
      if (this.#meters.size >= this.#tenantsMax) return;
      this.of(tenant);
    }
  }

  #make(label: string): TenantMeter {
    const of = this.#families;
    return {
      requests: of.requests.of(label),
      receivedBytes: of.receivedBytes.of(label),
      sentBytes: of.sentBytes.of(label),
      producedBytes: of.producedBytes.of(label),
      producedRecords: of.producedRecords.of(label),
      fetchedBytes: of.fetchedBytes.of(label),
      denials: of.denials.of(label),
      throttledRequests: of.throttledRequests.of(label),
      throttleSeconds: of.throttleSeconds.of(label),
      connections: of.connections.of(label),
    };
  }
}

function familiesOf(registry: MetricRegistry): Families {
  const counter = (name: string, help: string): Family<Counter> =>
    registry.counter(`breakwater_tenant_${name}`, help, ['tenant']);
  return {
    requests: counter('requests_total', 'Requests that were answered.'),
    receivedBytes: counter('received_bytes_total', 'Bytes of requests, with their headers.'),
    sentBytes: counter('sent_bytes_total', 'Bytes of answers, with their headers.'),
    producedBytes: counter('produced_bytes_total', 'Bytes of record batches appended to logs.'),
    producedRecords: counter('produced_records_total', 'Records appended to logs.'),
    fetchedBytes: counter('fetched_bytes_total', 'Bytes of record batches given to consumers.'),
    denials: counter('denials_total', 'Accesses that were refused by the policy.'),
    throttledRequests: counter('throttled_requests_total', 'Answers with a throttle time.'),
    throttleSeconds: counter('throttle_seconds_total', 'Throttle time told to clients.'),
    connections: registry.gauge('breakwater_tenant_connections', 'Connections that are served.', [
      'tenant',
    ]),
  };
}
