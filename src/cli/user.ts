/**
 * `breakwater user add|list|remove --tenant T`: users of a tenant who log in with a password (SCRAM).
 *
 * Invariant: a password is never an argument, and never leaves this process: what goes to the broker
 * is derived from it. A generated one is printed once and kept nowhere.
 */
import { pbkdf2Sync } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { readRequired } from '../base/credential-files.ts';
import { systemRandom } from '../base/random.ts';
import { isSubjectName } from '../pki/identity-name.ts';
import {
  isScramIterations,
  SCRAM_ITERATIONS_MAX,
  SCRAM_ITERATIONS_MIN,
  SCRAM_MECHANISMS,
  type ScramMechanism,
  scramKeys,
  scramMechanismByName,
} from '../security/scram/scram-mechanism.ts';
import { addConnectionOptions, type ConnectionOptions, pathOf, withAdmin } from './admin-client.ts';
import { cell, listIn } from './answer-fields.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';
import { askSecret } from './prompt.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

interface AddOptions extends Options {
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
  readonly generate?: boolean;
  readonly mechanism?: readonly string[];
  readonly iterations: string;
}

interface ListOptions extends Options {
  readonly after?: string;
  readonly limit?: string;
}

const ITERATIONS_DEFAULT = '8192';
const PASSWORD_LENGTH_MIN = 8;
const PASSWORD_LENGTH_MAX = 256;
const GENERATED_BYTES = 24;
const SALT_BYTES = 24;
const NAMES = SCRAM_MECHANISMS.map(({ name }) => name);

export function registerUser(program: Command): void {
  const group = program.command('user').description('users who log in with a password (SCRAM)');
  const add = (command: Command): Command =>
    addConnectionOptions(
      command.requiredOption('--tenant <tenant>', 'the tenant').option('--json', 'print JSON'),
    );
  const mechanism = (): Option =>
    new Option('--mechanism <mechanism>', 'may be repeated (default: all)').choices(NAMES);
  add(group.command('add').argument('<name>'))
    .description('add a user, or give one another password; asks for it unless told otherwise')
    .option('--password-file <file>', 'its first line is the password')
    .option('--password-stdin', 'the first line of standard input is the password')
    .option('--generate', 'make a password and print it, once')
    .addOption(mechanism().argParser(collectMechanism))
    .option('--iterations <count>', 'rounds of the derivation', ITERATIONS_DEFAULT)
    .action((name: string, options: AddOptions) => addUser(name, options));
  add(group.command('list'))
    .description('list users with their mechanisms; never what they log in with')
    .option('--after <name>', 'begin behind this user')
    .option('--limit <count>', 'at most so many (default: all)')
    .action((options: ListOptions) => list(options));
  add(group.command('remove').argument('<name>'))
    .description('remove a user, or one mechanism of it; its connections are closed')
    .addOption(mechanism().argParser(collectMechanism))
    .action((name: string, options: Options & { mechanism?: readonly string[] }) =>
      remove(name, options),
    );
}

function collectMechanism(value: string, earlier: readonly string[] | undefined): string[] {
  if (scramMechanismByName(value) === undefined) {
    throw new UsageError(`--mechanism must be one of ${NAMES.join(', ')}`);
  }
  return [...new Set([...(earlier ?? []), value])];
}

const mechanismsOf = (names: readonly string[] | undefined): ScramMechanism[] =>
  SCRAM_MECHANISMS.filter(({ name }) => names === undefined || names.includes(name));

async function addUser(name: string, options: AddOptions): Promise<void> {
  checkUser(name);
  const iterations = Number(options.iterations);
  if (!/^\d+$/.test(options.iterations) || !isScramIterations(iterations)) {
    const range = `${SCRAM_ITERATIONS_MIN} to ${SCRAM_ITERATIONS_MAX}`;
    throw new UsageError(`--iterations must be a number from ${range}`);
  }
  const password = await passwordOf(options);
  const mechanisms = mechanismsOf(options.mechanism);
  const path = pathOf('v1', 'tenants', options.tenant, 'users');
  await withAdmin(options, async (client) => {
    for (const mechanism of mechanisms) {
      const derived = derive(mechanism, password, iterations);
      await client.call('POST', path, { user: name, mechanism: mechanism.name, ...derived });
    }
  });
  const names = mechanisms.map((mechanism) => mechanism.name);
  const generated = options.generate === true ? { password } : {};
  if (options.json === true) {
    printJson({ name, tenant: options.tenant, mechanisms: names, iterations, ...generated });
    return;
  }
  printLine(`user ${name} of ${options.tenant} logs in by ${names.join(', ')}`);
  if (options.generate === true) printLine(`password: ${password}`);
}

