/**
 * `breakwater audit query`: records of the access log, newest first, of a running broker or of the
 * files in a folder. What it prints first is an id that `audit explain` takes.
 */
import type { Command } from 'commander';
import type { QueryOrder } from '../audit/audit-query.ts';
import { csvHeader, csvLine } from '../audit/export-csv.ts';
import { cell } from './answer-fields.ts';
import { addFilterOptions, type FilterOptions, filterOf } from './audit-filter.ts';
import {
  type AuditSource,
  addSourceOptions,
  type ShownRecord,
  type SourceOptions,
  withSource,
} from './audit-source.ts';
import { UsageError } from './command-error.ts';
import { counted, isRead, printable, printTable } from './output.ts';

interface Options extends FilterOptions, SourceOptions {
  readonly limit: string;
  readonly order: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

export function registerAuditQuery(group: Command): void {
  const command = group
    .command('query')
    .description('find records of the access log: who did what, when, and what was decided')
    .option('--limit <count>', 'at most so many records; 0: all of them', '100')
    .option('--order <order>', 'newest or oldest first', 'newest')
    .option('--json', 'print a JSON array, a record a line')
    .option('--csv', 'print CSV');
  addSourceOptions(addFilterOptions(command)).action((options: Options) => query(options));
}

async function query(options: Options): Promise<void> {
  const filter = filterOf(options);
  const order = orderOf(options.order);
  const limit = limitOf(options.limit);
  if (options.json === true && options.csv === true)
    throw new UsageError('--json or --csv, not both');
  const print = printerOf(options);
  const found = { hasMore: false, badLines: 0 };
  await withSource(options, async (source) => {
    for await (const record of recordsOf(source, { filter, order, limit, found })) {
      if (!isRead()) return;
      print.record(record);
    }
  });
  print.end();
  if (found.hasMore) {
    const first = order === 'newest' ? 'newest' : 'oldest';
    warn(`these are the ${first} ${counted(limit, 'record')}: --limit 0 prints all`);
  }
  if (found.badLines > 0) warn('lines that are no records were passed over: see "audit verify"');
}

interface Wanted {
  readonly filter: ReturnType<typeof filterOf>;
  readonly order: QueryOrder;
  /** Infinity: all. */
  readonly limit: number;
  readonly found: { hasMore: boolean; badLines: number };
}

/** The records, page by page. */
export async function* recordsOf(
  source: AuditSource,
  { filter, order, limit, found }: Wanted,
): AsyncGenerator<ShownRecord> {
  let left = limit;
  let cursor: string | null = null;
  do {
    // One more than wanted tells whether there are more.
    const page = await source.page(filter, order, cursor, left + 1);
    found.badLines += page.badLines;
    for (const record of page.records) {
      if (left === 0) {
        found.hasMore = true;
        return;
      }
      left -= 1;
      yield record;
    }
    cursor = page.next;
  } while (cursor !== null);
}

export function limitOf(text: string): number {
  if (!/^[0-9]{1,12}$/.test(text)) throw new UsageError('--limit is a number of records');
  return Number(text) === 0 ? Number.POSITIVE_INFINITY : Number(text);
}

function orderOf(text: string): QueryOrder {
  if (text === 'newest' || text === 'oldest') return text;
  throw new UsageError('--order is newest or oldest');
}

export const warn = (text: string): void => void process.stderr.write(`${printable(text)}\n`);

interface Printer {
  record(record: ShownRecord): void;
  end(): void;
}

const out = (text: string): void => void process.stdout.write(text);

function printerOf({ json, csv }: Options): Printer {
  if (csv === true) {
    out(csvHeader());
    return { record: (record) => out(csvLine(record)), end: () => undefined };
  }
  if (json === true) {
    let separator = '[\n';
    return {
      record: (record) => {
        out(`${separator}${JSON.stringify(record)}`);
        separator = ',\n';
      },
      end: () => out(separator === '[\n' ? '[]\n' : '\n]\n'),
    };
  }
  const rows: string[][] = [];
  return {
    record: (record) => rows.push(rowOf(record)),
    end: () => printTable(HEADER, rows, 'no records'),
  };
}

export const HEADER = [
  'ID',
  'TIME',
  'TENANT',
  'PRINCIPAL',
  'DECISION',
  'WHAT',
  'TIMES',
  'FROM',
  'WHY',
] as const;

export function rowOf(record: ShownRecord): string[] {
  return [
    cell(record, 'id'),
    cell(record, 'time'),
    cell(record, 'tenant'),
    cell(record, 'principal'),
    cell(record, record.decision === undefined ? 'outcome' : 'decision'),
    whatOf(record),
    cell(record, 'count').replace('-', '1'),
    cell(record, 'address'),
    whyOf(record),
  ];
}

function whatOf(record: ShownRecord): string {
  if (typeof record.resource !== 'string')
    return `${cell(record, 'type')} ${cell(record, 'reason')}`;
  const where = `${cell(record, 'resourceType')} ${record.resource}`;
  return `${cell(record, 'operation')} ${where} (${cell(record, 'api')})`;
}

function whyOf(record: ShownRecord): string {
  if (typeof record.detail === 'string') return record.detail;
  if (typeof record.origin === 'string') return record.origin;
  return record.type === 'access' && record.decision === 'deny' ? 'no rule allowed it' : '-';
}
