/**
 * Owns what a rule is and which values may stand in one. Pure.
 *
 * Invariant: a PolicyRule exists only after `ruleProblem` found nothing: its values hold no comma,
 * quote, space, line end or control character, so no value can become another rule or column.
 */

import type { ResourceTypeName } from './acl/operation.ts';
import {
  AclOperation,
  CLUSTER_NAME,
  type Operation,
  PatternType,
  type PatternTypeName,
  ResourceType,
  SUPPORTED_OPERATIONS,
} from './acl/operation.ts';
import { hostProblem } from './policy-host.ts';
import { ALWAYS, windowProblem } from './policy-window.ts';

/** The domain of the broker's operators; no tenant can have this name. */
export const OPERATOR_DOMAIN = '_operator';
/** In the tenant column: every tenant, but never the operators' domain. */
export const EVERY_TENANT = '*';
/** The file of rules that came through the ACL API, the CLI or the admin API. */
export const DYNAMIC_ORIGIN = 'dynamic';

export type RuleEffect = 'allow' | 'deny';

/** One rule in the columns of policies/model.conf, with its origin. */
export interface PolicyRule {
  readonly subject: string;
  readonly domain: string;
  readonly resourceType: ResourceTypeName;
  readonly patternType: PatternTypeName;
  readonly resourceName: string;
  readonly operation: Operation | 'ALL';
  readonly host: string;
  readonly effect: RuleEffect;
  /** When the rule holds, as policy-window.ts writes it; `*`: always. */
  readonly when: string;
  /** The file's name, or `dynamic`. */
  readonly file: string;
  /** From 1; 0 for a dynamic rule. */
  readonly line: number;
}

/** A role given to a user, a fleet or another role. */
export interface RoleLink {
  readonly member: string;
  readonly role: string;
  readonly domain: string;
  readonly file: string;
  readonly line: number;
}

export const TENANT_GRAMMAR = /^[a-z0-9-]{1,63}$/;
/** Device, fleet, role and user names. No dot: `device-1.` never covers another device. */
export const NAME_GRAMMAR = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
/** A user of another realm may be `ada@EXAMPLE.COM`; variables still refuse such a value. */
const USER_GRAMMAR = /^[A-Za-z0-9_][A-Za-z0-9._@/=+:~-]{0,254}$/;
/** Printable ASCII without space, comma, quotes, backslash, hash, dollar and braces. */
const RESOURCE_GRAMMAR = /^[!%&()*+./0-9:;<=>?@A-Z[\]^_a-z|~-]{1,255}$/;
const VARIABLES_MAX = 8;
/** What a caller is, what its certificate's subject says, and claims that its token's issuer lists. */
const VARIABLES =
  /\$\{(?:principal|fleet|tenant|cert\.(?:cn|o|ou|serial)|token\.[A-Za-z][A-Za-z0-9_]{0,31})\}/g;

export function domainProblem(domain: string, everyTenant: boolean): string | null {
  if (TENANT_GRAMMAR.test(domain) || domain === OPERATOR_DOMAIN) return null;
  if (everyTenant && domain === EVERY_TENANT) return null;
  return `"${domain}" is not a tenant name, *, or ${OPERATOR_DOMAIN}`;
}

export function subjectProblem(subject: string): string | null {
  const colon = subject.indexOf(':');
  const kind = subject.slice(0, colon);
  const name = subject.slice(colon + 1);
  if (kind === 'User' && (name === '*' || USER_GRAMMAR.test(name))) return null;
  if ((kind === 'Fleet' || kind === 'Role') && NAME_GRAMMAR.test(name)) return null;
  return `subject "${subject}" is not User:<name>, User:*, Fleet:<name> or Role:<name>`;
}

function nameProblem(rule: PolicyRule): string | null {
  const { resourceName, patternType, resourceType } = rule;
  const plain = resourceName.replace(VARIABLES, 'x');
  if ((resourceName.match(VARIABLES)?.length ?? 0) > VARIABLES_MAX) {
    return `resource name "${resourceName}" has more than ${VARIABLES_MAX} variables`;
  }
  if (!RESOURCE_GRAMMAR.test(plain)) {
    return `resource name "${resourceName}" is empty, too long or has a character or variable that rules cannot hold`;
  }
  if (patternType === 'PREFIXED' && resourceName.endsWith('}')) {
    return `prefix "${resourceName}" ends with a variable, so device-1 would also cover device-10: end it with a separator`;
  }
  if (rule.domain === OPERATOR_DOMAIN && patternType === 'PREFIXED' && !plain.includes('/')) {
    return `prefix "${resourceName}" does not say where the tenant's name ends: acme/ covers acme`;
  }
  if (resourceType === 'TOPIC' && resourceName.includes('*') && resourceName !== '*') {
    return `topic name "${resourceName}" has a *: for every name that begins so, use PREFIXED without it`;
  }
  if (resourceType !== 'CLUSTER' || rule.domain === OPERATOR_DOMAIN) return null;
  if (patternType === 'LITERAL' && (resourceName === CLUSTER_NAME || resourceName === '*')) {
    return null;
  }
  return `a CLUSTER rule names LITERAL ${CLUSTER_NAME} (or LITERAL *)`;
}

function vocabularyProblem(rule: PolicyRule): string | null {
  const { resourceType, patternType, operation, effect } = rule;
  if (!Object.hasOwn(ResourceType, resourceType)) return `unknown resource type "${resourceType}"`;
  if (!Object.hasOwn(PatternType, patternType)) return `unknown pattern type "${patternType}"`;
  const known = Object.hasOwn(AclOperation, operation) && !/^(UNKNOWN|ANY)$/.test(operation);
  if (!known) return `unknown operation "${operation}"`;
  if (operation !== 'ALL' && !SUPPORTED_OPERATIONS[resourceType].includes(operation)) {
    return `operation ${operation} means nothing on a ${resourceType}`;
  }
  return effect === 'allow' || effect === 'deny' ? null : `"${effect}" is not allow or deny`;
}

/** What is wrong with the rule, or null. Values are of unchecked origin until then. */
export function ruleProblem(rule: PolicyRule): string | null {
  return (
    subjectProblem(rule.subject) ??
    domainProblem(rule.domain, true) ??
    vocabularyProblem(rule) ??
    nameProblem(rule) ??
    hostProblem(rule.host) ??
    windowProblem(rule.when)
  );
}

export function linkProblem(link: RoleLink): string | null {
  if (link.member === 'User:*') return 'User:* cannot hold a role: give the rule to User:*';
  const problem = subjectProblem(link.member) ?? subjectProblem(link.role);
  if (problem !== null) return problem;
  if (!link.role.startsWith('Role:')) return `"${link.role}" is not Role:<name>`;
  return domainProblem(link.domain, true);
}

/** The columns that Casbin sees, in the order of `p` in policies/model.conf. */
export function ruleColumns(rule: PolicyRule): string[] {
  return [
    rule.subject,
    rule.domain,
    rule.resourceType,
    rule.patternType,
    rule.resourceName,
    rule.operation,
    rule.host,
    rule.effect,
    rule.when,
  ];
}

/** The rule as a line of a policy file: without its last column where that is `*`. */
export function ruleText(rule: PolicyRule): string {
  const columns = ruleColumns(rule);
  if (rule.when === ALWAYS) columns.pop();
  return `p, ${columns.join(', ')}`;
}

/** `acme.csv:12`, or `dynamic`. */
export const ruleOrigin = (rule: Pick<PolicyRule, 'file' | 'line'>): string =>
  rule.line === 0 ? rule.file : `${rule.file}:${rule.line}`;
