/**
 * Owns an access model that an operator wrote (policy.model): stock Casbin decides over all rules,
 * with the operator's request and policy definition, matcher, effect and roles.
 *
 * Invariants: a model or a rule that Casbin cannot work with is refused with file, line and reason
 * when it is loaded; a decision that throws is a deny (casbin-authorizer.ts); no rules at all is a
 * deny, where stock Casbin would evaluate the matcher over empty columns. A tenant's dynamic rules
 * stand in the model only while that tenant's decision is made, in one synchronous call. Stock
 * Casbin goes through every rule, some 4 us each: so there are at most OWN_RULES_MAX.
 */
import { type Enforcer, FunctionMap, newEnforcer, newModelFromString, StringAdapter } from 'casbin';
import type { Action } from './authorizer.ts';
import { addPolicyFunctions, OWN_FUNCTIONS } from './policy-functions.ts';
import { type OwnRow, PolicyError } from './policy-parser.ts';
import { type PolicyRule, ruleColumns, ruleOrigin } from './policy-rule.ts';
import { type CallerColumns, NO_ATTRIBUTES } from './policy-variables.ts';

/** Of the files and of one tenant's dynamic rules, together: about 4 ms a decision. */
export const OWN_RULES_MAX = 1_000;

/** Who asks, as a PolicyProfile knows it. */
export interface OwnCaller extends CallerColumns {
  readonly tokenRoles: readonly string[];
}

export interface OwnRequest {
  readonly caller: OwnCaller;
  readonly host: string;
  readonly action: Action;
  readonly timeMs: number;
}

export interface OwnDecision {
  readonly allowed: boolean;
  /** The rule that Casbin says decided, as a line, with its origin; null when none did. */
  readonly rule: string | null;
  readonly origin: string | null;
}

/** What the names of a request definition stand for. */
const REQUEST_FIELDS: Readonly<Record<string, (asked: OwnRequest) => unknown>> = {
  sub: ({ caller }) => caller.subject,
  user: ({ caller }) => caller.subject.slice('User:'.length),
  fleet: ({ caller }) => caller.fleetSubject,
  roles: ({ caller }) => caller.tokenRoles,
  dom: ({ caller }) => caller.domain,
  attrs: ({ caller }) => caller.attributes,
  host: ({ host }) => host,
  type: ({ action }) => action.resourceType,
  name: ({ action }) => action.resourceName,
  obj: ({ action }) => `${action.resourceType}:${action.resourceName}`,
  op: ({ action }) => action.operation,
  act: ({ action }) => action.operation.toLowerCase(),
  time: ({ timeMs }) => timeMs,
};

/** With these columns, the last of them or not, a rule of Kafka's ACL API fits into the model. */
const SHIPPED_COLUMNS = ['sub', 'dom', 'type', 'pattern', 'name', 'op', 'host', 'eft', 'when'];
const SECTIONS: ReadonlySet<string> = new Set(['r', 'p', 'e', 'm']);

const NOBODY = { subject: 'User:nobody', fleetSubject: 'Fleet:none', domain: 'none' };

const bare = (token: string): string => token.replace(/^[rp]_/, '');

export class OwnModel {
  readonly #file: string;
  readonly #text: string;
  readonly #fields: readonly string[];
  /** By section (`p`, `g`, `g2`): how many columns a line has after its first. */
  readonly #columns: ReadonlyMap<string, number>;
  readonly #policyColumns: readonly string[];
  readonly readsTime: boolean;

