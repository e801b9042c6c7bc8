/**
 * Owns one tenant's external decisions: remembered, or asked for once however many want them.
 *
 * Invariants: a key holds everything that the PDP is told, and this memory is one tenant's alone; a
 * failure is never remembered; an answer to a question from before an invalidation is given to who
 * asked and not remembered.
 */
import type { Clock } from '../../base/clock.ts';
import type { AuthorizationResult, Question } from '../authorizer.ts';
import { formatPrincipal, type KafkaPrincipal } from '../principal.ts';
import type { CircuitState } from './circuit-breaker.ts';
import { type CacheSettings, DecisionCache } from './decision-cache.ts';
import { asPdpError, type PdpLane } from './pdp-lane.ts';
import { rolesOf, type Verdict } from './pdp-protocol.ts';

export interface DeciderStatus {
  readonly asked: number;
  /** In which those were asked. */
  readonly messages: number;
  readonly failed: number;
  /** Decisions that were remembered, and that were not. */
  readonly hits: number;
  readonly misses: number;
  readonly cached: number;
  readonly waiting: number;
  readonly circuit: CircuitState;
  /** Of the last answers, in milliseconds; null before the first. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface DeciderParts {
  readonly pdp: string;
  readonly lane: Pick<PdpLane, 'ask' | 'close' | 'circuit' | 'waiting' | 'messages'>;
  readonly cache: CacheSettings;
  readonly clock: Clock;
  /** How many decisions this tenant may remember now. */
  readonly room: () => number;
}

/** Of the durations that the percentiles are taken over. */
const SAMPLES_MAX = 1024;

/** A decision as it was answered, and as it is given out from memory. */
export interface Answer {
  readonly fresh: AuthorizationResult;
  readonly cached: AuthorizationResult;
}

export class TenantDecider {
  readonly #parts: DeciderParts;
  readonly #cache: DecisionCache;
  readonly #underWay = new Map<string, Promise<Answer>>();
  readonly #identities = new WeakMap<KafkaPrincipal, string>();
  readonly #samplesMs: number[] = [];
  #generation = 0;
  #asked = 0;
  #failed = 0;
  #hits = 0;
  #misses = 0;

  constructor(parts: DeciderParts) {
    this.#parts = parts;
    this.#cache = new DecisionCache(parts.cache, parts.clock);
  }

  known(question: Question): AuthorizationResult | undefined {
    const known = this.#cache.get(this.#key(question));
    if (known === undefined) this.#misses += 1;
    else this.#hits += 1;
    return known;
  }

  /** Rejects with PdpError. */
  async ask(question: Question): Promise<AuthorizationResult> {
    const key = this.#key(question);
    let asking = this.#underWay.get(key);
    if (asking === undefined) {
      const begun = this.#ask(question, key);
      asking = begun;
      this.#underWay.set(key, begun);
      const ended = (): void => {
        if (this.#underWay.get(key) === begun) this.#underWay.delete(key);
      };
      begun.then(ended, ended);
    }
    return (await asking).fresh;
  }

  /** Asks whatever is remembered or under way; the answer is remembered. */
  async askAfresh(question: Question): Promise<AuthorizationResult> {
    return (await this.#ask(question, this.#key(question))).fresh;
  }

  /** Another tenant wants its share of what all may remember. */
  shrink(): void {
    this.#cache.trim(this.#parts.room());
  }

  /** Forgets everything; how many decisions that were. */
  forget(): number {
    const { size } = this.#cache;
    this.#cache.clear();
    this.#generation += 1;
    this.#underWay.clear();
    return size;
  }

  status(): DeciderStatus {
    const { lane } = this.#parts;
    const sorted = [...this.#samplesMs].sort((a, b) => a - b);
    const at = (share: number): number | null =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
    return {
      asked: this.#asked,
      messages: lane.messages,
      failed: this.#failed,
      hits: this.#hits,
      misses: this.#misses,
      cached: this.#cache.size,
      waiting: lane.waiting,
      circuit: lane.circuit,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    };
  }

  close(): void {
    this.#parts.lane.close();
    this.forget();
  }

  async #ask(question: Question, key: string): Promise<Answer> {
    const { lane, clock, cache, room } = this.#parts;
    const generation = this.#generation;
    const beganMs = clock.monotonicMs();
    this.#asked += 1;
    try {
      const verdict = await lane.ask(question);
      const nowMs = clock.monotonicMs();
      this.#samplesMs[(this.#asked - this.#failed) % SAMPLES_MAX] = nowMs - beganMs;
      const ttlMs = verdict.allowed ? cache.allowTtlMs : cache.denyTtlMs;
      const answer = this.#answer(verdict, nowMs + ttlMs);
      if (generation === this.#generation) this.#cache.set(key, answer.cached, room());
      return answer;
    } catch (error) {
      this.#failed += 1;
      throw asPdpError(error);
    }
  }

  #answer({ allowed, reason }: Verdict, cachedUntilMs: number): Answer {
    const { pdp } = this.#parts;
    const said = reason === null ? '' : `: ${reason}`;
    const rule = `pdp ${pdp} ${allowed ? 'allows' : 'denies'}${said}`;
    const origin = `external:${pdp}`;
    return {
      fresh: Object.freeze({ allowed, rule, origin, cachedUntilMs }),
      cached: Object.freeze({ allowed, rule, origin: `${origin}, cached`, cachedUntilMs }),
    };
  }

  /** Everything that either protocol sends. */
  #key({ principal, host, action, anyResource, client }: Question): string {
    const { operation, resourceType, resourceName } = action;
    const who = this.#identity(principal);
    const how = client && [client.clientId, client.apiKey, client.apiVersion, client.listener];
    const what = [operation, resourceType, anyResource, resourceName];
    return `${who}${JSON.stringify([host, what, how])}`;
  }

  #identity(principal: KafkaPrincipal): string {
    const known = this.#identities.get(principal);
    if (known !== undefined) return known;
    const { tenant, kind, fleet, authentication } = principal;
    const facts = [tenant, formatPrincipal(principal), kind, fleet, authentication];
    const identity = JSON.stringify([facts, rolesOf(principal)]);
    this.#identities.set(principal, identity);
    return identity;
  }
}
