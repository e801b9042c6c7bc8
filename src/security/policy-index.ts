/**
 * Owns the search for candidate rules: by domain, subject, resource type, operation and name, so
 * that Casbin decides over a handful of rules whatever the size of the policy.
 *
 * Invariant: the candidates for a request are a superset of the rules that match it. A missed allow
 * would refuse, but a missed deny would grant, so only conditions that the matcher itself has may
 * narrow the search; test/security/casbin-differential holds both against each other.
 *
 * Rules of one subject on one type of resource hang on a node. One hash table of all nodes finds
 * them by node and name: one look for the literal name, one for each length that a prefix at the
 * node has (the hashes of all prefixes of the asked name are made once). What follows a variable in
 * a name hangs on a node of its own, which is reached with the caller's value: nothing is scanned,
 * and nothing is resolved for a caller beforehand. A rule costs some 24 bytes beside itself.
 */
import { setImmediate } from 'node:timers/promises';
import { type Random, systemRandom } from '../base/random.ts';
import { ResourceType, type ResourceTypeName } from './acl/operation.ts';
import { coveredBits } from './policy-match.ts';
import type { PolicyRule } from './policy-rule.ts';
import { hasVariable, templateOf } from './policy-variables.ts';

/** What a caller's variables are: values to go on with, and those that break the grammar. */
export interface CallerValues {
  /** The value, or null where it is absent or hostile. */
  valueOf(variable: string): string | null;
  /** Variables with hostile values: a deny with one speaks about every name. */
  readonly hostile: ReadonlySet<string>;
}

const LITERAL = 0;
const PREFIXED = 1;
/** The literal name `*`. */
const EVERY = 2;
/** Beside the kinds of names: some go on with a variable. */
const STEPS = 8;

const NAME_LENGTH_MAX = 255;
const TYPES = 8;
const WORDS = (NAME_LENGTH_MAX + 1) / 32;
const NONE = -1;
/** Some milliseconds. */
const RULES_A_TURN = 8_192;

/** FNV-1a, begun at a secret number: who names rules cannot make them meet in one bucket. */
const FNV_PRIME = 0x01000193;

