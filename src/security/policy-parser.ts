/**
 * Owns the text of policy files: `p` and `g` lines as Casbin's CSV knows them, in a strict form.
 *
 * Invariant: a file is taken as a whole or not at all. It ends with `# end` (without it, it may be
 * half written), every line is a comment, empty, a rule or a link, and every value passes the
 * grammar of policy-rule.ts. No quoting exists, so no value can hold a separator.
 */
import { setImmediate } from 'node:timers/promises';
import {
  linkProblem,
  type PolicyRule,
  type RoleLink,
  type RuleEffect,
  ruleProblem,
} from './policy-rule.ts';
import { ALWAYS } from './policy-window.ts';

/** Why a set of policy files was refused; `line` is 0 when it is about the whole file or set. */
export class PolicyError extends Error {
  readonly code = 'POLICY_ERROR';
  readonly file: string;
  readonly line: number;
  readonly reason: string;

  constructor(file: string, line: number, reason: string, options?: { cause?: unknown }) {
    super(line === 0 ? `${file}: ${reason}` : `${file}:${line}: ${reason}`, options);
    this.name = 'PolicyError';
    this.file = file;
    this.line = line;
    this.reason = reason;
  }
}

/** A line of a policy for a model of the operator's own. */
export interface OwnRow {
  /** `p`, `g` or another section of the model. */
  readonly section: string;
  readonly columns: readonly string[];
  readonly file: string;
  readonly line: number;
}

export interface ParsedPolicy {
  readonly rules: PolicyRule[];
  readonly links: RoleLink[];
  /** Instead of rules and links, where the model is the operator's own. */
  readonly rows: OwnRow[];
}

/** What is wrong with a line of a section; null when nothing is. */
export type RowCheck = (section: string, columns: readonly string[]) => string | null;

const END_MARK = '# end';
const LINE_LENGTH_MAX = 2_048;
const RULE_COLUMNS = 9;
/** With the time window, which may be left out. */
const RULE_COLUMNS_MAX = 10;
const LINK_COLUMNS = 4;

/** Equal values share one string: a million rules name few subjects, tenants and hosts. */
type Intern = (text: string) => string;

function interning(): Intern {
  const known = new Map<string, string>();
  return (text) => {
    const same = known.get(text);
    if (same !== undefined) return same;
    known.set(text, text);
    return text;
  };
}

function parseRule(columns: string[], file: string, line: number, intern: Intern): PolicyRule {
  if (columns.length !== RULE_COLUMNS && columns.length !== RULE_COLUMNS_MAX) {
    throw new PolicyError(
      file,
      line,
      `a rule has ${RULE_COLUMNS} columns (p, subject, tenant, resource type, pattern type, name, operation, host, allow or deny) and may have a time window after them, this line has ${columns.length}`,
    );
  }
  const value = (column: number): string => intern(columns[column]!);
  const rule: PolicyRule = {
    subject: value(1),
    domain: value(2),
    resourceType: value(3) as PolicyRule['resourceType'],
    patternType: value(4) as PolicyRule['patternType'],
    // Names are many and seldom the same.
    resourceName: columns[5]!,
    operation: value(6) as PolicyRule['operation'],
    host: value(7),
    effect: value(8) as RuleEffect,
    when: columns.length === RULE_COLUMNS ? ALWAYS : value(9),
    file,
    line,
  };
  const problem = ruleProblem(rule);
  if (problem !== null) throw new PolicyError(file, line, problem);
  return rule;
}

function parseLink(columns: string[], file: string, line: number, intern: Intern): RoleLink {
  if (columns.length !== LINK_COLUMNS) {
    throw new PolicyError(
      file,
      line,
      `a role link has ${LINK_COLUMNS} columns (g, member, role, tenant), this line has ${columns.length}`,
    );
  }
  const [member, role, domain] = [intern(columns[1]!), intern(columns[2]!), intern(columns[3]!)];
  const link: RoleLink = { member, role, domain, file, line };
  const problem = linkProblem(link);
  if (problem !== null) throw new PolicyError(file, line, problem);
  return link;
}

function parseRow(columns: string[], file: string, line: number, checkRow: RowCheck): OwnRow {
  const [section = '', ...rest] = columns;
  const problem = checkRow(section, rest);
  if (problem !== null) throw new PolicyError(file, line, problem);
  return { section, columns: rest, file, line };
}

/** A character that no line may hold; a tab or CR would make two readings of a line possible. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/;

function checkLine(text: string, file: string, line: number): void {
  if (text.length > LINE_LENGTH_MAX) {
    throw new PolicyError(file, line, `the line is longer than ${LINE_LENGTH_MAX} characters`);
  }
  if (text.endsWith('\r')) throw new PolicyError(file, line, 'lines end with LF, not with CR LF');
  if (CONTROL.test(text)) {
    throw new PolicyError(file, line, 'the line has a control character (tabs count as one)');
  }
}

function parseLine(
  text: string,
  at: {
    readonly file: string;
    readonly line: number;
    readonly intern: Intern;
    readonly checkRow: RowCheck | null;
  },
  into: ParsedPolicy,
): void {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.startsWith('#')) return;
  const { file, line, intern, checkRow } = at;
  const columns = trimmed.split(',').map((column) => column.trim());
  if (checkRow !== null) into.rows.push(parseRow(columns, file, line, checkRow));
  else if (columns[0] === 'p') into.rules.push(parseRule(columns, file, line, intern));
  else if (columns[0] === 'g') into.links.push(parseLink(columns, file, line, intern));
  else throw new PolicyError(file, line, 'a line begins with "p," (rule), "g," (role) or "#"');
}

/** Lines that are parsed in one turn of the event loop: some ten milliseconds. */
const LINES_A_TURN = 4_096;

/**
 * Parses one file; throws PolicyError at the first thing that is wrong. With `checkRow` the lines are
 * those of a model of the operator's own. A long file is parsed in turns of the event loop.
 */
export async function parsePolicy(
  file: string,
  text: string,
  checkRow: RowCheck | null = null,
): Promise<ParsedPolicy> {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.at(-1) !== END_MARK) {
    throw new PolicyError(
      file,
      lines.length,
      `the last line is not "${END_MARK}": the file may be half written`,
    );
  }
  const parsed: ParsedPolicy = { rules: [], links: [], rows: [] };
  const intern = interning();
  for (const [index, line] of lines.entries()) {
    if (index > 0 && index % LINES_A_TURN === 0) await setImmediate();
    checkLine(line, file, index + 1);
    if (line === END_MARK && index !== lines.length - 1) {
      throw new PolicyError(file, index + 1, `"${END_MARK}" stands before the end of the file`);
    }
    parseLine(line, { file, line: index + 1, intern, checkRow }, parsed);
  }
  return parsed;
}
