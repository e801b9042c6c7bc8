/**
 * Owns the meaning of the functions that policies/model.conf calls. Pure; Casbin calls them for
 * every candidate rule, and the index uses the same ones to find the candidates.
 *
 * Invariant: a variable whose value breaks the name grammar never grants and always denies: an allow
 * rule with it matches nothing, a deny rule with it matches everything. A principal without a fleet
 * is outside of every rule that says ${fleet}.
 */
import { AclOperation, type Operation, type PatternTypeName } from './acl/operation.ts';
import { NAME_GRAMMAR, type PolicyRule, type RuleEffect, TENANT_GRAMMAR } from './policy-rule.ts';

const INCLUDES_DESCRIBE: ReadonlySet<string> = new Set(['READ', 'WRITE', 'DELETE', 'ALTER']);

/** Does a rule with this operation and effect speak about the operation asked for? */
export function covers(ruleOperation: string, effect: string, operation: string): boolean {
  if (ruleOperation === operation || ruleOperation === 'ALL') return true;
  if (effect !== 'allow') return false;
  if (operation === 'DESCRIBE') return INCLUDES_DESCRIBE.has(ruleOperation);
  return operation === 'DESCRIBE_CONFIGS' && ruleOperation === 'ALTER_CONFIGS';
}

/** `covers` for every operation at once: bit n is set when Kafka's operation code n is covered. */
export function coveredBits(rule: Pick<PolicyRule, 'operation' | 'effect'>): number {
  let bits = 0;
  for (const [operation, code] of Object.entries(AclOperation)) {
    if (code > AclOperation.ALL && covers(rule.operation, rule.effect, operation))
      bits |= 1 << code;
  }
  return bits;
}

/** The values of the policy variables for one caller. */
export interface VariableValues {
  readonly principal: string;
  /** '' for a caller without a fleet. */
  readonly fleet: string;
  readonly tenant: string;
}

/** The rule does not apply to a caller for whom the variable has no value. */
export const ABSENT = Symbol('absent');
/** The value breaks the grammar of names. */
export const HOSTILE = Symbol('hostile');

const VARIABLE = /\$\{(principal|fleet|tenant)\}/g;

export const hasVariable = (name: string): boolean => name.includes('${');

/** The rule's name with the caller's values in place. */
export function resolveName(
  name: string,
  values: VariableValues,
): string | typeof ABSENT | typeof HOSTILE {
  let outcome: typeof ABSENT | typeof HOSTILE | null = null;
  const resolved = name.replace(VARIABLE, (_text, variable: keyof VariableValues) => {
    const value = values[variable];
    const grammar = variable === 'tenant' ? TENANT_GRAMMAR : NAME_GRAMMAR;
    if (value === '') outcome ??= ABSENT;
    else if (!grammar.test(value)) outcome = HOSTILE;
    return value;
  });
  return outcome ?? resolved;
}

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
): boolean {
  if (!hasVariable(ruleName)) return patternMatches(pattern, ruleName, name);
  const resolved = resolveName(ruleName, {
    principal: subject.slice('User:'.length),
    fleet: fleetSubject.slice('Fleet:'.length),
    tenant: domain,
  });
  if (resolved === ABSENT) return false;
  if (resolved === HOSTILE) return effect === 'deny';
  return patternMatches(pattern, resolved, name);
}

export const operationBit = (operation: Operation): number => 1 << AclOperation[operation];
