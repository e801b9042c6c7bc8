/**
 * Owns the reading of a list of devices and services to certify: CSV (RFC 4180) with a header line,
 * or JSON lines. Columns, or keys: `device` or `service`, and `fleet` for devices.
 *
 * Invariant: all of the list is checked before anything is made of it; a column or key that is not
 * known is an error, and so is a name that stands there twice. Each problem names its line.
 */
import { PkiError } from '../base/errors.ts';
import { checkSubjectName } from './identity-name.ts';

export interface ListedIdentity {
  readonly kind: 'device' | 'service';
  readonly name: string;
  /** null for services. */
  readonly fleet: string | null;
}

const ENTRIES_MAX = 1_000_000;
const PROBLEMS_SHOWN = 10;
const FIELDS = ['device', 'service', 'fleet'] as const;
type Field = (typeof FIELDS)[number];

interface Row {
  readonly line: number;
  readonly fields: Partial<Record<Field, string>>;
}

/** `defaultFleet` is for devices that name none. Throws PkiError with what is wrong, by line. */
export function parseDeviceList(text: string, defaultFleet: string): ListedIdentity[] {
  const problems: string[] = [];
  const report = (line: number, problem: string): void => {
    problems.push(`line ${line}: ${problem}`);
  };
  const content = text.replace(/^\uFEFF/, '');
  const rows = /^\s*\{/.test(content) ? jsonRows(content, report) : csvRows(content, report);
  if (rows.length > ENTRIES_MAX) {
    throw new PkiError(`the list has more than ${ENTRIES_MAX} entries: split it`);
  }
  const firstLines = new Map<string, number>();
  const entries: ListedIdentity[] = [];
  for (const { line, fields } of rows) {
    try {
      const entry = identityOf(fields, defaultFleet);
      const before = firstLines.get(entry.name);
      if (before === undefined) firstLines.set(entry.name, line);
      else report(line, `${entry.name} stands in line ${before} already`);
      entries.push(entry);
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      report(line, error.message);
    }
  }
  if (problems.length > 0) throw new PkiError(`nothing was issued:\n${summary(problems)}`);
  if (entries.length === 0) throw new PkiError('the list names nobody');
  return entries;
}

function summary(problems: readonly string[]): string {
  const more = problems.length - PROBLEMS_SHOWN;
  const shown = problems.slice(0, PROBLEMS_SHOWN);
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

function identityOf(fields: Row['fields'], defaultFleet: string): ListedIdentity {
  const { device = '', service = '', fleet = '' } = fields;
  if ((device === '') === (service === '')) {
    throw new PkiError('name either a device or a service');
  }
  if (service === '') {
    const inFleet = checkSubjectName('fleet', fleet === '' ? defaultFleet : fleet);
    return { kind: 'device', name: checkSubjectName('device', device), fleet: inFleet };
  }
  if (fleet !== '') throw new PkiError('a service is in no fleet');
  return { kind: 'service', name: checkSubjectName('service', service), fleet: null };
}

type Report = (line: number, problem: string) => void;

const isField = (text: string): text is Field => FIELDS.some((field) => field === text);

const quoted = (text: string): string => JSON.stringify(text.slice(0, 80));

function jsonRows(content: string, report: Report): Row[] {
  const rows: Row[] = [];
  for (const [index, text] of content.split('\n').entries()) {
    if (text.trim() === '') continue;
    const line = index + 1;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      report(line, 'not JSON');
      continue;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      report(line, 'not a JSON object');
      continue;
    }
    const fields = Object.entries(value);
    const wrong = fields.find(([key, field]) => !isField(key) || typeof field !== 'string');
    if (wrong === undefined) rows.push({ line, fields: Object.fromEntries(fields) });
    else report(line, `${quoted(wrong[0])}: use the keys ${FIELDS.join(', ')}, with texts`);
  }
  return rows;
}

function csvRows(content: string, report: Report): Row[] {
  const [header, ...records] = csvRecords(content, report);
  const names = (header?.cells ?? []).map((cell) => cell.trim());
  const wrong = names.find((name, at) => !isField(name) || names.indexOf(name) !== at);
  if (header === undefined || wrong !== undefined) {
    const what = wrong === undefined ? '' : ` (${quoted(wrong)} is none, or stands there twice)`;
    report(1, `the first line must name the columns: ${FIELDS.join(', ')}${what}`);
    return [];
  }
  return records.flatMap(({ line, cells }) => {
    if (cells.length === 1 && cells[0] === '') return [];
    if (cells.length !== names.length) {
      report(line, `${cells.length} fields where the first line names ${names.length}`);
      return [];
    }
    return [{ line, fields: Object.fromEntries(names.map((name, at) => [name, cells[at]!])) }];
  });
}

interface CsvRecord {
  readonly line: number;
  readonly cells: string[];
}

/** One field and what ends it; a quoted field may hold anything, with quotes doubled. */
const CSV_FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

function csvRecords(content: string, report: Report): CsvRecord[] {
  const records: CsvRecord[] = [];
  let cells: string[] = [];
  let line = 1;
  let startLine = 1;
  for (let at = 0; at <= content.length; ) {
    CSV_FIELD.lastIndex = at;
    const match = CSV_FIELD.exec(content);
    if (match === null) {
      report(line, 'not CSV: a quotation mark is out of place');
      return records;
    }
    const [whole, inQuotes, plain = '', end] = match;
    cells.push(inQuotes === undefined ? plain : inQuotes.replaceAll('""', '"'));
    at += whole.length;
    for (const character of whole) if (character === '\n') line++;
    if (end === ',') continue;
    records.push({ line: startLine, cells });
    cells = [];
    startLine = line;
    if (end === '') break;
  }
  return records;
}
