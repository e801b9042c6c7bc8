/**
 * `breakwater backup --pki DIR` and `breakwater restore --pki DIR`: the PKI folder in one file. It is
 * the operator's, not the broker's, and so no broker takes part.
 */
import { resolve } from 'node:path';
import { archivePki, type PkiArchiveReport, restorePki } from '../backup/pki-archive.ts';
import { systemClock } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import { systemRandom } from '../base/random.ts';
import { UsageError } from './command-error.ts';
import { counted, printJson, printLine } from './output.ts';

export interface PkiArchiveOptions {
  readonly pki?: string;
  readonly includeKeys?: boolean;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

const PARTS = { files: nodeFileSystem, clock: systemClock, random: systemRandom };
const PASSPHRASE_LENGTH_MIN = 12;

export async function backupPki(out: string | undefined, options: PkiArchiveOptions) {
  if (out === undefined) throw new UsageError('name the file of the archive: --out');
  const passphrase = options.includeKeys === true ? passphraseIn(options) : null;
  const report = await archivePki(resolve(options.pki!), resolve(out), passphrase, PARTS);
  print(report, options, `${options.pki} is in ${out}`);
}

export async function restorePkiFrom(from: string, options: PkiArchiveOptions): Promise<void> {
  const passphrase = options.includeKeys === true ? passphraseIn(options) : null;
  const report = await restorePki(resolve(from), resolve(options.pki!), passphrase, PARTS);
  print(report, options, `${from} is restored in ${options.pki}`);
}

/** From a file, never from an argument, which other users of the machine could see. */
function passphraseIn({ passphraseFile }: PkiArchiveOptions): string {
  if (passphraseFile === undefined) {
    throw new UsageError('private keys are encrypted: give the passphrase with --passphrase-file');
  }
  const [line = ''] = readRequired(passphraseFile, 'its first line is the passphrase').split('\n');
  if (line.length >= PASSPHRASE_LENGTH_MIN) return line;
  throw new UsageError(`a passphrase has at least ${PASSPHRASE_LENGTH_MIN} characters`);
}

function print(report: PkiArchiveReport, { json }: PkiArchiveOptions, what: string): void {
  if (json === true) {
    printJson(report);
    return;
  }
  printLine(
    `${what}: ${counted(report.files, 'file')}, ${counted(report.keys, 'private key file')}`,
  );
  if (report.withheld === 0) return;
  printLine(`NOT in it: ${counted(report.withheld, 'file')} that may be secret (--include-keys)`);
}
