/**
 * Owns the advice on a set of policy files that is in order: rules that change nothing, rules that
 * cannot take effect, and rules that allow more than their author is likely to mean. Pure.
 *
 * Invariant: `shadowed` and `unreachable` are proofs, not guesses: taking such a rule away changes no
 * decision that these files make. They know nothing of dynamic rules and of roles from tokens.
 */
import { hostCovers } from './policy-host.ts';
import { coveredBits } from './policy-match.ts';
import { PolicyRoles } from './policy-roles.ts';
import {
  EVERY_TENANT,
  OPERATOR_DOMAIN,
  type PolicyRule,
  type RoleLink,
  ruleOrigin,
  ruleText,
} from './policy-rule.ts';
import { ALWAYS } from './policy-window.ts';

/**
 * `shadowed`: another rule of the same effect says all of it. `unreachable`: nobody is under the rule
 * or a deny takes all of it back. `over-broad`: it speaks of everyone or of everything.
 */
export type FindingKind = 'shadowed' | 'unreachable' | 'over-broad';

export interface PolicyFinding {
  readonly kind: FindingKind;
  readonly file: string;
  readonly line: number;
  /** The rule or role link as its line says it. */
  readonly text: string;
  /** What is the matter and what to do, one sentence. */
  readonly message: string;
}

interface PolicyText {
  readonly rules: readonly PolicyRule[];
  readonly links: readonly RoleLink[];
}

/** Findings in the order of the rules, those of role links behind. Throws PolicyError (roles). */
export function lintPolicy({ rules, links }: PolicyText): PolicyFinding[] {
  const roles = new PolicyRoles(links);
  const search = new CoverSearch(rules, roles);
  const held = heldRoles(links);
  const findings: PolicyFinding[] = [];
  for (const rule of rules) {
    const problem = unreachable(rule, search, held) ?? shadowed(rule, search) ?? overBroad(rule);
    if (problem === null) continue;
    const { file, line } = rule;
    findings.push({ ...problem, file, line, text: ruleText(rule) });
  }
  for (const link of emptyLinks(rules, links)) findings.push(link);
  return findings;
}

type Problem = Pick<PolicyFinding, 'kind' | 'message'> | null;

function unreachable(rule: PolicyRule, search: CoverSearch, held: HeldRoles): Problem {
  if (rule.subject.startsWith('Role:') && !held.isHeld(rule.subject, rule.domain)) {
    const message = `no role link gives ${rule.subject} to anyone in ${where(rule.domain)}: add a "g" line, or take the rule away unless tokens give the role`;
    return { kind: 'unreachable', message };
  }
  if (rule.effect === 'deny') return null;
  const deny = search.coverOf(rule, 'deny');
  if (deny === null) return null;
  const message = `the deny at ${ruleOrigin(deny)} covers all that it allows, and a deny wins: take one of the two away`;
  return { kind: 'unreachable', message };
}

function shadowed(rule: PolicyRule, search: CoverSearch): Problem {
  const other = search.coverOf(rule, rule.effect);
  if (other === null) return null;
  const message = `${ruleOrigin(other)} says all of it: "${ruleText(other)}"`;
  return { kind: 'shadowed', message };
}

function overBroad(rule: PolicyRule): Problem {
  const reason = broadness(rule);
  return reason === null ? null : { kind: 'over-broad', message: reason };
}

