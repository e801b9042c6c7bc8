/**
 * `breakwater backup`: has the running broker take a backup into the folder of its backup.dir, and
 * waits for the end. The files are the broker's, and so is the place: `--out` names a folder there.
 */
import { basename, dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import {
  type AdminClient,
  addConnectionOptions,
  type ConnectionOptions,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { asObject, cell } from './answer-fields.ts';
import { CommandError, UsageError } from './command-error.ts';
import { counted, printJson, printLine } from './output.ts';
import { backupPki, type PkiArchiveOptions } from './pki-archive.ts';
import { told } from './restore.ts';

interface Options extends ConnectionOptions, PkiArchiveOptions {
  readonly out?: string;
  readonly since?: string;
  readonly rate?: string;
  readonly list?: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const POLL_MS = 200;
const UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 },
};

export function registerBackup(program: Command): void {
  const command = program
    .command('backup')
    .description('back up a running broker: data, groups, metadata, access log; no private keys')
    .option('--out <name>', 'its name in backup.dir, or a path there (default: by the time)')
    .option('--since <name>', 'share with this earlier backup what cannot have changed')
    .option('--rate <bytes>', 'bytes a second, such as 16MiB (default: backup.rate.max.bytes)')
    .option('--list', 'list the backups that are there instead')
    .option(
      '--pki <dir>',
      'back up a PKI folder instead, into the file --out; no broker takes part',
    )
    .option('--include-keys', 'with --pki: its private keys too, encrypted')
    .option('--passphrase-file <file>', 'with --include-keys: its first line encrypts them')
    .option('--json', 'print JSON');
  addConnectionOptions(command).action((options: Options) => backup(options));
}

async function backup(options: Options): Promise<void> {
  if (options.pki !== undefined) {
    await told(() => backupPki(options.out, options));
    return;
  }
  const bytesPerSecond = options.rate === undefined ? null : rateOf(options.rate);
  await withAdmin(options, async (client) => {
    const known = await backupsOf(client);
    if (options.list === true) {
      list(known, options);
      return;
    }
    const name = nameOf(options.out, known);
    await client.call('POST', pathOf('v1', 'backups'), {
      name,
      ...(bytesPerSecond === null ? {} : { bytesPerSecond }),
      ...(options.since === undefined ? {} : { since: nameOf(options.since, known) }),
    });
    report(await ended(client, name), known, options);
  });
}

/** The folder, and the names in it from all pages. */
async function backupsOf(client: AdminClient): Promise<Json> {
  const backups: string[] = [];
  for (let cursor: string | null = null; ; ) {
    const query = new URLSearchParams({ limit: '1000', ...(cursor !== null && { cursor }) });
    const path = `${pathOf('v1', 'backups')}?${query.toString()}`;
    const { directory, backups: names, next } = asObject(await client.call('GET', path));
    if (Array.isArray(names)) backups.push(...names.map(String));
    if (typeof next !== 'string' || next === cursor) return { directory, backups };
    cursor = next;
  }
}

function list(known: Json, options: Options): void {
  const names = Array.isArray(known.backups) ? known.backups.map(String) : [];
  if (options.json === true) printJson(known);
  else for (const name of names) printLine(name);
}

/** A path is refused here: the broker would not follow it, and must not. */
function nameOf(out: string | undefined, known: Json): string {
  if (out === undefined) {
    const at = new Date(systemClock.nowMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    return `backup-${at}`;
  }
  if (basename(out) === out) return out;
  const { directory } = known;
  if (typeof directory === 'string' && dirname(resolve(out)) === directory) return basename(out);
  throw new CommandError(
    `the broker writes backups into ${String(directory ?? 'no folder (backup.dir is empty)')} ` +
      'only: give a name, or copy the backup from there',
  );
}

function rateOf(text: string): number {
  const match = /^(\d{1,12})([A-Za-z]*)$/.exec(text);
  const unit = UNITS[match?.[2] ?? '?'];
  if (match === null || unit === undefined) {
    throw new UsageError('a rate is a number of bytes a second, such as 1048576 or 16MiB');
  }
  return Number(match[1]) * unit;
}

async function ended(client: AdminClient, name: string): Promise<Json> {
  for (;;) {
    const view = asObject(await client.call('GET', pathOf('v1', 'backups', name)));
    if (view.state === 'complete') return view;
    if (view.state === 'failed') throw new CommandError(cell(view, 'failure'));
    await new Promise<void>((resolvePromise) => {
      systemClock.setTimer(POLL_MS, resolvePromise);
    });
  }
}

function report(view: Json, { directory }: Json, options: Options): void {
  const skipped = Array.isArray(view.skipped) ? view.skipped.map(String) : [];
  if (options.json === true) {
    printJson({ ...view, directory });
    return;
  }
  printLine(
    `backup ${cell(view, 'name')} is complete in ${String(directory)}: ` +
      `${counted(cell(view, 'files'), 'file')}, ${cell(view, 'bytes')} bytes, ` +
      `manifest ${cell(view, 'sha256')}`,
  );
  for (const part of skipped) printLine(`NOT in it, since it is offline: ${part}`);
  printLine(
    'it holds neither keys nor configuration: "backup --pki" takes the PKI (docs/backup.md)',
  );
}
