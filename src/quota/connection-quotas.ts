/**
 * Owns who may have one connection more: by number, for the broker, a tenant, a fleet and a principal
 * (the operator's limits), and by rate, for the same and for an address (connection_creation_rate of
 * the tenant's own quotas, as Kafka's ConnectionQuotas).
 *
 * Invariants: every place that is given is given back; who is refused has used nothing of a rate, as
 * in Kafka; memory is one entry for each connected name and each address that came in the last window.
 */
import type { ClientQuotas } from './client-quotas.ts';
import { RATE_WINDOW_MS, SampledRate } from './sampled-rate.ts';
import type { LimitBook, LimitedClient } from './share-tree.ts';
import { type LimitScope, type LimitValues, scopeKey } from './tenant-limits.ts';

/** Longest that a refusal for a rate is put off: one sample, as in Kafka. */
const DELAY_MS_MAX = 1000;
/** Looked at when one is made. */
const LOOKED_AT = 4;

export interface ConnectionRefused {
  readonly reason: 'quota_connections' | 'quota_connection_rate';
  readonly detail: string;
  /** The socket is closed after this. */
  readonly delayMs: number;
  /** Whose limit it was, and which: for the alarm. */
  readonly scope: LimitScope;
  readonly ofBroker: boolean;
}

interface Level {
  readonly id: string;
  readonly scope: LimitScope;
  readonly ofBroker: boolean;
  readonly values: LimitValues | undefined;
}

interface DatedRate {
  readonly rate: SampledRate;
  lastMs: number;
}

export class ConnectionQuotas {
  readonly #book: LimitBook;
  readonly #quotasOf: (tenant: string) => ClientQuotas;
  readonly #counts = new Map<string, number>();
  readonly #rates = new Map<string, DatedRate>();
  #sweeping: MapIterator<[string, DatedRate]> | null = null;

  constructor(book: LimitBook, quotasOf: (tenant: string) => ClientQuotas) {
    this.#book = book;
    this.#quotasOf = quotasOf;
  }

  get size(): number {
    return this.#counts.size + this.#rates.size;
  }

  /** Takes a place: answers how to give it back, or why there is none. */
  enter(client: LimitedClient, ip: string, nowMs: number): (() => void) | ConnectionRefused {
    const levels = this.#levelsOf(client);
    for (const { id, scope, ofBroker, values } of levels) {
      const most = values?.connections;
      if (most === undefined || this.connectionsOf(id) < most) continue;
      const detail = `${whose(scope, ofBroker)} has its ${most} connections`;
      return { reason: 'quota_connections', detail, delayMs: 0, scope, ofBroker };
    }
    const rates: [id: string, limit: number, level: Level | null][] = [];
    const ofAddress = this.#quotasOf(client.tenant).forAddress(ip);
    if (ofAddress !== undefined) rates.push([`${client.tenant}\nip/${ip}`, ofAddress.limit, null]);
    for (const level of levels) {
      const limit = level.values?.connection_creation_rate;
      if (limit !== undefined) rates.push([level.id, limit, level]);
    }
    const refusal = this.#recordRates(rates, nowMs);
    if (refusal !== null) return refusal;
    for (const { id } of levels) this.#counts.set(id, this.connectionsOf(id) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      for (const { id } of levels) this.#leave(id);
    };
  }

  /** Connections at the moment. */
  connectionsOf(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  /** Connections a second, over the window. */
  rateOf(id: string, nowMs: number): number {
    return this.#rates.get(id)?.rate.measure(nowMs) ?? 0;
  }

  /** Drops what came to rest, among about `count`; called again it goes on from there. */
  sweep(count: number, nowMs: number): void {
    for (let left = count; left > 0; left--) {
      this.#sweeping ??= this.#rates.entries();
      const next = this.#sweeping.next();
      if (next.done === true) {
        this.#sweeping = null;
        return;
      }
      const [id, { lastMs }] = next.value;
      if (nowMs - lastMs >= RATE_WINDOW_MS) this.#rates.delete(id);
    }
  }

  /** Drops the rates of a tenant that is gone; to be worked through in turns. */
  *forget(tenant: string): Generator<void, void> {
    const begin = `${tenant}\n`;
    for (const id of this.#rates.keys()) {
      if (id.startsWith(begin)) this.#rates.delete(id);
      yield;
    }
  }

  #recordRates(
    rates: readonly [string, number, Level | null][],
    nowMs: number,
  ): ConnectionRefused | null {
    const recorded: SampledRate[] = [];
    for (const [id, limit, level] of rates) {
      const { rate } = this.#rate(id, nowMs);
      rate.record(1, nowMs);
      recorded.push(rate);
      const delayMs = Math.min(DELAY_MS_MAX, rate.throttleMs(limit, nowMs));
      if (delayMs === 0) continue;
      for (const taken of recorded) taken.record(-1, nowMs);
      const scope = level?.scope ?? {};
      const ofBroker = level?.ofBroker ?? false;
      const who = level === null ? 'the address' : whose(scope, ofBroker);
      const detail = `${who} may open ${limit} connections a second`;
      return { reason: 'quota_connection_rate', detail, delayMs, scope, ofBroker };
    }
    return null;
  }

  #rate(id: string, nowMs: number): DatedRate {
    let found = this.#rates.get(id);
    if (found === undefined) {
      this.sweep(LOOKED_AT, nowMs);
      found = { rate: new SampledRate(), lastMs: nowMs };
      this.#rates.set(id, found);
    }
    found.lastMs = nowMs;
    return found;
  }

  #leave(id: string): void {
    const left = this.connectionsOf(id) - 1;
    if (left > 0) this.#counts.set(id, left);
    else this.#counts.delete(id);
  }

  #levelsOf({ tenant, fleet, name }: LimitedClient): Level[] {
    const limits = this.#book.of(tenant);
    const level = (scope: LimitScope): Level => ({
      id: connectionScope(tenant, scope),
      scope,
      ofBroker: false,
      values: limits.get(scope),
    });
    const broker = { id: '', scope: {}, ofBroker: true, values: this.#book.broker.get({}) };
    const levels = [broker, level({}), level({ device: name })];
    if (fleet !== null) levels.push(level({ fleet }));
    return levels;
  }
}

/** The id of a scope for `connectionsOf` and `rateOf`; tenant null: the broker. */
export const connectionScope = (tenant: string | null, scope: LimitScope): string =>
  tenant === null ? '' : `${tenant}\n${scopeKey(scope)}`;

function whose({ fleet, device }: LimitScope, ofBroker: boolean): string {
  if (ofBroker) return 'the broker';
  if (device !== undefined) return `device ${device}`;
  return fleet === undefined ? 'the tenant' : `fleet ${fleet}`;
}
