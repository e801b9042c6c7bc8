/**
 * Owns what each tenant may take of the log: bytes in the queue of the security stream, and bytes
 * written in a day (UTC). Strangers, who have no tenant, are a tenant here; operators and the broker
 * have no budget.
 *
 * Invariant: what is beyond a budget touches its own tenant only. Budgets are of a run: a restart
 * begins the day anew. Memory is bounded by the number of tenants that wrote today.
 */
export class TenantBudgets {
  readonly #queueBytesMax: number;
  readonly #dailyBytesMax: number;
  readonly #queued = new Map<string, number>();
  readonly #written = new Map<string, number>();
  #day = 0;

  constructor(limits: { queueBytesMax: number; dailyBytesMax: number }) {
    this.#queueBytesMax = limits.queueBytesMax;
    this.#dailyBytesMax = limits.dailyBytesMax;
  }

  /** Whether the tenant's records of today leave room for more. */
  hasDaily(tenant: string | null, nowMs: number): boolean {
    this.#turnDay(nowMs);
    return (this.#written.get(tenant ?? '') ?? 0) < this.#dailyBytesMax;
  }

  /** The same, and whether its share of the queue does. */
  mayQueue(tenant: string | null, nowMs: number): boolean {
    const queued = this.#queued.get(tenant ?? '') ?? 0;
    return queued < this.#queueBytesMax && this.hasDaily(tenant, nowMs);
  }

  queued(tenant: string | null, bytes: number): void {
    const key = tenant ?? '';
    this.#queued.set(key, (this.#queued.get(key) ?? 0) + bytes);
  }

  /** They left the queue for the disk. */
  committed(tenant: string | null, bytes: number): void {
    const key = tenant ?? '';
    const left = (this.#queued.get(key) ?? 0) - bytes;
    if (left > 0) this.#queued.set(key, left);
    else this.#queued.delete(key);
  }

  /** They count against the day. */
  spent(tenant: string | null, bytes: number, nowMs: number): void {
    this.#turnDay(nowMs);
    const key = tenant ?? '';
    this.#written.set(key, (this.#written.get(key) ?? 0) + bytes);
  }

  #turnDay(nowMs: number): void {
    const day = Math.floor(nowMs / DAY_MS);
    if (day === this.#day) return;
    this.#day = day;
    this.#written.clear();
  }
}

const DAY_MS = 86_400_000;
