/**
 * `breakwater audit verify`: is the log the one that the broker wrote and signed? Offline, on the
 * files, while a broker runs or not. Exit code 1 and the first bad record when it is not.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { publicPathOf, readVerifyingKey, SIGNING_KEY_FILE } from '../audit/signing-key.ts';
import type { AuditProblem, AuditReport } from '../audit/verification.ts';
import { isVanished, verifyAudit } from '../audit/verifier.ts';
import { fileExists, readRequired } from '../base/credential-files.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import type { Config } from '../config/config-schema.ts';
import { CommandError } from './command-error.ts';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  loadFromOptions,
} from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';
import { counted, printJson, printLine } from './output.ts';

interface Options extends ConfigurationOptions {
  readonly dir?: string;
  readonly key: readonly string[];
  readonly anchor?: string;
  readonly json?: boolean;
}

/** A running broker may take a file by retention while it is about to be read. */
const ATTEMPTS = 3;

export function registerAuditVerify(group: Command): void {
  const collect = (value: string, earlier: string[]): string[] => [...earlier, value];
  const command = group
    .command('verify')
    .description('find edits, gaps and forgeries in the access log; exit code 1 when there are any')
    .option('--dir <dir>', 'the audit folder (default: that of the configuration)')
    .option(
      '--key <file>',
      'public key of the log, kept elsewhere at best; may be repeated after a change of keys',
      collect,
      [],
    )
    .option(
      '--anchor <file>',
      'checkpoints that were kept elsewhere, one a line: finds a log that was made anew',
    )
    .option('--json', 'print JSON');
  addConfigurationOptions(command).action((options: Options) => verify(options));
}

async function verify(options: Options): Promise<void> {
  const { config } = await loadFromOptions(options, devDefaults());
  const directory = auditDirectory(options, config);
  const paths = options.key.length > 0 ? options.key : [defaultKey(config)];
  const keys = await Promise.all(paths.map((path) => readVerifyingKey(path)));
  const { anchor } = options;
  const text = anchor === undefined ? null : readRequired(anchor, 'name a file of checkpoints');
  const anchors = text === null ? {} : { anchors: { name: anchor!, text } };
  const startedAtMs = performance.now();
  const report = await attempt(() =>
    verifyAudit({ files: nodeFileSystem, directory, keys, ...anchors }),
  );
  const seconds = (performance.now() - startedAtMs) / 1_000;
  if (options.json === true) {
    printJson({ ok: report.problems.length === 0, directory, ...report, seconds });
  } else print(report, directory, seconds);
  const [first] = report.problems;
  if (first !== undefined) {
    throw new CommandError(`${directory} is not the log that was written: ${sentence(first)}`);
  }
}

async function attempt(run: () => Promise<AuditReport>): Promise<AuditReport> {
  for (let left = ATTEMPTS - 1; left > 0; left -= 1) {
    try {
      return await run();
    } catch (error) {
      if (!isVanished(error)) throw error;
    }
  }
  return await run();
}

/** The folder of the log; throws CommandError when there is none. */
export function auditDirectory({ dir }: { dir?: string }, config: Config): string {
  const directory = dir ?? config['audit.dir'] ?? join(config['data.dir'], 'audit');
  if (nodeFileSystem.statSync(directory)?.isDirectory === true) return directory;
  throw new CommandError(`${directory} is no folder of an access log: name it with --dir`);
}

/** Beside the private key, which only the broker's user can read. */
function defaultKey(config: Config): string {
  const keyPath = config['audit.signing.key'] ?? join(config['certs.dir'], SIGNING_KEY_FILE);
  const path = publicPathOf(keyPath);
  if (fileExists(path)) return path;
  if (fileExists(keyPath)) return keyPath;
  throw new CommandError(`${path} is missing: name the public key of the log with --key`);
}

function print(report: AuditReport, directory: string, seconds: number): void {
  const { checkpoints, streams, anchors, problems } = report;
  for (const [name, stream] of Object.entries(streams)) {
    const range = stream.first === null ? '' : `, ${stream.first} to ${stream.last}`;
    printLine(
      `${name}: ${counted(stream.records, 'record')} in ${counted(stream.files, 'file')}${range}`,
    );
    if (stream.unchained > 0) {
      printLine(`  ${stream.unchained} of them of version 1, which has no chain: not verified`);
    }
    if (stream.unsigned > 0) {
      printLine(`  ${stream.unsigned} at the end chained and not yet signed by a checkpoint`);
    }
    if (stream.tornBytes > 0) printLine(`  ${stream.tornBytes} bytes of a line being written`);
  }
  printLine(`checkpoints: ${checkpoints.count}`);
  if (anchors.given > 0) {
    printLine(
      `anchors: ${anchors.matched} of ${anchors.given} found in the log, ${anchors.tooOld} too old`,
    );
  }
  const records = streams.security.records + streams.access.records;
  const rate = Math.round(records / Math.max(seconds, 0.001));
  for (const problem of problems) printLine(`BAD ${sentence(problem)}`);
  if (problems.length > 0) return;
  printLine(`${directory} is in order (${seconds.toFixed(1)} s, ${rate} records/s)`);
  if (anchors.given === 0) {
    printLine('Who has the signing key could have made all of it: --anchor rules that out.');
  }
}

function sentence({ file, line, sequence, what }: AuditProblem): string {
  const where = line > 0 ? `${file}:${line}` : file;
  return sequence === null ? `${where}: ${what}` : `${where}, record ${sequence}: ${what}`;
}
