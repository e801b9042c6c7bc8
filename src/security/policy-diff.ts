/**
 * Owns the comparison of two sets of policy files: which rules came and went, and which decisions
 * that changes. Pure.
 *
 * Decisions are found by asking both policies about what the changed rules speak of: their subjects
 * (holders of a role one by one), their names and the names below them, their operations, hosts and
 * tenants, now. A bounded number of questions: `isCut` says when there would have been more. Rules
 * with the attributes of a certificate or token are not asked about: nobody knows their values here.
 */
import { CLUSTER_NAME, type Operation, SUPPORTED_OPERATIONS } from './acl/operation.ts';
import type { Action, AuthorizationResult } from './authorizer.ts';
import { coveredBits, operationBit } from './policy-match.ts';
import { PolicyRoles } from './policy-roles.ts';
import {
  EVERY_TENANT,
  OPERATOR_DOMAIN,
  type PolicyRule,
  type RoleLink,
  ruleText,
} from './policy-rule.ts';
import {
  ABSENT,
  type Attributes,
  HOSTILE,
  NO_ATTRIBUTES,
  resolveName,
} from './policy-variables.ts';
import { type KafkaPrincipal, NO_ROLES } from './principal.ts';

export interface PolicyText {
  readonly rules: readonly PolicyRule[];
  readonly links: readonly RoleLink[];
}

export interface PolicyChanges {
  readonly addedRules: readonly PolicyRule[];
  readonly removedRules: readonly PolicyRule[];
  readonly addedLinks: readonly RoleLink[];
  readonly removedLinks: readonly RoleLink[];
}

/** Something that a caller asks; the principal's tenant and kind give the domain. */
export interface PolicyQuestion {
  readonly principal: KafkaPrincipal;
  readonly host: string;
  readonly action: Action;
}

export interface Decider {
  authorize(principal: KafkaPrincipal, host: string, action: Action): AuthorizationResult;
}

export interface Flip extends PolicyQuestion {
  readonly before: AuthorizationResult;
  readonly after: AuthorizationResult;
}

const linkText = ({ member, role, domain }: RoleLink): string => `g, ${member}, ${role}, ${domain}`;

/** Rules and links by their text: one that only moved to another line or file is no change. */
export function changesBetween(before: PolicyText, after: PolicyText): PolicyChanges {
  return {
    addedRules: missingIn(after.rules, before.rules, ruleText),
    removedRules: missingIn(before.rules, after.rules, ruleText),
    addedLinks: missingIn(after.links, before.links, linkText),
    removedLinks: missingIn(before.links, after.links, linkText),
  };
}

function missingIn<T>(these: readonly T[], those: readonly T[], text: (value: T) => string): T[] {
  const known = new Set(those.map(text));
  return these.filter((value) => !known.has(text(value)));
}

/** The questions that the two answer differently, each once. */
export function flipsOf(
  questions: Iterable<PolicyQuestion>,
  before: Decider,
  after: Decider,
): Flip[] {
  const flips: Flip[] = [];
  for (const question of questions) {
    const { principal, host, action } = question;
    const was = before.authorize(principal, host, action);
    const is = after.authorize(principal, host, action);
    if (was.allowed !== is.allowed) flips.push({ ...question, before: was, after: is });
  }
  return flips;
}

const QUESTIONS_MAX = 200_000;
/** Of a changed rule: who, where, what and from where is asked at most. */
const CALLERS_MAX = 20;
const TENANTS_MAX = 20;
const NAMES_MAX = 30;
const HOSTS_MAX = 6;
/** A name that stands for all that no rule speaks of. */
const ANYONE = 'anyone';
const ANY_NAME = 'any-name';
const ANY_TENANT = 'any-tenant';
/** An address of the range for documentation (RFC 5737): no rule means it by chance. */
const ANY_HOST = '192.0.2.1';

export interface Questions {
  readonly questions: readonly PolicyQuestion[];
  readonly isCut: boolean;
}

/** What the changes are about; see the head of this file. Throws PolicyError (roles). */
export function questionsAbout(before: PolicyText, after: PolicyText): Questions {
  const changes = changesBetween(before, after);
  const asked = new Map<string, PolicyQuestion>();
  const world = new World(before, after);
  let isCut = false;
  for (const rule of world.rulesConcerned(changes)) {
    for (const question of world.questionsOf(rule)) {
      if (asked.size >= QUESTIONS_MAX) {
        isCut = true;
        break;
      }
      asked.set(JSON.stringify(question), question);
    }
  }
  return { questions: [...asked.values()], isCut: isCut || world.isCut };
}

/** Who and what both policies speak of. */
class World {
  isCut = false;
  readonly #rules: readonly PolicyRule[];
  readonly #roles: readonly PolicyRoles[];
  readonly #members: readonly string[];
  /** Users and fleets that are named anywhere, without their kind. */
  readonly #users: readonly string[];
  readonly #fleets: readonly string[];
  readonly #tenants: readonly string[];
  readonly #names = new Map<string, Set<string>>();
  readonly #hosts: readonly string[];