const mixed = (hash: number, node: number, kind: number): number => {
  let value = Math.imul(hash ^ Math.imul(node * 3 + kind + 1, 0x9e3779b1), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
};

/** Integers in an array that grows. */
class Column {
  values: Int32Array;
  readonly #initial: number;

  constructor(initial: number, capacity = 16) {
    this.#initial = initial;
    this.values = new Int32Array(capacity).fill(initial);
  }

  reserve(length: number): void {
    if (length <= this.values.length) return;
    const grown = new Int32Array(Math.max(length, this.values.length * 2)).fill(this.#initial);
    grown.set(this.values);
    this.values = grown;
  }
}

/** What follows a text before a variable, by the variable: the node that goes on. */
interface Step {
  readonly head: string;
  readonly ways: Map<string, number>;
}

/** Where names go on with a variable, by the hash of the text before it. */
interface Steps {
  readonly heads: Map<number, Step[]>;
  /** Of the heads, ascending. */
  lengths: number[];
}

const NO_STEPS: readonly Step[] = [];

export class PolicyIndex {
  readonly #seed: number;
  /** By rule. */
  readonly #rules: (PolicyRule | undefined)[] = [];
  readonly #tails: string[] = [];
  readonly #nodes = new Column(0);
  readonly #hashes = new Column(0);
  readonly #operations = new Column(0);
  readonly #next = new Column(NONE);
  readonly #sibling = new Column(NONE);
  #buckets = new Int32Array(64).fill(NONE);
  /** By node: the kinds of names (a bit each), the lengths of the prefixes (a bit each), the operations of allows, the first allow. */
  #nodeCount = 1;
  readonly #kinds = new Column(0);
  readonly #prefixLengths = new Column(0);
  readonly #allowedOperations = new Column(0);
  readonly #firstAllow = new Column(NONE);
  readonly #steps = new Map<number, Steps>();
  /** By node: denies whose name has a variable. */
  readonly #variableDenies = new Map<number, number[]>();
  /** By scope (a subject in a domain) and type of resource; 0: none. */
  readonly #domains = new Map<string, Map<string, number>>();
  #scopeCount = 0;
  readonly #roots = new Column(0);
  #removed = 0;
  /** Of the prefixes of the name that was asked for last. */
  readonly #prefixHashes = new Int32Array(NAME_LENGTH_MAX + 1);
  #hashedName: string | null = null;

  constructor(rules: Iterable<PolicyRule> = [], random: Random = systemRandom) {
    this.#seed = random.bytes(4).readInt32LE();
    for (const rule of rules) this.add(rule);
  }

  /** An index of many rules, made in turns of the event loop. */
  static async of(rules: readonly PolicyRule[]): Promise<PolicyIndex> {
    const index = new PolicyIndex();
    for (const [at, rule] of rules.entries()) {
      if (at > 0 && at % RULES_A_TURN === 0) await setImmediate();
      index.add(rule);
    }
    return index;
  }

  /** True when so much was taken out that a new index of what is left is due. */
  get isWorn(): boolean {
    return this.#removed > 1024 && this.#removed * 2 > this.#rules.length;
  }

  /** Whoever looked up scopes before must look them up again. */
  add(rule: PolicyRule): void {
    const id = this.#rules.length;
    const root = this.#rootFor(rule);
    const { node, kind, tail } = this.#placeFor(rule, root);
    const operations = coveredBits(rule);
    this.#rules.push(rule);
    this.#tails.push(tail);
    for (const column of [this.#nodes, this.#hashes, this.#operations, this.#next, this.#sibling]) {
      column.reserve(id + 1);
    }
    this.#nodes.values[id] = node * 4 + kind;
    this.#hashes.values[id] = mixed(this.#hash(tail), node, kind);
    this.#operations.values[id] = operations;
    if (this.#rules.length * 2 > this.#buckets.length) this.#grow();
    else this.#link(id);
    this.#kinds.values[node]! |= 1 << kind;
    if (kind === PREFIXED)
      this.#prefixLengths.values[node * WORDS + (tail.length >>> 5)]! |= 1 << (tail.length & 31);
    if (rule.effect === 'allow') {
      this.#sibling.values[id] = this.#firstAllow.values[root]!;
      this.#firstAllow.values[root] = id;
      this.#allowedOperations.values[root]! |= operations;
    } else if (hasVariable(rule.resourceName)) {
      const denies = this.#variableDenies.get(root);
      if (denies === undefined) this.#variableDenies.set(root, [id]);
      else denies.push(id);
    }
  }

  /** Takes an equal rule out; false when there is none. */
  remove(rule: PolicyRule): boolean {
    const scope = this.#domains.get(rule.domain)?.get(rule.subject);
    const root = scope === undefined ? 0 : this.root(scope, rule.resourceType);
    if (root === 0) return false;
    const { node, kind, tail } = this.#placeFor(rule, root);
    const hash = mixed(this.#hash(tail), node, kind);
    const bucket = hash & (this.#buckets.length - 1);
    let before = NONE;
    for (let id = this.#buckets[bucket]!; id !== NONE; id = this.#next.values[id]!) {
      const known = this.#rules[id];
      if (this.#hashes.values[id] !== hash || known === undefined || !sameRule(known, rule)) {
        before = id;
        continue;
      }
      if (before === NONE) this.#buckets[bucket] = this.#next.values[id]!;
      else this.#next.values[before] = this.#next.values[id]!;
      this.#rules[id] = undefined;
      this.#tails[id] = '';
      this.#removed += 1;
      const denies = this.#variableDenies.get(root);
      const at = denies?.indexOf(id) ?? -1;
      if (at >= 0) denies?.splice(at, 1);
      return true;
    }
    return false;
  }

  /** By subject, the scopes of the domain. */
  scopesIn(domain: string): ReadonlyMap<string, number> | undefined {
    return this.#domains.get(domain);
  }

  /** The node of a scope's rules on a type of resource; 0 when there are none. */
  root(scope: number, type: ResourceTypeName): number {
    return this.#roots.values[scope * TYPES + ResourceType[type]]!;
  }

  /** Adds to `into` the rules of the root that speak about the operation on the name. */
  collect(
    root: number,
    name: string,
    operationBit: number,
    values: CallerValues,
    into: PolicyRule[],
  ): void {
    if ((this.#kinds.values[root]! & (1 << EVERY)) !== 0) {
      this.#take(mixed(this.#seed, root, EVERY), root * 4 + EVERY, '*', operationBit, into);
    }
    this.#walk(root, name, operationBit, values, into);
    if (values.hostile.size > 0) this.#takeHostile(root, operationBit, values, into);
  }

  /** Adds the denies that speak about every name whatever it is. */
  collectWholeDenies(
    root: number,
    operationBit: number,
    values: CallerValues,
    into: PolicyRule[],
  ): void {
    const found: PolicyRule[] = [];
    this.#take(mixed(this.#seed, root, EVERY), root * 4 + EVERY, '*', operationBit, found);
    if (values.hostile.size > 0) this.#takeHostile(root, operationBit, values, found);
    for (const rule of found) if (rule.effect === 'deny') into.push(rule);
  }

  /** The allows of the root that speak about the operation, the newest first. */
  *allows(root: number, operationBit: number): Generator<PolicyRule> {
    if ((this.#allowedOperations.values[root]! & operationBit) === 0) return;
    const { values: siblings } = this.#sibling;
    for (let id = this.#firstAllow.values[root]!; id !== NONE; id = siblings[id]!) {
      const rule = this.#rules[id];
      if (rule !== undefined && (this.#operations.values[id]! & operationBit) !== 0) yield rule;
    }
  }

  #walk(
    node: number,
    name: string,
    operationBit: number,
    values: CallerValues,
    into: PolicyRule[],
  ): void {
    const known = Math.min(name.length, NAME_LENGTH_MAX);
    const kinds = this.#kinds.values[node]!;
    if (name !== this.#hashedName) this.#hashPrefixes(name);
    const hashes = this.#prefixHashes;
    if ((kinds & (1 << LITERAL)) !== 0 && name.length === known) {
      const hash = mixed(hashes[known]!, node, LITERAL);
      this.#take(hash, node * 4 + LITERAL, name, operationBit, into);
    }
    const isPrefixed = (kinds & (1 << PREFIXED)) !== 0;
    for (let word = 0; isPrefixed && word * 32 <= known; word += 1) {
      let bits = this.#prefixLengths.values[node * WORDS + word]!;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const at = word * 32 + bit;
        if (at > known) break;
        this.#take(
          mixed(hashes[at]!, node, PREFIXED),
          node * 4 + PREFIXED,
          name,
          operationBit,
          into,
          at,
        );
      }
    }
    if ((kinds & STEPS) === 0) return;
    const steps = this.#steps.get(node);
    if (steps !== undefined) this.#stepOn(steps, name, operationBit, values, into);
  }

  /** Every node of a decision is asked for the same name: its hashes are made once. */
  #hashPrefixes(name: string): void {
    const known = Math.min(name.length, NAME_LENGTH_MAX);
    const hashes = this.#prefixHashes;
    let hash = this.#seed;
    hashes[0] = hash;
    for (let at = 0; at < known; at += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(at), FNV_PRIME);
      hashes[at + 1] = hash;
    }
    this.#hashedName = name;
  }

  #stepOn(
    { heads, lengths }: Steps,
    name: string,
    operationBit: number,
    values: CallerValues,
    into: PolicyRule[],
  ): void {
    for (const length of lengths) {
      if (length > name.length) return;
      // What was walked for the rest of the name took the place of the hashes.
      if (name !== this.#hashedName) this.#hashPrefixes(name);
      for (const { head, ways } of heads.get(this.#prefixHashes[length]!) ?? NO_STEPS) {
        if (head.length !== length || !name.startsWith(head)) continue;
        for (const [variable, node] of ways) {
          const value = values.valueOf(variable);
          if (value === null || !name.startsWith(value, length)) continue;
          this.#walk(node, name.slice(length + value.length), operationBit, values, into);
        }
      }
    }
  }

  /** The rules of a bucket with this place whose tail is the beginning (`length`) of the name. */
  #take(
    hash: number,
    place: number,
    name: string,
    operationBit: number,
    into: PolicyRule[],
    length = name.length,
  ): void {
    const { values: hashes } = this.#hashes;
    const { values: next } = this.#next;
    for (let id = this.#buckets[hash & (this.#buckets.length - 1)]!; id !== NONE; id = next[id]!) {
      if (hashes[id] !== hash || this.#nodes.values[id] !== place) continue;
      if ((this.#operations.values[id]! & operationBit) === 0) continue;
      const tail = this.#tails[id]!;
      if ((place & 3) !== EVERY && (tail.length !== length || !name.startsWith(tail))) continue;
      into.push(this.#rules[id]!);
    }
  }

  #takeHostile(
    root: number,
    operationBit: number,
    { hostile }: CallerValues,
    into: PolicyRule[],
  ): void {
    for (const id of this.#variableDenies.get(root) ?? []) {
      const rule = this.#rules[id]!;
      if ((this.#operations.values[id]! & operationBit) === 0) continue;
      const { steps } = templateOf(rule.resourceName);
      if (steps.some(({ variable }) => hostile.has(variable))) into.push(rule);
    }
  }

  #rootFor(rule: PolicyRule): number {
    let subjects = this.#domains.get(rule.domain);
    if (subjects === undefined) {
      subjects = new Map();
      this.#domains.set(rule.domain, subjects);
    }
    let scope = subjects.get(rule.subject);
    if (scope === undefined) {
      scope = this.#scopeCount;
      this.#scopeCount += 1;
      this.#roots.reserve(this.#scopeCount * TYPES);
      subjects.set(rule.subject, scope);
    }
    const at = scope * TYPES + ResourceType[rule.resourceType];
    if (this.#roots.values[at] === 0) this.#roots.values[at] = this.#newNode();
    return this.#roots.values[at]!;
  }

  #newNode(): number {
    const node = this.#nodeCount;
    this.#nodeCount += 1;
    this.#kinds.reserve(this.#nodeCount);
    this.#prefixLengths.reserve(this.#nodeCount * WORDS);
    this.#allowedOperations.reserve(this.#nodeCount);
    this.#firstAllow.reserve(this.#nodeCount);
    return node;
  }

  /** The node that the rule hangs on, with what is left of its name there. */
  #placeFor({ resourceName, patternType }: PolicyRule, root: number) {
    if (!hasVariable(resourceName)) {
      if (patternType === 'PREFIXED') return { node: root, kind: PREFIXED, tail: resourceName };
      if (resourceName !== '*') return { node: root, kind: LITERAL, tail: resourceName };
      return { node: root, kind: EVERY, tail: '' };
    }
    const { steps, tail } = templateOf(resourceName);
    let node = root;
    for (const { head, variable } of steps) node = this.#stepFor(node, head, variable);
    return { node, kind: patternType === 'PREFIXED' ? PREFIXED : LITERAL, tail };
  }

  #stepFor(node: number, head: string, variable: string): number {
    let steps = this.#steps.get(node);
    if (steps === undefined) {
      steps = { heads: new Map(), lengths: [] };
      this.#steps.set(node, steps);
      this.#kinds.values[node]! |= STEPS;
    }
    const hash = this.#hash(head);
    const known = steps.heads.get(hash) ?? [];
    let ways = known.find((step) => step.head === head)?.ways;
    if (ways === undefined) {
      ways = new Map();
      steps.heads.set(hash, [...known, { head, ways }]);
      if (!steps.lengths.includes(head.length)) {
        steps.lengths = [...steps.lengths, head.length].sort((a, b) => a - b);
      }
    }
    let next = ways.get(variable);
    if (next === undefined) {
      next = this.#newNode();
      ways.set(variable, next);
    }
    return next;
  }

  #hash(text: string): number {
    let hash = this.#seed;
    for (let at = 0; at < text.length; at += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
    }
    return hash;
  }

  #link(id: number): void {
    const bucket = this.#hashes.values[id]! & (this.#buckets.length - 1);
    this.#next.values[id] = this.#buckets[bucket]!;
    this.#buckets[bucket] = id;
  }

  /** Twice the buckets, with the rules in their order. */
  #grow(): void {
    this.#buckets = new Int32Array(this.#buckets.length * 2).fill(NONE);
    for (let id = 0; id < this.#rules.length; id += 1) {
      if (this.#rules[id] !== undefined) this.#link(id);
    }
  }
}

const sameRule = (a: PolicyRule, b: PolicyRule): boolean =>
  a.effect === b.effect &&
  a.operation === b.operation &&
  a.host === b.host &&
  a.when === b.when &&
  a.patternType === b.patternType &&
  a.resourceName === b.resourceName &&
  a.resourceType === b.resourceType &&
  a.subject === b.subject &&
  a.domain === b.domain;
