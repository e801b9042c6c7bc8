/**
 * Owns what one caller is to the policy: the subjects it acts as, where the index has rules that
 * concern it, and its decisions so far. Void as soon as a rule of its domain changes.
 *
 * Invariant: the memory of one profile is bounded, and a caller that fills its own (by asking for
 * ever new names) empties only its own.
 */

import type { ResourceTypeName } from './acl/operation.ts';
import { AclOperation, type Operation, ResourceType } from './acl/operation.ts';
import type { Action, AuthorizationResult } from './authorizer.ts';
import type { CallerValues, PolicyIndex } from './policy-index.ts';
import { operationBit } from './policy-match.ts';
import type { PolicyRoles } from './policy-roles.ts';
import { EVERY_TENANT, OPERATOR_DOMAIN, type PolicyRule, TENANT_GRAMMAR } from './policy-rule.ts';
import type { PolicyStore } from './policy-store.ts';
import {
  type Attributes,
  type CallerColumns,
  HOSTILE,
  NO_ATTRIBUTES,
  variableValue,
} from './policy-variables.ts';
import type { KafkaPrincipal } from './principal.ts';
import { SessionRoles } from './session-roles.ts';

/** What of a principal the policy speaks about. */
export type PolicyCaller = Pick<
  KafkaPrincipal,
  'name' | 'tenant' | 'kind' | 'fleet' | 'roles' | 'attributes'
>;

/** Names longer than Kafka's longest topic name are decided, never remembered. */
const REMEMBERED_NAME_LENGTH_MAX = 255;
const DECISIONS_PER_HOST_MAX = 2_048;
const HOSTS_MAX = 16;
const OPERATION_SLOTS = 16;

type DecisionsByName = Map<string, AuthorizationResult>;

/** The decisions for one caller from one address. */
export class HostDecisions {
  readonly host: string;
  /** The first decision stands here: many callers never come to a second. */
  #firstSlot = -1;
  #firstName = '';
  #first: AuthorizationResult | undefined;
  #slots: Map<number, DecisionsByName> | null = null;
  #size = 0;

  constructor(host: string) {
    this.host = host;
  }

  get(type: ResourceTypeName, operation: Operation, name: string): AuthorizationResult | undefined {
    const slot = ResourceType[type] * OPERATION_SLOTS + AclOperation[operation];
    if (slot === this.#firstSlot && name === this.#firstName) return this.#first;
    return this.#slots?.get(slot)?.get(name);
  }

  /** Returns by how many decisions the memory grew. */
  set(
    type: ResourceTypeName,
    operation: Operation,
    name: string,
    result: AuthorizationResult,
  ): number {
    if (name.length > REMEMBERED_NAME_LENGTH_MAX) return 0;
    const before = this.#size;
    if (this.#size >= DECISIONS_PER_HOST_MAX) {
      this.#slots = null;
      this.#size = 0;
    }
    const slot = ResourceType[type] * OPERATION_SLOTS + AclOperation[operation];
    if (this.#size === 0) {
      this.#firstSlot = slot;
      this.#firstName = name;
      this.#first = result;
    } else {
      this.#slots ??= new Map();
      let byName = this.#slots.get(slot);
      if (byName === undefined) {
        byName = new Map();
        this.#slots.set(slot, byName);
      }
      byName.set(name, result);
    }
    this.#size += 1;
    return this.#size - before;
  }

  #byResourceType: AuthorizationResult[] | null = null;

  /** The answer of authorizeByResourceType. */
  getAny(type: ResourceTypeName, operation: Operation): AuthorizationResult | undefined {
    return this.#byResourceType?.[ResourceType[type] * OPERATION_SLOTS + AclOperation[operation]];
  }

  setAny(type: ResourceTypeName, operation: Operation, result: AuthorizationResult): void {
    this.#byResourceType ??= [];
    this.#byResourceType[ResourceType[type] * OPERATION_SLOTS + AclOperation[operation]] = result;
  }
}

/** What is remembered for one domain, until a change of its rules voids all of it at once. */
export class DomainMemory {
  inForce = true;
  /** In decisions. */
  weight = 0;
  /** From when to when the decisions hold: a rule with a time window may end them. */
  sinceMs = Number.NEGATIVE_INFINITY;
  untilMs = Number.POSITIVE_INFINITY;
  /** By identity: equal principals of many connections share one. */
  readonly profiles = new Map<string, PolicyProfile>();

  /** Notes that a decision made now holds until then. */
  limit(nowMs: number, untilMs: number): void {
    if (nowMs > this.sinceMs) this.sinceMs = nowMs;
    if (untilMs < this.untilMs) this.untilMs = untilMs;
  }

  get isTimed(): boolean {
    return this.untilMs !== Number.POSITIVE_INFINITY;
  }
}

const NOTHING_HOSTILE: ReadonlySet<string> = new Set();

/** A node of an index that holds rules of the caller's. */
interface Scope {
  readonly index: PolicyIndex;
  readonly scope: number;
}

/** The roots of one type of resource, with their indexes. */
export interface Root {
  readonly index: PolicyIndex;
  readonly root: number;
}

export class PolicyProfile implements CallerColumns, CallerValues {
  /** The memory that it belongs to: void when that is. */
  readonly memory: DomainMemory;
  readonly domain: string;
  readonly subject: string;
  readonly fleetSubject: string;
  readonly attributes: Attributes;
  readonly hostile: ReadonlySet<string>;
  /** The policy's links, with the token's for this session. */
  readonly roles: PolicyRoles | SessionRoles;
  #values: Map<string, string | null> | null = null;
  readonly #scopes: Scope[] = [];
  #lastHost: HostDecisions | null = null;
  /** More than one address is rare. */
  #hosts: Map<string, HostDecisions> | null = null;

