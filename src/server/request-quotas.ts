/**
 * Charges what requests use to the quotas that hold for their client, and says for how long its
 * connection is to be silent: Kafka's own quotas (a bucket each, client-quota-buckets.ts) and the
 * operator's ceilings (share-tree.ts). The longest of all counts.
 *
 * Invariants: the answer leaves at once, with the time in it, and only then is the connection mute
 * (KIP-219); a limit that is raised or removed frees who waits for it within half a second, since the
 * wait is asked for again; what is charged was really used, save a Fetch whose answer is held back,
 * which is charged nothing.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { ApiKey } from '../protocol/api-keys.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import {
  ClientQuotaBuckets,
  type ClientQuotaKey,
  type QuotaBucket,
} from '../quota/client-quota-buckets.ts';
import type { ClientQuotas } from '../quota/client-quotas.ts';
import { ConnectionQuotas } from '../quota/connection-quotas.ts';
import type { ShareNode } from '../quota/share-node.ts';
import { type LimitBook, ShareTree } from '../quota/share-tree.ts';
import { SHARED_RATE_KEYS, type SharedRateKey } from '../quota/tenant-limits.ts';
import { MUTATION_BURST_SECONDS, TokenBucket } from '../quota/token-bucket.ts';
import { type ClientStanding, isStale, scopeOf, standingOf } from './client-standing.ts';
import type { Bite, LimitAlarms } from './limit-alarms.ts';
import type { RequestContext } from './request-context.ts';

/** Percent of a thread that a millisecond of a second is. */
const PERCENT_OF_MS = 0.1;
/** Kafka's cap for the request quota: one sample. */
const REQUEST_THROTTLE_MS_MAX = 1000;
const SWEEP_MS = 1000;
/** Entries of each kind that one sweep looks at. */
const SWEPT = 10_000;

/** How long the connection is silent after the answer. */
export interface Throttle {
  readonly ms: number;
  /** What is left of it as things stand now. */
  readonly waitMs: () => number;
}

export interface RequestQuotaParts {
  readonly clock: Clock;
  readonly book: LimitBook;
  readonly quotasOf: (tenant: string) => ClientQuotas;
  readonly alarms: LimitAlarms;
}

/** Partitions that a request wants to make or delete, one topic after the other. */
export interface MutationQuota {
  /** False: not now, THROTTLING_QUOTA_EXCEEDED. */
  take(permits: number): boolean;
  /** What was taken and did not come about. */
  giveBack(permits: number): void;
}

export class RequestQuotas {
  readonly alarms: LimitAlarms;
  readonly buckets = new ClientQuotaBuckets();
  readonly connections: ConnectionQuotas;
  readonly trees: Readonly<Record<SharedRateKey, ShareTree>>;
  readonly book: LimitBook;
  readonly quotasOf: (tenant: string) => ClientQuotas;
  readonly #clock: Clock;
  readonly #tenantCredits = new Map<string, TokenBucket>();
  #sweeper: Timer | null = null;
  #throttledRequests = 0;

  constructor({ clock, book, quotasOf, alarms }: RequestQuotaParts) {
    this.#clock = clock;
    this.book = book;
    this.quotasOf = quotasOf;
    this.alarms = alarms;
    this.connections = new ConnectionQuotas(book, quotasOf);
    const nowMs = clock.monotonicMs();
    const [produce, fetch, requests, time] = SHARED_RATE_KEYS.map(
      (key) => new ShareTree(key, book, nowMs),
    );
    this.trees = {
      producer_byte_rate: produce!,
      consumer_byte_rate: fetch!,
      request_rate: requests!,
      request_percentage: time!,
    };
  }

  /** Requests that were throttled since the start. */
  get throttledRequests(): number {
    return this.#throttledRequests;
  }

