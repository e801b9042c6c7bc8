/**
 * Owns the question "may the caller do this on at least one resource of the type?" (KIP-679, Kafka's
 * Authorizer.authorizeByResourceType): a wildcard deny wins over everything, else an allow is enough
 * that no deny dominates (a deny of the same literal name, or of a prefix of the allowed name or
 * prefix). The index finds the denies of a name, so what is gone through are allows only, up to the
 * first that stands. Pure.
 */
import type { Operation, ResourceTypeName } from './acl/operation.ts';
import { hostMatches } from './policy-host.ts';
import { operationBit } from './policy-match.ts';
import type { PolicyProfile } from './policy-profile.ts';
import type { PolicyRule } from './policy-rule.ts';
import { hasVariable, resolveName } from './policy-variables.ts';
import { ALWAYS, inWindow, windowHoldsUntil } from './policy-window.ts';

export interface AnyResourceDecision {
  readonly allowed: boolean;
  readonly rule: PolicyRule | null;
  /** Until when time windows leave it so; Infinity: none has a say. */
  readonly untilMs: number;
}

export interface AnyResourceQuestion {
  readonly profile: PolicyProfile;
  readonly host: string;
  readonly operation: Operation;
  readonly resourceType: ResourceTypeName;
  readonly timeMs: number;
}

/** What of the candidates holds here and now; notes until when that is so. */
class Standing {
  readonly #question: AnyResourceQuestion;
  untilMs = Number.POSITIVE_INFINITY;

  constructor(question: AnyResourceQuestion) {
    this.#question = question;
  }

  holds(rule: PolicyRule): boolean {
    const { host, timeMs } = this.#question;
    if (!hostMatches(rule.host, host)) return false;
    if (rule.when === ALWAYS) return true;
    this.untilMs = Math.min(this.untilMs, windowHoldsUntil(rule.when, timeMs));
    return inWindow(rule.when, timeMs);
  }
}

/** A deny that holds and speaks about everything the allow speaks about. */
function isDominated(
  allow: PolicyRule,
  question: AnyResourceQuestion,
  standing: Standing,
): boolean {
  const { profile, resourceType, operation } = question;
  if (allow.patternType === 'LITERAL' && allow.resourceName === '*') return false;
  const name = hasVariable(allow.resourceName)
    ? resolveName(allow.resourceName, profile)
    : allow.resourceName;
  if (typeof name !== 'string') return true;
  return profile
    .candidates(resourceType, operation, name)
    .some(
      (rule) =>
        rule.effect === 'deny' &&
        (rule.patternType === 'PREFIXED' || allow.patternType === 'LITERAL') &&
        standing.holds(rule),
    );
}

export function decideAnyResource(question: AnyResourceQuestion): AnyResourceDecision {
  const { profile, operation, resourceType } = question;
  const bit = operationBit(operation);
  const standing = new Standing(question);
  const roots = profile.roots(resourceType);
  const whole: PolicyRule[] = [];
  for (const { index, root } of roots) index.collectWholeDenies(root, bit, profile, whole);
  const denied = whole.find((rule) => standing.holds(rule));
  if (denied !== undefined) return { allowed: false, rule: denied, untilMs: standing.untilMs };
  for (const { index, root } of roots) {
    for (const allow of index.allows(root, bit)) {
      if (!standing.holds(allow) || isDominated(allow, question, standing)) continue;
      return { allowed: true, rule: allow, untilMs: standing.untilMs };
    }
  }
  return { allowed: false, rule: null, untilMs: standing.untilMs };
}
