/**
 * `breakwater tenant delete NAME`: asks for the name once more (or --yes), has the broker delete the
 * tenant, and waits until nothing is left. Where the PKI folder is at hand, the tenant's folder is
 * put aside in it: the key of its CA speaks for nobody any more, and a later tenant of the name gets
 * a new one. Nothing of the PKI is destroyed: what was issued is evidence.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { fileExists, makeDirectory, moveFile } from '../base/credential-files.ts';
import {
  type AdminClient,
  addConnectionOptions,
  type ConnectionOptions,
  certsDirOf,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { asObject, cell } from './answer-fields.ts';
import { CommandError, UsageError } from './command-error.ts';
import { counted, printJson, printLine } from './output.ts';
import { askLine } from './prompt.ts';

interface Options extends ConnectionOptions {
  readonly yes?: boolean;
  readonly pki?: string;
  readonly caKeys?: string;
  readonly json?: boolean;
}

const POLL_MS = 200;
/** No tenant has such a name. */
const RETIRED_FOLDER = '_deleted';

export function registerTenantDelete(group: Command): void {
  const command = group
    .command('delete')
    .argument('<name>')
    .description('delete a tenant for good: its connections end, all of its data and rights go')
    .option('--yes', 'do not ask for the name again')
    .option('--pki <dir>', 'PKI folder (default: the folder of --certs)')
    .option('--ca-keys <dir>', 'folder of the CA keys, where they are kept apart')
    .option('--json', 'print JSON');
  addConnectionOptions(command).action((name: string, options: Options) => remove(name, options));
}

async function remove(name: string, options: Options): Promise<void> {
  if (options.yes !== true) await confirm(name);
  const answer = await withAdmin(options, async (client) => {
    const path = pathOf('v1', 'tenants', name);
    await client.call('DELETE', `${path}?confirm=${encodeURIComponent(name)}`);
    return await ended(client, name);
  });
  const putAside = putPkiAside(name, options);
  if (options.json === true) printJson({ ...asObject(answer), pkiPutAside: putAside });
  else printProof(name, asObject(answer), putAside);
}

async function confirm(name: string): Promise<void> {
  if (process.stdin.isTTY !== true) {
    throw new UsageError('a deletion is confirmed on a terminal, or with --yes');
  }
  const typed = await askLine(
    `Tenant ${name}, its topics, groups, users, rules and certificates go for good.\n` +
      'Type its name to go on: ',
  );
  if (typed.trim() !== name) throw new CommandError('not confirmed: nothing was changed');
}

/** The broker goes on when this command is interrupted, and after a restart. */
async function ended(client: AdminClient, name: string): Promise<unknown> {
  const path = pathOf('v1', 'tenants', name, 'deletion');
  for (;;) {
    const deletion = asObject(await client.call('GET', path));
    if (deletion.state === 'deleted') return deletion;
    if (deletion.failure !== null) {
      const { failure } = deletion;
      throw new CommandError(`${name} is shut out, but not all is purged: ${String(failure)}`);
    }
    await new Promise<void>((resolve) => systemClock.setTimer(POLL_MS, resolve));
  }
}

/** The folders that were moved; none where this machine has no PKI of the tenant. */
function putPkiAside(name: string, options: Options): string[] {
  const dirs = new Set([options.pki ?? certsDirOf(options), options.caKeys].filter(isGiven));
  const moved: string[] = [];
  for (const dir of dirs) {
    const folder = join(dir, name);
    if (!fileExists(join(folder, 'ca.crt')) && !fileExists(join(folder, 'ca.key'))) continue;
    const at = new Date(systemClock.nowMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const to = join(dir, RETIRED_FOLDER, `${name}-${at}`);
    makeDirectory(join(dir, RETIRED_FOLDER), 'private');
    moveFile(folder, to);
    moved.push(to);
  }
  return moved;
}

const isGiven = (dir: string | undefined): dir is string => dir !== undefined;

function printProof(
  name: string,
  answer: Readonly<Record<string, unknown>>,
  putAside: readonly string[],
): void {
  const counts = asObject(answer.counts);
  printLine(
    `tenant ${name} is deleted: ${counted(cell(counts, 'topics'), 'topic')} with ` +
      `${counted(cell(counts, 'partitions'), 'partition')} (${cell(counts, 'bytes')} bytes), ` +
      `${counted(cell(counts, 'groups'), 'group')}, ${counted(cell(counts, 'rules'), 'rule')}, ` +
      `${counted(cell(counts, 'cas'), 'CA')}`,
  );
  for (const folder of putAside) printLine(`its PKI folder is kept as ${folder}`);
  printLine(
    'the access log keeps its records: "tenant-delete-begun" and "tenant-purged" are the proof',
  );
}
