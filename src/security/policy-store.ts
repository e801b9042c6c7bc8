/**
 * Owns the policy in force: the rules of the files and each tenant's dynamic rules, in one view.
 *
 * Invariants: a set of files takes force as a whole, in one step, after `onEvent` (the audit record)
 * has resolved; a set with anything wrong leaves the last good one in force, and `status()` says so.
 * Every change raises the epoch. A file that vanishes is taken for an accident, since its denies
 * would vanish with it: to withdraw its rules, leave it with `# end` alone, or reload with
 * `acceptRemovedFiles`. Loads run one after the other.
 */
import type { Clock } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { AclBinding } from './acl/acl-binding.ts';
import { type AclFilter, filterAccepts } from './acl/acl-filter.ts';
import type { TenantRules } from './acl/tenant-acls.ts';
import { OWN_RULES_MAX, type OwnModel, type OwnPolicy } from './own-model.ts';
import { type PolicyFileSet, type PolicyFolder, readPolicyFiles } from './policy-files.ts';
import { PolicyIndex } from './policy-index.ts';
import { PolicyError, type RowCheck } from './policy-parser.ts';
import { PolicyRoles } from './policy-roles.ts';
import {
  DYNAMIC_ORIGIN,
  domainProblem,
  EVERY_TENANT,
  OPERATOR_DOMAIN,
  type PolicyRule,
  ruleOrigin,
  ruleProblem,
  ruleText,
} from './policy-rule.ts';
import { ALWAYS } from './policy-window.ts';

/** Something that happened to the policy; fits audit/'s SecurityEvent. */
export interface PolicyEvent {
  readonly type: 'policy';
  readonly outcome: 'success' | 'failure';
  readonly reason: 'policy-loaded' | 'policy-refused';
  readonly detail: string;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

export interface PolicyStatus {
  /** False while the newest files are refused and an older set is in force. */
  readonly healthy: boolean;
  readonly epoch: number;
  readonly files: readonly string[];
  readonly fileRules: number;
  readonly dynamicRules: number;
  /** When the set in force was loaded, milliseconds since the epoch. */
  readonly loadedAtMs: number;
  /** Why the newest files are refused; null when they are in force. */
  readonly refusal: {
    readonly file: string;
    readonly line: number;
    readonly reason: string;
    readonly atMs: number;
  } | null;
}

/** A rule of the view, with where it comes from. */
export interface ListedRule extends AclBinding {
  /** A tenant, `*` for every tenant, or `_operator`. */
  readonly domain: string;
  /** `acme.csv:12` or `dynamic`. */
  readonly origin: string;
  /** The rule as a line of a policy file. */
  readonly text: string;
}

/** What came and what went of a tenant's dynamic rules. */
export interface AclDelta {
  readonly added: readonly AclBinding[];
  readonly removed: readonly AclBinding[];
}

export interface PolicyStoreOptions extends PolicyFolder {
  /** The operator's own model; without it the shipped one. */
  readonly ownModel?: OwnModel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Makes the change durable in the audit log; when it rejects, a new set is not put in force. */
  readonly onEvent?: (event: PolicyEvent) => Promise<void>;
}

/** The set of files in force. */
interface FilePolicy {
  readonly set: PolicyFileSet;
  readonly index: PolicyIndex;
  readonly byDomain: ReadonlyMap<string, readonly PolicyRule[]>;
  /** Of the domains that somebody asked for. */
  readonly bindings: Map<string, readonly AclBinding[]>;
  readonly roles: PolicyRoles;
  /** In Casbin, where the model is the operator's own. */
  readonly own: OwnPolicy | null;
  readonly loadedAtMs: number;
}

interface DynamicPolicy {
  readonly bindings: readonly AclBinding[];
  readonly index: PolicyIndex;
}

const UNREADABLE = 'the policy cannot be loaded';

const toPolicyError = (cause: unknown, directory: string): PolicyError =>
  cause instanceof PolicyError ? cause : new PolicyError(directory, 0, UNREADABLE, { cause });

function dynamicRule(domain: string, binding: AclBinding): PolicyRule {
  return {
    subject: binding.principal,
    domain,
    resourceType: binding.resourceType,
    patternType: binding.patternType,
    resourceName: binding.resourceName,
    operation: binding.operation,
    host: binding.host,
    effect: binding.permission === 'DENY' ? 'deny' : 'allow',
    when: ALWAYS,
    file: DYNAMIC_ORIGIN,
    line: 0,
  };
}

/** What is wrong with a binding for this tenant, in a sentence for its author; null when nothing. */
export function bindingProblem(tenant: string, binding: AclBinding): string | null {
  if (binding.permission !== 'ALLOW' && binding.permission !== 'DENY') {
    return 'the permission is not ALLOW or DENY';
  }
  return domainProblem(tenant, false) ?? ruleProblem(dynamicRule(tenant, binding));
}

const toBinding = (rule: PolicyRule): AclBinding => ({
  resourceType: rule.resourceType,
  resourceName: rule.resourceName,
  patternType: rule.patternType,
  principal: rule.subject,
  host: rule.host,
  operation: rule.operation,
  permission: rule.effect === 'deny' ? 'DENY' : 'ALLOW',
});

export class PolicyStore {
  readonly #options: PolicyStoreOptions;
  readonly #listeners: ((domain: string | null) => void)[] = [];
  readonly #dynamic = new Map<string, DynamicPolicy>();
  /** The rule made of a binding, by the object: bindings never change. */
  readonly #rulesOf = new WeakMap<AclBinding, PolicyRule>();
  #files: FilePolicy;
  #refusal: PolicyStatus['refusal'] = null;
  #epoch = 1;
  #fileEpoch = 1;
  /** How often the dynamic rules of each tenant changed. */
  readonly #epochs = new Map<string, number>();
  #loading: Promise<unknown> = Promise.resolve();

