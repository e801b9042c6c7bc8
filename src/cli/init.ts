/**
 * `breakwater init DIR`: a production set-up, ready to be looked at and started.
 *
 *   DIR/breakwater.yaml  the configuration, every key with its meaning
 *   DIR/policies/        the policy files to start from
 *   DIR/broker/          what the broker needs of the PKI: its certificate, its key, three CAs; and
 *                        the key that signs checkpoints of the access log
 *   DIR/pki/             certificates of the three roots, the operator, later the tenants
 *   DIR/ca-keys/         the keys of the roots: the broker needs none of them
 *   DIR/data/            the log, made at the first start
 *
 * Invariant: nothing is overwritten (the folder must be empty or missing); keys are 0600 in folders
 * that are 0700 from the first moment.
 */
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  listDirectory,
  makeDirectory,
  readRequired,
  writeWhole,
} from '../base/credential-files.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import type { ConfigKey } from '../config/config-schema.ts';
import type { RawValue } from '../config/config-spec.ts';
import { PACKAGE_ROOT } from '../config/package-root.ts';
import { isLoopback } from '../config/serving-checks.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printLine } from './output.ts';

interface Options {
  readonly names?: string;
  readonly trustDomain?: string;
  readonly tenantDomain?: string;
  readonly caPassphraseFile?: string;
  readonly json?: boolean;
}

const OPERATOR = 'operator';

/** What the broker reads, by the name of the file in pki/. */
const BROKER_CAS = ['ca.crt', 'client-ca.crt', 'operator-ca.crt'] as const;

export function registerInit(program: Command): void {
  program
    .command('init')
    .description('write a production set-up into an empty folder: configuration, CAs, policies')
    .argument('<dir>', 'a folder that is empty or does not exist')
    .option(
      '--names <names>',
      'DNS names and addresses of the broker, by comma; localhost, 127.0.0.1 and ::1 are added',
    )
    .option('--trust-domain <domain>', 'domain in the URI names of certificates')
    .option('--tenant-domain <domain>', 'server names <tenant>.<domain> name a tenant')
    .option(
      '--ca-passphrase-file <file>',
      'encrypt the CA keys under its first line (or set BREAKWATER_CA_PASSPHRASE)',
    )
    .option('--json', 'print JSON')
    .action((dir: string, options: Options) => init(dir, options));
}

async function init(dir: string, options: Options): Promise<void> {
  const root = resolve(dir);
  const names = await checkedNames(options);
  if (listDirectory(root).length > 0) {
    throw new CommandError(`${root} is not empty: name a new folder (nothing was changed)`);
  }
  const policies = policyTemplates();
  for (const path of [
    root,
    ...['policies', 'broker', 'pki', 'ca-keys'].map((n) => join(root, n)),
  ]) {
    makeDirectory(path, 'private');
  }
  await makeCertificates(root, names, options);
  for (const { name, text } of policies) {
    writeWhole(join(root, 'policies', name), text, {
      access: 'private',
      replace: false,
      durable: true,
    });
  }
  const configFile = join(root, 'breakwater.yaml');
  const text = await configText(names, options);
  writeWhole(configFile, text, { access: 'private', replace: false, durable: true });
  if (options.json === true) {
    const [pki, caKeys, broker] = ['pki', 'ca-keys', 'broker'].map((name) => join(root, name));
    printJson({ config: configFile, pki, caKeys, broker, policies: join(root, 'policies') });
  } else printNextSteps(root, configFile);
}

/**
 * What the certificate is for: those given first, then this machine's, under which the commands find
 * the admin listener. Names that cannot be are a mistake on the command line, found before anything is
 * written.
 */
