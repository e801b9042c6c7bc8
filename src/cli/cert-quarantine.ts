/**
 * `breakwater cert quarantine list|add|release`: single certificates that a running broker shuts out
 * until further notice, by hand or because they were in use from two networks at once.
 */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { cell, dateCell, listIn } from './answer-fields.ts';
import { serialsIn } from './cert-revoke.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

export function registerQuarantine(cert: Command): void {
  const group = cert
    .command('quarantine')
    .description('single certificates: shut out and let in again (a revocation is for good)');
  const add = (command: Command): Command =>
    addConnectionOptions(
      command.requiredOption('--tenant <tenant>', 'the tenant').option('--json', 'print JSON'),
    );
  add(group.command('list'))
    .description('list the certificates in quarantine')
    .action((options: Options) => list(options));
  add(group.command('add').argument('<serial>'))
    .description('close its connections and refuse new ones until it is released')
    .action((serial: string, options: Options) => change(serial, 'suspend', options));
  add(group.command('release').argument('<serial>'))
    .description('let it connect again')
    .action((serial: string, options: Options) => change(serial, 'resume', options));
}

async function change(text: string, verb: 'suspend' | 'resume', options: Options): Promise<void> {
  const [serial = '', ...more] = serialsIn(text);
  if (more.length > 0) throw new UsageError('give one serial');
  const { tenant } = options;
  const path = pathOf('v1', 'tenants', tenant, 'certificates', serial, verb);
  const answer = await withAdmin(options, (client) => client.call('POST', path));
  const state = verb === 'suspend' ? 'is in quarantine' : 'may connect again';
  if (options.json === true) printJson(answer);
  else printLine(`certificate ${serial} of ${tenant} ${state}`);
}

async function list(options: Options): Promise<void> {
  const path = pathOf('v1', 'tenants', options.tenant, 'suspensions');
  const answer = await withAdmin(options, (client) => client.all(path, {}, ['suspensions']));
  const found = listIn(answer, 'suspensions').filter(({ kind }) => kind === 'certificate');
  if (options.json === true) {
    printJson(found);
    return;
  }
  const rows = found.map((one) => [cell(one, 'name'), dateCell(one, 'sinceMs')]);
  printTable(['SERIAL', 'IN QUARANTINE SINCE'], rows, 'no certificate is in quarantine');
}
