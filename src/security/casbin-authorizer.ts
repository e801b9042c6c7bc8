/**
 * Owns the decision: Casbin over the candidate rules of the index, remembered until the policy
 * changes.
 *
 * Invariants: it never throws (whatever goes wrong inside is a deny with origin `error`, and logged);
 * a remembered decision is used only under the epoch that it was made in; what it remembers is
 * bounded, and one caller asking for endless names cannot push out another's decisions. Everything
 * is synchronous: no decision is begun under one policy and ended under another.
 */

import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import { type FileSystem, nodeFileSystem } from '../base/file-system.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { type AclBinding, WILDCARD_RESOURCE } from './acl/acl-binding.ts';
import type { AclFilter } from './acl/acl-filter.ts';
import type { Operation, ResourceTypeName } from './acl/operation.ts';
import type { TenantRules } from './acl/tenant-acls.ts';
import type { Action, AuthorizationResult, Authorizer } from './authorizer.ts';
import type { OwnModel, OwnPolicy } from './own-model.ts';
import { decideAnyResource } from './policy-any-resource.ts';
import { type Explanation, explainDecision, explainOwn } from './policy-explain.ts';
import { fewEnough } from './policy-few.ts';
import { hostMatches } from './policy-host.ts';
import {
  type CasbinDecision,
  openPolicyModel,
  type PolicyModel,
  readOwnModel,
} from './policy-model.ts';
import {
  actionIn,
  DomainMemory,
  domainOf,
  type PolicyCaller,
  PolicyProfile,
} from './policy-profile.ts';
import { type PolicyRule, ruleOrigin, ruleText } from './policy-rule.ts';
import {
  type AclDelta,
  type ListedRule,
  type PolicyEvent,
  type PolicyStatus,
  PolicyStore,
} from './policy-store.ts';
import { type DirectoryObserver, nodeDirectoryObserver, watchDirectory } from './policy-watch.ts';
import { ALWAYS, windowHoldsUntil } from './policy-window.ts';
import type { KafkaPrincipal } from './principal.ts';

/** No rule matched. */
const NO_RULE: AuthorizationResult = Object.freeze({ allowed: false, rule: null, origin: null });
/** Something failed inside; the log says what. */
const FAILED: AuthorizationResult = Object.freeze({ allowed: false, rule: null, origin: 'error' });
/** The caller has no say in the tenant that it asked about. */
const FOREIGN: AuthorizationResult = Object.freeze({
  allowed: false,
  rule: null,
  origin: 'foreign-tenant',
});

/** Where no rule that may match has a window, the time is not read. */
const NO_TIME = Number.NaN;
const MINUTE_MS = 60_000;

const DECISIONS_MAX_DEFAULT = 262_144;
/** What a profile weighs beside its decisions, counted in decisions. */
const PROFILE_WEIGHT = 8;
const SETTLE_MS_DEFAULT = 100;
const POLL_MS_DEFAULT = 2_000;

export interface CasbinAuthorizerOptions {
  /** The folder of the policy's .csv files. */
  readonly policyDirectory: string;
  /** policies/model.conf */
  readonly modelFile: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly files?: FileSystem;
  /** Makes a policy event durable in the audit log before a new policy takes force. */
  readonly onPolicyEvent?: (event: PolicyEvent) => Promise<void>;
  /** False: files are read again only by `reload`. */
  readonly watch?: boolean;
  readonly observer?: DirectoryObserver;
  readonly settleMs?: number;
  readonly pollMs?: number;
  /** How many decisions are remembered at most. */
  readonly decisionsMax?: number;
}

export class CasbinAuthorizer implements Authorizer {
  readonly #store: PolicyStore;
  readonly #model: PolicyModel;
  /** Null with the shipped model. */
  readonly #ownModel: OwnModel | null;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #decisionsMax: number;
  #weight = 0;
  /** By connection, the fast way to the profile. */
  #byPrincipal = new WeakMap<KafkaPrincipal, PolicyProfile>();
  readonly #memories = new Map<string, DomainMemory>();
  readonly #results = new WeakMap<PolicyRule, AuthorizationResult>();
  #stopWatching: () => void = () => {};