  constructor(store: PolicyStore, caller: PolicyCaller, domain: string, memory: DomainMemory) {
    this.memory = memory;
    this.domain = domain;
    this.subject = `User:${caller.name}`;
    this.fleetSubject = caller.fleet ? `Fleet:${caller.fleet}` : '';
    this.attributes = caller.attributes ?? NO_ATTRIBUTES;
    this.hostile = this.#hostileVariables();
    const { roles } = store;
    this.roles =
      caller.roles.length === 0 ? roles : new SessionRoles(roles, this.subject, caller.roles);
    const subjects = [this.subject, 'User:*'];
    for (const role of this.roles.rolesOf(this.subject, domain)) subjects.push(role);
    if (this.fleetSubject !== '') {
      subjects.push(this.fleetSubject);
      for (const role of this.roles.rolesOf(this.fleetSubject, domain)) {
        if (!subjects.includes(role)) subjects.push(role);
      }
    }
    this.#look(store.fileIndex, domain, subjects);
    if (domain !== OPERATOR_DOMAIN) this.#look(store.fileIndex, EVERY_TENANT, subjects);
    const dynamic = store.dynamicIndex(domain);
    if (dynamic !== null) this.#look(dynamic, domain, subjects);
  }

  #hostileVariables(): ReadonlySet<string> {
    let hostile: Set<string> | null = null;
    const check = (variable: string): void => {
      if (variableValue(variable, this) !== HOSTILE) return;
      hostile ??= new Set();
      hostile.add(variable);
    };
    check('principal');
    check('fleet');
    check('tenant');
    for (const variable of Object.keys(this.attributes)) check(variable);
    return hostile ?? NOTHING_HOSTILE;
  }

  #look(index: PolicyIndex, domain: string, subjects: readonly string[]): void {
    const scopes = index.scopesIn(domain);
    if (scopes === undefined) return;
    for (const subject of subjects) {
      const scope = scopes.get(subject);
      if (scope !== undefined) this.#scopes.push({ index, scope });
    }
  }

  valueOf(variable: string): string | null {
    this.#values ??= new Map();
    let value = this.#values.get(variable);
    if (value === undefined) {
      const found = variableValue(variable, this);
      value = typeof found === 'string' ? found : null;
      this.#values.set(variable, value);
    }
    return value;
  }

  /** The rules that may match; hosts and times are left to Casbin. */
  candidates(type: ResourceTypeName, operation: Operation, name: string): PolicyRule[] {
    const found: PolicyRule[] = [];
    const bit = operationBit(operation);
    for (const { index, scope } of this.#scopes) {
      const root = index.root(scope, type);
      if (root !== 0) index.collect(root, name, bit, this, found);
    }
    return found;
  }

  roots(type: ResourceTypeName): Root[] {
    const roots: Root[] = [];
    for (const { index, scope } of this.#scopes) {
      const root = index.root(scope, type);
      if (root !== 0) roots.push({ index, root });
    }
    return roots;
  }

  /** What the session's token brought. */
  get tokenRoles(): readonly string[] {
    return this.roles instanceof SessionRoles ? this.roles.tokenRoles : [];
  }

  /** How the caller came to a role, by itself or by its fleet; null for what is no role of its. */
  rolePathTo(role: string): readonly string[] | null {
    if (!role.startsWith('Role:')) return null;
    const own = this.roles.pathTo(this.subject, role, this.domain);
    if (own !== null || this.fleetSubject === '') return own;
    return this.roles.pathTo(this.fleetSubject, role, this.domain);
  }

  /** The role of the session's token that a rule reaches the caller by; null: it does without. */
  tokenRoleBehind({ subject }: PolicyRule): string | null {
    if (!(this.roles instanceof SessionRoles)) return null;
    return this.roles.tokenRoleBehind(subject, this.fleetSubject, this.domain);
  }

  decisionsFrom(host: string): HostDecisions {
    const last = this.#lastHost;
    if (last !== null && last.host === host) return last;
    let decisions = this.#hosts?.get(host);
    if (decisions === undefined) {
      decisions = new HostDecisions(host);
      if (last !== null) {
        if (this.#hosts === null || this.#hosts.size >= HOSTS_MAX) this.#hosts = new Map();
        this.#hosts.set(last.host, last);
        this.#hosts.set(host, decisions);
      }
    }
    this.#lastHost = decisions;
    return decisions;
  }
}

/**
 * The domain in which a caller's requests about a tenant are decided, or null when there is none:
 * an operator is no member of a tenant, and nobody else has a say outside of the own tenant.
 */
export function domainOf(caller: PolicyCaller): string | null {
  if (caller.kind === 'operator') return caller.tenant === '' ? OPERATOR_DOMAIN : null;
  return TENANT_GRAMMAR.test(caller.tenant) ? caller.tenant : null;
}

/** The action as the rules of the caller's domain name it; null when the tenant is not its own. */
export function actionIn(tenant: string | null, domain: string, action: Action): Action | null {
  if (domain !== OPERATOR_DOMAIN) return tenant === domain ? action : null;
  if (tenant === null) return action;
  if (!TENANT_GRAMMAR.test(tenant)) return null;
  return { ...action, resourceName: `${tenant}/${action.resourceName}` };
}