function checkUser(name: string): void {
  if (isSubjectName(name)) return;
  throw new UsageError('a user name is a letter or digit, then up to 62 letters, digits, "_", "-"');
}

function derive(
  mechanism: ScramMechanism,
  password: string,
  iterations: number,
): { iterations: number; salt: string; storedKey: string; serverKey: string } {
  const salt = systemRandom.bytes(SALT_BYTES);
  const { digest, digestBytes } = mechanism;
  const salted = pbkdf2Sync(password, salt, iterations, digestBytes, digest);
  const { storedKey, serverKey } = scramKeys(mechanism, salted);
  salted.fill(0);
  return {
    iterations,
    salt: salt.toString('base64'),
    storedKey: storedKey.toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
}

async function passwordOf(options: AddOptions): Promise<string> {
  const { passwordFile, passwordStdin, generate } = options;
  const ways = [passwordFile !== undefined, passwordStdin === true, generate === true];
  if (ways.filter(Boolean).length > 1) {
    throw new UsageError('give one of --password-file, --password-stdin and --generate');
  }
  if (generate === true) return systemRandom.bytes(GENERATED_BYTES).toString('base64url');
  if (passwordFile !== undefined) {
    const remedy = 'write the password into its first line';
    return checked(readRequired(passwordFile, remedy).split(/\r?\n/)[0] ?? '');
  }
  if (passwordStdin === true)
    return checked((await readAll(process.stdin)).split(/\r?\n/)[0] ?? '');
  if (process.stdin.isTTY !== true) {
    throw new UsageError('give --password-file, --password-stdin or --generate');
  }
  const first = checked(await askSecret('Password: '));
  if ((await askSecret('Once more: ')) === first) return first;
  throw new CommandError('the two differ: nothing was changed');
}

function checked(password: string): string {
  const { length } = password;
  if (length < PASSWORD_LENGTH_MIN || length > PASSWORD_LENGTH_MAX || /\p{Cc}/u.test(password)) {
    throw new CommandError(
      `a password has ${PASSWORD_LENGTH_MIN} to ${PASSWORD_LENGTH_MAX} characters, none of them ` +
        'a control character: nothing was changed',
    );
  }
  return password;
}

async function list(options: ListOptions): Promise<void> {
  const { after, limit } = options;
  const most = limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  if (!(most >= 1) || (limit !== undefined && !Number.isInteger(most)))
    throw new UsageError('--limit must be a number from 1 on');
  const path = pathOf('v1', 'tenants', options.tenant, 'users');
  const query = after === undefined ? {} : { after };
  const { users } = await withAdmin(options, (client) => client.all(path, query, ['users'], most));
  if (options.json === true) {
    printJson(users);
    return;
  }
  const rows = users.flatMap((user) =>
    listIn(user, 'credentials').map((one) => [
      cell(user, 'name'),
      cell(one, 'mechanism'),
      cell(one, 'iterations'),
    ]),
  );
  printTable(['NAME', 'MECHANISM', 'ITERATIONS'], rows, 'nobody logs in with a password');
}

async function remove(
  name: string,
  options: Options & { readonly mechanism?: readonly string[] },
): Promise<void> {
  checkUser(name);
  const path = pathOf('v1', 'tenants', options.tenant, 'users', name);
  const queries = (options.mechanism ?? [null]).map((one) =>
    one === null ? '' : `?${new URLSearchParams({ mechanism: one }).toString()}`,
  );
  await withAdmin(options, async (client) => {
    for (const query of queries) await client.call('DELETE', `${path}${query}`);
  });
  const mechanisms = options.mechanism ?? NAMES;
  if (options.json === true) printJson({ name, tenant: options.tenant, removed: mechanisms });
  else printLine(`user ${name} of ${options.tenant} no longer logs in by ${mechanisms.join(', ')}`);
}
