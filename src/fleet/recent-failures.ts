/**
 * Owns the last few failed authentications of each device, in memory: the record itself keeps only
 * the last one. Bounded: when there are too many, the names of the tenant that has most go, the
 * longest untouched first.
 */
import type { DeviceFailure } from './device-record.ts';

const PER_DEVICE_MAX = 8;
const NAMES_MAX = 20_000;

export class RecentFailures {
  readonly #byTenant = new Map<string, Map<string, DeviceFailure[]>>();
  readonly #namesMax: number;
  #names = 0;

  constructor(namesMax = NAMES_MAX) {
    this.#namesMax = namesMax;
  }

  get size(): number {
    return this.#names;
  }

  add(tenant: string, name: string, failure: DeviceFailure): void {
    const names = this.#byTenant.get(tenant) ?? new Map<string, DeviceFailure[]>();
    this.#byTenant.set(tenant, names);
    const known = names.get(name);
    if (known === undefined) this.#names++;
    names.delete(name);
    names.set(name, [...(known ?? []).slice(1 - PER_DEVICE_MAX), failure]);
    if (this.#names > this.#namesMax) this.#drop();
  }

  /** The newest first. */
  of(tenant: string, name: string): readonly DeviceFailure[] {
    return [...(this.#byTenant.get(tenant)?.get(name) ?? [])].reverse();
  }

  forget(tenant: string, name: string): void {
    const names = this.#byTenant.get(tenant);
    if (names?.delete(name) !== true) return;
    this.#names--;
    if (names.size === 0) this.#byTenant.delete(tenant);
  }

  forgetTenant(tenant: string): void {
    this.#names -= this.#byTenant.get(tenant)?.size ?? 0;
    this.#byTenant.delete(tenant);
  }

  #drop(): void {
    let largest: [string, Map<string, DeviceFailure[]>] | undefined;
    for (const entry of this.#byTenant) {
      if (largest === undefined || entry[1].size > largest[1].size) largest = entry;
    }
    const oldest = largest?.[1].keys().next().value;
    if (largest !== undefined && oldest !== undefined) this.forget(largest[0], oldest);
  }
}
