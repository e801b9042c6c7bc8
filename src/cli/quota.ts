/**
 * `breakwater quota set|describe`: what a tenant may use, and what it uses. A user, a client id or an
 * address is a quota of Kafka's; the tenant itself, a fleet, a device and the broker are the
 * operator's ceilings.
 */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { asObject, listIn } from './answer-fields.ts';
import { UsageError } from './command-error.ts';
import { formatAmount, parseAmount } from './human-units.ts';
import { printJson, printLine, printTable } from './output.ts';

interface ScopeOptions extends ConnectionOptions {
  readonly tenant?: string;
  readonly broker?: boolean;
  readonly user?: string;
  readonly clientId?: string;
  readonly ip?: string;
  readonly fleet?: string;
  readonly device?: string;
  readonly json?: boolean;
}

interface DescribeOptions extends ConnectionOptions {
  readonly tenant?: string;
  readonly broker?: boolean;
  readonly usage?: boolean;
  readonly json?: boolean;
}

const QUOTAS = pathOf('v1', 'quotas');
const NAMED = [
  ['user', 'user'],
  ['clientId', 'client-id'],
  ['ip', 'ip'],
  ['fleet', 'fleet'],
  ['device', 'device'],
] as const;
const HELP = `
Rates: producer_byte_rate, consumer_byte_rate, request_percentage (of one thread's time),
controller_mutation_rate (partitions), connection_creation_rate; of ceilings also request_rate.
Counts, of tenants: connections, topics, partitions, stored_bytes, message_bytes, groups;
connections also of fleets and devices.

  quota set --tenant acme producer_byte_rate=10MiB connections=500
  quota set --tenant acme --fleet plant-a producer_byte_rate=2MiB/s
  quota set --tenant acme --user pump-17 consumer_byte_rate=none
  quota set --tenant acme --client-id '<default>' request_percentage=20%`;

export function registerQuota(program: Command): void {
  const group = program.command('quota').description('what tenants may use, and what they use');
  const add = (command: Command): Command =>
    addConnectionOptions(command)
      .option('--tenant <tenant>', 'the tenant')
      .option('--broker', 'the ceiling over all tenants')
      .option('--json', 'print JSON');
  add(group.command('set').argument('<limit=value...>', 'such as producer_byte_rate=1MiB'))
    .description('set limits, or remove them with "none"; in force when it is answered')
    .option('--user <name>', 'a user or device, as Kafka quotas name it; "<default>" for each')
    .option('--client-id <id>', 'a client id; "<default>" for each')
    .option('--ip <address>', 'connections from an address; "<default>" for each')
    .option('--fleet <fleet>', "the operator's ceiling over a fleet")
    .option('--device <name>', "the operator's ceiling over one device, service or user")
    .addHelpText('after', HELP)
    .action((limits: string[], options: ScopeOptions) => set(limits, options));
  add(group.command('describe'))
    .description('show what is set')
    .option('--usage', 'and what is used of it now; of many with one default, the most')
    .action((options: DescribeOptions) => describe(options));
}

async function set(limits: readonly string[], options: ScopeOptions): Promise<void> {
  const { user, clientId, ip, fleet, device } = options;
  const tenant = tenantOf(options);
  const values = valuesIn(limits);
  const body = {
    ...(tenant !== null && { tenant }),
    ...(user !== undefined && { user }),
    ...(clientId !== undefined && { clientId }),
    ...(ip !== undefined && { ip }),
    ...(fleet !== undefined && { fleet }),
    ...(device !== undefined && { device }),
    values,
  };
  const answer = await withAdmin(options, (client) => client.call('POST', QUOTAS, body));
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const scope = scopeText(asObject(asObject(answer).scope));
  for (const [name, value] of Object.entries(values)) {
    const text = value === null ? 'has no limit any more' : `is ${formatAmount(name, value)}`;
    printLine(`${scope}: ${name} ${text}`);
  }
}

async function describe(options: DescribeOptions): Promise<void> {
  const tenant = tenantOf(options);
  const query = {
    ...(tenant !== null && { tenant }),
    ...(options.usage === true && { usage: 'true' }),
  };
  const answer = await withAdmin(options, (client) => client.all(QUOTAS, query, ['quotas']));
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const rows = quotaRows(answer, options.usage === true);
  const header = ['WHOSE', 'LIMIT', 'VALUE', ...(options.usage === true ? ['USED'] : [])];
  printTable(header, rows, 'nothing is limited');
}

/** One row for each limit in the answer. */
export function quotaRows(answer: unknown, withUsage: boolean): string[][] {
  return listIn(answer, 'quotas').flatMap((quota) => {
    const scope = scopeText(asObject(quota.scope));
    const usage = asObject(quota.usage);
    return Object.entries(asObject(quota.values)).map(([name, value]) => [
      scope,
      name,
      amount(name, value),
      ...(withUsage ? [amount(name, usage[name])] : []),
    ]);
  });
}

function amount(name: string, value: unknown): string {
  return typeof value === 'number' ? formatAmount(name, value) : '-';
}

function scopeText(scope: Readonly<Record<string, unknown>>): string {
  const named = NAMED.filter(([field]) => scope[field] !== undefined);
  if (named.length > 0) {
    return named.map(([field, word]) => `${word} ${scope[field] ?? '<default>'}`).join(', ');
  }
  return typeof scope.tenant === 'string' ? `tenant ${scope.tenant}` : 'broker';
}

function tenantOf({ tenant, broker }: Pick<ScopeOptions, 'tenant' | 'broker'>): string | null {
  if (tenant !== undefined && broker !== true) return tenant;
  if (tenant === undefined && broker === true) return null;
  throw new UsageError('give --tenant, or --broker for the ceiling over all tenants');
}

function valuesIn(limits: readonly string[]): Record<string, number | null> {
  const values: Record<string, number | null> = {};
  for (const limit of limits) {
    const at = limit.indexOf('=');
    const name = limit.slice(0, Math.max(0, at));
    const value = at < 0 ? undefined : parseAmount(limit.slice(at + 1));
    if (name === '' || value === undefined) {
      throw new UsageError(
        `${limit} is no limit: write name=value, such as producer_byte_rate=1MiB, or name=none`,
      );
    }
    if (Object.hasOwn(values, name)) throw new UsageError(`${name} is given twice`);
    values[name] = value;
  }
  return values;
}