  private constructor(options: PolicyStoreOptions, files: FilePolicy) {
    this.#options = options;
    this.#files = files;
  }

  /** Loads the files; throws ConfigError with file, line and reason when they are not in order. */
  static async open(options: PolicyStoreOptions): Promise<PolicyStore> {
    try {
      const files = await PolicyStore.#load(options);
      const store = new PolicyStore(options, files);
      await options.onEvent?.(loadedEvent(files, store.#epoch));
      return store;
    } catch (cause) {
      if (!(cause instanceof PolicyError)) throw cause;
      throw new ConfigError(`The policy is not in order. ${cause.message}`, { cause });
    }
  }

  static async #load(options: PolicyStoreOptions): Promise<FilePolicy> {
    const { ownModel } = options;
    const checkRow: RowCheck | undefined = ownModel?.rowProblem.bind(ownModel);
    const set = await readPolicyFiles({ ...options, ...(checkRow && { checkRow }) });
    const roles = new PolicyRoles(set.links);
    const own = (await ownModel?.compile(set.rows)) ?? null;
    return {
      set,
      roles,
      own,
      index: await PolicyIndex.of(set.rules),
      byDomain: groupByDomain(set.rules),
      bindings: new Map(),
      loadedAtMs: options.clock.nowMs(),
    };
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Grows with every change that concerns the domain, and with no other tenant's. */
  epochIn(domain: string): number {
    return this.#fileEpoch + (this.#epochs.get(domain) ?? 0);
  }

  get roles(): PolicyRoles {
    return this.#files.roles;
  }

  /** The policy of a model of the operator's own; null with the shipped one. */
  get own(): OwnPolicy | null {
    return this.#files.own;
  }

  /** What is wrong with a binding for this tenant, in a sentence for its author; null when nothing. */
  problem(tenant: string, binding: AclBinding): string | null {
    const problem = this.#options.ownModel?.dynamicProblem ?? bindingProblem(tenant, binding);
    const { own } = this.#files;
    if (problem !== null || own === null) return problem;
    const ruleCount = own.ruleCount + (this.#dynamic.get(tenant)?.bindings.length ?? 0);
    if (ruleCount < OWN_RULES_MAX || this.#rulesOf.has(binding)) return null;
    return `with the operator's own access model there may be ${OWN_RULES_MAX} rules`;
  }

  /** A tenant's dynamic rules. */
  dynamicRules(tenant: string): readonly PolicyRule[] {
    return this.#dynamic.get(tenant)?.bindings.map((b) => this.#dynamicRuleOf(tenant, b)) ?? [];
  }

  /** The rules of the files, for every domain. */
  get fileIndex(): PolicyIndex {
    return this.#files.index;
  }

  /** The dynamic rules of one tenant. */
  dynamicIndex(tenant: string): PolicyIndex | null {
    return this.#dynamic.get(tenant)?.index ?? null;
  }

  /**
   * Called synchronously after every change, once the new rules are in force, with the domain whose
   * rules changed; null: perhaps all.
   */
  onChange(listener: (domain: string | null) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Reads the files again. Resolves with the status afterwards; never rejects. A file that has gone
   * is refused, since its denies would go with it, unless the caller accepts removed files.
   */
  reload(how: { readonly acceptRemovedFiles?: boolean } = {}): Promise<PolicyStatus> {
    const next = this.#loading.then(() => this.#reload(how.acceptRemovedFiles === true));
    this.#loading = next;
    return next;
  }

  async #reload(acceptRemovedFiles: boolean): Promise<PolicyStatus> {
    const { directory, logger } = this.#options;
    try {
      const files = await PolicyStore.#load(this.#options);
      if (!acceptRemovedFiles) this.#refuseRemovedFiles(files.set.files);
      await this.#options.onEvent?.(loadedEvent(files, this.#epoch + 1));
      this.#files = files;
      this.#refusal = null;
      this.#changed(null);
      logger.info({ epoch: this.#epoch, files: files.set.files }, 'policy loaded');
    } catch (cause) {
      await this.#refuse(toPolicyError(cause, directory));
    }
    return this.status();
  }

  #refuseRemovedFiles(present: readonly string[]): void {
    for (const name of this.#files.set.files) {
      if (present.includes(name)) continue;
      const reason = 'the file has vanished: put it back, with "# end" alone to withdraw its rules';
      throw new PolicyError(name, 0, reason);
    }
  }

  async #refuse(error: PolicyError): Promise<void> {
    const { file, line, reason } = error;
    this.#refusal = { file, line, reason, atMs: this.#options.clock.nowMs() };
    const message = 'policy refused, the last good one stays in force';
    this.#options.logger.error({ file, line, reason, err: error.cause }, message);
    try {
      await this.#options.onEvent?.({
        type: 'policy',
        outcome: 'failure',
        reason: 'policy-refused',
        detail: error.message,
        facts: { file, line, epoch: this.#epoch },
      });
    } catch (err) {
      this.#options.logger.error({ err }, 'the refused policy could not be audited');
    }
  }

  /**
   * Replaces the dynamic rules of a tenant, in force when this returns. Throws RangeError when a
   * binding is not in order (see `bindingProblem`): then nothing changed.
   */
  setDynamicRules(tenant: string, bindings: readonly AclBinding[]): void {
    const rules = bindings.map((binding) => this.#dynamicRuleOf(tenant, binding));
    if (rules.length === 0) this.#dynamic.delete(tenant);
    else this.#dynamic.set(tenant, { bindings, index: new PolicyIndex(rules) });
    this.#changed(tenant);
  }

  /** The same where little changed: `bindings` is the whole list afterwards. */
  changeDynamicRules(tenant: string, bindings: readonly AclBinding[], change: AclDelta): void {
    const index = this.#dynamic.get(tenant)?.index ?? new PolicyIndex([]);
    const added = change.added.map((binding) => this.#dynamicRuleOf(tenant, binding));
    for (const binding of change.removed) {
      if (index.remove(dynamicRule(tenant, binding))) continue;
      this.setDynamicRules(tenant, bindings);
      return;
    }
    for (const rule of added) index.add(rule);
    if (index.isWorn) this.setDynamicRules(tenant, bindings);
    else {
      if (bindings.length === 0) this.#dynamic.delete(tenant);
      else this.#dynamic.set(tenant, { bindings, index });
      this.#changed(tenant);
    }
  }

  /** A time window of one of the domain's rules has opened or closed: a change like any other. */
  windowPassed(domain: string): void {
    this.#changed(domain);
  }

  /** A binding that was in order stays so: of a long list, only what is new costs time. */
  #dynamicRuleOf(tenant: string, binding: AclBinding): PolicyRule {
    const known = this.#rulesOf.get(binding);
    if (known?.domain === tenant) return known;
    const problem = this.problem(tenant, binding);
    if (problem !== null) throw new RangeError(problem);
    const rule = dynamicRule(tenant, binding);
    this.#rulesOf.set(binding, rule);
    return rule;
  }

  /** The rules that hold in a tenant, as bindings. */
  bindingsIn(tenant: string): TenantRules {
    return {
      fromFiles: [...this.#fileBindings(EVERY_TENANT), ...this.#fileBindings(tenant)],
      dynamic: this.#dynamic.get(tenant)?.bindings ?? [],
    };
  }

  #fileBindings(domain: string): readonly AclBinding[] {
    const { bindings, byDomain } = this.#files;
    const known = bindings.get(domain);
    if (known !== undefined) return known;
    const made = (byDomain.get(domain) ?? []).map(toBinding);
    if (made.length > 0) bindings.set(domain, made);
    return made;
  }

  #changed(domain: string | null): void {
    this.#epoch += 1;
    if (domain === null) this.#fileEpoch += 1;
    else this.#epochs.set(domain, (this.#epochs.get(domain) ?? 0) + 1);
    for (const listener of this.#listeners) listener(domain);
  }

  /** Every rule that holds in the domain (a tenant or `_operator`; null: all), files first. */
  listRules(domain: string | null, filter: AclFilter = {}): ListedRule[] {
    return [...this.eachRule(domain, filter)].filter((rule) => rule !== null);
  }

  /** The same one by one, for who works in turns: null stands for a rule that is passed over. */
  *eachRule(domain: string | null, filter: AclFilter): Generator<ListedRule | null> {
    for (const rule of this.#files.set.rules) {
      yield domain === null || holdsIn(rule, domain) ? listedRule(rule, filter) : null;
    }
    for (const [tenant, { bindings }] of this.#dynamic) {
      if (domain !== null && domain !== tenant) continue;
      for (const binding of bindings) {
        yield listedRule(this.#dynamicRuleOf(tenant, binding), filter);
      }
    }
  }

  status(): PolicyStatus {
    let dynamicRules = 0;
    for (const { bindings } of this.#dynamic.values()) dynamicRules += bindings.length;
    return {
      healthy: this.#refusal === null,
      epoch: this.#epoch,
      files: this.#files.set.files,
      fileRules: this.#files.own?.ruleCount ?? this.#files.set.rules.length,
      dynamicRules,
      loadedAtMs: this.#files.loadedAtMs,
      refusal: this.#refusal,
    };
  }
}

function groupByDomain(rules: readonly PolicyRule[]): Map<string, PolicyRule[]> {
  const byDomain = new Map<string, PolicyRule[]>();
  for (const rule of rules) {
    const known = byDomain.get(rule.domain);
    if (known === undefined) byDomain.set(rule.domain, [rule]);
    else known.push(rule);
  }
  return byDomain;
}

const holdsIn = (rule: PolicyRule, domain: string): boolean =>
  rule.domain === domain || (rule.domain === EVERY_TENANT && domain !== OPERATOR_DOMAIN);

function loadedEvent({ set, own }: FilePolicy, epoch: number): PolicyEvent {
  const rules = own?.ruleCount ?? set.rules.length;
  const links = set.links.length + set.rows.length - (own?.ruleCount ?? 0);
  const detail = `${rules} rules and ${links} role links from ${set.files.length} files`;
  return {
    type: 'policy',
    outcome: 'success',
    reason: 'policy-loaded',
    detail,
    facts: { files: set.files.join(' '), rules, epoch },
  };
}

/** Null when the filter does not take it. */
function listedRule(rule: PolicyRule, filter: AclFilter): ListedRule | null {
  const binding = toBinding(rule);
  if (!filterAccepts(filter, binding)) return null;
  return { ...binding, domain: rule.domain, origin: ruleOrigin(rule), text: ruleText(rule) };
}
