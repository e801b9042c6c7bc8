/**
 * `breakwater restore`: puts a backup into a new data folder, with no broker there. What was revoked
 * or deleted after the backup does not come back: see src/backup/restore.ts.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { BackupError } from '../backup/backup-error.ts';
import { MANIFEST_FILE, readManifest } from '../backup/backup-manifest.ts';
import { type RestoreReport, restore, verifyFiles } from '../backup/restore.ts';
import { systemClock } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { StorageError } from '../base/errors.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import { systemRandom } from '../base/random.ts';
import { CommandError, UsageError } from './command-error.ts';
import { counted, printJson, printLine } from './output.ts';
import { type PkiArchiveOptions, restorePkiFrom } from './pki-archive.ts';

interface Options extends PkiArchiveOptions {
  readonly from: string;
  readonly dataDir?: string;
  readonly auditDir?: string;
  readonly currentDataDir?: string;
  readonly watermark?: string;
  readonly key?: string;
  readonly verify?: boolean;
}

export function registerRestore(program: Command): void {
  program
    .command('restore')
    .description('restore a backup into a new data folder; nothing revoked since comes back')
    .requiredOption('--from <path>', 'the folder of the backup, or the archive of a PKI')
    .option('--data-dir <dir>', 'the new data folder: empty, or not there')
    .option('--audit-dir <dir>', 'where the access log goes, if audit.dir says so')
    .option('--current-data-dir <dir>', 'the data folder of before: its security metadata is taken')
    .option('--watermark <file>', 'the file of security.watermark.file')
    .option('--key <file>', 'public key (PEM) that must have signed the manifest')
    .option('--verify', 'only check every hash of the backup')
    .option('--pki <dir>', 'restore an archive of a PKI instead, into this new folder')
    .option('--include-keys', 'with --pki: its private keys too')
    .option('--passphrase-file <file>', 'with --include-keys: its first line decrypts them')
    .option('--json', 'print JSON')
    .action((options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  await told(() => {
    if (options.pki !== undefined) return restorePkiFrom(options.from, options);
    return options.verify === true ? verify(options) : restoreTo(options);
  });
}

/** What is refused, as an error of a command. */
export async function told(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const isTold = error instanceof BackupError || error instanceof StorageError;
    throw isTold ? new CommandError(error.message, { cause: error }) : error;
  }
}

async function verify({ from, json }: Options): Promise<void> {
  const manifest = await readManifest(resolve(from, MANIFEST_FILE));
  await verifyFiles(resolve(from), manifest);
  const { files, bytes } = manifest.end;
  if (json === true) printJson({ ...manifest.head, files, bytes, sha256: manifest.sha256 });
  else printLine(`${manifest.head.name} is whole: ${counted(files, 'file')}, ${bytes} bytes`);
}

async function restoreTo(options: Options): Promise<void> {
  if (options.dataDir === undefined) throw new UsageError('name the new data folder: --data-dir');
  const pathOf = (path: string | undefined): string | null =>
    path === undefined ? null : resolve(path);
  const report = await restore(
    {
      from: resolve(options.from),
      dataDir: resolve(options.dataDir),
      auditDir: pathOf(options.auditDir),
      currentDataDir: pathOf(options.currentDataDir),
      watermark: pathOf(options.watermark),
      publicKeyPem:
        options.key === undefined ? null : readRequired(options.key, 'it holds the public key'),
    },
    { files: nodeFileSystem, clock: systemClock, random: systemRandom },
  );
  if (options.json === true) printJson(report);
  else print(report, options.dataDir);
}

function print(report: RestoreReport, dataDir: string): void {
  const { backup, files, bytes, createdAtMs, proof, unproven, purged, skipped } = report;
  const at = new Date(createdAtMs).toISOString();
  printLine(
    `${backup} of ${at} is restored in ${dataDir}: ${counted(files, 'file')}, ${bytes} bytes`,
  );
  for (const part of skipped) printLine(`was not in the backup: ${part}`);
  for (const name of purged) printLine(`was deleted since, and stays so: tenant ${name}`);
  if (proof !== null) {
    printLine(`the security metadata is the newest (${proof}): the broker can start there`);
    return;
  }
  printLine(`nothing shows what was revoked or deleted after ${at}: every tenant is shut out.`);
  printLine('Start the broker, revoke and delete that again, then let each in by its name:');
  for (const name of unproven) printLine(`  breakwater tenant resume ${name} --accept-restored`);
}
