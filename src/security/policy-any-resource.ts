/**
 * Owns the question "may the caller do this on at least one resource of the type?" (KIP-679, Kafka's
 * Authorizer.authorizeByResourceType): a wildcard deny wins over everything, a wildcard allow comes
 * next, then an allow that no deny dominates (a deny of the same literal name, or of a prefix of the
 * allowed name or prefix). Pure.
 */
import type { Operation, ResourceTypeName } from './acl/operation.ts';
import { hostMatches } from './policy-host.ts';
import type { IndexedRule } from './policy-index.ts';
import { hasVariable, operationBit } from './policy-match.ts';
import type { PolicyProfile } from './policy-profile.ts';
import type { PolicyRule } from './policy-rule.ts';

/** A deny rule that kept its variable is one with a hostile value: it speaks about every name. */
const everyName = ({ rule, name }: IndexedRule): boolean =>
  hasVariable(name) || (rule.patternType === 'LITERAL' && name === '*');

interface Denies {
  readonly literal: ReadonlySet<string>;
  readonly prefixed: ReadonlySet<string>;
}

function dominated({ rule, name }: IndexedRule, denies: Denies): boolean {
  if (rule.patternType === 'LITERAL' && denies.literal.has(name)) return true;
  if (denies.prefixed.size === 0) return false;
  for (let length = 1; length <= name.length; length += 1) {
    if (denies.prefixed.has(name.slice(0, length))) return true;
  }
  return false;
}

export interface AnyResourceDecision {
  readonly allowed: boolean;
  readonly rule: PolicyRule | null;
}

export function decideAnyResource(
  profile: PolicyProfile,
  host: string,
  operation: Operation,
  resourceType: ResourceTypeName,
): AnyResourceDecision {
  const allows: IndexedRule[] = [];
  const literal = new Set<string>();
  const prefixed = new Set<string>();
  const bit = operationBit(operation);
  for (const table of profile.tables) {
    for (const indexed of table.rules(resourceType)) {
      const { rule, name } = indexed;
      if ((indexed.operations & bit) === 0 || !hostMatches(rule.host, host)) continue;
      if (rule.effect === 'allow') allows.push(indexed);
      else if (everyName(indexed)) return { allowed: false, rule };
      else if (rule.patternType === 'LITERAL') literal.add(name);
      else prefixed.add(name);
    }
  }
  const decisive =
    allows.find(everyName) ?? allows.find((allow) => !dominated(allow, { literal, prefixed }));
  return { allowed: decisive !== undefined, rule: decisive?.rule ?? null };
}
