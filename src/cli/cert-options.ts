/**
 * What the `cert` commands have in common: where the PKI is, how its CA keys are opened, what kind
 * of key and which files are wanted.
 */
import { type Command, Option } from 'commander';
import { readRequired } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { PassphraseNeededError } from '../pki/ca-key.ts';
import type { LeafOptions } from '../pki/issue.ts';
import { checkKeyType, DEFAULT_KEY_TYPE, KEY_TYPES, type KeyType } from '../pki/key-pair.ts';
import { LEAF_OUTPUTS, type LeafOutput } from '../pki/leaf-files.ts';
import { openPki, type Pki } from '../pki/pki-directory.ts';
import { UsageError } from './command-error.ts';
import { askSecret } from './prompt.ts';

export interface PlaceOptions {
  readonly pki: string;
  readonly caKeys?: string;
  readonly caPassphraseFile?: string;
  readonly json?: boolean;
}

export interface KeyOptions {
  readonly keyType: string;
  readonly days?: string;
  readonly force?: boolean;
}

export interface OutputOptions {
  readonly with?: string;
  readonly bootstrap?: string;
  readonly installedAt?: string;
  readonly p12PasswordFile?: string;
}

export const CA_PASSPHRASE_VARIABLE = 'BREAKWATER_CA_PASSPHRASE';
/** keytool opens nothing below six characters. */
const P12_PASSWORD_LENGTH_MIN = 6;

export function addKey(command: Command): Command {
  const keyType = new Option('--key-type <type>', 'kind of key').default(DEFAULT_KEY_TYPE);
  return command
    .addOption(keyType.choices(KEY_TYPES))
    .option('--days <days>', 'lifetime in days')
    .option('--force', 'replace files that exist');
}

export function addPlace(command: Command): Command {
  const pki = new Option('--pki <dir>', 'the PKI folder').env('BREAKWATER_CERTS_DIR');
  return command
    .addOption(pki.default('./certs-dev'))
    .option('--ca-keys <dir>', 'folder of the CA keys (the PKI folder when left out)')
    .option('--json', 'print JSON');
}

/** For commands that sign. */
export function addCaPassphrase(command: Command): Command {
  return command.option(
    '--ca-passphrase-file <file>',
    `the first line opens encrypted CA keys (or set ${CA_PASSPHRASE_VARIABLE})`,
  );
}

export function addOutputs(command: Command): Command {
  return command
    .option('--with <outputs>', `also write, by comma: ${LEAF_OUTPUTS.join(', ')}`)
    .option('--bootstrap <addresses>', 'host:port of the broker, for client configurations')
    .option('--installed-at <dir>', 'where the files will lie, for client configurations')
    .option('--p12-password-file <file>', 'the first line is the password of the .p12');
}

/** Calls `use` with the PKI, and once more with a passphrase that was asked for if it needs one. */
export async function withPki<T>(
  options: PlaceOptions,
  use: (pki: Pki) => T | Promise<T>,
): Promise<T> {
  const given = caPassphraseOf(options);
  try {
    return await use(open(options, given));
  } catch (error) {
    const canAsk = process.stdin.isTTY === true && given === null;
    if (!(error instanceof PassphraseNeededError) || !canAsk) throw error;
    return await use(open(options, await askSecret('Passphrase of the CA keys: ')));
  }
}

export function open(options: PlaceOptions, caPassphrase: string | null = null): Pki {
  return openPki(options.pki, {
    ...(options.caKeys === undefined ? {} : { caKeysDir: options.caKeys }),
    ...(caPassphrase === null ? {} : { caPassphrase }),
  });
}

/** From the file or the environment; never from an argument, which other users could see. */
export function caPassphraseOf(options: { readonly caPassphraseFile?: string }): string | null {
  const { caPassphraseFile: path } = options;
  if (path !== undefined) return firstLine(path, 1);
  const fromEnvironment = process.env[CA_PASSPHRASE_VARIABLE] ?? '';
  return fromEnvironment === '' ? null : fromEnvironment;
}

export function keyOptions(options: KeyOptions): {
  keyType: KeyType;
  days?: number;
  force: boolean;
} {
  return {
    keyType: checkKeyType(options.keyType),
    ...daysOption(options.days),
    force: options.force === true,
  };
}

export function daysOption(days: string | undefined): { days?: number } {
  if (days !== undefined && !/^[1-9]\d{0,4}$/.test(days)) {
    throw new UsageError(`--days ${days} is not a number of days`);
  }
  return days === undefined ? {} : { days: Number(days) };
}

export function outputOptions(
  options: OutputOptions,
  always: readonly LeafOutput[],
): Pick<LeafOptions, 'outputs' | 'bootstrap' | 'installedAt' | 'p12Password'> {
  const { bootstrap, installedAt, p12PasswordFile } = options;
  const named = (options.with ?? '').split(',').filter((word) => word.trim() !== '');
  const outputs = named.map((word) => outputNamed(word.trim()));
  if (bootstrap === undefined && (outputs.includes('properties') || outputs.includes('kcat'))) {
    throw new UsageError('--with properties or kcat needs --bootstrap host:port');
  }
  if (
    bootstrap !== undefined &&
    !/^[^\s,:]+(?::\d+|[^,\s]*\]:\d+)(?:,[^\s,]+:\d+)*$/.test(bootstrap)
  ) {
    throw new UsageError(`--bootstrap ${bootstrap} is not host:port`);
  }
  if (installedAt !== undefined && /[\p{Cc}]/u.test(installedAt)) {
    throw new UsageError('--installed-at holds a control character');
  }
  return {
    outputs: [...new Set([...always, ...outputs])],
    ...(bootstrap === undefined ? {} : { bootstrap }),
    ...(installedAt === undefined ? {} : { installedAt }),
    ...(p12PasswordFile === undefined
      ? {}
      : { p12Password: firstLine(p12PasswordFile, P12_PASSWORD_LENGTH_MIN) }),
  };
}

function outputNamed(word: string): LeafOutput {
  const found = LEAF_OUTPUTS.find((output) => output === word);
  if (found !== undefined) return found;
  throw new UsageError(`--with ${word} is not one of ${LEAF_OUTPUTS.join(', ')}`);
}

function firstLine(path: string, lengthMin: number): string {
  const [line = ''] = readRequired(path, 'write the password into its first line').split(/\r?\n/);
  if (line.length >= lengthMin) return line;
  throw new PkiError(
    `the first line of ${path} is too short for a password: use ${lengthMin} characters or more`,
  );
}
