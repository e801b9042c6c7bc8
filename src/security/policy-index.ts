/**
 * Owns the search for candidate rules: by domain, subject, resource type, operation and name, so
 * that Casbin decides over a handful of rules whatever the size of the policy.
 *
 * Invariant: the candidates for a request are a superset of the rules that match it. A missed allow
 * would refuse, but a missed deny would grant, so only conditions that the matcher itself has may
 * narrow the search; test/security/casbin-differential holds both against each other.
 */
import { ResourceType, type ResourceTypeName } from './acl/operation.ts';
import {
  ABSENT,
  coveredBits,
  HOSTILE,
  hasVariable,
  resolveName,
  type VariableValues,
} from './policy-match.ts';
import type { PolicyRule } from './policy-rule.ts';

/** A rule as the index holds it: with the name after variables and its operations as bits. */
export interface IndexedRule {
  readonly rule: PolicyRule;
  readonly name: string;
  readonly operations: number;
}

function append<K>(map: Map<K, IndexedRule[]>, key: K, rule: IndexedRule): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [rule]);
  else list.push(rule);
}

const sameRule = (a: PolicyRule, b: PolicyRule): boolean =>
  a.effect === b.effect &&
  a.operation === b.operation &&
  a.host === b.host &&
  a.patternType === b.patternType &&
  a.resourceName === b.resourceName &&
  a.resourceType === b.resourceType;

/** Takes one rule out of a list that may be undefined; false when it is not there. */
function takeOut<T>(list: T[] | undefined, isIt: (item: T) => boolean): list is T[] {
  const at = list?.findIndex(isIt) ?? -1;
  if (at >= 0) list?.splice(at, 1);
  return at >= 0;
}

/** The rules of one subject on one resource type. */
class TypeTable {
  readonly #literal = new Map<string, IndexedRule[]>();
  readonly #prefixed = new Map<string, IndexedRule[]>();
  /** The lengths of the prefixes, ascending. */
  #prefixLengths: number[] = [];
  /** Rules that speak about every name. */
  readonly #every: IndexedRule[] = [];

