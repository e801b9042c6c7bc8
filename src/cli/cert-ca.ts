/**
 * `breakwater cert ca create|list|rotate|retire|protect`: the CAs of tenants, and the passphrase of
 * all CA keys. `cert ca --tenant T` is `create`. The broker learns of a CA when it is registered.
 */
import type { Command } from 'commander';
import { listDirectory, readIfThere, readRequired } from '../base/credential-files.ts';
import {
  CA_PASSPHRASE_LENGTH_MIN,
  checkCaPassphrase,
  readCaKey,
  writeCaKey,
} from '../pki/ca-key.ts';
import { checkTenantName, isTenantName } from '../pki/identity-name.ts';
import { createTenantCa, listTenantCas, type Pki, ROOTS, writingTo } from '../pki/pki-directory.ts';
import {
  type PreviousCa,
  previousCas,
  retireTenantCa,
  rotateTenantCa,
} from '../pki/tenant-ca-rotation.ts';
import { asUsage } from './as-usage.ts';
import {
  addCaPassphrase,
  addKey,
  addPlace,
  type KeyOptions,
  keyOptions,
  open,
  type PlaceOptions,
  withPki,
} from './cert-options.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';
import { askSecret } from './prompt.ts';

interface CaOptions extends PlaceOptions, KeyOptions {
  readonly tenant?: string;
}

interface RetireOptions extends PlaceOptions {
  readonly tenant: string;
  readonly serial: string;
  readonly force?: boolean;
}

interface ProtectOptions extends PlaceOptions {
  readonly newPassphraseFile?: string;
}

export function registerCertCa(group: Command): void {
  const ca = group
    .command('ca')
    .description("make, rotate and retire tenants' CAs; encrypt CA keys");
  const tenantOf = (command: Command): Command =>
    addCaPassphrase(addPlace(command)).requiredOption('--tenant <tenant>', 'the tenant');
  tenantOf(addKey(ca.command('create', { isDefault: true })))
    .description("make a tenant's CA, under the client root")
    .action((options: CaOptions) => create(options));
  tenantOf(ca.command('list'))
    .description("list a tenant's CAs, and how many valid certificates the previous ones have")
    .action((options: PlaceOptions & { tenant: string }) => list(options));
  tenantOf(addKey(ca.command('rotate')))
    .description('make a new CA that signs from now on; the one before stays trusted')
    .action((options: CaOptions) => rotate(options));
  tenantOf(ca.command('retire'))
    .description('delete the key of a CA that was rotated out')
    .requiredOption('--serial <serial>', 'of the CA, as "cert ca list" prints it')
    .option('--force', 'although certificates of it are still valid')
    .action((options: RetireOptions) => retire(options));
  addCaPassphrase(addPlace(ca.command('protect')))
    .description('encrypt all CA keys under a new passphrase, or another one')
    .option('--new-passphrase-file <file>', 'its first line (asked for when left out)')
    .action((options: ProtectOptions) => protect(options));
}

async function create(options: CaOptions): Promise<void> {
  const tenant = tenantIn(options);
  const keys = keyOptions(options);
  const { certificatePath, keyPath, certificate } = await withPki(options, (pki) =>
    createTenantCa(pki, tenant, keys),
  );
  const notAfter = new Date(certificate.validTo).toISOString();
  if (options.json === true) {
    const { serialNumber: serial } = certificate;
    printJson({ tenant, certificate: certificatePath, key: keyPath, serial, notAfter });
    return;
  }
  printLine(`${certificatePath}  certificate, until ${notAfter}`);
  printLine(`${keyPath}  private key: the broker does not need it`);
}

function tenantIn({ tenant }: { readonly tenant?: string }): string {
  if (tenant === undefined) throw new UsageError('--tenant is missing');
  return asUsage(() => checkTenantName(tenant));
}

async function rotate(options: CaOptions): Promise<void> {
  const tenant = tenantIn(options);
  const keys = keyOptions(options);
  const { ca, previous } = await withPki(options, (pki) => ({
    ca: rotateTenantCa(pki, tenant, keys),
    previous: previousCas(pki, tenant).map(viewOf),
  }));
  const { serialNumber: serial, validTo } = ca.certificate;
  const notAfter = new Date(validTo).toISOString();
  if (options.json === true) {
    printJson({ tenant, certificate: ca.certificatePath, serial, notAfter, previous });
    return;
  }
  printLine(`${ca.certificatePath}  new CA of ${tenant}, until ${notAfter}`);
  printLine(
    'The broker must have it before you issue from it; certificates of the CA before stay good.',
  );
  printLine(
    `"cert renew --tenant ${tenant}" moves devices to it, "cert ca retire" ends the old one.`,
  );
}

