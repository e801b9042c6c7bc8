/**
 * Owns what one tenant's external decisions are remembered as: for so long, and so many.
 *
 * Invariants: nothing is given out after its time; there are never more entries than `entriesMax`,
 * the least recently used goes first; it belongs to one tenant, so that no other tenant's questions
 * can push out, or be answered by, what is in it.
 */
import type { Clock } from '../../base/clock.ts';
import type { AuthorizationResult } from '../authorizer.ts';

export interface CacheSettings {
  /** 0: allows are not remembered. */
  readonly allowTtlMs: number;
  /** 0: denials are not remembered. */
  readonly denyTtlMs: number;
  readonly entriesMax: number;
}

/** A longer key is not remembered: names are short, and a key is memory. */
const KEY_CHARS_MAX = 4096;

export class DecisionCache {
  readonly #settings: CacheSettings;
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #results = new Map<string, AuthorizationResult>();

  constructor(settings: CacheSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  get size(): number {
    return this.#results.size;
  }

  get(key: string): AuthorizationResult | undefined {
    const known = this.#results.get(key);
    if (known === undefined) return undefined;
    this.#results.delete(key);
    if (known.cachedUntilMs! <= this.#clock.monotonicMs()) return undefined;
    this.#results.set(key, known);
    return known;
  }

  /** Remembers a decision, until when its result says; `room` bounds the entries further. */
  set(key: string, result: AuthorizationResult, room: number): void {
    if (key.length > KEY_CHARS_MAX) return;
    if (result.cachedUntilMs! <= this.#clock.monotonicMs()) return;
    this.#results.delete(key);
    const most = Math.min(this.#settings.entriesMax, room);
    if (most <= 0) return;
    this.trim(most - 1);
    this.#results.set(key, result);
  }

  /** Forgets the least recently used beyond `most`. */
  trim(most: number): void {
    for (const oldest of this.#results.keys()) {
      if (this.#results.size <= most) return;
      this.#results.delete(oldest);
    }
  }

  clear(): void {
    this.#results.clear();
  }
}
