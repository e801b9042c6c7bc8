/**
 * `breakwater cert search|expiring`, and the parts of `cert list` and `cert show` that are about the
 * list of what was signed, wherever the certificates themselves are.
 */
import { type Command, Option } from 'commander';
import { checkTenantName } from '../pki/identity-name.ts';
import type { IssuedKind } from '../pki/issue-record.ts';
import {
  expiringIssued,
  type FoundRecord,
  type IssuedFilter,
  searchIssued,
} from '../pki/issue-search.ts';
import { asUsage } from './as-usage.ts';
import { addPlace, open, type PlaceOptions } from './cert-options.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printTable } from './output.ts';

interface FilterOptions extends PlaceOptions {
  readonly tenant?: string;
  readonly kind?: IssuedKind;
  readonly fleet?: string;
  readonly state?: FoundRecord['state'];
  readonly within?: string;
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000 };
const SERIAL = /^[0-9A-Fa-f]{8,40}$/;

export function registerCertRegistry(group: Command): void {
  const search = group
    .command('search')
    .description('find issued certificates by a part of a name, fleet or serial number')
    .argument('[text]', 'the part; everything when left out');
  addFilter(search)
    .addOption(new Option('--state <state>', 'valid or expired').choices(['valid', 'expired']))
    .action((text: string | undefined, options: FilterOptions) => {
      const filter = text === undefined ? {} : { text };
      print(searchIssued(open(options), { ...filterOf(options), ...filter }), options);
    });
  const expiring = group
    .command('expiring')
    .description('list names whose newest certificate ends soon, or ended lately')
    .requiredOption('--within <time>', 'such as 30d or 12h');
  addFilter(expiring).action((options: FilterOptions) => {
    const withinMs = parsePeriod('--within', options.within ?? '');
    print(expiringIssued(open(options), withinMs, filterOf(options)), options);
  });
}

function addFilter(command: Command): Command {
  const kinds: readonly IssuedKind[] = ['device', 'service', 'operator', 'broker'];
  return addPlace(command)
    .option('--tenant <tenant>', 'of one tenant only')
    .addOption(new Option('--kind <kind>', 'of one kind only').choices(kinds))
    .option('--fleet <fleet>', 'of one fleet only');
}

function filterOf({ tenant, kind, fleet, state }: FilterOptions): IssuedFilter {
  if (tenant !== undefined) asUsage(() => checkTenantName(tenant));
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(kind === undefined ? {} : { kind }),
    ...(fleet === undefined ? {} : { fleet }),
    ...(state === undefined ? {} : { state }),
  };
}

/** Milliseconds of `30d` or `12h`. */
export function parsePeriod(option: string, text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,4})([hd])$/.exec(text) ?? [];
  if (count === '') throw new UsageError(`${option} ${text} is not a period such as 30d or 12h`);
  return Number(count) * UNIT_MS[unit]!;
}

/** What a tenant's CA has signed. */
export function listIssued(tenant: string, options: PlaceOptions): void {
  print(searchIssued(open(options), filterOf({ ...options, tenant })), options);
}

/** The record of a serial number, or undefined when the text is none. */
export function showIssued(serial: string, options: PlaceOptions): void {
  const wanted = serial.toUpperCase();
  const found = searchIssued(open(options), { text: wanted }).filter(
    (record) => record.serial === wanted,
  );
  if (found.length > 0) {
    print(found, options);
    return;
  }
  throw new CommandError(
    `no certificate with serial number ${wanted} was issued here: "cert search" shows all`,
  );
}

export const isSerial = (text: string): boolean => SERIAL.test(text);

const dateOf = (atMs: number | null): string | null =>
  atMs === null ? null : new Date(atMs).toISOString();

function print(found: readonly FoundRecord[], options: PlaceOptions): void {
  if (options.json === true) {
    const records = found.map(({ expiresAtMs, issuedAtMs, ...rest }) => {
      return { ...rest, issuedAt: dateOf(issuedAtMs), notAfter: dateOf(expiresAtMs) };
    });
    printJson(records);
    return;
  }
  printTable(
    ['TENANT', 'KIND', 'NAME', 'FLEET', 'SERIAL', 'UNTIL', 'STATE'],
    found.map((one) => [
      one.tenant ?? '-',
      one.kind,
      one.name,
      one.fleet ?? '-',
      one.serial,
      dateOf(one.expiresAtMs)!.slice(0, 10),
      one.state,
    ]),
    'no certificate was found',
  );
}
