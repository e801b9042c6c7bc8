/**
 * `breakwater tenant create|list|describe|suspend|resume|delete|ca`. `create` makes the tenant's CA here, in
 * the PKI folder, and sends the broker its certificate; the key stays where it was made.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { fileExists, readIfThere, readRequired } from '../base/credential-files.ts';
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
import { quotaRows } from './quota.ts';
import { registerTenantCa } from './tenant-ca.ts';
import { registerTenantDelete } from './tenant-delete.ts';

interface Options extends ConnectionOptions {
  readonly json?: boolean;
}

interface ResumeOptions extends Options {
  readonly acceptRestored?: boolean;
}

interface CreateOptions extends Options {
  readonly pki?: string;
  readonly caKeys?: string;
  readonly caCert?: string;
}

export function registerTenant(program: Command): void {
  const group = program.command('tenant').description('tenants: isolated virtual clusters');
  const add = (command: Command): Command =>
    addConnectionOptions(command).option('--json', 'print JSON');
  add(group.command('create').argument('<name>', 'lower-case letters, digits and "-"'))
    .description('register a tenant with its CA, which is made when there is none yet')
    .option('--pki <dir>', 'PKI folder (default: the folder of --certs)')
    .option('--ca-keys <dir>', 'folder of the CA keys, where they are kept apart')
    .option('--ca-cert <file>', 'a CA certificate made elsewhere, instead of the PKI folder')
    .action((name: string, options: CreateOptions) => create(name, options));
  add(group.command('list'))
    .description('list the tenants')
    .action((options: Options) => list(options));
  add(group.command('describe').argument('<name>'))
    .description('show one tenant')
    .action((name: string, options: Options) => show('GET', name, [], options));
  add(group.command('suspend').argument('<name>'))
    .description('close the connections of a tenant and refuse new ones; its data stays')
    .action((name: string, options: Options) => show('POST', name, ['suspend'], options));
  add(group.command('resume').argument('<name>'))
    .description('let a suspended tenant connect again')
    .option('--accept-restored', 'take over a tenant that a restore shut out, as it is')
    .action((name: string, options: ResumeOptions) => show('POST', name, ['resume'], options));
  registerTenantDelete(group);
  registerTenantCa(group);
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const caCertificate = await caCertificateOf(name, options);
  const answer = await withAdmin(options, (client) =>
    client.call('POST', pathOf('v1', 'tenants'), { name, caCertificate }),
  );
  if (options.json === true) printJson(answer);
  else printLine(`tenant ${name} is registered; "cert issue --tenant ${name}" makes its devices`);
}

async function caCertificateOf(name: string, options: CreateOptions): Promise<string> {
  if (options.caCert !== undefined) {
    const pem = readRequired(options.caCert, 'name an existing file with --ca-cert');
    if (!pem.includes('PRIVATE KEY')) return pem;
    throw new CommandError(
      `${options.caCert} holds a private key, which stays here: give the CA certificate`,
    );
  }
  const { isTenantName } = await import('../pki/identity-name.ts');
  if (!isTenantName(name)) {
    throw new UsageError('a tenant name is 1 to 63 lower-case letters, digits and "-"');
  }
  const dir = options.pki ?? certsDirOf(options);
  const known = readIfThere(join(dir, name, 'ca.crt'));
  if (known !== null) return known;
  if (!fileExists(join(dir, 'pki.json'))) {
    throw new CommandError(
      `${dir} holds no PKI to make a CA for tenant ${name} with: name one with --pki, or a CA ` +
        'certificate made elsewhere with --ca-cert',
    );
  }
  const { createTenantCa, openPki } = await import('../pki/pki-directory.ts');
  const { caKeys } = options;
  const pki = openPki(dir, caKeys === undefined ? {} : { caKeysDir: caKeys });
  return createTenantCa(pki, name).pem;
}

async function list(options: Options): Promise<void> {
  const answer = await withAdmin(options, (client) =>
    client.all(pathOf('v1', 'tenants'), {}, ['tenants']),
  );
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const rows = listIn(answer, 'tenants').map((tenant) => [
    cell(tenant, 'name'),
    cell(tenant, 'state'),
    dateCell(tenant, 'createdAtMs'),
    dateCell(tenant, 'caExpiresAtMs'),
  ]);
  printTable(['NAME', 'STATE', 'CREATED', 'CA EXPIRES'], rows, 'no tenants');
}

async function show(
  method: 'GET' | 'POST',
  name: string,
  verb: readonly string[],
  options: ResumeOptions,
): Promise<void> {
  const path = pathOf('v1', 'tenants', name, ...verb);
  const body = options.acceptRestored === true ? { acceptRestored: true } : undefined;
  const isDescription = method === 'GET';
  const { answer, quotas } = await withAdmin(options, async (client) => {
    const about = { tenant: name, usage: 'true' };
    return {
      answer: await client.call(method, path, body),
      quotas: isDescription ? await client.all(pathOf('v1', 'quotas'), about, ['quotas']) : null,
    };
  });
  if (options.json === true) {
    printJson(isDescription ? { ...asObject(answer), ...asObject(quotas) } : answer);
    return;
  }
  const tenant = asObject(answer);
  printLine(`name            ${cell(tenant, 'name')}`);
  printLine(`state           ${cell(tenant, 'state')}`);
  if (tenant.isUnproven === true) {
    printLine('restored        shut out: what was revoked or deleted after the backup may be lost');
  }
  printLine(`created         ${dateCell(tenant, 'createdAtMs')}`);
  printLine(`CA fingerprint  ${cell(tenant, 'caFingerprint')}`);
  printLine(`CA expires      ${dateCell(tenant, 'caExpiresAtMs')}`);
  if (!isDescription) return;
  const rows = quotaRows(quotas, true);
  if (rows.length > 0) printTable(['WHOSE', 'LIMIT', 'VALUE', 'USED'], rows, '');
}
