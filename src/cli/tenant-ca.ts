/**
 * `breakwater tenant ca add|import|list|remove --tenant T`: the CAs that speak for a tenant in a
 * running broker. `add` takes one of ours, made by "cert ca rotate"; `import` one that is not ours,
 * with the rules that name what it signs. Only certificates are sent, never a key.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { readRequired } from '../base/credential-files.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  certsDirOf,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { asObject, cell, dateCell, listIn } from './answer-fields.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

interface AddOptions extends Options {
  readonly certificate?: string;
  readonly pki?: string;
}

interface ImportOptions extends Options {
  readonly certificate: string;
  readonly mappingRule: readonly string[];
  readonly announce?: boolean;
  readonly shared?: boolean;
}

interface RemoveOptions extends Options {
  readonly fingerprint?: string;
  readonly serial?: string;
}

export function registerTenantCa(tenants: Command): void {
  const group = tenants.command('ca').description("the CAs that speak for a tenant's clients");
  const add = (command: Command): Command =>
    addConnectionOptions(
      command.requiredOption('--tenant <tenant>', 'the tenant').option('--json', 'print JSON'),
    );
  add(group.command('add'))
    .description('one more CA of ours, beside those the tenant has')
    .option('--certificate <file>', 'its certificate (default: the current CA in the PKI folder)')
    .option('--pki <dir>', 'PKI folder (default: the folder of --certs)')
    .action((options: AddOptions) => addCa(options));
  add(group.command('import'))
    .description('let in what a CA that is not ours signed, named by mapping rules')
    .requiredOption('--certificate <file>', 'the certificate of the CA that signs the clients')
    .requiredOption(
      '--mapping-rule <rule>',
      'RULE:pattern/replacement/[LU], on the RFC 2253 subject; may be repeated, in order',
      (value: string, earlier: readonly string[]) => [...earlier, value],
      [],
    )
    .option('--announce', 'name it in handshakes: Java clients choose their certificate by that')
    .option('--shared', 'other tenants may import it too; the server name chooses the tenant')
    .action((options: ImportOptions) => importCa(options));
  add(group.command('list'))
    .description('list them')
    .action((options: Options) => list(options));
  add(group.command('remove'))
    .description('take one away; connections of its certificates are closed')
    .option('--fingerprint <sha256>', 'of its certificate, as "tenant ca list" prints it')
    .option('--serial <hex>', 'of its certificate')
    .action((options: RemoveOptions) => remove(options));
}

function certificateIn(path: string): string {
  const pem = readRequired(path, 'name the file of a CA certificate with --certificate');
  if (!pem.includes('PRIVATE KEY')) return pem;
  throw new CommandError(`${path} holds a private key, which stays here: give the certificate`);
}

async function addCa(options: AddOptions): Promise<void> {
  const dir = options.pki ?? certsDirOf(options);
  const file = options.certificate ?? join(dir, options.tenant, 'ca.crt');
  const path = pathOf('v1', 'tenants', options.tenant, 'cas');
  const caCertificate = certificateIn(file);
  const answer = await withAdmin(options, (client) => client.call('POST', path, { caCertificate }));
  if (options.json === true) printJson(answer);
  else printLine(`CA ${cell(asObject(answer), 'serial')} speaks for ${options.tenant} from now on`);
}

async function importCa(options: ImportOptions): Promise<void> {
  const path = pathOf('v1', 'tenants', options.tenant, 'imported-cas');
  const body = {
    caCertificate: certificateIn(options.certificate),
    mappingRules: options.mappingRule.join(','),
    isAnnounced: options.announce === true,
    isShared: options.shared === true,
  };
  const answer = await withAdmin(options, (client) => client.call('POST', path, body));
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const subject = cell(asObject(answer), 'subject');
  printLine(`${subject} is imported for ${options.tenant}: what it signs is let in, by its rules`);
  if (options.shared === true) {
    printLine('it is shared: its clients reach the broker by <tenant>.<tenant.domain> only');
  }
}

async function list(options: Options): Promise<void> {
  const cas = await casOf(options);
  if (options.json === true) {
    printJson(cas);
    return;
  }
  const rows = cas.map((ca) => [
    cell(ca, 'kind'),
    cell(ca, 'serial'),
    dateCell(ca, 'expiresAtMs').slice(0, 10),
    cell(ca, 'fingerprint'),
    cell(ca, 'subject'),
    cell(ca, 'mappingRules'),
  ]);
  const header = ['KIND', 'SERIAL', 'UNTIL', 'SHA-256', 'SUBJECT', 'MAPPING RULES'];
  printTable(header, rows, 'the tenant has no CA');
}

async function casOf(options: Options): Promise<ReturnType<typeof listIn>> {
  const path = pathOf('v1', 'tenants', options.tenant, 'cas');
  return listIn(await withAdmin(options, (client) => client.all(path, {}, ['cas'])), 'cas');
}

async function remove(options: RemoveOptions): Promise<void> {
  const fingerprint = await fingerprintOf(options);
  const query = new URLSearchParams({ fingerprint }).toString();
  const path = `${pathOf('v1', 'tenants', options.tenant, 'cas')}?${query}`;
  await withAdmin(options, (client) => client.call('DELETE', path));
  if (options.json === true) printJson({ tenant: options.tenant, removed: fingerprint });
  else printLine(`${fingerprint} no longer speaks for ${options.tenant}`);
}

async function fingerprintOf(options: RemoveOptions): Promise<string> {
  const { fingerprint, serial } = options;
  if ((fingerprint === undefined) === (serial === undefined)) {
    throw new UsageError('say which CA: --fingerprint or --serial');
  }
  if (fingerprint !== undefined) return fingerprint.toUpperCase();
  const found = (await casOf(options)).filter(({ serial: of }) => of === serial!.toUpperCase());
  const [ca] = found;
  if (ca !== undefined && found.length === 1) return cell(ca, 'fingerprint');
  throw new CommandError(
    `${found.length} CAs of ${options.tenant} have serial ${serial}: "tenant ca list" shows them`,
  );
}
