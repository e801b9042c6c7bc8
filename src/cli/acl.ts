/**
 * `breakwater acl list|add|remove|explain --tenant T`. `add` and `remove` change the dynamic rules;
 * rules of policy files are listed here and changed in the files.
 */
import type { Command } from 'commander';
import { AclOperation, CLUSTER_NAME, type ResourceTypeName } from '../security/acl/operation.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  certsDirOf,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { asObject, cell, listIn } from './answer-fields.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface ResourceOptions {
  readonly topic?: string;
  readonly group?: string;
  readonly transactionalId?: string;
  readonly cluster?: boolean;
}

interface Options extends ConnectionOptions, ResourceOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

interface ListOptions extends Options {
  readonly principal?: string;
  readonly operation?: string;
}

interface RuleOptions extends Options {
  readonly allow?: string;
  readonly deny?: string;
  readonly operation: readonly string[];
  readonly prefixed?: boolean;
  readonly host?: string;
}

interface ExplainOptions extends Options {
  readonly principal: string;
  readonly operation: string;
  readonly fleet?: string;
  readonly host?: string;
  readonly tokenRole: readonly string[];
}

export function registerAcl(program: Command): void {
  const group = program.command('acl').description('who may do what in a tenant');
  const add = (command: Command): Command =>
    addConnectionOptions(command)
      .requiredOption('--tenant <name>', 'whose rules')
      .option('--topic <name>', 'a topic ("*" for every one)')
      .option('--group <name>', 'a consumer group ("*" for every one)')
      .option('--transactional-id <id>', 'a transactional id ("*" for every one)')
      .option('--cluster', "the tenant's virtual cluster")
      .option('--json', 'print JSON');
  add(group.command('list'))
    .description('list the rules with where each stands')
    .option('--principal <principal>', 'only rules that name it, for example User:pump-17')
    .option('--operation <operation>', 'only rules with this operation')
    .action((options: ListOptions) => list(options));
  for (const verb of ['add', 'remove'] as const) {
    add(group.command(verb))
      .description(`${verb} dynamic rules: one for each --operation`)
      .option('--allow <principal>', 'a rule that allows, for example User:pump-17')
      .option('--deny <principal>', 'a rule that denies; it wins over every rule that allows')
      .requiredOption('--operation <operation>', 'read, write, ...; may be repeated', collect, [])
      .option('--prefixed', 'the name is a prefix')
      .option('--host <host>', 'only from this address or network (default: any)')
      .action((options: RuleOptions) => change(verb, options));
  }
  add(group.command('explain'))
    .description('say whether a principal may do something, and by which rule')
    .requiredOption('--principal <principal>', 'User:<name>')
    .requiredOption('--operation <operation>', 'read, write, ...')
    .option('--fleet <fleet>', 'its fleet (default: as in its certificate in the PKI folder)')
    .option('--host <address>', 'the address that it comes from (default: 127.0.0.1)')
    .option('--token-role <role>', 'a role that its token brings; may be repeated', collect, [])
    .action((options: ExplainOptions) => explain(options));
}

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

const pathTo = (tenant: string, ...rest: readonly string[]): string =>
  pathOf('v1', 'tenants', tenant, 'acls', ...rest);

/** `write` and `describe-configs` as Kafka's tools take them: WRITE, DESCRIBE_CONFIGS. */
function operationOf(text: string): string {
  const name = text.toUpperCase().replaceAll('-', '_');
  if (Object.hasOwn(AclOperation, name) && name !== 'UNKNOWN' && name !== 'ANY') return name;
  const known = Object.keys(AclOperation).filter((key) => key !== 'UNKNOWN' && key !== 'ANY');
  throw new UsageError(`--operation must be one of ${known.join(', ').toLowerCase()}`);
}

interface Resource {
  readonly resourceType: ResourceTypeName;
  readonly resourceName: string;
}

function resourcesOf(options: ResourceOptions): Resource[] {
  const resources: Resource[] = [];
  const push = (resourceType: ResourceTypeName, resourceName: string | undefined): void => {
    if (resourceName !== undefined) resources.push({ resourceType, resourceName });
  };
  push('TOPIC', options.topic);
  push('GROUP', options.group);
  push('TRANSACTIONAL_ID', options.transactionalId);
  push('CLUSTER', options.cluster === true ? CLUSTER_NAME : undefined);
  return resources;
}