  private constructor(
    store: PolicyStore,
    model: PolicyModel,
    ownModel: OwnModel | null,
    options: CasbinAuthorizerOptions,
  ) {
    this.#store = store;
    this.#model = model;
    this.#ownModel = ownModel;
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
    this.#decisionsMax = options.decisionsMax ?? DECISIONS_MAX_DEFAULT;
    store.onChange((domain) => this.#forget(domain));
  }

  /** Throws ConfigError when the model or the policy is not in order. */
  static async open(options: CasbinAuthorizerOptions): Promise<CasbinAuthorizer> {
    const { policyDirectory: directory, logger = silentLogger, clock = systemClock } = options;
    const { files = nodeFileSystem, observer = nodeDirectoryObserver } = options;
    const ownModel = readOwnModel(options.modelFile, files);
    const model = await openPolicyModel();
    const onEvent = options.onPolicyEvent;
    const since = observer.fingerprint(directory);
    const store = await PolicyStore.open({
      directory,
      files,
      observer,
      clock,
      logger,
      ...(onEvent && { onEvent }),
      ...(ownModel && { ownModel }),
    });
    const authorizer = new CasbinAuthorizer(store, model, ownModel, options);
    if (options.watch === false) return authorizer;
    const watch = watchDirectory({
      directory,
      observer,
      clock,
      settleMs: options.settleMs ?? SETTLE_MS_DEFAULT,
      pollMs: options.pollMs ?? POLL_MS_DEFAULT,
      since,
      changed: () => void store.reload(),
    });
    authorizer.#stopWatching = () => watch.close();
    return authorizer;
  }

  /** The access model is the operator's own, not the one that Breakwater ships. */
  get runsOwnModel(): boolean {
    return this.#store.own !== null;
  }

  get epoch(): number {
    for (const [domain, memory] of this.#memories) this.#expire(domain, memory);
    return this.#store.epoch;
  }

  epochIn(tenant: string): number {
    this.#expire(tenant, this.#memories.get(tenant));
    return this.#store.epochIn(tenant);
  }

  /** How much is remembered, in decisions (a caller weighs a few); bounded by `decisionsMax`. */
  get rememberedDecisions(): number {
    return this.#weight;
  }

  authorize(principal: KafkaPrincipal, host: string, action: Action): AuthorizationResult {
    try {
      const profile = this.#profileOf(principal);
      if (profile === null) return FOREIGN;
      return this.#authorize(profile, host, action);
    } catch (err) {
      return this.#failed(err);
    }
  }

  authorizeIn(
    tenant: string | null,
    principal: KafkaPrincipal,
    host: string,
    action: Action,
  ): AuthorizationResult {
    try {
      const profile = this.#profileOf(principal);
      if (profile === null) return FOREIGN;
      const asked = actionIn(tenant, profile.domain, action);
      return asked === null ? FOREIGN : this.#authorize(profile, host, asked);
    } catch (err) {
      return this.#failed(err);
    }
  }

  authorizeByResourceType(
    principal: KafkaPrincipal,
    host: string,
    operation: Operation,
    resourceType: ResourceTypeName,
  ): AuthorizationResult {
    try {
      const profile = this.#profileOf(principal);
      if (profile === null) return FOREIGN;
      const decisions = profile.decisionsFrom(host);
      const known = decisions.getAny(resourceType, operation);
      if (known !== undefined) return known;
      const { own } = this.#store;
      if (own !== null) {
        const action = { operation, resourceType, resourceName: WILDCARD_RESOURCE };
        const result = this.#decideOwn(own, profile, host, action);
        decisions.setAny(resourceType, operation, result);
        return result;
      }
      const timeMs = this.#clock.nowMs();
      const decision = decideAnyResource({ profile, host, operation, resourceType, timeMs });
      const result = this.#result(profile, decision, timeMs, decision.untilMs);
      decisions.setAny(resourceType, operation, result);
      return result;
    } catch (err) {
      return this.#failed(err);
    }
  }

  /** Why the caller may or may not, in a sentence; decided afresh, nothing is remembered. */
  explain(caller: PolicyCaller, host: string, action: Action): Explanation {
    const domain = domainOf(caller);
    if (domain === null) {
      return { allowed: false, sentence: 'The caller belongs to no tenant.', considered: [] };
    }
    const profile = new PolicyProfile(this.#store, caller, domain, new DomainMemory());
    const { own } = this.#store;
    if (own !== null) {
      return explainOwn(profile, host, action, this.#decideOwn(own, profile, host, action));
    }
    const timeMs = this.#clock.nowMs();
    const decide = (rules: readonly PolicyRule[]) =>
      this.#decide(profile, { host, action, timeMs }, fewEnough(rules, host, timeMs));
    return explainDecision({ profile, host, action, timeMs, decide });
  }

  /** `explain` for what `authorizeIn` decides. */
  explainIn(
    tenant: string | null,
    caller: PolicyCaller,
    host: string,
    action: Action,
  ): Explanation {
    const domain = domainOf(caller);
    const asked = domain === null ? null : actionIn(tenant, domain, action);
    if (asked !== null) return this.explain(caller, host, asked);
    return { allowed: false, sentence: 'The caller has no say in that tenant.', considered: [] };
  }

  /** What is wrong with a binding for this tenant, in a sentence for its author; null when nothing. */
  bindingProblem(tenant: string, binding: AclBinding): string | null {
    return this.#store.problem(tenant, binding);
  }

  /** Replaces a tenant's dynamic rules; throws RangeError with a sentence when one is not in order. */
  setDynamicRules(tenant: string, bindings: readonly AclBinding[]): void {
    this.#store.setDynamicRules(tenant, bindings);
  }

  /** Every rule in force for a tenant (`_operator`: for operators; null: all), with its origin. */
  listRules(tenant: string | null, filter: AclFilter = {}): ListedRule[] {
    return this.#store.listRules(tenant, filter);
  }

  /** The same one by one; null stands for a rule that is passed over. */
  eachRule(tenant: string, filter: AclFilter): Iterable<ListedRule | null> {
    return this.#store.eachRule(tenant, filter);
  }

  /** The same where little changed; `bindings` is the whole list afterwards. */
  changeDynamicRules(tenant: string, bindings: readonly AclBinding[], change: AclDelta): void {
    this.#store.changeDynamicRules(tenant, bindings, change);
  }

  /** The rules in force for a tenant, as bindings; the lists never change. */
  bindingsIn(tenant: string): TenantRules {
    return this.#store.bindingsIn(tenant);
  }

  policyStatus(): PolicyStatus {
    return this.#store.status();
  }

  /** Reads the files again; see PolicyStore.reload. */
  reload(how: { readonly acceptRemovedFiles?: boolean } = {}): Promise<PolicyStatus> {
    return this.#store.reload(how);
  }

  close(): void {
    this.#stopWatching();
  }

  #authorize(profile: PolicyProfile, host: string, action: Action): AuthorizationResult {
    const { operation, resourceType, resourceName } = action;
    const decisions = profile.decisionsFrom(host);
    const known = decisions.get(resourceType, operation, resourceName);
    if (known !== undefined) return known;
    const { own } = this.#store;
    if (own !== null) {
      const result = this.#decideOwn(own, profile, host, action);
      this.#weigh(profile.memory, decisions.set(resourceType, operation, resourceName, result));
      return result;
    }
    const found = profile.candidates(resourceType, operation, resourceName);
    const timeMs = found.some(({ when }) => when !== ALWAYS) ? this.#clock.nowMs() : NO_TIME;
    const untilMs = untilOf(found, host, timeMs);
    const candidates = fewEnough(found, host, timeMs);
    const decision = this.#decide(profile, { host, action, timeMs }, candidates);
    const result = this.#result(profile, decision, timeMs, untilMs);
    this.#weigh(profile.memory, decisions.set(resourceType, operation, resourceName, result));
    return result;
  }

  /** By the operator's own model; one that reads the time is asked again every minute. */
  #decideOwn(
    own: OwnPolicy,
    profile: PolicyProfile,
    host: string,
    action: Action,
  ): AuthorizationResult {
    const timeMs = this.#clock.nowMs();
    const dynamic = this.#store.dynamicRules(profile.domain);
    const result = own.decide({ caller: profile, host, action, timeMs }, dynamic);
    if (this.#ownModel?.readsTime !== true) return Object.freeze(result);
    const validUntilMs = (Math.floor(timeMs / MINUTE_MS) + 1) * MINUTE_MS;
    profile.memory.limit(timeMs, validUntilMs);
    return Object.freeze({ ...result, validUntilMs });
  }

  #decide(
    profile: PolicyProfile,
    { host, action, timeMs }: { host: string; action: Action; timeMs: number },
    candidates: readonly PolicyRule[],
  ): CasbinDecision {
    const { subject, fleetSubject, domain, attributes } = profile;
    const request = { subject, fleetSubject, domain, attributes, host, timeMs, ...action };
    return this.#model.decide(request, candidates, profile.roles);
  }

  #profileOf(principal: KafkaPrincipal): PolicyProfile | null {
    const known = this.#byPrincipal.get(principal);
    if (known !== undefined) {
      if (known.memory.isTimed) this.#expire(known.domain, known.memory);
      if (known.memory.inForce) return known;
    }
    const domain = domainOf(principal);
    if (domain === null) return null;
    const identity = identityOf(principal);
    this.#expire(domain, this.#memories.get(domain));
    const memory = this.#memoryOf(domain);
    let profile = memory.profiles.get(identity);
    if (profile === undefined) {
      profile = new PolicyProfile(this.#store, principal, domain, memory);
      memory.profiles.set(identity, profile);
      this.#weigh(memory, PROFILE_WEIGHT);
    }
    this.#byPrincipal.set(principal, profile);
    return profile;
  }

  /** One result object a rule that decides always and for everyone the same way. */
  #result(
    profile: PolicyProfile,
    { allowed, rule }: CasbinDecision,
    timeMs: number,
    untilMs: number,
  ): AuthorizationResult {
    const isTimed = untilMs !== Number.POSITIVE_INFINITY;
    if (isTimed) profile.memory.limit(timeMs, untilMs);
    if (rule === null) return isTimed ? { ...NO_RULE, validUntilMs: untilMs } : NO_RULE;
    const rolePath = profile.rolePathTo(rule.subject);
    const tokenRole = profile.tokenRoleBehind(rule);
    const isShared = !isTimed && rolePath === null;
    const known = isShared ? this.#results.get(rule) : undefined;
    if (known !== undefined && known.allowed === allowed) return known;
    const result: AuthorizationResult = Object.freeze({
      allowed,
      rule: ruleText(rule),
      origin: ruleOrigin(rule),
      ...(isTimed && { validUntilMs: untilMs }),
      ...(rolePath !== null && { rolePath }),
      ...(tokenRole !== null && { tokenRole }),
    });
    if (isShared) this.#results.set(rule, result);
    return result;
  }

  /** A window of the domain's rules has opened or closed since: its decisions are void. */
  #expire(domain: string, memory: DomainMemory | undefined): void {
    if (memory === undefined || !memory.isTimed) return;
    const nowMs = this.#clock.nowMs();
    if (nowMs < memory.sinceMs || nowMs >= memory.untilMs) this.#store.windowPassed(domain);
  }

