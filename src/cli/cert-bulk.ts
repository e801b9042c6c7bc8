/**
 * `breakwater cert bulk`: certificates for a whole list of devices. Run again after a crash, it
 * issues only what is missing.
 */
import type { Command } from 'commander';
import { readRequired } from '../base/credential-files.ts';
import { type BulkResult, issueBulk } from '../pki/bulk-issue.ts';
import { parseDeviceList } from '../pki/device-list.ts';
import { checkSubjectName, checkTenantName, DEFAULT_FLEET } from '../pki/identity-name.ts';
import { asUsage } from './as-usage.ts';
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
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printLine } from './output.ts';
import { progressBar } from './progress-bar.ts';

interface BulkCommandOptions extends PlaceOptions, KeyOptions, OutputOptions {
  readonly tenant: string;
  readonly out: string;
  readonly fleet: string;
  readonly csr?: string;
  readonly threads?: string;
}

const THREADS_MAX = 64;
const FAILURES_SHOWN = 20;

export function registerCertBulk(group: Command): void {
  const bulk = group
    .command('bulk')
    .description('issue to every device of a list; run it again to complete what was interrupted')
    .argument('<file>', 'CSV with a header line, or JSON lines: device or service, fleet')
    .requiredOption('--tenant <tenant>', 'the tenant')
    .requiredOption('--out <dir>', 'folder for the files')
    .option('--fleet <fleet>', 'the fleet of devices that name none', DEFAULT_FLEET)
    .option('--csr <dir>', 'certify the requests <name>.csr of this folder; makes no keys')
    .option('--threads <count>', 'worker threads (one for each core when left out)');
  addOutputs(addCaPassphrase(addPlace(addKey(bulk)))).action(
    (file: string, options: BulkCommandOptions) => bulkIssue(file, options),
  );
}

async function bulkIssue(file: string, options: BulkCommandOptions): Promise<void> {
  asUsage(() => checkTenantName(options.tenant));
  asUsage(() => checkSubjectName('fleet', options.fleet));
  const outputs = outputOptions(options, []);
  const keys = keyOptions(options);
  const threads = threadsOption(options.threads);
  const list = parseDeviceList(readRequired(file, 'name an existing list'), options.fleet);
  const bar = progressBar('certificates');
  const result = await withPki(options, (pki) =>
    issueBulk(pki, options.tenant, list, {
      ...keys,
      ...outputs,
      ...threads,
      outDir: options.out,
      ...(options.csr === undefined ? {} : { requestsDir: options.csr }),
      onProgress: bar.update,
    }),
  ).finally(bar.end);
  printBulkResult(result, list.length, options.out, options.json === true);
}

/** Throws CommandError, after the result, when some were not issued. */
export function printBulkResult(
  { issued, kept, failures }: BulkResult,
  listed: number,
  out: string,
  asJson: boolean,
): void {
  if (asJson) {
    printJson({ out, listed, issued, kept, failures });
  } else {
    const before = kept === 0 ? '' : ` (${kept} were there already)`;
    printLine(`${issued} certificates issued to ${out}${before}`);
  }
  if (failures.length === 0) return;
  const shown = failures.slice(0, FAILURES_SHOWN).map(({ message }) => message);
  const more = failures.length > shown.length ? [`and ${failures.length - shown.length} more`] : [];
  throw new CommandError([`${failures.length} were not issued:`, ...shown, ...more].join('\n'));
}

function threadsOption(threads: string | undefined): { threads?: number } {
  if (threads === undefined) return {};
  const count = Number(threads);
  if (!/^\d{1,2}$/.test(threads) || count > THREADS_MAX) {
    throw new UsageError(`--threads ${threads} is not a number from 0 to ${THREADS_MAX}`);
  }
  return { threads: count };
}
