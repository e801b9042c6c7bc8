/**
 * Owns the memory of changes that came with an Idempotency-Key: the same request under the same key
 * is done once, and answered once more as it was the first time.
 *
 *   (none) -> begun -> answered -> forgotten (an hour later, or as the oldest of too many)
 *                  \-> failed inside: forgotten at once, so that it can be tried again
 *
 * Invariants: a caller's keys are its own; what is kept is bounded, for each caller, for the callers of
 * a tenant, whose issuer may name as many as it likes, and in all; a
 * request that is under way is never forgotten; a request is known by what it says, as a digest, so
 * that nothing of it stays in memory. Keys do not outlive the process.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { RouteAnswer } from './admin-route.ts';
import { AdminError } from './problem.ts';

const LASTS_MS = 60 * 60 * 1000;
const KEYS_OF_CALLER_MAX = 256;
const CALLERS_MAX = 1024;
/** Of all answers together; what is larger than one caller's share is not kept. */
const ANSWER_BYTES_MAX = 16 * 1024;
const ALL_BYTES_MAX = 16 * 1024 * 1024;
/** Of callers and bytes what those of one tenant may take. */
const TENANT_SHARE = 1 / 8;
/** What an entry takes beside its answer. */
const ENTRY_BYTES = 512;

/** What is answered again: an answer, or a refusal that the request itself brought about. */
export type Outcome =
  | { readonly answer: RouteAnswer }
  | { readonly refusal: { status: number; code: string; message: string } };

interface Entry {
  readonly tenant: string | null;
  readonly digest: string;
  readonly sinceMs: number;
  /** Null while the request is under way. */
  outcome: Outcome | null;
  bytes: number;
}

export interface IdempotencyLimits {
  readonly keysOfCallerMax?: number;
  readonly callersMax?: number;
}

export class IdempotencyKeys {
  readonly #clock: Clock;
  readonly #keysOfCallerMax: number;
  readonly #callersMax: number;
  /** By caller, the one who came last at the end; each with its keys, the newest at the end. */
  readonly #callers = new Map<string, Map<string, Entry>>();
  /** The tenant of each caller that has one. */
  readonly #tenants = new Map<string, string>();
  readonly #bytesOfTenant = new Map<string | null, number>();
  #bytes = 0;

  constructor(clock: Clock, limits: IdempotencyLimits = {}) {
    this.#clock = clock;
    this.#keysOfCallerMax = limits.keysOfCallerMax ?? KEYS_OF_CALLER_MAX;
    this.#callersMax = limits.callersMax ?? CALLERS_MAX;
  }

  /** For the bound that tests hold. */
  get size(): number {
    let size = 0;
    for (const keys of this.#callers.values()) size += keys.size;
    return size;
  }

  /**
   * The outcome of `act`, or of the same request before. `tenant` is the caller's; null: an operator.
   * Throws AdminError for a key in use.
   */
  async once(
    caller: string,
    key: string,
    request: unknown,
    act: () => Promise<RouteAnswer>,
    tenant: string | null = null,
  ): Promise<{ readonly answer: RouteAnswer; readonly isReplay: boolean }> {
    const digest = createHash('sha256').update(JSON.stringify(request)).digest('base64');
    const keys = this.#keysOf(caller);
    const known = keys.get(key);
    if (known !== undefined) return { answer: replay(known, digest), isReplay: true };
    if (tenant !== null) this.#makeRoomIn(tenant, caller, keys);
    this.#makeRoom(keys);
    const sinceMs = this.#clock.monotonicMs();
    const entry: Entry = { tenant, digest, sinceMs, outcome: null, bytes: 0 };
    keys.set(key, entry);
    this.#count(entry, ENTRY_BYTES);
    try {
      const answer = await act();
      this.#keep(keys, key, entry, { answer });
      return { answer, isReplay: false };
    } catch (error) {
      const isTheirs = error instanceof AdminError && error.status < 500 && error.status !== 429;
      if (isTheirs) {
        const { status, code, message } = error;
        this.#keep(keys, key, entry, { refusal: { status, code, message } });
      } else this.#forget(keys, key);
      throw error;
    }
  }

  #keep(keys: Map<string, Entry>, key: string, entry: Entry, outcome: Outcome): void {
    const bytes = JSON.stringify(outcome).length;
    // No change answers as much; if one did, its second request would be done like a first.
    if (bytes > ANSWER_BYTES_MAX) {
      this.#forget(keys, key);
      return;
    }
    entry.outcome = outcome;
    this.#count(entry, bytes);
  }

