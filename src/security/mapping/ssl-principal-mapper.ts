/**
 * Owns the rules by which a certificate's subject becomes a name, in the syntax of Kafka's
 * ssl.principal.mapping.rules and with what its SslPrincipalMapper makes of them (KIP-371):
 *
 *   RULE:pattern/replacement/[L|U]   when all of the name matches, every match is replaced
 *   DEFAULT                          the whole distinguished name
 *
 * The first rule that applies decides. Invariant: it only proposes: whether a name may be one, and
 * in which tenant, is for others to say. Stricter than Kafka where Kafka fails later: a rule that
 * could not be applied is refused when it is given.
 */
import { PkiError } from '../../base/errors.ts';
import { compilePattern, type Pattern } from './java-pattern.ts';
import { findFrom, MatchBudget, matchesWhole } from './pattern-machine.ts';

export const MAPPING_RULES_LENGTH_MAX = 2048;
const RULES_MAX = 16;
/** For one name, over all rules; a few milliseconds. */
const STEPS_MAX = 30_000;

/** How Kafka cuts its rules apart. */
const BODY = String.raw`DEFAULT|RULE:(?:\\.|[^\\/])*/(?:\\.|[^\\/])*/[LU]?.*?|.*?`;
const SPLITTER = new RegExp(String.raw`\s*(${BODY})\s*(?:,\s*|$)`, 'g');
const RULE = /^RULE:((?:\\.|[^\\/])*)\/((?:\\.|[^\\/])*)\/([LU]?)$/;
const BACK_REFERENCE = /\$(\d+)/g;
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** A text to put in, or the number of a group. */
type ReplacementPart = string | number;

type Rule =
  | { readonly kind: 'default' }
  | {
      readonly kind: 'pattern';
      readonly pattern: Pattern;
      readonly replacement: readonly ReplacementPart[];
      readonly letters: string;
    };

export class SslPrincipalMapper {
  readonly #rules: readonly Rule[];

  /** Throws PkiError with a sentence on what is wrong. */
  constructor(text: string) {
    if (text.length > MAPPING_RULES_LENGTH_MAX) {
      throw new PkiError(`mapping rules have at most ${MAPPING_RULES_LENGTH_MAX} characters`);
    }
    if (UNPRINTABLE.test(text)) throw new PkiError('mapping rules hold a control character');
    const rules = Array.from(text.trim().matchAll(SPLITTER), ([, rule = '']) => rule);
    this.#rules = rules.filter((rule) => rule !== '').map(parseRule);
    if (this.#rules.length > RULES_MAX) {
      throw new PkiError(`there are more than ${RULES_MAX} mapping rules`);
    }
    if (this.#rules.every(({ kind }) => kind === 'default')) {
      const why = 'no user can be named by a whole subject, as DEFAULT gives it';
      throw new PkiError(`there is no mapping rule of the form RULE:pattern/replacement/: ${why}`);
    }
  }

  /** What the first rule that applies makes of it; null when none does. Throws PkiError. */
  nameOf(distinguishedName: string): string | null {
    const text = Array.from(distinguishedName, (character) => character.codePointAt(0)!);
    const budget = new MatchBudget(STEPS_MAX);
    for (const rule of this.#rules) {
      if (rule.kind === 'default') return distinguishedName;
      if (!matchesWhole(rule.pattern, text, budget)) continue;
      const name = replaceAll(rule, text, budget);
      if (rule.letters === 'L') return name.toLowerCase();
      return rule.letters === 'U' ? name.toUpperCase() : name;
    }
    return null;
  }
}

function parseRule(text: string): Rule {
  if (text === 'DEFAULT') return { kind: 'default' };
  const parts = RULE.exec(text);
  if (parts === null) {
    throw new PkiError(
      `${JSON.stringify(text)} is no mapping rule: it must be DEFAULT or ` +
        'RULE:pattern/replacement/, with L or U after it for lower or upper case',
    );
  }
  const [, source = '', to = '', letters = ''] = parts;
  const pattern = compilePattern(source);
  const replacement = replacementParts(escapeUnknownGroups(to, pattern.groupCount), {
    rule: text,
    groupCount: pattern.groupCount,
  });
  return { kind: 'pattern', pattern, replacement, letters };
}

/**
 * Kafka's escapeLiteralBackReferences: "$4" without a fourth group is meant literally, unless there
 * is no group at all. It marks places as they were before it marked the first; so do we.
 */
function escapeUnknownGroups(to: string, groupCount: number): string {
  if (groupCount === 0) return to;
  let value = to;
  for (const match of to.matchAll(BACK_REFERENCE)) {
    const digits = match[1]!;
    if (digits.startsWith('0')) continue;
    let index = Number(digits);
    while (index > groupCount && index >= 10) index = Math.floor(index / 10);
    if (index > groupCount) {
      value = `${value.slice(0, match.index)}\\${value.slice(match.index)}`;
    }
  }
  return value;
}

/** java.util.regex.Matcher.appendReplacement, but for named groups. */
function replacementParts(
  to: string,
  { rule, groupCount }: { readonly rule: string; readonly groupCount: number },
): ReplacementPart[] {
  const wrong = (why: string): PkiError =>
    new PkiError(`the replacement of ${JSON.stringify(rule)} is not taken: ${why}`);
  const parts: ReplacementPart[] = [];
  for (let at = 0; at < to.length; ) {
    const character = to[at]!;
    if (character === '\\') {
      if (at + 1 >= to.length) throw wrong('a "\\" escapes nothing');
      parts.push(to[at + 1]!);
      at += 2;
      continue;
    }
    if (character !== '$') {
      parts.push(character);
      at += 1;
      continue;
    }
    const digits = /^\d+/.exec(to.slice(at + 1))?.[0];
    if (digits === undefined) throw wrong('a "$" is followed by no number of a group');
    let length = 1;
    while (length < digits.length && Number(digits.slice(0, length + 1)) <= groupCount) length += 1;
    const group = Number(digits.slice(0, length));
    if (group > groupCount) throw wrong(`the pattern has no group ${group}`);
    parts.push(group);
    at += 1 + length;
  }
  return parts;
}

/** java.lang.String.replaceAll. */
function replaceAll(
  { pattern, replacement }: Extract<Rule, { kind: 'pattern' }>,
  text: readonly number[],
  budget: MatchBudget,
): string {
  const slice = (from: number, to: number): string => String.fromCodePoint(...text.slice(from, to));
  let result = '';
  let copied = 0;
  for (let from = 0; from <= text.length; ) {
    const captures = findFrom(pattern, text, from, budget);
    if (captures === null) break;
    const [start = 0, end = 0] = captures;
    result += slice(copied, start);
    for (const part of replacement) {
      if (typeof part === 'string') result += part;
      else if (captures[2 * part]! >= 0 && captures[2 * part + 1]! >= 0) {
        result += slice(captures[2 * part]!, captures[2 * part + 1]!);
      }
    }
    copied = end;
    from = end === start ? end + 1 : end;
  }
  return result + slice(copied, text.length);
}