  constructor(before: PolicyText, after: PolicyText) {
    this.#rules = [...before.rules, ...after.rules];
    const links = [...before.links, ...after.links];
    this.#roles = [new PolicyRoles(before.links), new PolicyRoles(after.links)];
    this.#members = [...new Set(links.map(({ member }) => member))].filter(
      (member) => !member.startsWith('Role:'),
    );
    const subjects = new Set([...this.#members, ...this.#rules.map(({ subject }) => subject)]);
    const named = (kind: string): string[] =>
      [...subjects].filter((one) => one.startsWith(kind)).map((one) => one.slice(kind.length));
    this.#users = named('User:').filter((name) => name !== '*');
    this.#fleets = named('Fleet:');
    const domains = new Set([...this.#rules, ...links].map(({ domain }) => domain));
    this.#tenants = [...domains].filter((one) => one !== EVERY_TENANT && one !== OPERATOR_DOMAIN);
    for (const { resourceType, resourceName } of this.#rules) {
      const names = this.#names.get(resourceType) ?? new Set();
      this.#names.set(resourceType, names.add(resourceName));
    }
    const hosts = new Set(this.#rules.map(({ host }) => host).filter((host) => host !== '*'));
    this.#hosts = [ANY_HOST, ...[...hosts].map((host) => host.split('/')[0]!)];
  }

  /** The changed rules, and all rules of a role whose links changed. */
  rulesConcerned(changes: PolicyChanges): Set<PolicyRule> {
    const concerned = new Set([...changes.addedRules, ...changes.removedRules]);
    const gained = new Set<string>();
    for (const { role, domain } of [...changes.addedLinks, ...changes.removedLinks]) {
      gained.add(role);
      for (const one of domain === EVERY_TENANT ? [domain, ...this.#tenants] : [domain]) {
        for (const roles of this.#roles) {
          for (const inherited of roles.rolesOf(role, one)) gained.add(inherited);
        }
      }
    }
    for (const rule of this.#rules) if (gained.has(rule.subject)) concerned.add(rule);
    return concerned;
  }

  *questionsOf(rule: PolicyRule): Generator<PolicyQuestion> {
    const domains = rule.domain === EVERY_TENANT ? [...this.#tenants, ANY_TENANT] : [rule.domain];
    for (const domain of this.#some(domains, TENANTS_MAX)) {
      for (const principal of this.#some([...this.#callers(rule.subject, domain)], CALLERS_MAX)) {
        for (const resourceName of this.#namesOf(rule, principal, domain)) {
          for (const operation of operationsOf(rule)) {
            const action = { operation, resourceType: rule.resourceType, resourceName };
            for (const host of this.#hostsOf(rule)) yield { principal, host, action };
          }
        }
      }
    }
  }

  *#callers(subject: string, domain: string): Generator<KafkaPrincipal> {
    const [kind, name = ''] = subject.split(/:(.*)/s);
    if (subject === 'User:*') {
      for (const user of [ANYONE, ...this.#users]) yield caller(domain, user, null);
      for (const fleet of this.#fleets) yield caller(domain, ANYONE, fleet);
    } else if (kind === 'User') yield caller(domain, name, null);
    else if (kind === 'Fleet') {
      for (const user of [ANYONE, ...this.#users]) yield caller(domain, user, name);
    } else {
      for (const member of this.#members) {
        const isHolder = this.#roles.some((roles) => roles.rolesOf(member, domain).has(subject));
        if (isHolder) yield* this.#callers(member, domain);
      }
    }
  }

  #namesOf(rule: PolicyRule, { name, fleet }: KafkaPrincipal, domain: string): string[] {
    const fleetSubject = fleet === null ? '' : `Fleet:${fleet}`;
    const values = { subject: `User:${name}`, fleetSubject, domain, attributes: NO_ATTRIBUTES };
    const own = resolveName(rule.resourceName, values);
    if (own === ABSENT || own === HOSTILE) return [];
    const isEvery = rule.patternType === 'LITERAL' && own === '*';
    if (rule.patternType === 'LITERAL' && !isEvery) return [own];
    const found = new Set([isEvery ? anyNameOf(rule) : `${own}${ANY_NAME}`]);
    for (const known of this.#names.get(rule.resourceType) ?? []) {
      const resolved = resolveName(known, values);
      if (typeof resolved !== 'string' || resolved === '*') continue;
      if (isEvery || resolved.startsWith(own)) found.add(resolved);
    }
    return this.#some([...found], NAMES_MAX);
  }

  #hostsOf({ host }: PolicyRule): string[] {
    if (host !== '*') return [host.split('/')[0]!];
    return this.#some(this.#hosts, HOSTS_MAX);
  }

  #some<T>(values: readonly T[], max: number): T[] {
    if (values.length > max) this.isCut = true;
    return values.slice(0, max);
  }
}

function operationsOf(rule: PolicyRule): Operation[] {
  const bits = coveredBits(rule);
  return SUPPORTED_OPERATIONS[rule.resourceType].filter(
    (operation) => (bits & operationBit(operation)) !== 0,
  );
}

/** A caller as both policies see one, for questions that no connection asks. */
export function caller(
  domain: string,
  name: string,
  fleet: string | null,
  roles: readonly string[] = NO_ROLES,
  attributes: Attributes = NO_ATTRIBUTES,
): KafkaPrincipal {
  const isOperator = domain === OPERATOR_DOMAIN;
  return {
    principalType: 'User',
    name,
    tenant: isOperator ? '' : domain,
    kind: isOperator ? 'operator' : 'device',
    fleet,
    roles,
    attributes,
    authentication: 'none',
    certificateSerial: null,
    expiresAtMs: null,
  };
}

const anyNameOf = ({ resourceType }: PolicyRule): string =>
  resourceType === 'CLUSTER' ? CLUSTER_NAME : ANY_NAME;
