/**
 * Owns what clients have used of Kafka's quotas: a bucket for each entity that a quota holds for. An
 * entry with a default (of users, of client ids) gives each of them a bucket of its own; clients to
 * whom one name applies share one, over all their connections (ClientQuotaManager).
 *
 * Invariant: memory is bounded. A bucket that nobody used for a whole window is the same as a new
 * one and goes; when there are too many, of one tenant or at all, further ones of a tenant share one
 * bucket, which only makes their quota tighter. So names made at will bring no memory and, beyond
 * that number, no fresh quota either.
 */
import { entityKey, type QuotaKey } from './client-quota-entity.ts';
import type { ClientQuota, ClientQuotas } from './client-quotas.ts';
import { RATE_WINDOW_MS, SampledRate } from './sampled-rate.ts';
import { MUTATION_BURST_SECONDS, RATE_BURST_SECONDS, TokenBucket } from './token-bucket.ts';

export type ClientQuotaKey = Exclude<QuotaKey, 'connection_creation_rate'>;

/** Idle this long a bucket is as new, where it has no debt. */
const IDLE_MS = RATE_WINDOW_MS;
/** The longest that a debt is remembered after its last use. */
const DEBT_MS = 3_600_000;

export class QuotaBucket {
  /** What decides. */
  readonly credits: TokenBucket;
  /** What is shown; null where the credits are. */
  readonly rate: SampledRate | null;
  readonly tenant: string;
  readonly key: ClientQuotaKey;
  /** Whose it is, as `user`, a line feed, `client id`; null where any is meant. */
  readonly owner: string | null;
  /** The entry that was found for it, by entityKey. */
  readonly entry: string;
  limit: number;
  lastUsedMs: number;
  /** True once it was dropped: who holds it asks for another. */
  isGone = false;

  constructor(id: BucketId, limit: number, nowMs: number) {
    this.tenant = id.tenant;
    this.key = id.key;
    this.owner = id.owner;
    this.entry = id.entry;
    const isMutation = id.key === 'controller_mutation_rate';
    this.credits = new TokenBucket(isMutation ? MUTATION_BURST_SECONDS : RATE_BURST_SECONDS);
    this.rate = isMutation ? null : new SampledRate();
    this.limit = limit;
    this.lastUsedMs = nowMs;
  }

  /** Uses some of it; answers how long whoever did is to wait. */
  use(amount: number, nowMs: number): number {
    this.lastUsedMs = nowMs;
    this.rate?.record(amount, nowMs);
    this.credits.record(amount, this.limit, nowMs);
    return this.credits.throttleMs(this.limit, nowMs);
  }

  isAsNew(nowMs: number): boolean {
    const idleMs = nowMs - this.lastUsedMs;
    if (idleMs < IDLE_MS) return false;
    return idleMs > DEBT_MS || this.credits.used(this.limit, nowMs) <= 0;
  }
}

interface BucketId {
  readonly tenant: string;
  readonly key: ClientQuotaKey;
  readonly owner: string | null;
  readonly entry: string;
}

export interface BucketLimits {
  readonly bucketsMax: number;
  readonly bucketsPerTenantMax: number;
}

export const DEFAULT_BUCKET_LIMITS: BucketLimits = {
  bucketsMax: 200_000,
  bucketsPerTenantMax: 100_000,
};

/** Buckets looked at when one more is made, so that going keeps up with coming. */
const LOOKED_AT = 4;

export class ClientQuotaBuckets {
  readonly #buckets = new Map<string, QuotaBucket>();
  readonly #counts = new Map<string, number>();
  readonly #limits: BucketLimits;
  #sweeping: MapIterator<[string, QuotaBucket]> | null = null;

  constructor(limits: BucketLimits = DEFAULT_BUCKET_LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** The bucket of a client, and the limit that holds for it; null where nothing limits it. */
  find(
    tenant: string,
    quotas: ClientQuotas,
    key: ClientQuotaKey,
    { user, clientId, nowMs }: { user: string; clientId: string; nowMs: number },
  ): QuotaBucket | null {
    const quota = quotas.forClient(key, user, clientId);
    if (quota === undefined) return null;
    const owner = ownerOf(quota, user, clientId);
    const entry = entityKey(quota.entity);
    return this.#bucket({ tenant, key, owner, entry }, quota.limit, nowMs);
  }

  /** Of a tenant, those in use; for what is shown. */
  *ofTenant(tenant: string): Generator<QuotaBucket> {
    for (const bucket of this.#buckets.values()) if (bucket.tenant === tenant) yield bucket;
  }

  /** Drops what is as new, among about `count`; called again it goes on from there. */
  sweep(count: number, nowMs: number): void {
    for (let left = count; left > 0; left--) {
      this.#sweeping ??= this.#buckets.entries();
      const next = this.#sweeping.next();
      if (next.done === true) {
        this.#sweeping = null;
        return;
      }
      const [id, bucket] = next.value;
      if (bucket.isAsNew(nowMs)) this.#drop(id, bucket);
    }
  }

  /** Drops all buckets of a tenant that is gone; to be worked through in turns. */
  *forget(tenant: string): Generator<void, void> {
    for (const [id, bucket] of this.#buckets) {
      if (bucket.tenant === tenant) this.#drop(id, bucket);
      yield;
    }
  }

  #bucket(id: BucketId, limit: number, nowMs: number): QuotaBucket {
    const text = textOf(id);
    const known = this.#buckets.get(text);
    if (known !== undefined) {
      known.limit = limit;
      return known;
    }
    this.sweep(LOOKED_AT, nowMs);
    const count = this.#counts.get(id.tenant) ?? 0;
    const isFull =
      this.#buckets.size >= this.#limits.bucketsMax || count >= this.#limits.bucketsPerTenantMax;
    if (isFull && id.owner !== null) return this.#bucket({ ...id, owner: null }, limit, nowMs);
    const bucket = new QuotaBucket(id, limit, nowMs);
    this.#buckets.set(text, bucket);
    this.#counts.set(id.tenant, count + 1);
    return bucket;
  }

  #drop(id: string, bucket: QuotaBucket): void {
    bucket.isGone = true;
    this.#buckets.delete(id);
    const left = (this.#counts.get(bucket.tenant) ?? 1) - 1;
    if (left > 0) this.#counts.set(bucket.tenant, left);
    else this.#counts.delete(bucket.tenant);
  }
}

/** What the entity names, by its name or by default, is who shares the bucket. */
function ownerOf({ entity }: ClientQuota, user: string, clientId: string): string {
  const ofUser = entity.user === undefined ? '' : `=${user}`;
  const ofClient = entity['client-id'] === undefined ? '' : `=${clientId}`;
  return `${ofUser}\n${ofClient}`;
}

const textOf = ({ tenant, key, owner, entry }: BucketId): string =>
  `${key}\n${tenant}\n${owner === null ? '' : `${owner}\n${entry}`}`;
