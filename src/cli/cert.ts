/**
 * `breakwater cert issue|ca|show|list`: certificates, made and read in a PKI folder. Needs no
 * running broker; `issue` and `ca` need the CA keys. Revoking is in cert-revoke.ts.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import {
  fileExists,
  listDirectory,
  readBytesRequired,
  readRequired,
} from '../base/credential-files.ts';
import { checkBrokerNames } from '../pki/certificate-profile.ts';
import { type CertificateDescription, describeCertificate } from '../pki/describe-certificate.ts';
import { checkSubjectName, checkTenantName, isTenantName } from '../pki/identity-name.ts';
import {
  type IssuedFiles,
  issueBroker,
  issueDevice,
  issueOperator,
  issueService,
  type LeafOptions,
} from '../pki/issue.ts';
import { type Pki, parseChain } from '../pki/pki-directory.ts';
import { asUsage } from './as-usage.ts';
import { registerCertBulk } from './cert-bulk.ts';
import { registerCertCa } from './cert-ca.ts';
import { registerCrl } from './cert-crl.ts';
import {
  addCaPassphrase,
  addKey,
  addOutputs,
  addPlace,
  type KeyOptions,
  keyOptions,
  type OutputOptions,
  open,
  outputOptions,
  type PlaceOptions,
  withPki,
} from './cert-options.ts';
import { registerQuarantine } from './cert-quarantine.ts';
import { isSerial, listIssued, registerCertRegistry, showIssued } from './cert-registry.ts';
import { registerCertRenew } from './cert-renew.ts';
import { registerRevocation } from './cert-revoke.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface IssueOptions extends PlaceOptions, KeyOptions, OutputOptions {
  readonly tenant?: string;
  readonly device?: string;
  readonly fleet?: string;
  readonly service?: string;
  readonly operator?: string;
  readonly broker?: boolean;
  readonly name?: string;
  readonly out?: string;
  readonly csr?: string;
}

export function registerCertCommands(program: Command): void {
  const group = program
    .command('cert')
    .description('make and read certificates')
    .helpCommand(false);
  registerIssue(group);
  registerCertBulk(group);
  registerCertRenew(group);
  registerCertCa(group);
  registerCertRegistry(group);
  const shown = group
    .command('show')
    .description(
      'print what the certificates in a PEM file say, or what is known of a serial number',
    )
    .argument('<file or serial>', 'a .crt file, or the serial number of an issued certificate');
  addPlace(shown).action((what: string, options: PlaceOptions) =>
    isSerial(what) && !fileExists(what) ? showIssued(what, options) : show(what, options),
  );
  const listed = group
    .command('list')
    .description('list the certificates in the PKI folder, or all that a tenant was issued')
    .option('--tenant <tenant>', "what this tenant's CA has signed");
  addPlace(listed).action((options: PlaceOptions & { tenant?: string }) =>
    options.tenant === undefined ? list(options) : listIssued(options.tenant, options),
  );
  registerRevocation(group);
  registerQuarantine(group);
  registerCrl(group);
}

function registerIssue(group: Command): void {
  const issue = group
    .command('issue')
    .description('issue a certificate: writes <name>.crt (with its chain), .key and .p12')
    .option('--tenant <tenant>', "the tenant of a device or service (its CA signs: see 'cert ca')")
    .option('--device <name>', 'for a device')
    .option('--fleet <fleet>', 'the fleet of the device ("default" when left out)')
    .option('--service <name>', 'for a service or an administrator of the tenant')
    .option('--broker', 'for the broker')
    .option(
      '--name <names>',
      "the broker's DNS names and addresses, separated by commas (default: those of the " +
        'certificate that is replaced, else this machine only)',
    )
    .option('--operator <name>', 'for an operator of the installation')
    .option('--out <dir>', 'folder for the files (the place in the PKI folder when left out)')
    .option('--csr <file>', 'certify the key of this request (PKCS #10), which is made elsewhere');
  addOutputs(addCaPassphrase(addPlace(addKey(issue)))).action((options: IssueOptions) =>
    issueLeaf(options),
  );
}

async function issueLeaf(options: IssueOptions): Promise<void> {
  const issue = chooseIssue(options);
  const leaf = leafOptions(options);
  const issued = await withPki(options, (pki) => issue(pki, leaf));
  const [description] = describeFile(issued.certificatePath, null);
  if (options.json === true) {
    printJson({
      certificate: issued.certificatePath,
      key: issued.keyPath,
      p12: issued.p12Path,
      p12PasswordFile: issued.p12PasswordPath,
      serial: description!.serial,
      notAfter: description!.notAfter,
      alternativeNames: description!.alternativeNames,
    });
    return;
  }
  printLine(`${issued.certificatePath}  certificate and chain, until ${description!.notAfter}`);
  if (issued.keyPath !== null) printLine(`${issued.keyPath}  private key`);
  if (issued.p12Path !== null) printLine(`${issued.p12Path}  both, for Java`);
  if (issued.p12PasswordPath !== null) printLine(`${issued.p12PasswordPath}  its password`);
}

type Issue = (pki: Pki, leaf: LeafOptions) => IssuedFiles;

/** Settles what is asked for, and refuses what does not go together, before anything is read. */
function chooseIssue(options: IssueOptions): Issue {
  const { tenant, device, service, operator, broker, fleet, name } = options;
  const asked = [device, service, operator, broker].filter((option) => option !== undefined);
  if (asked.length !== 1) {
    throw new UsageError('say whom it is for: --device, --service, --broker or --operator');
  }
  const needsTenant = device !== undefined || service !== undefined;
  if (needsTenant && tenant === undefined) throw new UsageError('--tenant is missing');
  if (!needsTenant && tenant !== undefined) {
    throw new UsageError('--tenant goes with --device or --service');
  }
  if (fleet !== undefined && device === undefined) throw new UsageError('--fleet needs --device');
  if (name !== undefined && broker !== true) throw new UsageError('--name needs --broker');
  return asUsage((): Issue => {
    if (tenant !== undefined) checkTenantName(tenant);
    if (fleet !== undefined) checkSubjectName('fleet', fleet);
    if (device !== undefined) {
      const names = { tenant: tenant!, device: checkSubjectName('device', device) };
      const inFleet = fleet === undefined ? names : { ...names, fleet };
      return (pki, leaf) => issueDevice(pki, inFleet, leaf);
    }
    if (service !== undefined) {
      const names = { tenant: tenant!, service: checkSubjectName('service', service) };
      return (pki, leaf) => issueService(pki, names, leaf);
    }
    if (operator !== undefined) {
      checkSubjectName('operator', operator);
      return (pki, leaf) => issueOperator(pki, operator, leaf);
    }
    const names = name?.split(',').map((part) => part.trim());
    if (names !== undefined) checkBrokerNames(names);
    return (pki, leaf) => issueBroker(pki, names ?? namesInPlace(pki, leaf), leaf);
  });
}