  #memoryOf(domain: string): DomainMemory {
    const known = this.#memories.get(domain);
    if (known !== undefined) return known;
    const memory = new DomainMemory();
    this.#memories.set(domain, memory);
    return memory;
  }

  #weigh(memory: DomainMemory, decisions: number): void {
    if (!memory.inForce) return;
    memory.weight += decisions;
    this.#weight += decisions;
    if (this.#weight > this.#decisionsMax) this.#makeRoom();
  }

  /** A tenant that changes its rules voids its own decisions; null: everyone's. */
  #forget(domain: string | null): void {
    const domains = domain === null ? [...this.#memories.keys()] : [domain];
    for (const name of domains) {
      const memory = this.#memories.get(name);
      if (memory === undefined) continue;
      memory.inForce = false;
      this.#weight -= memory.weight;
      this.#memories.delete(name);
    }
  }

  /**
   * Forgets all decisions though they still hold. Others may have kept them under their epoch, so when
   * a time window ends them stays known.
   */
  #makeRoom(): void {
    const timed = [...this.#memories].filter(([, memory]) => memory.isTimed);
    this.#forget(null);
    for (const [domain, { sinceMs, untilMs }] of timed) {
      this.#memoryOf(domain).limit(sinceMs, untilMs);
    }
  }

  #failed(err: unknown): AuthorizationResult {
    this.#logger.error({ err }, 'a decision failed inside; it is a deny');
    return FAILED;
  }
}

/** What a profile depends on, in its domain; the length keeps the fleet apart from the name. */
function identityOf({ name, fleet, roles, attributes }: KafkaPrincipal): string {
  const identity = `${fleet === null ? '-' : fleet.length} ${fleet ?? ''}${name}`;
  if (attributes === undefined && roles.length === 0) return identity;
  return JSON.stringify([identity, roles, attributes]);
}

/** Until when the windows of the candidates leave the decision as it is. */
function untilOf(candidates: readonly PolicyRule[], host: string, timeMs: number): number {
  let untilMs = Number.POSITIVE_INFINITY;
  for (const { when, host: ruleHost } of candidates) {
    if (when === ALWAYS || !hostMatches(ruleHost, host)) continue;
    untilMs = Math.min(untilMs, windowHoldsUntil(when, timeMs));
  }
  return untilMs;
}

/** Loads model and policies and watches them; throws ConfigError when they are not in order. */
export function createCasbinAuthorizer(
  options: CasbinAuthorizerOptions,
): Promise<CasbinAuthorizer> {
  return CasbinAuthorizer.open(options);
}
