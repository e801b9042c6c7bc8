/**
 * `breakwater device suspend|resume|suspended`, and the same for `fleet`: whom a running broker shuts
 * out until further notice. What a device proves itself with, certificate or login, does not
 * matter.
 */
import type { Command } from 'commander';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { cell, dateCell, listIn } from './answer-fields.ts';
import { registerDeviceView } from './device-view.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

type Kind = 'device' | 'fleet';

const DESCRIPTIONS = {
  device: 'devices, services and users, by name: what was seen of them, shut out and let in again',
  fleet: 'fleets of devices: shut out and let in again',
} as const;

export const registerDevice = (program: Command): void =>
  registerDeviceView(register(program, 'device'));
export const registerFleet = (program: Command): void => void register(program, 'fleet');

function register(program: Command, kind: Kind): Command {
  const group = program.command(kind).description(DESCRIPTIONS[kind]);
  const add = (command: Command): Command =>
    addConnectionOptions(
      command.requiredOption('--tenant <tenant>', 'the tenant').option('--json', 'print JSON'),
    );
  add(group.command('suspended'))
    .description('list those that are suspended')
    .action((options: Options) => list(kind, options));
  add(group.command('suspend').argument('<name>'))
    .description('close its connections and refuse new ones until it is resumed')
    .action((name: string, options: Options) => change(kind, name, 'suspend', options));
  add(group.command('resume').argument('<name>'))
    .description('let it connect again')
    .action((name: string, options: Options) => change(kind, name, 'resume', options));
  return group;
}

async function change(
  kind: Kind,
  name: string,
  verb: 'suspend' | 'resume',
  options: Options,
): Promise<void> {
  const path = pathOf('v1', 'tenants', options.tenant, `${kind}s`, name, verb);
  const answer = await withAdmin(options, (client) => client.call('POST', path));
  if (options.json === true) printJson(answer);
  else
    printLine(`${kind} ${name} of ${options.tenant} is ${verb}${verb === 'resume' ? 'd' : 'ed'}`);
}

async function list(kind: Kind, options: Options): Promise<void> {
  const path = pathOf('v1', 'tenants', options.tenant, 'suspensions');
  const answer = await withAdmin(options, (client) => client.all(path, {}, ['suspensions']));
  const found = listIn(answer, 'suspensions').filter((one) => one.kind === kind);
  if (options.json === true) {
    printJson(found);
    return;
  }
  const rows = found.map((one) => [cell(one, 'name'), dateCell(one, 'sinceMs')]);
  printTable(['NAME', 'SUSPENDED SINCE'], rows, `no ${kind} is suspended`);
}
