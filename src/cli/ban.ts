/**
 * `breakwater ban add|list|remove`: whom a running broker shuts out for a time, by address or by name.
 * `device suspend` is the same without an end, for a name.
 */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { asObject, cell, dateCell, listIn } from './answer-fields.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface WhomOptions extends ConnectionOptions {
  readonly address?: string;
  readonly tenant?: string;
  readonly device?: string;
  readonly principal?: string;
  readonly json?: boolean;
}

interface AddOptions extends WhomOptions {
  readonly for: string;
  readonly reason?: string;
}

type Whom = { readonly network: string } | { readonly tenant: string; readonly name: string };

const BANS = pathOf('v1', 'bans');
const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^([1-9][0-9]{0,6})([smhd])$/;
const USER = 'User:';

export function registerBan(program: Command): void {
  const group = program
    .command('ban')
    .description('addresses and names that are shut out for a time');
  const add = (command: Command): Command =>
    addConnectionOptions(command)
      .option('--tenant <tenant>', 'the tenant of the name')
      .option('--json', 'print JSON');
  const ofWhom = (command: Command): Command =>
    add(command)
      .option('--address <address>', 'an address, or a network such as 203.0.113.0/24')
      .option('--device <name>', 'a device, service or user of --tenant')
      .option('--principal <principal>', 'the same as User:<name>');
  ofWhom(group.command('add'))
    .description('close its connections and refuse new ones until the time is over')
    .requiredOption('--for <duration>', 'how long: 30s, 10m, 1h, 7d')
    .option('--reason <text>', 'why; for operators only')
    .action((options: AddOptions) => banWhom(options));
  ofWhom(group.command('remove'))
    .description('let it in again; ends an automatic ban too')
    .action((options: WhomOptions) => remove(options));
  add(group.command('list'))
    .description("list the bans in force: all of them, or those of a tenant's names")
    .action((options: WhomOptions) => list(options));
}

function whomOf({ address, tenant, device, principal }: WhomOptions): Whom {
  if (device !== undefined && principal !== undefined) {
    throw new UsageError('give --device or --principal, not both');
  }
  if (principal !== undefined && !principal.startsWith(USER)) {
    throw new UsageError('--principal is User:<name>');
  }
  const name = device ?? principal?.slice(USER.length);
  if (address !== undefined && name === undefined && tenant === undefined) {
    return { network: address };
  }
  if (address === undefined && name !== undefined && tenant !== undefined) return { tenant, name };
  throw new UsageError('name whom: --address, or --tenant with --device or --principal');
}

function durationMsOf(text: string): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count === undefined || unit === undefined) {
    throw new UsageError('--for is a number and a unit: 30s, 10m, 1h, 7d');
  }
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
}

const nameOf = (whom: Whom): string =>
  'network' in whom ? whom.network : `User:${whom.name} of ${whom.tenant}`;

async function banWhom(options: AddOptions): Promise<void> {
  const whom = whomOf(options);
  const { reason } = options;
  const body = { ...whom, durationMs: durationMsOf(options.for), ...(reason && { reason }) };
  const answer = await withAdmin(options, (client) => client.call('POST', BANS, body));
  if (options.json === true) printJson(answer);
  else printLine(`${nameOf(whom)} is banned until ${dateCell(asObject(answer), 'untilMs')}`);
}

async function remove(options: WhomOptions): Promise<void> {
  const whom = whomOf(options);
  const query = `?${new URLSearchParams(whom)}`;
  await withAdmin(options, (client) => client.call('DELETE', BANS + query));
  if (options.json === true) printJson({ removed: whom });
  else printLine(`${nameOf(whom)} is not banned any more`);
}

async function list(options: WhomOptions): Promise<void> {
  const { tenant } = options;
  const query = tenant === undefined ? {} : { tenant };
  const answer = await withAdmin(options, (client) => client.all(BANS, query, ['bans']));
  const found = listIn(answer, 'bans');
  if (options.json === true) {
    printJson(found);
    return;
  }
  const rows = found.map((ban) => [
    ban.network === null ? `${cell(ban, 'tenant')}/${cell(ban, 'name')}` : cell(ban, 'network'),
    dateCell(ban, 'untilMs'),
    ban.automatic === true ? 'automatic' : 'operator',
    cell(ban, 'reason'),
  ]);
  printTable(['BANNED', 'UNTIL', 'BY', 'REASON'], rows, 'nobody is banned');
}
