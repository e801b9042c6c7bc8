/**
 * Owns audit records as CSV (RFC 4180): the same columns for every record. Pure.
 *
 * Invariant: a spreadsheet takes no cell for a formula, whatever a stranger put into a name.
 */
import type { UncheckedRecord } from './record-terms.ts';

export const CSV_COLUMNS = [
  'id',
  'stream',
  'time',
  'level',
  'type',
  'tenant',
  'principal',
  'fleet',
  'certificate',
  'address',
  'port',
  'connection',
  'listener',
  'issuer',
  'api',
  'apiVersion',
  'clientId',
  'operation',
  'resourceType',
  'resource',
  'decision',
  'outcome',
  'reason',
  'rule',
  'origin',
  'tokenRole',
  'rolePath',
  'detail',
  'facts',
  'count',
  'first',
  'last',
  'v',
  'seq',
  'prev',
] as const;

export const csvHeader = (): string => `${CSV_COLUMNS.join(',')}\r\n`;

export const csvLine = (record: UncheckedRecord): string =>
  `${CSV_COLUMNS.map((column) => csvCell(record[column])).join(',')}\r\n`;

/** Spreadsheets read a cell that begins so as a formula (OWASP, CSV injection). */
const FORMULA = /^[=+\-@\t\r\n|%]/;
const QUOTED = /[",\r\n']|^\s|\s$/;

export function csvCell(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
