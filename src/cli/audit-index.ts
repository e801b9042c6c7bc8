/**
 * `breakwater audit index`: makes the indexes of closed audit files that have none, or checks those
 * that are there by making them again. Offline, on the files.
 */
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { auditFiles } from '../audit/audit-blocks.ts';
import { AUDIT_STREAMS } from '../audit/audit-query.ts';
import {
  buildFileIndex,
  computeFileIndex,
  indexPathOf,
  readFileIndex,
} from '../audit/file-index.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import { CommandError } from './command-error.ts';
import { counted, printJson, printLine } from './output.ts';

interface Options {
  readonly dir: string;
  readonly force?: boolean;
  readonly check?: boolean;
  readonly json?: boolean;
}

export function registerAuditIndex(group: Command): void {
  group
    .command('index')
    .description('make the indexes that queries use, of files that are not written any more')
    .requiredOption('--dir <dir>', 'the audit folder')
    .option('--force', 'make all of them anew')
    .option('--check', 'make nothing; compare each with its file')
    .option('--json', 'print JSON')
    .action((options: Options) => index(options));
}

async function index({ dir, force, check, json }: Options): Promise<void> {
  if (nodeFileSystem.statSync(resolve(dir))?.isDirectory !== true) {
    throw new CommandError(`${dir} is no folder: --dir names the audit folder of a broker`);
  }
  const closed = AUDIT_STREAMS.flatMap((stream) => auditFiles(nodeFileSystem, dir, stream))
    .filter(({ isNewest }) => !isNewest)
    .map(({ path }) => path);
  const wrong: string[] = [];
  let made = 0;
  for (const path of closed) {
    if (check === true) {
      if (isWrong(path)) wrong.push(basename(path));
    } else if (force === true || readFileIndex(nodeFileSystem, path) === null) {
      await buildFileIndex(nodeFileSystem, path);
      made += 1;
    }
  }
  if (json === true) printJson({ files: closed.length, made, wrong });
  else printLine(`${counted(closed.length, 'closed file')}, indexes made: ${made}`);
  if (wrong.length === 0) return;
  throw new CommandError(
    `${wrong.join(', ')}: not the index of its file; "audit index --force" makes it anew`,
  );
}

/** A missing one hides nothing. */
function isWrong(path: string): boolean {
  if (nodeFileSystem.statSync(indexPathOf(path)) === undefined) return false;
  const bytes = nodeFileSystem.readFileSync(indexPathOf(path));
  return !bytes.equals(computeFileIndex(nodeFileSystem, path));
}