async function checkedNames(options: Options): Promise<readonly string[]> {
  const given = options.names?.split(',').map((name) => name.trim()) ?? [];
  const { checkBrokerNames, DEFAULT_BROKER_NAMES } = await import('../pki/certificate-profile.ts');
  const { checkTrustDomain } = await import('../pki/identity-name.ts');
  const names = [...new Set([...given, ...DEFAULT_BROKER_NAMES])];
  const tenantDomain = options.tenantDomain;
  if (tenantDomain !== undefined) names.push(`*.${tenantDomain}`);
  try {
    checkBrokerNames(names);
    if (options.trustDomain !== undefined) checkTrustDomain(options.trustDomain);
    if (tenantDomain !== undefined) checkTrustDomain(tenantDomain);
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  return names;
}

/**
 * The operators' policy is in force at once; a tenant's is there to be copied: its name does not end
 * in .csv, so that the example's rules are no rules.
 */
function policyTemplates(): { name: string; text: string }[] {
  const folder = join(PACKAGE_ROOT, 'policies', 'templates');
  const read = (name: string): string =>
    readRequired(join(folder, name), 'install Breakwater anew');
  return [
    { name: 'operators.csv', text: read('operators.csv') },
    { name: 'tenant.csv.template', text: read('tenant.csv') },
  ];
}

async function makeCertificates(
  root: string,
  names: readonly string[],
  { trustDomain, caPassphraseFile }: Options,
): Promise<void> {
  const { createPki } = await import('../pki/pki-directory.ts');
  const { issueBroker, issueOperator } = await import('../pki/issue.ts');
  const { caPassphraseOf } = await import('./cert-options.ts');
  const { makeSigningKey } = await import('../audit/signing-key.ts');
  const caPassphrase = caPassphraseOf(caPassphraseFile === undefined ? {} : { caPassphraseFile });
  const pki = createPki(join(root, 'pki'), {
    caKeysDir: join(root, 'ca-keys'),
    ...(trustDomain === undefined ? {} : { trustDomain }),
    ...(caPassphrase === null ? {} : { caPassphrase }),
  });
  issueOperator(pki, OPERATOR);
  const issued = issueBroker(pki, names, { outDir: join(root, 'broker') });
  makeSigningKey(join(root, 'broker'));
  // Java key stores are for clients; the broker reads PEM, and a second copy of its key is one more.
  for (const path of [issued.p12Path, issued.p12PasswordPath]) {
    if (path !== null) nodeFileSystem.unlinkSync(path);
  }
  for (const name of BROKER_CAS) {
    const text = readRequired(join(root, 'pki', name), 'run "breakwater init" again');
    writeWhole(join(root, 'broker', name), text, {
      access: 'public',
      replace: false,
      durable: true,
    });
  }
}

async function configText(names: readonly string[], options: Options): Promise<string> {
  const { renderConfigFile } = await import('../config/render-config.ts');
  const [first = 'localhost'] = names;
  const values: Partial<Record<ConfigKey, RawValue>> = {
    'data.dir': './data',
    // A name that others know means that others connect; the first one is what they are told.
    ...(isLoopback(first) ? { host: '127.0.0.1' } : { host: wildcardFor(first) }),
    'advertised.host': first,
    'ssl.server.certificate': './broker/broker.crt',
    'ssl.server.key': './broker/broker.key',
    'ssl.server.ca': './broker/ca.crt',
    'ssl.client.ca': './broker/client-ca.crt',
    'ssl.operator.ca': './broker/operator-ca.crt',
    'policy.dir': './policies',
    'security.watermark.file': './broker/security-watermark.json',
    'backup.dir': './backups',
    'audit.signing.key': './broker/audit-signing.key',
  };
  if (options.trustDomain !== undefined) values['trust.domain'] = options.trustDomain;
  if (options.tenantDomain !== undefined) values['tenant.domain'] = options.tenantDomain;
  const title =
    'Configuration of Breakwater, written by "breakwater init". Relative paths are relative to ' +
    'this file. Lines that begin with # and a key show its default. BREAKWATER_* environment ' +
    'variables and --set override every key.';
  return renderConfigFile(title, values);
}

const wildcardFor = (name: string): string => (isIP(name) === 6 ? '::' : '0.0.0.0');

function printNextSteps(root: string, configFile: string): void {
  const pki = join(root, 'pki');
  const keys = join(root, 'ca-keys');
  const lines = [
    `${root} holds a production set-up. Next:`,
    `  1. Read ${configFile} and the policies in ${join(root, 'policies')}, then check both:`,
    `       breakwater config check --config ${configFile}`,
    `       breakwater policy check --config ${configFile}`,
    '  2. Start the broker:',
    `       breakwater serve --config ${configFile}`,
    '  3. Make a tenant and its first device, from another terminal:',
    `       export BREAKWATER_CERTS_DIR=${pki}`,
    `       breakwater tenant create acme --ca-keys ${keys}`,
    `       breakwater cert issue --tenant acme --device pump-1 --fleet sensors \\`,
    `         --ca-keys ${keys} --out .`,
    `     Its rights: copy ${join(root, 'policies', 'tenant.csv.template')} to acme.csv beside it`,
    '     and adapt it (its samples are for the fleet sensors); the broker takes it over by itself.',
    `  4. Move ${keys} off this machine: whoever has it can make any certificate, and the broker`,
    '     never reads it. Name its folder with --ca-keys when you issue.',
    `  5. Keep a copy of ${join(root, 'broker', 'audit-signing.pub')} elsewhere: with it and a`,
    '     checkpoint ("breakwater audit checkpoint") the access log can be verified by others.',
  ];
  for (const line of lines) printLine(line);
}
