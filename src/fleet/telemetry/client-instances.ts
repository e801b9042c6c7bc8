/**
 * Owns the client instances that ask what metrics to push (KIP-714), and the newest of what they
 * pushed. In memory: after a restart they ask again.
 *
 * Invariants: an instance belongs to the principal that used its id, so that nobody speaks for
 * another's; what all of them take is bounded in number and in bytes; when there are too many, those
 * of the same tenant that were silent for longest go first, and only a tenant with less than its even
 * share takes from the one that has most. Who is silent for three intervals is forgotten.
 */
import type { Clock } from '../../base/clock.ts';
import type { Metric } from './otlp-metrics.ts';
import type { MetricsSubscription, WantedMetrics } from './subscription-match.ts';

export interface ClientInstance {
  readonly tenant: string;
  readonly principal: string;
  /** In Kafka's text form. */
  readonly instanceId: string;
  /** What the client was matched against: another object when one has changed. */
  subscriptions: readonly MetricsSubscription[];
  wanted: WantedMetrics;
  subscriptionId: number;
  /** Monotonic; negative infinity: never. */
  lastGetMs: number;
  lastPushMs: number;
  /** When it said anything at all; monotonic. */
  heardMs: number;
  isTerminating: boolean;
  /** Of the last request. */
  lastError: number;
  /** Wall clock; 0: never. */
  pushedMs: number;
  metrics: readonly Metric[];
  leftOut: number;
  sizeBytes: number;
}

/** What `device show` shows of one. */
export interface PushedMetrics {
  readonly instanceId: string;
  readonly pushedMs: number;
  readonly isTerminated: boolean;
  readonly intervalMs: number;
  readonly requested: readonly string[];
  readonly metrics: readonly Metric[];
  /** Data points of the push that were not kept. */
  readonly leftOut: number;
}

const EXPIRY_LEAST_MS = 60_000;
const EXPIRY_INTERVALS = 3;
/** Looked at for expiry with each new one. */
const LOOKED_AT = 4;
/** An instance without metrics. */
const INSTANCE_BYTES = 600;
export const INSTANCES_BYTES_MAX = 64 * 1024 * 1024;
/** Of one principal that are shown. */
const SHOWN_MAX = 8;

type TenantInstances = Map<string, ClientInstance>;

export class ClientInstances {
  readonly #instancesMax: number;
  readonly #clock: Clock;
  /** In each tenant the one that was silent for longest comes first. */
  readonly #byTenant = new Map<string, TenantInstances>();
  #count = 0;
  #bytes = 0;

  constructor(instancesMax: number, clock: Clock) {
    this.#instancesMax = instancesMax;
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** It counts as heard of just now. */
  find(tenant: string, principal: string, instanceId: string): ClientInstance | undefined {
    const instances = this.#byTenant.get(tenant);
    const key = keyOf(principal, instanceId);
    const found = instances?.get(key);
    if (instances === undefined || found === undefined) return undefined;
    instances.delete(key);
    if (this.#isExpired(found)) {
      this.#gone(tenant, instances, found);
      return undefined;
    }
    found.heardMs = this.#clock.monotonicMs();
    instances.set(key, found);
    return found;
  }

  add(instance: ClientInstance): void {
    const { tenant, principal, instanceId } = instance;
    const instances: TenantInstances = this.#byTenant.get(tenant) ?? new Map();
    this.#byTenant.set(tenant, instances);
    const key = keyOf(principal, instanceId);
    const earlier = instances.get(key);
    if (earlier !== undefined) this.#remove(tenant, instances, earlier);
    this.#byTenant.set(tenant, instances);
    instances.set(key, instance);
    this.#count++;
    this.#bytes += INSTANCE_BYTES;
    this.#makeRoom(tenant);
  }

  /** The newest metrics, in place of what it pushed before. */
  keep(
    instance: ClientInstance,
    pushed: Pick<ClientInstance, 'metrics' | 'leftOut' | 'sizeBytes'>,
  ) {
    if (this.#byTenant.get(instance.tenant)?.has(keyOf(instance.principal, instance.instanceId))) {
      this.#bytes += pushed.sizeBytes - instance.sizeBytes;
      Object.assign(instance, {
        metrics: pushed.metrics,
        leftOut: pushed.leftOut,
        sizeBytes: pushed.sizeBytes,
        pushedMs: this.#clock.nowMs(),
      });
      this.#makeRoom(instance.tenant);
    }
  }

  /** The newest first. */
  pushedBy(tenant: string, principal: string): readonly PushedMetrics[] {
    const found: ClientInstance[] = [];
    for (const instance of this.#byTenant.get(tenant)?.values() ?? []) {
      const isWanted = instance.principal === principal && instance.pushedMs > 0;
      if (isWanted && !this.#isExpired(instance)) found.push(instance);
    }
    return found
      .sort((a, b) => b.pushedMs - a.pushedMs)
      .slice(0, SHOWN_MAX)
      .map(({ instanceId, pushedMs, isTerminating, wanted, metrics, leftOut }) => ({
        instanceId,
        pushedMs,
        isTerminated: isTerminating,
        intervalMs: wanted.intervalMs,
        requested: wanted.metrics,
        metrics,
        leftOut,
      }));
  }

  forgetTenant(tenant: string): void {
    const instances = this.#byTenant.get(tenant);
    for (const instance of [...(instances?.values() ?? [])]) {
      this.#remove(tenant, instances!, instance);
    }
  }

  #isExpired({ heardMs, wanted }: ClientInstance): boolean {
    const silentMs = this.#clock.monotonicMs() - heardMs;
    return silentMs > Math.max(EXPIRY_LEAST_MS, EXPIRY_INTERVALS * wanted.intervalMs);
  }

  #makeRoom(tenant: string): void {
    const instances = this.#byTenant.get(tenant);
    for (let looked = 0; instances !== undefined && looked < LOOKED_AT; looked++) {
      const oldest = instances.values().next().value;
      if (oldest === undefined || !this.#isExpired(oldest)) break;
      this.#remove(tenant, instances, oldest);
    }
    while (this.#count > this.#instancesMax || this.#bytes > INSTANCES_BYTES_MAX) {
      const share = this.#instancesMax / this.#byTenant.size;
      const own = this.#byTenant.get(tenant);
      const [name, payer] =
        own !== undefined && own.size >= share ? [tenant, own] : this.#largest();
      const oldest = payer.values().next().value;
      if (oldest === undefined) return;
      this.#remove(name, payer, oldest);
    }
  }

  #largest(): [string, TenantInstances] {
    let largest: [string, TenantInstances] = ['', new Map()];
    for (const entry of this.#byTenant) if (entry[1].size > largest[1].size) largest = entry;
    return largest;
  }

  #remove(tenant: string, instances: TenantInstances, instance: ClientInstance): void {
    instances.delete(keyOf(instance.principal, instance.instanceId));
    this.#gone(tenant, instances, instance);
  }

  #gone(tenant: string, instances: TenantInstances, { sizeBytes }: ClientInstance): void {
    this.#count--;
    this.#bytes -= INSTANCE_BYTES + sizeBytes;
    if (instances.size === 0) this.#byTenant.delete(tenant);
  }
}

const keyOf = (principal: string, instanceId: string): string => `${principal} ${instanceId}`;
