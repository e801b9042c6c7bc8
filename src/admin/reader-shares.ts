/**
 * Owns who may be at a bounded thing at the same time: operators as long as there is room, tenants'
 * people up to half of it together, and those of one tenant up to an eighth.
 *
 * Invariant: whatever tenants do, half of the room is for operators, and one tenant cannot take
 * another's share alone.
 */
import type { AdminError } from './problem.ts';

export class ReaderShares {
  readonly #max: number;
  readonly #refusal: () => AdminError;
  /** Only those who have somebody there; null: operators. */
  readonly #counts = new Map<string | null, number>();
  #all = 0;

  constructor(max: number, refusal: () => AdminError) {
    this.#max = max;
    this.#refusal = refusal;
  }

  /** Throws the refusal when there is no room for one more of this tenant (null: an operator). */
  async within<T>(tenant: string | null, act: () => Promise<T>): Promise<T> {
    if (!this.#hasRoom(tenant)) throw this.#refusal();
    this.#add(tenant, 1);
    try {
      return await act();
    } finally {
      this.#add(tenant, -1);
    }
  }

  #hasRoom(tenant: string | null): boolean {
    if (this.#all >= this.#max) return false;
    if (tenant === null) return true;
    const ofTenants = this.#all - (this.#counts.get(null) ?? 0);
    const ofTenant = this.#counts.get(tenant) ?? 0;
    return ofTenants < this.#max / 2 && ofTenant < this.#max / 8;
  }

  #add(tenant: string | null, change: 1 | -1): void {
    const count = (this.#counts.get(tenant) ?? 0) + change;
    if (count === 0) this.#counts.delete(tenant);
    else this.#counts.set(tenant, count);
    this.#all += change;
  }
}