const viewOf = ({ certificate, certificatePath, stillValid }: PreviousCa) => ({
  serial: certificate.serialNumber,
  certificate: certificatePath,
  notAfter: new Date(certificate.validTo).toISOString(),
  stillValid,
});

function list(options: PlaceOptions & { readonly tenant: string }): void {
  const tenant = tenantIn(options);
  const pki = open(options);
  const previous = previousCas(pki, tenant).map((ca) => ({ ...viewOf(ca), role: 'previous' }));
  const current = listTenantCas(pki.dir)
    .filter((ca) => ca.tenant === tenant)
    .map(({ certificate, certificatePath }) => ({
      serial: certificate.serialNumber,
      certificate: certificatePath,
      notAfter: new Date(certificate.validTo).toISOString(),
      stillValid: null,
      role: 'current',
    }));
  const all = [...current, ...previous];
  if (options.json === true) {
    printJson(all);
    return;
  }
  printTable(
    ['SERIAL', 'ROLE', 'UNTIL', 'STILL VALID'],
    all.map((ca) => [ca.serial, ca.role, ca.notAfter.slice(0, 10), String(ca.stillValid ?? '-')]),
    `tenant ${tenant} has no CA`,
  );
}

function retire(options: RetireOptions): void {
  const tenant = tenantIn(options);
  const ca = retireTenantCa(open(options), tenant, options.serial, options.force === true);
  if (options.json === true) printJson({ tenant, retired: viewOf(ca) });
  else printLine(`CA ${ca.certificate.serialNumber} of ${tenant} is retired: its key is deleted`);
}

/** All or nothing as far as it can be seen before: every key is opened before one is written. */
async function protect(options: ProtectOptions): Promise<void> {
  const next = await newPassphrase(options);
  const protectedKeys = await withPki(options, (pki) => {
    const keys = caKeyPaths(pki).map((path) => ({ path, key: readCaKey(path, pki.caPassphrase) }));
    if (keys.length === 0) throw new CommandError(`there is no CA key in ${pki.caKeysDir}`);
    const under = { caPassphrase: next, random: pki.random };
    for (const { path, key } of keys) writeCaKey(path, key, under, writingTo(pki, true));
    return keys.map(({ path }) => path);
  });
  if (options.json === true) printJson({ encrypted: protectedKeys });
  else for (const path of protectedKeys) printLine(`${path}  encrypted`);
}

function caKeyPaths({ caKeysDir }: Pki): string[] {
  const tenants = listDirectory(caKeysDir).filter(
    (entry) => entry.isDirectory && isTenantName(entry.name),
  );
  const previous = tenants.flatMap(({ name }) =>
    listDirectory(`${caKeysDir}/${name}/previous`)
      .filter((entry) => entry.name.endsWith('.key'))
      .map((entry) => `${caKeysDir}/${name}/previous/${entry.name}`),
  );
  const current = tenants.map(({ name }) => `${caKeysDir}/${name}/ca.key`);
  const roots = Object.values(ROOTS).map(({ key }) => `${caKeysDir}/${key}`);
  return [...roots, ...current, ...previous].filter((path) => readIfThere(path) !== null);
}

async function newPassphrase({ newPassphraseFile: path }: ProtectOptions): Promise<string> {
  if (path !== undefined) {
    const [line = ''] = readRequired(path, 'write the passphrase into its first line').split(
      /\r?\n/,
    );
    return checkCaPassphrase(line);
  }
  if (process.stdin.isTTY !== true) throw new UsageError('--new-passphrase-file is missing');
  const question = `New passphrase (${CA_PASSPHRASE_LENGTH_MIN} characters or more): `;
  const first = checkCaPassphrase(await askSecret(question));
  if ((await askSecret('Once more: ')) === first) return first;
  throw new CommandError('the two differ: nothing was changed');
}