  add(rule: IndexedRule, everyName: boolean): void {
    if (everyName || (rule.rule.patternType === 'LITERAL' && rule.name === '*')) {
      this.#every.push(rule);
    } else if (rule.rule.patternType === 'LITERAL') append(this.#literal, rule.name, rule);
    else {
      append(this.#prefixed, rule.name, rule);
      const { length } = rule.name;
      if (!this.#prefixLengths.includes(length)) {
        this.#prefixLengths = [...this.#prefixLengths, length].sort((a, b) => a - b);
      }
    }
  }

  /** False when it is not there. The lengths of prefixes stay: one too many finds nothing. */
  remove(rule: PolicyRule): boolean {
    const isIt = (indexed: IndexedRule): boolean => sameRule(indexed.rule, rule);
    if (rule.patternType === 'LITERAL' && rule.resourceName === '*') {
      return takeOut(this.#every, isIt);
    }
    const byName = rule.patternType === 'LITERAL' ? this.#literal : this.#prefixed;
    const list = byName.get(rule.resourceName);
    if (!takeOut(list, isIt)) return false;
    if (list.length === 0) byName.delete(rule.resourceName);
    return true;
  }

  collect(name: string, operationBit: number, into: PolicyRule[]): void {
    take(this.#every, operationBit, into);
    take(this.#literal.get(name), operationBit, into);
    for (const length of this.#prefixLengths) {
      if (length > name.length) break;
      take(this.#prefixed.get(name.slice(0, length)), operationBit, into);
    }
  }

  *rules(): Generator<IndexedRule> {
    yield* this.#every;
    for (const list of this.#literal.values()) yield* list;
    for (const list of this.#prefixed.values()) yield* list;
  }
}

function take(
  rules: readonly IndexedRule[] | undefined,
  operationBit: number,
  into: PolicyRule[],
): void {
  if (rules === undefined) return;
  for (const candidate of rules) {
    if ((candidate.operations & operationBit) !== 0) into.push(candidate.rule);
  }
}

/** Rules of one subject (or the resolved variable rules of one caller), by resource type. */
export class RuleTable {
  readonly #types: (TypeTable | undefined)[] = [];
  #size = 0;

  add(rule: PolicyRule, name: string, everyName = false): void {
    const type = ResourceType[rule.resourceType];
    let table = this.#types[type];
    if (table === undefined) {
      table = new TypeTable();
      this.#types[type] = table;
    }
    table.add({ rule, name, operations: coveredBits(rule) }, everyName);
    this.#size += 1;
  }

  /** Takes a rule without variables out; false when it is not there. */
  remove(rule: PolicyRule): boolean {
    const found = this.#types[ResourceType[rule.resourceType]]?.remove(rule) ?? false;
    if (found) this.#size -= 1;
    return found;
  }

  get size(): number {
    return this.#size;
  }

  collect(type: ResourceTypeName, name: string, operationBit: number, into: PolicyRule[]): void {
    this.#types[ResourceType[type]]?.collect(name, operationBit, into);
  }

  *rules(type: ResourceTypeName): Generator<IndexedRule> {
    const table = this.#types[ResourceType[type]];
    if (table !== undefined) yield* table.rules();
  }
}

interface SubjectRules {
  readonly fixed: RuleTable;
  /** Rules whose name has a variable: they are resolved once for each caller. */
  readonly variable: PolicyRule[];
}

/** All rules of one origin (the files, or one tenant's dynamic rules), by domain and subject. */
export class PolicyIndex {
  readonly #domains = new Map<string, Map<string, SubjectRules>>();

  constructor(rules: Iterable<PolicyRule>) {
    for (const rule of rules) this.add(rule);
  }

  /** Whoever selected from the index before must select again. */
  add(rule: PolicyRule): void {
    const subjects = this.#domains.get(rule.domain) ?? new Map<string, SubjectRules>();
    this.#domains.set(rule.domain, subjects);
    const known = subjects.get(rule.subject);
    const entry = known ?? { fixed: new RuleTable(), variable: [] };
    if (known === undefined) subjects.set(rule.subject, entry);
    if (hasVariable(rule.resourceName)) entry.variable.push(rule);
    else entry.fixed.add(rule, rule.resourceName);
  }

  /** Takes an equal rule out; false when there is none. What selected before must select again. */
  remove(rule: PolicyRule): boolean {
    const subjects = this.#domains.get(rule.domain);
    const entry = subjects?.get(rule.subject);
    if (subjects === undefined || entry === undefined) return false;
    const found = hasVariable(rule.resourceName)
      ? takeOut(entry.variable, (known) => sameRule(known, rule))
      : entry.fixed.remove(rule);
    if (entry.fixed.size + entry.variable.length === 0) subjects.delete(rule.subject);
    return found;
  }

  /** Adds to `tables` those of the subjects in the domain; variable rules go to `resolved`. */
  select(
    domain: string,
    subjects: Iterable<string>,
    values: VariableValues,
    tables: RuleTable[],
    resolved: RuleTable,
  ): void {
    const ofDomain = this.#domains.get(domain);
    if (ofDomain === undefined) return;
    for (const subject of subjects) {
      const entry = ofDomain.get(subject);
      if (entry === undefined) continue;
      tables.push(entry.fixed);
      for (const rule of entry.variable) addResolved(rule, values, resolved);
    }
  }
}

function addResolved(rule: PolicyRule, values: VariableValues, into: RuleTable): void {
  const name = resolveName(rule.resourceName, values);
  if (name === ABSENT) return;
  if (name !== HOSTILE) into.add(rule, name);
  else if (rule.effect === 'deny') into.add(rule, rule.resourceName, true);
}
