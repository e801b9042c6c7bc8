/**
 * Owns the meaning of the functions that policies/model.conf calls. Pure; Casbin calls them for
 * every candidate rule, and the index uses the same ones to find the candidates. What variables mean
 * stands in policy-variables.ts.
 */
import { AclOperation, type Operation, type PatternTypeName } from './acl/operation.ts';
import type { PolicyRule, RuleEffect } from './policy-rule.ts';
import { ABSENT, type Attributes, HOSTILE, hasVariable, resolveName } from './policy-variables.ts';

const INCLUDES_DESCRIBE: ReadonlySet<string> = new Set(['READ', 'WRITE', 'DELETE', 'ALTER']);

/** Does a rule with this operation and effect speak about the operation asked for? */
export function covers(ruleOperation: string, effect: string, operation: string): boolean {
  if (ruleOperation === operation || ruleOperation === 'ALL') return true;
  if (effect !== 'allow') return false;
  if (operation === 'DESCRIBE') return INCLUDES_DESCRIBE.has(ruleOperation);
  return operation === 'DESCRIBE_CONFIGS' && ruleOperation === 'ALTER_CONFIGS';
}

const bitsOf = (ruleOperation: string, effect: string): number => {
  let bits = 0;
  for (const [operation, code] of Object.entries(AclOperation)) {
    if (code > AclOperation.ALL && covers(ruleOperation, effect, operation)) bits |= 1 << code;
  }
  return bits;
};
const BITS_BY_EFFECT = {
  allow: new Map(Object.keys(AclOperation).map((name) => [name, bitsOf(name, 'allow')])),
  deny: new Map(Object.keys(AclOperation).map((name) => [name, bitsOf(name, 'deny')])),
};

/** `covers` for every operation at once: bit n is set when Kafka's operation code n is covered. */
export const coveredBits = (rule: Pick<PolicyRule, 'operation' | 'effect'>): number =>
  BITS_BY_EFFECT[rule.effect].get(rule.operation) ?? 0;

const patternMatches = (pattern: string, ruleName: string, name: string): boolean =>
  pattern === 'PREFIXED'
    ? name.startsWith(ruleName)
    : pattern === 'LITERAL' && (ruleName === '*' || ruleName === name);

/** The matcher's view: subjects carry their kind (`User:x`, `Fleet:f` or ''). */
export function nameMatches(
  pattern: PatternTypeName,
  ruleName: string,
  effect: RuleEffect,
  name: string,
  subject: string,
  fleetSubject: string,
  domain: string,
  attributes: Attributes,
): boolean {
  if (!hasVariable(ruleName)) return patternMatches(pattern, ruleName, name);
  const resolved = resolveName(ruleName, { subject, fleetSubject, domain, attributes });
  if (resolved === ABSENT) return false;
  if (resolved === HOSTILE) return effect === 'deny';
  return patternMatches(pattern, resolved, name);
}

export const operationBit = (operation: Operation): number => 1 << AclOperation[operation];
