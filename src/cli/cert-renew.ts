/** `breakwater cert renew`: one device or service, or every one whose certificate ends soon. */
import type { Command } from 'commander';
import { readBytesRequired } from '../base/credential-files.ts';
import { issueBulk } from '../pki/bulk-issue.ts';
import { checkSubjectName, checkTenantName } from '../pki/identity-name.ts';
import { dueForRenewal, renewCertificate } from '../pki/renew.ts';
import { asUsage } from './as-usage.ts';
import { printBulkResult } from './cert-bulk.ts';
import {
  addCaPassphrase,
  addKey,
  addOutputs,
  addPlace,
  type KeyOptions,
  keyOptions,
  type OutputOptions,
  outputOptions,
  type PlaceOptions,
  withPki,
} from './cert-options.ts';
import { parsePeriod } from './cert-registry.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine } from './output.ts';
import { progressBar } from './progress-bar.ts';

interface RenewCommandOptions extends PlaceOptions, KeyOptions, OutputOptions {
  readonly tenant: string;
  readonly device?: string;
  readonly service?: string;
  readonly within?: string;
  readonly keepKey?: boolean;
  readonly csr?: string;
  readonly out?: string;
}

export function registerCertRenew(group: Command): void {
  const renew = group
    .command('renew')
    .description('renew one certificate, or all that end soon; replaces their files')
    .requiredOption('--tenant <tenant>', 'the tenant')
    .option('--device <name>', 'a device')
    .option('--service <name>', 'a service')
    .option('--within <time>', 'all whose newest certificate ends within it, such as 30d')
    .option('--keep-key', 'certify the key again that lies in the folder, instead of a new one')
    .option('--csr <file>', 'certify the key of this request')
    .option('--out <dir>', 'folder of the files (the place in the PKI folder when left out)');
  addOutputs(addCaPassphrase(addPlace(addKey(renew)))).action((options: RenewCommandOptions) =>
    options.within === undefined ? renewOne(options) : renewDue(options, options.within),
  );
}

async function renewOne(options: RenewCommandOptions): Promise<void> {
  const { tenant, device, service, csr, out } = options;
  const name = device ?? service;
  if (name === undefined || (device !== undefined && service !== undefined)) {
    throw new UsageError('say what to renew: --device, --service or --within');
  }
  if (csr !== undefined && options.keepKey === true) {
    throw new UsageError('--keep-key and --csr exclude each other');
  }
  asUsage(() => checkTenantName(tenant));
  asUsage(() => checkSubjectName(device === undefined ? 'service' : 'device', name));
  const { keyType, days } = keyOptions(options);
  const leaf = {
    keyType,
    ...(days === undefined ? {} : { days }),
    ...outputOptions(options, csr === undefined ? ['p12'] : []),
    ...(out === undefined ? {} : { outDir: out }),
    ...(csr === undefined
      ? {}
      : { request: { bytes: readBytesRequired(csr, 'name a certificate request'), what: csr } }),
    keepsKey: options.keepKey === true,
  };
  const issued = await withPki(options, (pki) => renewCertificate(pki, tenant, name, leaf));
  const { serialNumber: serial, validTo } = issued.certificate;
  const notAfter = new Date(validTo).toISOString();
  if (options.json === true) printJson({ tenant, name, serial, notAfter, files: issued.paths });
  else for (const path of issued.paths) printLine(`${path}  until ${notAfter}`);
}

async function renewDue(options: RenewCommandOptions, within: string): Promise<void> {
  const { tenant, out, device, service, csr, keepKey } = options;
  if ([device, service, csr, keepKey].some((option) => option !== undefined)) {
    throw new UsageError('--within goes without --device, --service, --csr and --keep-key');
  }
  if (out === undefined) throw new UsageError('--within needs --out');
  asUsage(() => checkTenantName(tenant));
  const withinMs = parsePeriod('--within', within);
  const outputs = outputOptions(options, []);
  const keys = keyOptions(options);
  const bar = progressBar('certificates');
  let due = 0;
  const result = await withPki(options, async (pki) => {
    const list = dueForRenewal(pki, tenant, withinMs);
    due = list.length;
    return issueBulk(pki, tenant, list, {
      ...keys,
      ...outputs,
      outDir: out,
      renewsWithinMs: withinMs,
      onProgress: bar.update,
    });
  }).finally(bar.end);
  printBulkResult(result, due, out, options.json === true);
}
