/**
 * `breakwater authorizer status|invalidate`: how asking the policy decision points goes, and
 * forgetting what they said of a tenant.
 */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { asObject, cell, listIn } from './answer-fields.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly json?: boolean;
}

interface TenantOptions extends Options {
  readonly tenant: string;
}

const COLUMNS = ['tenant', 'mode', 'pdp', 'circuit', 'asked', 'failed', 'hits', 'misses'] as const;

export function registerAuthorizer(program: Command): void {
  const group = program
    .command('authorizer')
    .description('the external authorizer: policy decision points that tenants are decided by');
  addConnectionOptions(group.command('status').option('--json', 'print JSON'))
    .description('list the tenants for which one was asked, and how that went')
    .action((options: Options) => status(options));
  addConnectionOptions(
    group
      .command('invalidate')
      .requiredOption('--tenant <tenant>', 'the tenant')
      .option('--json', 'print JSON'),
  )
    .description('forget what it said of a tenant: everything is asked again')
    .action((options: TenantOptions) => invalidate(options));
}

async function status(options: Options): Promise<void> {
  const path = pathOf('v1', 'authorizer');
  const answer = await withAdmin(options, (client) => client.all(path, {}, ['tenants']));
  const tenants = listIn(answer, 'tenants');
  if (options.json === true) {
    printJson(tenants);
    return;
  }
  const rows = tenants.map((one) => COLUMNS.map((column) => cell(one, column)));
  const header = COLUMNS.map((column) => column.toUpperCase());
  printTable(header, rows, 'no policy decision point was asked since the broker started');
}

async function invalidate(options: TenantOptions): Promise<void> {
  const path = pathOf('v1', 'tenants', options.tenant, 'authorizer', 'invalidate');
  const answer = await withAdmin(options, (client) => client.call('POST', path));
  if (options.json === true) printJson(answer);
  else printLine(`${cell(asObject(answer), 'forgotten')} decisions of ${options.tenant} forgotten`);
}
