/**
 * Owns the variables of resource names in rules: what the caller is, put into the name, so that one
 * rule serves every device. Pure.
 *
 * Invariant: a value that breaks the grammar of names never grants and always denies: an allow rule
 * with it matches nothing, a deny rule with it matches everything. A caller for whom a variable has
 * no value is outside of every rule that says it.
 */
import { NAME_GRAMMAR, TENANT_GRAMMAR } from './policy-rule.ts';

/** What a certificate (`cert.o`) or a token (`token.site`) says of its holder, by variable. */
export type Attributes = Readonly<Record<string, string>>;

export const NO_ATTRIBUTES: Attributes = Object.freeze({});

/** One caller, as the request columns of the model name it. */
export interface CallerColumns {
  /** `User:<name>` */
  readonly subject: string;
  /** `Fleet:<name>`, or '' */
  readonly fleetSubject: string;
  readonly domain: string;
  readonly attributes: Attributes;
}

/** The rule does not apply to a caller for whom the variable has no value. */
export const ABSENT = Symbol('absent');
/** The value breaks the grammar of names. */
export const HOSTILE = Symbol('hostile');
export type VariableValue = string | typeof ABSENT | typeof HOSTILE;

const VARIABLE = /\$\{([^}]*)\}/g;

export const hasVariable = (name: string): boolean => name.includes('${');

function textOf(variable: string, caller: CallerColumns): string {
  if (variable === 'principal') return caller.subject.slice('User:'.length);
  if (variable === 'fleet') return caller.fleetSubject.slice('Fleet:'.length);
  if (variable === 'tenant') return caller.domain;
  return Object.hasOwn(caller.attributes, variable) ? caller.attributes[variable]! : '';
}

export function variableValue(variable: string, caller: CallerColumns): VariableValue {
  const text = textOf(variable, caller);
  if (text === '') return ABSENT;
  const grammar = variable === 'tenant' ? TENANT_GRAMMAR : NAME_GRAMMAR;
  return grammar.test(text) ? text : HOSTILE;
}

/** The rule's name with the caller's values in place. */
export function resolveName(name: string, caller: CallerColumns): VariableValue {
  let outcome: typeof ABSENT | typeof HOSTILE | null = null;
  const resolved = name.replace(VARIABLE, (_text, variable: string) => {
    const value = variableValue(variable, caller);
    if (value === HOSTILE) outcome = HOSTILE;
    else if (value === ABSENT) outcome ??= ABSENT;
    return String(value);
  });
  return outcome ?? resolved;
}

/** The variables of a name, each with the text before it, and the text after the last. */
export interface NameTemplate {
  readonly steps: readonly { readonly head: string; readonly variable: string }[];
  readonly tail: string;
}

export function templateOf(name: string): NameTemplate {
  const steps: { head: string; variable: string }[] = [];
  let at = 0;
  for (const match of name.matchAll(VARIABLE)) {
    steps.push({ head: name.slice(at, match.index), variable: match[1]! });
    at = match.index + match[0].length;
  }
  return { steps, tail: name.slice(at) };
}
