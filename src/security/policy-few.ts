/**
 * Owns the bound on what Casbin evaluates in one decision, whatever rules a tenant has written.
 *
 * Invariant: Casbin's verdict over what is left is its verdict over all of the candidates. They match
 * in everything but the host and the time (policy-index.ts), any matching deny wins and any allow is
 * enough: so where there are many, those of another host or time go, and of the others some of each
 * effect stay. Pure.
 */
import { hostMatches } from './policy-host.ts';
import type { PolicyRule } from './policy-rule.ts';
import { inWindow } from './policy-window.ts';

/** About a tenth of a millisecond. */
const CANDIDATES_MAX = 64;
const OF_EACH_EFFECT = CANDIDATES_MAX / 2;

export function fewEnough(
  candidates: readonly PolicyRule[],
  host: string,
  timeMs: number,
): readonly PolicyRule[] {
  if (candidates.length <= CANDIDATES_MAX) return candidates;
  const hosts = new Map<string, boolean>();
  const left = { allow: OF_EACH_EFFECT, deny: OF_EACH_EFFECT };
  return candidates.filter((rule) => {
    if (left[rule.effect] === 0) return false;
    let matches = hosts.get(rule.host);
    if (matches === undefined) {
      matches = hostMatches(rule.host, host);
      hosts.set(rule.host, matches);
    }
    if (!matches || !inWindow(rule.when, timeMs)) return false;
    left[rule.effect] -= 1;
    return true;
  });
}
