/**
 * How a Kerberos principal becomes a user name: the rules of sasl.kerberos.principal.to.local.rules,
 * in Kafka's syntax (KerberosShortNamer, after Hadoop's auth_to_local):
 *
 *   DEFAULT                                           user[/host]@the-default-realm -> user
 *   RULE:[n:format](match)s/pattern/replacement/g/L   for principals of n components; /U upper case
 *
 * Invariant: the first rule that applies decides; where none does, or the outcome still holds `/` or
 * `@`, there is no name, and so no login.
 */

const RULE =
  /^(?:(DEFAULT)|RULE:\[(\d+):([^\]]*)\](?:\(([^)]*)\))?(?:s\/([^/]*)\/([^/]*)\/(g)?)?)\/?([LU])?$/;
const PARAMETER = /\$(\d+)/g;
const COMPONENTS_MAX = 2;

export interface KerberosName {
  /** One or two: Kafka's names are `user@REALM` and `user/host@REALM`. */
  readonly names: readonly string[];
  readonly realm: string;
}

/** The user name that one rule gives; undefined when it does not apply. */
type NameRule = (name: KerberosName, defaultRealm: string) => string | undefined;

export type NameRules = readonly NameRule[];

/** Throws Error with what is wrong, to stand behind the name of the configuration key. */
export function parseNameRules(text: string): NameRules {
  const rules = text
    .split(',')
    .map((rule) => rule.trim())
    .filter((rule) => rule !== '');
  if (rules.length === 0) throw new Error('no rule');
  return rules.map(parseRule);
}

export function localNameOf(
  rules: NameRules,
  name: KerberosName,
  defaultRealm: string,
): string | undefined {
  for (const rule of rules) {
    const local = rule(name, defaultRealm);
    if (local !== undefined) return /[/@]/.test(local) ? undefined : local;
  }
  return undefined;
}

function parseRule(text: string): NameRule {
  const match = RULE.exec(text);
  if (match === null) throw new Error(`${JSON.stringify(text)} is not a rule`);
  const [, standard, count, format = '', matching, from, to = '', global, letters] = match;
  const inLetters = (local: string): string =>
    letters === 'L' ? local.toLowerCase() : letters === 'U' ? local.toUpperCase() : local;
  if (standard !== undefined) {
    return ({ names, realm }, defaultRealm) =>
      realm === defaultRealm ? inLetters(names[0]!) : undefined;
  }
  const components = Number(count);
  checkFormat(text, format, components);
  const pattern = matching === undefined ? undefined : compile(text, `^(?:${matching})$`, '');
  const replace =
    from === undefined ? undefined : replacing(text, from, to, global === undefined ? '' : 'g');
  return ({ names, realm }) => {
    if (names.length !== components) return undefined;
    const parameters = [realm, ...names];
    const base = format.replaceAll(PARAMETER, (_, at) => parameters[Number(at)]!);
    if (pattern !== undefined && !pattern.test(base)) return undefined;
    return inLetters(replace === undefined ? base : replace(base));
  };
}

function checkFormat(rule: string, format: string, components: number): void {
  if (components < 1 || components > COMPONENTS_MAX) {
    throw new Error(`${rule}: a principal has one component or two`);
  }
  for (const [, at] of format.matchAll(PARAMETER)) {
    if (Number(at) > components) throw new Error(`${rule}: there is no $${at} in it`);
  }
}

function compile(rule: string, source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (cause) {
    throw new Error(`${rule}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** A replacement in Java's notation: `$1` is a group, a backslash takes what follows as it is. */
function replacing(
  rule: string,
  from: string,
  to: string,
  flags: string,
): (text: string) => string {
  const pattern = compile(rule, from, flags);
  const groups = new RegExp(`${from}|`).exec('')!.length - 1;
  const parts = [...to.matchAll(/\\(.)|\$(\d)|([^\\$]+)|(.)/g)];
  for (const [, , group, , odd] of parts) {
    if (odd !== undefined || Number(group ?? 0) > groups) {
      throw new Error(`${rule}: its replacement names what is not there`);
    }
  }
  return (text) =>
    text.replace(pattern, (...found) =>
      parts
        .map(([, literal, group, plain]) => literal ?? plain ?? found[Number(group)] ?? '')
        .join(''),
    );
}