  /** Throws PolicyError when the text is no model that can be worked with. */
  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
    const model = this.#parse();
    const tokens = (section: string): readonly string[] => {
      const found = model.get(section)?.get(section);
      if (found === undefined) throw this.#wrong(0, `the model has no section for "${section} ="`);
      return found.tokens.map(bare);
    };
    for (const [section, entries] of model) {
      for (const key of SECTIONS.has(section) ? entries.keys() : []) {
        if (key !== section) throw this.#wrong(this.#lineOf(key), `"${key}" is not used here`);
      }
    }
    this.#fields = tokens('r');
    const unknown = this.#fields.find((field) => !Object.hasOwn(REQUEST_FIELDS, field));
    if (unknown !== undefined) {
      const known = Object.keys(REQUEST_FIELDS).join(', ');
      throw this.#wrong(this.#lineOf('r'), `a request has no "${unknown}": it has ${known}`);
    }
    tokens('e');
    tokens('m');
    this.#policyColumns = tokens('p');
    const columns = new Map([['p', this.#policyColumns.length]]);
    for (const [key, { value }] of model.get('g') ?? []) {
      columns.set(key, value.match(/_/g)?.length ?? 0);
    }
    this.#columns = columns;
    this.#checkMatcher(model.get('m')!.get('m')!.value);
    this.readsTime = this.#fields.includes('time');
  }

  /** Null when a tenant's dynamic rules can stand in this model, else a sentence. */
  get dynamicProblem(): string | null {
    const expected = SHIPPED_COLUMNS.slice(0, Math.max(8, this.#policyColumns.length));
    if (this.#policyColumns.join() === expected.join()) return null;
    return "the access model of this broker is the operator's own and takes no rules of this kind";
  }

  /** What is wrong with a line of a policy file; null when nothing is. */
  rowProblem(section: string, columns: readonly string[]): string | null {
    const expected = this.#columns.get(section);
    if (expected === undefined) {
      return `a line begins with ${[...this.#columns.keys()].join(' or ')}, or with "#"`;
    }
    if (columns.length !== expected) {
      return `a line of "${section}" has ${expected} columns after it, this one has ${columns.length}`;
    }
    if (columns.some((column) => column.includes('"'))) return 'a value holds a quote';
    const effect = section === 'p' ? this.#policyColumns.indexOf('eft') : -1;
    if (effect < 0 || /^(allow|deny)$/.test(columns[effect]!)) return null;
    return `"${columns[effect]}" is not allow or deny`;
  }

  /** Loads the rows into Casbin and tries the matcher; throws PolicyError. */
  async compile(rows: readonly OwnRow[]): Promise<OwnPolicy> {
    const rules = rows.filter(({ section }) => section === 'p');
    if (rules.length > OWN_RULES_MAX) {
      const { file, line } = rules[OWN_RULES_MAX]!;
      const reason = `more than ${OWN_RULES_MAX} rules: with a model of your own Casbin goes through all of them for each decision`;
      throw new PolicyError(file, line, reason);
    }
    try {
      const enforcer = await newEnforcer(newModelFromString(this.#text));
      await addPolicyFunctions(enforcer);
      if (rows.length === 0) {
        return new OwnPolicy(enforcer, this.#fields, rules, this.#policyColumns.length);
      }
      const text = rows.map(({ section, columns }) => [section, ...columns].join(', ')).join('\n');
      enforcer.setAdapter(new StringAdapter(text));
      await enforcer.loadPolicy();
      const policy = new OwnPolicy(enforcer, this.#fields, rules, this.#policyColumns.length);
      this.#tryOut(policy);
      return policy;
    } catch (cause) {
      if (cause instanceof PolicyError) throw cause;
      throw this.#wrong(0, `Casbin cannot work with it: ${reasonOf(cause)}`, cause);
    }
  }

  /** Casbin takes what it does not know for undefined, so that `!blocked(r.user)` would hold. */
  #checkMatcher(matcher: string): void {
    const line = this.#lineOf('m');
    const bareText = matcher.replace(/"[^"]*"|'[^']*'/g, '""');
    const functions = new Set(['in', 'eval', ...OWN_FUNCTIONS, ...this.#columns.keys()]);
    for (const name of FunctionMap.loadFunctionMap().getFunctions().keys()) functions.add(name);
    for (const [, name = ''] of bareText.matchAll(/([A-Za-z_]\w*)\s*\(/g)) {
      if (!functions.has(name)) throw this.#wrong(line, `there is no function "${name}"`);
    }
    const tokens = { r: this.#fields, p: this.#policyColumns };
    for (const [, kind, token = ''] of bareText.matchAll(/\b([rp])_(\w+)/g)) {
      if (tokens[kind as 'r' | 'p'].includes(token)) continue;
      throw this.#wrong(line, `"${kind}.${token}" is in no definition`);
    }
  }

  /** Asks once, so that a matcher that throws is found when it is loaded. */
  #tryOut(policy: OwnPolicy): void {
    const action = { operation: 'READ', resourceType: 'TOPIC', resourceName: 'tried' } as const;
    const caller = { ...NOBODY, attributes: NO_ATTRIBUTES, tokenRoles: [] };
    try {
      policy.decide({ caller, host: '127.0.0.1', action, timeMs: 0 }, []);
    } catch (cause) {
      throw this.#wrong(this.#lineOf('m'), `the matcher fails: ${reasonOf(cause)}`, cause);
    }
  }

  #parse() {
    try {
      return newModelFromString(this.#text).model;
    } catch (cause) {
      throw this.#wrong(0, `it is no Casbin model: ${reasonOf(cause)}`, cause);
    }
  }

  #lineOf(key: string): number {
    const lines = this.#text.split('\n');
    return 1 + lines.findIndex((line) => new RegExp(`^\\s*${key}\\s*=`).test(line));
  }

  #wrong(line: number, reason: string, cause?: unknown): PolicyError {
    return new PolicyError(this.#file, line, reason, { cause });
  }
}

const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause);

export class OwnPolicy {
  readonly #enforcer: Enforcer;
  readonly #fields: readonly string[];
  readonly #slot: { policy: string[][] };
  readonly #rows: string[][];
  readonly #origins: ReadonlyMap<string, string>;
  readonly #columnCount: number;
  readonly #usesRules: boolean;
  readonly ruleCount: number;

  constructor(
    enforcer: Enforcer,
    fields: readonly string[],
    rules: readonly OwnRow[],
    columnCount: number,
  ) {
    this.#enforcer = enforcer;
    this.#fields = fields;
    const { model } = enforcer.getModel();
    this.#slot = model.get('p')!.get('p')!;
    this.#rows = this.#slot.policy;
    this.#usesRules = model.get('m')!.get('m')!.value.includes('p_');
    this.#columnCount = columnCount;
    this.ruleCount = rules.length;
    this.#origins = new Map(
      rules.map((rule) => [rule.columns.join('\0'), ruleOrigin(rule)] as const).reverse(),
    );
  }

  /** Casbin's answer over the rules of the files and these. Throws what Casbin throws. */
  decide(asked: OwnRequest, dynamic: readonly PolicyRule[]): OwnDecision {
    const added = dynamic.map((rule) => ruleColumns(rule).slice(0, this.#columnCount));
    const rows = added.length === 0 ? this.#rows : [...this.#rows, ...added];
    if (rows.length > OWN_RULES_MAX) throw new Error(`more than ${OWN_RULES_MAX} rules`);
    if (rows.length === 0 && this.#usesRules) return { allowed: false, rule: null, origin: null };
    const values = this.#fields.map((field) => REQUEST_FIELDS[field]!(asked));
    this.#slot.policy = rows;
    try {
      const [allowed, row] = this.#enforcer.enforceExSync(...values);
      // Casbin names the first rule, too, where a matcher without rules decided.
      if (!this.#usesRules || row.length === 0) return { allowed, rule: null, origin: null };
      const origin = added.includes(row) ? 'dynamic' : this.#origins.get(row.join('\0'));
      return { allowed, rule: `p, ${row.join(', ')}`, origin: origin ?? null };
    } finally {
      this.#slot.policy = this.#rows;
    }
  }
}
