/**
 * Owns which subscriptions of a tenant concern a client (Kafka's ClientMetricsConfigs and
 * ClientMetricsInstance): every pattern of a subscription must match all of what the client is.
 *
 * Invariant: matching is linear in pattern and text, and bounded by a budget a client: what a tenant
 * writes into a pattern cannot hold up the broker. A pattern that is not understood matches nobody
 * (it was refused when it was set; another release may have taken it).
 */

import type { PkiError } from '../../base/errors.ts';
import { compilePattern, type Pattern } from '../../security/mapping/java-pattern.ts';
import { MatchBudget, matchesWhole } from '../../security/mapping/pattern-machine.ts';

/** As the engine has it. */
export interface MetricsSubscription {
  readonly metrics: readonly string[];
  readonly intervalMs: number;
  readonly match: readonly { readonly attribute: string; readonly pattern: string }[];
}

/** By Kafka's names: `client_id`. */
export type ClientAttributes = Readonly<Record<string, string>>;

export interface WantedMetrics {
  /** Prefixes of names, sorted; `*` alone: all; none: nothing is wanted. */
  readonly metrics: readonly string[];
  readonly intervalMs: number;
}

const DEFAULT_INTERVAL_MS = 300_000;
const ALL = '*';
const ATTRIBUTE_LENGTH_MAX = 256;
/** Of the matching for one client against all subscriptions: a few milliseconds. */
const STEPS_MAX = 50_000;

const compiled = new WeakMap<MetricsSubscription, readonly Compiled[] | null>();

interface Compiled {
  readonly attribute: string;
  readonly pattern: Pattern;
}

/** What is wrong with the patterns of a `match` config, as a sentence; null: nothing. */
export function matchProblem(match: string): string | null {
  for (const item of match.split(',')) {
    const pattern = item.slice(item.indexOf('=') + 1).trim();
    try {
      compilePattern(pattern);
    } catch (error) {
      return `Illegal client matching pattern: ${(error as PkiError).message}.`;
    }
  }
  return null;
}

export function wantedMetrics(
  subscriptions: readonly MetricsSubscription[],
  attributes: ClientAttributes,
): WantedMetrics {
  const budget = new MatchBudget(STEPS_MAX);
  const metrics = new Set<string>();
  let intervalMs = Number.POSITIVE_INFINITY;
  for (const subscription of subscriptions) {
    if (!concerns(subscription, attributes, budget)) continue;
    for (const metric of subscription.metrics) metrics.add(metric);
    intervalMs = Math.min(intervalMs, subscription.intervalMs);
  }
  return {
    metrics: metrics.has(ALL) ? [ALL] : [...metrics].sort(),
    intervalMs: Number.isFinite(intervalMs) ? intervalMs : DEFAULT_INTERVAL_MS,
  };
}

function concerns(
  subscription: MetricsSubscription,
  attributes: ClientAttributes,
  budget: MatchBudget,
): boolean {
  const patterns = patternsOf(subscription);
  if (patterns === null) return false;
  try {
    return patterns.every(({ attribute, pattern }) => {
      const text = (attributes[attribute] ?? '').slice(0, ATTRIBUTE_LENGTH_MAX);
      const characters = Array.from(text, (character) => character.codePointAt(0)!);
      return matchesWhole(pattern, characters, budget);
    });
  } catch {
    return false;
  }
}

function patternsOf(subscription: MetricsSubscription): readonly Compiled[] | null {
  const known = compiled.get(subscription);
  if (known !== undefined) return known;
  let patterns: readonly Compiled[] | null;
  try {
    patterns = subscription.match.map(({ attribute, pattern }) => ({
      attribute,
      pattern: compilePattern(pattern),
    }));
  } catch {
    patterns = null;
  }
  compiled.set(subscription, patterns);
  return patterns;
}