/** A renewed broker must stay reachable by the names that its clients check. */
function namesInPlace(pki: Pki, { outDir = pki.dir }: LeafOptions): string[] | undefined {
  const path = join(outDir, 'broker.crt');
  const [current] = fileExists(path) ? parseChain(readRequired(path, ''), path) : [];
  const names = (current?.subjectAltName ?? '').matchAll(/(?:DNS|IP Address):([^,\s]+)/g);
  const found = [...names].map(([, name]) => name!);
  return found.length === 0 ? undefined : found;
}

function leafOptions(options: IssueOptions): LeafOptions {
  const { out, csr } = options;
  return {
    ...keyOptions(options),
    ...outputOptions(options, csr === undefined ? ['p12'] : []),
    ...(out === undefined ? {} : { outDir: out }),
    ...(csr === undefined
      ? {}
      : { request: { bytes: readBytesRequired(csr, 'name a certificate request'), what: csr } }),
  };
}

function show(file: string, options: { readonly json?: boolean }): void {
  const descriptions = describeFile(file, null);
  if (options.json === true) {
    printJson(descriptions);
    return;
  }
  for (const [index, description] of descriptions.entries()) {
    if (index > 0) printLine('');
    for (const [field, value] of Object.entries(description)) {
      const text = Array.isArray(value) ? value.join(', ') : value;
      if (text !== null && text !== '') printLine(`${field.padEnd(18)} ${text}`);
    }
  }
}

function describeFile(path: string, trustDomain: string | null): CertificateDescription[] {
  const text = readRequired(path, 'name a PEM file');
  return parseChain(text, path).map((certificate) =>
    describeCertificate(certificate, trustDomain, systemClock.nowMs()),
  );
}

function list(options: PlaceOptions): void {
  const { dir, trustDomain } = open(options);
  const tenants = listDirectory(dir).filter(
    (entry) => entry.isDirectory && isTenantName(entry.name),
  );
  const folders = ['', ...tenants.map((entry) => `${entry.name}/`)];
  const found = folders.flatMap((folder) =>
    listDirectory(`${dir}/${folder}`)
      .filter((entry) => !entry.isDirectory && entry.name.endsWith('.crt'))
      .map((entry) => {
        const [leaf] = describeFile(`${dir}/${folder}${entry.name}`, trustDomain);
        return { file: `${folder}${entry.name}`, ...leaf! };
      }),
  );
  if (options.json === true) {
    printJson(found);
    return;
  }
  printTable(
    ['FILE', 'KIND', 'NAME', 'FLEET', 'SERIAL', 'UNTIL', 'STATE'],
    found.map((one) => [
      one.file,
      one.kind,
      one.name ?? '-',
      one.fleet ?? '-',
      one.serial,
      one.notAfter.slice(0, 10),
      one.state,
    ]),
    `there is no certificate in ${dir}`,
  );
}