  #keysOf(caller: string): Map<string, Entry> {
    const keys = this.#callers.get(caller) ?? new Map<string, Entry>();
    this.#callers.delete(caller);
    this.#callers.set(caller, keys);
    const endedMs = this.#clock.monotonicMs() - LASTS_MS;
    for (const [key, { sinceMs, outcome }] of keys) {
      if (sinceMs > endedMs) break;
      if (outcome !== null) this.#forget(keys, key);
    }
    return keys;
  }

  /** For one more: of the caller's own keys first, then of who has been away longest. */
  #makeRoom(own: Map<string, Entry>): void {
    if (own.size >= this.#keysOfCallerMax && !this.#forgetOldest(own)) throw tooMany();
    for (const [caller, keys] of this.#callers) {
      const isFull = this.#callers.size > this.#callersMax || this.#bytes > ALL_BYTES_MAX;
      if (!isFull) return;
      while (this.#forgetOldest(keys) && keys.size > 0);
      if (keys.size === 0 && keys !== own) this.#forgetCaller(caller);
    }
    if (this.#callers.size > this.#callersMax) throw tooMany();
  }

  /** The same among the callers of a tenant, so that nobody else pays for theirs. */
  #makeRoomIn(tenant: string, own: string, ownKeys: Map<string, Entry>): void {
    this.#tenants.set(own, tenant);
    const callers = [...this.#callers].filter(([caller]) => this.#tenants.get(caller) === tenant);
    let left = callers.length;
    const isFull = (): boolean =>
      left > Math.max(1, this.#callersMax * TENANT_SHARE) ||
      (this.#bytesOfTenant.get(tenant) ?? 0) > ALL_BYTES_MAX * TENANT_SHARE;
    for (const [caller, keys] of callers) {
      if (!isFull()) return;
      while (this.#forgetOldest(keys) && keys.size > 0);
      if (keys.size > 0 || keys === ownKeys) continue;
      this.#forgetCaller(caller);
      left -= 1;
    }
    if (!isFull()) return;
    if (ownKeys.size === 0) this.#forgetCaller(own);
    throw tooMany();
  }

  #forgetCaller(caller: string): void {
    this.#callers.delete(caller);
    this.#tenants.delete(caller);
  }

  /** False when all of them are under way. */
  #forgetOldest(keys: Map<string, Entry>): boolean {
    for (const [key, { outcome }] of keys) {
      if (outcome === null) continue;
      this.#forget(keys, key);
      return true;
    }
    return false;
  }

  #forget(keys: Map<string, Entry>, key: string): void {
    const entry = keys.get(key);
    if (entry !== undefined) this.#count(entry, -entry.bytes);
    keys.delete(key);
  }

  #count(entry: Entry, bytes: number): void {
    entry.bytes += bytes;
    this.#bytes += bytes;
    const { tenant } = entry;
    const ofTenant = (this.#bytesOfTenant.get(tenant) ?? 0) + bytes;
    if (ofTenant === 0) this.#bytesOfTenant.delete(tenant);
    else this.#bytesOfTenant.set(tenant, ofTenant);
  }
}

function replay({ digest, outcome }: Entry, asked: string): RouteAnswer {
  if (digest !== asked) {
    const detail = 'This Idempotency-Key came with another request: take a new key for a new one.';
    throw new AdminError(422, 'idempotency-key-reused', detail);
  }
  if (outcome === null) {
    const detail = 'The request with this Idempotency-Key is under way: ask again in a moment.';
    throw new AdminError(409, 'idempotency-key-in-use', detail);
  }
  if ('answer' in outcome) return outcome.answer;
  const { status, code, message } = outcome.refusal;
  throw new AdminError(status, code, message);
}

const tooMany = (): AdminError =>
  new AdminError(429, 'too-many-keys', 'Too many requests with an Idempotency-Key are under way.');