function broadness({
  effect,
  subject,
  domain,
  resourceType,
  patternType,
  resourceName,
  operation,
  host,
}: PolicyRule): string | null {
  if (patternType === 'PREFIXED' && resourceName === '*') {
    return 'PREFIXED * covers only names that begin with an asterisk: LITERAL * is every name';
  }
  if (effect === 'deny') return null;
  const isEveryName = patternType === 'LITERAL' && resourceName === '*';
  const isEveryone = subject === 'User:*';
  if (isEveryone && domain === EVERY_TENANT) {
    return 'it allows everyone in every tenant, tenants that do not exist yet included';
  }
  if (isEveryone && (isEveryName || resourceType === 'CLUSTER')) {
    return `it allows everyone in ${where(domain)} ${operation} on every ${resourceType}`;
  }
  if (isEveryone && operation === 'ALL') return `it allows everyone in ${where(domain)} ALL`;
  if (subject.startsWith('Fleet:') && operation === 'ALL' && isEveryName) {
    return `it allows every device of ${subject} ALL on every ${resourceType}`;
  }
  if (patternType === 'PREFIXED' && resourceName.length === 1) {
    return `the prefix "${resourceName}" is one character long: it covers names that nobody thought of`;
  }
  if (host === '0.0.0.0/0' || host === '::/0') {
    return `host ${host} is every address of one family: * is every address`;
  }
  return null;
}

const where = (domain: string): string => {
  if (domain === OPERATOR_DOMAIN) return "the operators' domain";
  return domain === EVERY_TENANT ? 'every tenant' : `tenant ${domain}`;
};

/** By effect, domain and subject. */
type RulesByWho = Map<string, PolicyRule[]>;

/** Finds a rule that matches whatever another one matches. */
class CoverSearch {
  readonly #roles: PolicyRoles;
  /** By type and pattern, then by name. */
  readonly #byPattern = new Map<string, Map<string, RulesByWho>>();
  readonly #prefixLengths = new Map<string, number[]>();
  readonly #places = new Map<PolicyRule, number>();
  readonly #subjects = new Map<string, readonly string[]>();

  constructor(rules: readonly PolicyRule[], roles: PolicyRoles) {
    this.#roles = roles;
    const lengths = new Map<string, Set<number>>();
    for (const [place, rule] of rules.entries()) {
      this.#places.set(rule, place);
      const { resourceType, patternType, resourceName } = rule;
      const byName = at(
        this.#byPattern,
        `${resourceType} ${patternType}`,
        () => new Map<string, RulesByWho>(),
      );
      const bySubject = at(byName, resourceName, (): RulesByWho => new Map());
      at(bySubject, whoKey(rule.effect, rule.domain, rule.subject), () => []).push(rule);
      if (patternType === 'PREFIXED') {
        at(lengths, resourceType, () => new Set<number>()).add(resourceName.length);
      }
    }
    for (const [type, found] of lengths) {
      this.#prefixLengths.set(
        type,
        [...found].sort((a, b) => a - b),
      );
    }
  }

  /** A rule of the effect that covers `rule`; of two that cover each other, the first one stays. */
  coverOf(rule: PolicyRule, effect: PolicyRule['effect']): PolicyRule | null {
    const domains = rule.domain === OPERATOR_DOMAIN ? [] : [EVERY_TENANT];
    const around = [...new Set([rule.domain, ...domains])].flatMap((domain) =>
      this.#subjectsAround(rule).map((subject) => whoKey(effect, domain, subject)),
    );
    for (const byWho of this.#namesThatCover(rule)) {
      for (const who of around) {
        const found = byWho.get(who)?.find((other) => this.#covers(other, rule));
        if (found !== undefined) return found;
      }
    }
    return null;
  }

  #covers(other: PolicyRule, rule: PolicyRule): boolean {
    if (other === rule || !coversTheRest(other, rule)) return false;
    if (other.effect !== rule.effect || !this.#isAround(rule, other)) return true;
    return this.#places.get(other)! < this.#places.get(rule)!;
  }

  /** Whether the two cover each other. */
  #isAround(outer: PolicyRule, inner: PolicyRule): boolean {
    return (
      outer.domain === inner.domain &&
      outer.subject === inner.subject &&
      outer.patternType === inner.patternType &&
      outer.resourceName === inner.resourceName &&
      coversTheRest(outer, inner)
    );
  }

  *#namesThatCover(rule: PolicyRule): Generator<RulesByWho> {
    const { resourceType, patternType, resourceName } = rule;
    const literal = this.#byPattern.get(`${resourceType} LITERAL`);
    const everyName = literal?.get('*');
    if (everyName !== undefined) yield everyName;
    if (patternType === 'LITERAL' && resourceName === '*') return;
    const sameName = patternType === 'LITERAL' ? literal?.get(resourceName) : undefined;
    if (sameName !== undefined) yield sameName;
    const prefixed = this.#byPattern.get(`${resourceType} PREFIXED`);
    for (const length of this.#prefixLengths.get(resourceType) ?? []) {
      if (length > resourceName.length) return;
      const found = prefixed?.get(resourceName.slice(0, length));
      if (found !== undefined) yield found;
    }
  }

  /** Subjects whose rules hold for everybody who is under this rule's subject. */
  #subjectsAround({ subject, domain }: PolicyRule): readonly string[] {
    return at(this.#subjects, `${domain} ${subject}`, () => [
      ...new Set([subject, 'User:*', ...this.#roles.rolesOf(subject, domain)]),
    ]);
  }
}