function oneResourceOf(options: ResourceOptions): Resource {
  const [resource, ...more] = resourcesOf(options);
  if (resource !== undefined && more.length === 0) return resource;
  throw new UsageError('name one resource: --topic, --group, --transactional-id or --cluster');
}

async function list(options: ListOptions): Promise<void> {
  const filter: Record<string, string> = { ...resourcesOf(options)[0] };
  if (options.principal !== undefined) filter.principal = options.principal;
  if (options.operation !== undefined) filter.operation = operationOf(options.operation);
  const path = pathTo(options.tenant);
  const answer = await withAdmin(options, (client) => client.all(path, filter, ['acls']));
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const columns = [
    'permission',
    'principal',
    'operation',
    'resourceType',
    'patternType',
    'resourceName',
    'host',
    'origin',
  ];
  const rows = listIn(answer, 'acls').map((rule) => columns.map((column) => cell(rule, column)));
  const header = ['', 'PRINCIPAL', 'OPERATION', 'TYPE', 'PATTERN', 'NAME', 'HOST', 'ORIGIN'];
  const none =
    Object.keys(filter).length === 0
      ? 'no rules: everything is denied'
      : 'no such rules; "acl explain" says what all rules together allow';
  printTable(header, rows, none);
}

function rulesOf(options: RuleOptions): Record<string, string>[] {
  const principal = options.allow ?? options.deny;
  if (principal === undefined || (options.allow !== undefined && options.deny !== undefined)) {
    throw new UsageError('name either --allow PRINCIPAL or --deny PRINCIPAL');
  }
  const resource = oneResourceOf(options);
  return options.operation.map((operation) => ({
    principal,
    permission: options.allow === undefined ? 'DENY' : 'ALLOW',
    operation: operationOf(operation),
    ...resource,
    patternType: options.prefixed === true ? 'PREFIXED' : 'LITERAL',
    host: options.host ?? '*',
  }));
}

async function change(verb: 'add' | 'remove', options: RuleOptions): Promise<void> {
  const rules = rulesOf(options);
  const path = pathTo(options.tenant);
  await withAdmin(options, async (client) => {
    for (const rule of rules) {
      if (verb === 'add') await client.call('POST', path, rule);
      else await client.call('DELETE', `${path}?${new URLSearchParams(rule).toString()}`);
    }
  });
  const done = verb === 'add' ? 'added' : 'removed';
  if (options.json === true) printJson({ [done]: rules });
  else for (const rule of rules) printLine(`${done}: ${Object.values(rule).join(' ')}`);
}

async function explain(options: ExplainOptions): Promise<void> {
  const [kind, user = ''] = options.principal.split(/:(.*)/s);
  if (kind !== 'User' || user === '') throw new UsageError('--principal must be User:<name>');
  const fleet = options.fleet ?? (await fleetInPki(options, user));
  const body = {
    user,
    ...(fleet === null ? {} : { fleet }),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.tokenRole.length === 0 ? {} : { tokenRoles: options.tokenRole }),
    operation: operationOf(options.operation),
    ...oneResourceOf(options),
  };
  const path = pathTo(options.tenant, 'explain');
  const answer = await withAdmin(options, (client) => client.call('POST', path, body));
  if (options.json === true) {
    printJson({ ...asObject(answer), fleet });
    return;
  }
  const explanation = asObject(answer);
  printLine(
    `${explanation.allowed === true ? 'allowed' : 'denied'}: ${cell(explanation, 'sentence')}`,
  );
  for (const rule of listIn(answer, 'considered')) {
    const elsewhere = rule.hostMatches === false ? ' (not for this address)' : '';
    printLine(`  ${cell(rule, 'origin')}  ${cell(rule, 'rule')}  ${cell(rule, 'via')}${elsewhere}`);
  }
  if (fleet === null) printLine('asked without a fleet: --fleet NAME takes its rules into account');
}

/** The fleet that the certificate of this device names, where it is at hand. */
async function fleetInPki(options: ExplainOptions, user: string): Promise<string | null> {
  const { fleetOfDevice } = await import('./device-fleet.ts');
  return fleetOfDevice(certsDirOf(options), options.tenant, user);
}
