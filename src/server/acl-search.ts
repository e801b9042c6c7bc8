/**
 * Owns the search of many filters over many rules.
 *
 * Invariant: what a filter finds is what acl-filter.ts accepts, each rule once; what one request may
 * cost is bounded in comparisons and in matches. The generators yield often, to be driven in turns
 * of the event loop.
 */
import { type AclBinding, WILDCARD_RESOURCE } from '../security/acl/acl-binding.ts';
import { type AclFilter, filterAccepts } from '../security/acl/acl-filter.ts';

/** Filters beyond which an index by name is worth its making. */
const INDEX_FROM_FILTERS = 4;
const COMPARISONS_PER_STEP = 256;
/** No rule has a longer name. */
const NAME_LENGTH_MAX = 255;

export interface SearchLimits {
  readonly comparisonsMax: number;
  readonly matchesMax: number;
}

/** A hundred filters without a name over the largest set of rules; filters with one cost nothing. */
export const SEARCH_LIMITS: SearchLimits = { comparisonsMax: 2_000_000, matchesMax: 50_000 };

/** Every rule that the filter accepts. */
export function* matches(
  filter: AclFilter,
  rules: readonly AclBinding[],
): Generator<void, AclBinding[]> {
  const found: AclBinding[] = [];
  for (const [at, rule] of rules.entries()) {
    if (at % COMPARISONS_PER_STEP === COMPARISONS_PER_STEP - 1) yield;
    if (filterAccepts(filter, rule)) found.push(rule);
  }
  return found;
}

/**
 * For each filter what it finds; null for those that came after the limits were reached. The first
 * filter is always answered in full: it finds no more than there is.
 */
export function* matchesOfEach(
  filters: readonly AclFilter[],
  rules: readonly AclBinding[],
  limits: SearchLimits = SEARCH_LIMITS,
): Generator<void, (AclBinding[] | null)[]> {
  const byName = filters.length < INDEX_FROM_FILTERS ? null : yield* indexByName(rules);
  const answers: (AclBinding[] | null)[] = [];
  let comparisons = 0;
  let found = 0;
  for (const filter of filters) {
    const candidates = byName === null ? rules : candidatesOf(filter, rules, byName);
    comparisons += candidates.length + 1;
    const isFirst = answers.length === 0;
    if (!isFirst && (comparisons > limits.comparisonsMax || found >= limits.matchesMax)) {
      answers.push(null);
      continue;
    }
    const answer = yield* matches(filter, candidates);
    found += answer.length;
    answers.push(isFirst || found <= limits.matchesMax ? answer : null);
    if (answers.length % 64 === 0) yield;
  }
  return answers;
}

type ByName = ReadonlyMap<string, readonly AclBinding[]>;

function* indexByName(rules: readonly AclBinding[]): Generator<void, ByName> {
  const byName = new Map<string, AclBinding[]>();
  for (const [at, rule] of rules.entries()) {
    if (at % COMPARISONS_PER_STEP === COMPARISONS_PER_STEP - 1) yield;
    const known = byName.get(rule.resourceName);
    if (known === undefined) byName.set(rule.resourceName, [rule]);
    else known.push(rule);
  }
  return byName;
}

const NONE: readonly AclBinding[] = [];

/** A superset of what the filter accepts. */
function candidatesOf(
  { resourceName: name, patternType }: AclFilter,
  rules: readonly AclBinding[],
  byName: ByName,
): readonly AclBinding[] {
  if (name === null || name === undefined) return rules;
  if (patternType !== 'MATCH') return byName.get(name) ?? NONE;
  const found: AclBinding[] = [...(byName.get(WILDCARD_RESOURCE) ?? NONE)];
  for (let length = 1; length <= Math.min(name.length, NAME_LENGTH_MAX); length += 1) {
    const prefix = name.slice(0, length);
    if (prefix === WILDCARD_RESOURCE) continue;
    for (const rule of byName.get(prefix) ?? NONE) found.push(rule);
  }
  return found;
}