  start(): void {
    this.#sweeper = this.#clock.setTimer(SWEEP_MS, () => {
      const nowMs = this.#clock.monotonicMs();
      this.buckets.sweep(SWEPT, nowMs);
      this.connections.sweep(SWEPT, nowMs);
      for (const tree of Object.values(this.trees)) tree.sweep(SWEPT, nowMs);
      this.alarms.sweep(nowMs);
      this.start();
    });
  }

  stop(): void {
    this.#sweeper?.cancel();
    this.alarms.flush();
  }

  /** A tenant is gone, with its connections: what it used is not charged to a later one of its name. */
  async forget(tenant: string): Promise<void> {
    this.alarms.forget(tenant);
    this.#tenantCredits.delete(tenant);
    const { buckets, connections, trees } = this;
    const walks = [buckets, connections, ...Object.values(trees)].map((one) => one.forget(tenant));
    for (const walk of walks) await workInTurns(this.#clock, walk);
  }

  /** Charges a request that is answered now; null: its connection goes on at once. */
  settle(ctx: RequestContext, requestBytes: number): Throttle | null {
    const nowMs = this.#clock.monotonicMs();
    const standing = this.#standing(ctx, nowMs);
    if (!standing.isFree) {
      if (ctx.apiKey === ApiKey.Produce) {
        this.#charge(ctx, standing, 'producer_byte_rate', requestBytes, nowMs);
      }
      this.#charge(ctx, standing, 'request_rate', 1, nowMs);
      const percent = ctx.work.spentMs * PERCENT_OF_MS;
      this.#charge(ctx, standing, 'request_percentage', percent, nowMs);
    }
    if (ctx.throttle !== null) this.#throttledRequests += 1;
    return ctx.throttle;
  }

  /** The most record bytes that fit into one answer of a Fetch. */
  fetchBytesMax(ctx: RequestContext): number {
    const nowMs = this.#clock.monotonicMs();
    const standing = this.#standing(ctx, nowMs);
    if (standing.isFree) return Number.POSITIVE_INFINITY;
    const { consumer_byte_rate: bucket } = standing.buckets;
    // What there is, or else a second's worth: Kafka allows ten, which would come in lumps.
    const ofBucket =
      bucket === null
        ? Number.POSITIVE_INFINITY
        : Math.max(bucket.limit, bucket.credits.left(bucket.limit, nowMs));
    const ofLeaf = standing.leaves.consumer_byte_rate?.rate ?? Number.POSITIVE_INFINITY;
    return Math.max(1, Math.floor(Math.min(ofBucket, ofLeaf)));
  }

  /** Charges the answer of a Fetch; true: it must be empty, and is charged nothing. */
  holdsBack(ctx: RequestContext, responseBytes: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    const standing = this.#standing(ctx, nowMs);
    if (standing.isFree) return false;
    const bucket = standing.buckets.consumer_byte_rate;
    if (bucket !== null) {
      const isFull = bucket.credits.used(bucket.limit, nowMs) <= 0;
      const ms = bucket.use(responseBytes, nowMs);
      // One batch may be larger than all that the quota allows in a window. Kafka never gives it
      // out then; here it is, when nothing was before it, and is waited for.
      const isHeld = ms > 0 && !isFull;
      if (ms > 0) this.#throttle(ctx, standing, bucket, ms, nowMs);
      if (isHeld) bucket.use(-responseBytes, nowMs);
      if (isHeld) return true;
    }
    const leaf = standing.leaves.consumer_byte_rate;
    if (leaf !== null) this.#chargeLeaf(ctx, 'consumer_byte_rate', leaf, responseBytes, nowMs);
    return false;
  }

  /** Strict from a version on, as in Kafka: nothing more while there is a debt. */
  mutations(ctx: RequestContext, strictSince: number): MutationQuota {
    const isStrict = ctx.apiVersion >= strictSince;
    const limits = this.#creditsOf(ctx);
    const waitOf = (): number => {
      const nowMs = this.#clock.monotonicMs();
      return Math.max(0, ...limits.map(({ credits, limit }) => credits.throttleMs(limit(), nowMs)));
    };
    const record = (permits: number): void => {
      const nowMs = this.#clock.monotonicMs();
      for (const { credits, limit, touch } of limits) {
        credits.record(permits, limit(), nowMs);
        touch(nowMs);
      }
    };
    const throttle = (effect: Bite['effect']): boolean => {
      const nowMs = this.#clock.monotonicMs();
      for (const { credits, limit, scope } of limits) {
        const ms = credits.throttleMs(limit(), nowMs);
        if (ms === 0) continue;
        const bite = { key: 'controller_mutation_rate', scope, limit: limit(), effect };
        this.alarms.bit(ctx.session.subject, bite, nowMs);
        longer(ctx, { ms, waitMs: waitOf });
      }
      return ctx.throttle !== null;
    };
    return {
      take(permits) {
        if (isStrict && waitOf() > 0) {
          throttle('refused');
          return false;
        }
        record(permits);
        if (!isStrict && waitOf() > 0) throttle('throttled');
        return true;
      },
      giveBack: (permits) => record(-permits),
    };
  }

  /** Permits of the tenant's ceiling on topic changes that are in use. */
  creditsUsed(tenant: string): number {
    const limit = this.book.of(tenant).limit('controller_mutation_rate');
    const credits = this.#tenantCredits.get(tenant);
    if (limit === undefined || credits === undefined) return 0;
    return credits.used(limit, this.#clock.monotonicMs());
  }

  #charge(
    ctx: RequestContext,
    standing: ClientStanding,
    key: SharedRateKey,
    amount: number,
    nowMs: number,
  ): void {
    const bucket = key === 'request_rate' ? null : standing.buckets[key];
    if (bucket !== null) {
      let ms = bucket.use(amount, nowMs);
      if (key === 'request_percentage') {
        ms = Math.min(ms, REQUEST_THROTTLE_MS_MAX);
        bucket.credits.forgive(bucket.limit);
      }
      if (ms > 0) this.#throttle(ctx, standing, bucket, ms, nowMs);
    }
    const leaf = standing.leaves[key];
    if (leaf !== null) this.#chargeLeaf(ctx, key, leaf, amount, nowMs);
  }

  #chargeLeaf(
    ctx: RequestContext,
    key: SharedRateKey,
    leaf: ShareNode,
    amount: number,
    nowMs: number,
  ): void {
    const mark = leaf.charge(amount, nowMs);
    if (!leaf.isInDebt) return;
    const ms = leaf.waitMs(mark, nowMs);
    const { subject } = ctx.session;
    this.alarms.bit(subject, this.#ceiling(ctx, key), nowMs);
    const waitMs = (): number => {
      leaf.refresh(this.book.generation);
      return leaf.waitMs(mark, this.#clock.monotonicMs());
    };
    longer(ctx, { ms, waitMs });
  }

  /** The nearest ceiling, whose share it is that the client waits for. */
  #ceiling({ session: { principal } }: RequestContext, key: SharedRateKey): Bite {
    const { tenant, fleet, name } = principal;
    const limits = this.book.of(tenant);
    const found = (scope: string, limit: number | undefined): Bite | null =>
      limit === undefined ? null : { key, scope, limit, effect: 'throttled' };
    return (
      found(`device ${name}`, limits.limit(key, { device: name })) ??
      (fleet === null ? null : found(`fleet ${fleet}`, limits.limit(key, { fleet }))) ??
      found('tenant', limits.limit(key)) ?? { key, scope: 'broker', limit: 0, effect: 'throttled' } // What the broker as a whole may do is not the tenant's to read in its own audit trail.
    );
  }

  #throttle(
    ctx: RequestContext,
    standing: ClientStanding,
    bucket: QuotaBucket,
    ms: number,
    nowMs: number,
  ): void {
    const { key, limit } = bucket;
    const scope = scopeOf(standing, key);
    this.alarms.bit(ctx.session.subject, { key, scope, limit, effect: 'throttled' }, nowMs);
    const { user, clientId, tenant } = standing;
    const waitMs = (): number => {
      const quota = this.quotasOf(tenant).forClient(key, user, clientId);
      if (quota === undefined) return 0;
      // The time of the answer, shortened or stretched as the quota was raised or lowered.
      const goneMs = this.#clock.monotonicMs() - nowMs;
      return (ms * limit) / quota.limit - goneMs;
    };
    longer(ctx, { ms, waitMs });
  }

  #creditsOf(ctx: RequestContext) {
    const key = 'controller_mutation_rate' satisfies ClientQuotaKey;
    const nowMs = this.#clock.monotonicMs();
    const standing = this.#standing(ctx, nowMs);
    const { tenant } = standing;
    const limits: {
      credits: TokenBucket;
      limit: () => number;
      scope: string;
      touch: (nowMs: number) => void;
    }[] = [];
    const bucket = standing.buckets[key];
    if (bucket !== null) {
      const { credits } = bucket;
      const touch = (ms: number): void => {
        bucket.lastUsedMs = ms;
      };
      const scope = scopeOf(standing, key);
      limits.push({ credits, limit: () => bucket.limit, scope, touch });
    }
    const ofTenant = this.book.of(tenant).limit(key);
    if (ofTenant === undefined) this.#tenantCredits.delete(tenant);
    else {
      const credits = this.#tenantCredits.get(tenant) ?? new TokenBucket(MUTATION_BURST_SECONDS);
      this.#tenantCredits.set(tenant, credits);
      const limit = (): number => this.book.of(tenant).limit(key) ?? Number.MAX_SAFE_INTEGER;
      limits.push({ credits, limit, scope: 'tenant', touch: () => {} });
    }
    return limits;
  }

  #standing(ctx: RequestContext, nowMs: number): ClientStanding {
    const { session, clientId } = ctx;
    const known = session.standing;
    const quotas = this.quotasOf(session.principal.tenant);
    const generation = this.book.generation;
    if (known !== null && !isStale(known, session.principal, clientId, quotas, generation)) {
      return known;
    }
    const standing = standingOf(this, session.principal, clientId, nowMs);
    session.standing = standing;
    return standing;
  }
}

/** The longest counts, and whoever waits, waits until the last of them is over. */
function longer(ctx: RequestContext, found: Throttle): void {
  const before = ctx.throttle;
  if (before === null) {
    ctx.throttle = found;
    return;
  }
  ctx.throttle = {
    ms: Math.max(before.ms, found.ms),
    waitMs: () => Math.max(before.waitMs(), found.waitMs()),
  };
}
