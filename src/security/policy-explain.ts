/**
 * Owns the sentence that tells why a decision came out as it did, for `acl explain`. Pure.
 *
 * Invariant: the verdict is Casbin's over the same candidates that `authorize` uses; only the words
 * are made here, from the caller's own tenant.
 */
import type { Action, AuthorizationResult } from './authorizer.ts';
import { hostMatches } from './policy-host.ts';
import type { CasbinDecision } from './policy-model.ts';
import type { PolicyProfile } from './policy-profile.ts';
import { OPERATOR_DOMAIN, type PolicyRule, ruleOrigin, ruleText } from './policy-rule.ts';
import { inWindow } from './policy-window.ts';

export interface ConsideredRule {
  readonly rule: string;
  readonly origin: string;
  readonly effect: 'allow' | 'deny';
  /** How the caller comes under the rule, e.g. `User:device-1 in Fleet:dev, which holds Role:x`. */
  readonly via: string;
  /** False when the host keeps the rule from matching. */
  readonly hostMatches: boolean;
  /** False when the rule has a time window that is closed now. */
  readonly inWindow: boolean;
}

export interface Explanation {
  readonly allowed: boolean;
  readonly sentence: string;
  /** The rules on this resource and operation that concern the caller, the decisive one first. */
  readonly considered: readonly ConsideredRule[];
}

interface Question {
  readonly profile: PolicyProfile;
  readonly host: string;
  readonly action: Action;
  readonly timeMs: number;
  readonly decide: (candidates: readonly PolicyRule[]) => CasbinDecision;
}

function via(rule: PolicyRule, { profile }: Question): string {
  const { subject, fleetSubject } = profile;
  if (rule.subject === subject) return `it names ${subject}`;
  if (rule.subject === 'User:*') return `it names everyone (User:*)`;
  if (rule.subject === fleetSubject) return `${subject} is in ${fleetSubject}`;
  const tokenRole = profile.tokenRoleBehind(rule);
  if (tokenRole !== null) {
    const inherited = tokenRole === rule.subject ? '' : `, which holds ${rule.subject}`;
    return `the token of the session gives ${subject} ${tokenRole}${inherited}`;
  }
  const [first = subject, ...path] = profile.rolePathTo(rule.subject) ?? [];
  return path.reduce((told, role, step) => {
    return step === 0 ? `${told} holds ${role}` : `${told}, which holds ${role}`;
  }, first);
}

function where({ profile }: Question): string {
  return profile.domain === OPERATOR_DOMAIN ? 'as an operator' : `in tenant ${profile.domain}`;
}

function describe(
  question: Question,
  decision: CasbinDecision,
  rulesOn: readonly PolicyRule[],
): string {
  const considered = rulesOn.length;
  const { profile, host, action } = question;
  const { operation, resourceType, resourceName } = action;
  const asked = `${operation} on ${resourceType} ${JSON.stringify(resourceName)} ${where(question)} from ${host}`;
  const who = JSON.stringify(profile.subject).slice(1, -1);
  if (decision.rule !== null) {
    const verdict = decision.allowed ? 'is allowed' : 'is denied';
    const rule = `"${ruleText(decision.rule)}" (${ruleOrigin(decision.rule)})`;
    return `${who} ${verdict} ${asked} by the rule ${rule}, since ${via(decision.rule, question)}.`;
  }
  if (considered === 0) return `${who} is denied ${asked}: no rule speaks about it.`;
  const rules = considered === 1 ? 'one rule speaks' : `${considered} rules speak`;
  const { timeMs } = question;
  const open = rulesOn.some((rule) => inWindow(rule.when, timeMs));
  const here = rulesOn.some((rule) => hostMatches(rule.host, host));
  const but = open ? 'for this address' : here ? 'at this time' : 'at this time and address';
  return `${who} is denied ${asked}: ${rules} about it, but not ${but}.`;
}

export function explainDecision(question: Question): Explanation {
  const { profile, host, action, decide } = question;
  const { operation, resourceType, resourceName } = action;
  const candidates = profile.candidates(resourceType, operation, resourceName);
  const decision = decide(candidates);
  const ordered = [...candidates].sort(
    (a, b) => Number(b === decision.rule) - Number(a === decision.rule),
  );
  return {
    allowed: decision.allowed,
    sentence: describe(question, decision, candidates),
    considered: ordered.map((rule) => ({
      rule: ruleText(rule),
      origin: ruleOrigin(rule),
      effect: rule.effect,
      via: via(rule, question),
      hostMatches: hostMatches(rule.host, host),
      inWindow: inWindow(rule.when, question.timeMs),
    })),
  };
}

/** By a model of the operator's own: Casbin's evidence, and no rules beside the one that decided. */
export function explainOwn(
  { subject }: PolicyProfile,
  host: string,
  { operation, resourceType, resourceName }: Action,
  { allowed, rule, origin }: AuthorizationResult,
): Explanation {
  const who = JSON.stringify(subject).slice(1, -1);
  const verdict = allowed ? 'is allowed' : 'is denied';
  const asked = `${operation} on ${resourceType} ${JSON.stringify(resourceName)} from ${host}`;
  const by =
    rule === null
      ? "by the operator's own access model: no rule decided"
      : `by the operator's own access model and the rule "${rule}" (${origin})`;
  return { allowed, sentence: `${who} ${verdict} ${asked} ${by}.`, considered: [] };
}