/** Operation, host and time; the name, the domain and the subject are known to cover. */
function coversTheRest(other: PolicyRule, rule: PolicyRule): boolean {
  if (other.when !== ALWAYS && other.when !== rule.when) return false;
  const asked = coveredBits(rule);
  return (coveredBits(other) & asked) === asked && hostCovers(other.host, rule.host);
}

const whoKey = (effect: string, domain: string, subject: string): string =>
  `${effect} ${domain} ${subject}`;

function at<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** Which roles a user or a fleet holds at the end of some chain of links. */
class HeldRoles {
  readonly #domains = new Map<string, Set<string>>();

  add(role: string, domain: string): void {
    at(this.#domains, role, () => new Set<string>()).add(domain);
  }

  isHeld(role: string, domain: string): boolean {
    const domains = this.#domains.get(role);
    if (domains === undefined) return false;
    if (domain === EVERY_TENANT) return [...domains].some((held) => held !== OPERATOR_DOMAIN);
    return domains.has(domain) || (domain !== OPERATOR_DOMAIN && domains.has(EVERY_TENANT));
  }
}

/** Generous: a role is held where anyone holds it or a role that inherits it, in any domain of both. */
function heldRoles(links: readonly RoleLink[]): HeldRoles {
  const held = new HeldRoles();
  const byMember = new Map<string, RoleLink[]>();
  for (const link of links) at(byMember, link.member, () => []).push(link);
  const open = links.filter(({ member }) => !member.startsWith('Role:'));
  const seen = new Set<string>();
  for (let link = open.pop(); link !== undefined; link = open.pop()) {
    const { role, domain } = link;
    const key = `${domain} ${role}`;
    if (seen.has(key)) continue;
    seen.add(key);
    held.add(role, domain);
    for (const next of byMember.get(role) ?? []) {
      if (next.domain === domain || next.domain === EVERY_TENANT) open.push({ ...next, domain });
      else if (domain === EVERY_TENANT) open.push(next);
    }
  }
  return held;
}

/** Links to a role that has no rule and inherits none. */
function* emptyLinks(
  rules: readonly PolicyRule[],
  links: readonly RoleLink[],
): Generator<PolicyFinding> {
  const useful = new Set<string>();
  for (const { subject } of rules) if (subject.startsWith('Role:')) useful.add(subject);
  const membersOf = new Map<string, string[]>();
  for (const { member, role } of links) at(membersOf, role, () => []).push(member);
  const open = [...useful];
  for (let role = open.pop(); role !== undefined; role = open.pop()) {
    for (const member of membersOf.get(role) ?? []) {
      if (useful.has(member)) continue;
      useful.add(member);
      open.push(member);
    }
  }
  for (const { member, role, domain, file, line } of links) {
    if (useful.has(role)) continue;
    const message = `no rule of these files is given to ${role}: the link changes nothing unless dynamic rules name the role`;
    yield { kind: 'unreachable', file, line, text: `g, ${member}, ${role}, ${domain}`, message };
  }
}
