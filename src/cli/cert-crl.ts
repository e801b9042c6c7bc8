/**
 * `breakwater cert crl`: signs a CRL with a CA key of the PKI folder, from what the broker has
 * revoked in a tenant, or from what a root has revoked. The key never leaves this machine; where it
 * has no way to the broker, `cert revocations --json` brings the list over.
 */
import { type Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import type { CrlEntry } from '../pki/crl-builder.ts';
import { type WrittenCrl, writeRootCrl, writeTenantCrl } from '../pki/crl-file.ts';
import { checkTenantName } from '../pki/identity-name.ts';
import { readIssued } from '../pki/issue-record.ts';
import { loadTenantCa, openPki, type Pki, ROOTS, type RootName } from '../pki/pki-directory.ts';
import {
  isRevocationReason,
  REVOCATION_REASON_NAMES,
  type RevocationReason,
} from '../pki/revocation-reason.ts';
import { canonicalSerial } from '../security/revocations.ts';
import { issuerOf } from '../security/tenant-ca-registry.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  certsDirOf,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { listIn } from './answer-fields.ts';
import { asUsage } from './as-usage.ts';
import { serialsIn } from './cert-revoke.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printJson, printLine } from './output.ts';

interface CrlCommandOptions extends ConnectionOptions {
  readonly tenant?: string;
  readonly root?: RootName;
  readonly from?: string;
  readonly revoke?: string;
  readonly reason: RevocationReason;
  readonly days: string;
  readonly out?: string;
  readonly pki?: string;
  readonly caKeys?: string;
  readonly json?: boolean;
}

const DEFAULT_DAYS = '7';

export function registerCrl(group: Command): void {
  const reason = new Option('--reason <reason>', 'why, with --revoke').default('unspecified');
  const crl = group
    .command('crl')
    .description('sign a CRL, for software that reads them')
    .option('--tenant <tenant>', "of a tenant's CA: what the broker has revoked")
    .addOption(
      new Option('--root <root>', 'of a root: what its last CRL held').choices(Object.keys(ROOTS)),
    )
    .option('--from <file>', 'with --tenant: the output of "cert revocations --json" instead')
    .option('--revoke <hex>', "with --root: add serials (a tenant's CA, an operator, a broker)")
    .addOption(reason.choices(REVOCATION_REASON_NAMES))
    .option('--days <days>', 'until the next one is due', DEFAULT_DAYS)
    .option('--out <file>', 'the file (its place in the PKI folder when left out)')
    .option('--pki <dir>', 'PKI folder (default: the folder of --certs)')
    .option('--ca-keys <dir>', 'folder of the CA keys, where they are kept apart')
    .option('--json', 'print JSON');
  addConnectionOptions(crl).action((options: CrlCommandOptions) => makeCrl(options));
}

async function makeCrl(options: CrlCommandOptions): Promise<void> {
  const { tenant, root, days, out, caKeys } = options;
  if ((tenant === undefined) === (root === undefined)) {
    throw new UsageError('say whose CRL: --tenant or --root');
  }
  if (!/^[1-9]\d{0,3}$/.test(days)) throw new UsageError(`--days ${days} is no number of days`);
  if (tenant !== undefined) asUsage(() => checkTenantName(tenant));
  if (root === undefined && options.revoke !== undefined) {
    throw new UsageError('--revoke goes with --root; for a tenant: "cert revoke"');
  }
  const dir = options.pki ?? certsDirOf(options);
  const pki = openPki(dir, caKeys === undefined ? {} : { caKeysDir: caKeys });
  const writing = { days: Number(days), ...(out === undefined ? {} : { out }) };
  if (root !== undefined) {
    report(writeRootCrl(pki, root, addedEntries(options), writing), 0, options);
    return;
  }
  const answer = await revocationsOf(tenant!, options);
  const { entries, namesWithoutSerial } = tenantEntries(pki, tenant!, answer);
  report(writeTenantCrl(pki, tenant!, entries, writing), namesWithoutSerial, options);
}

function addedEntries({ revoke, reason }: CrlCommandOptions): CrlEntry[] {
  if (revoke === undefined) return [];
  const revokedAtMs = systemClock.nowMs();
  return serialsIn(revoke).map((text) => ({
    serial: canonicalSerial(text) ?? text,
    revokedAtMs,
    reason,
  }));
}

async function revocationsOf(tenant: string, options: CrlCommandOptions): Promise<unknown> {
  if (options.from === undefined) {
    const path = pathOf('v1', 'tenants', tenant, 'revocations');
    return withAdmin(options, (client) => client.call('GET', path));
  }
  try {
    const document: unknown = JSON.parse(readRequired(options.from, 'name a file with --from'));
    if (document instanceof Object && 'names' in document && 'certificates' in document) {
      return document;
    }
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new CommandError(`${options.from} is not what "cert revocations --json" prints`);
}

/**
 * Serials of this CA's key, and those of the revoked names as far as the folder knows them. What the
 * broker said and is not understood is an error: a CRL must not leave anybody out in silence.
 */
function tenantEntries(
  pki: Pki,
  tenant: string,
  answer: unknown,
): { entries: CrlEntry[]; namesWithoutSerial: number } {
  const { keyId } = issuerOf(loadTenantCa(pki, tenant).certificate);
  const entries = new Map<string, CrlEntry>();
  for (const one of listIn(answer, 'certificates')) {
    const serial = typeof one.serial === 'string' ? canonicalSerial(one.serial) : null;
    if (serial === null) throw notUnderstood();
    if (one.caKeyId === keyId) entries.set(serial, { serial, ...revocationIn(one) });
  }
  const issued = readIssued(pki, tenant);
  let namesWithoutSerial = 0;
  for (const one of listIn(answer, 'names')) {
    const revocation = revocationIn(one);
    const serials = issued
      .filter(({ name }) => name === one.name)
      .filter(({ validFromMs }) => (validFromMs ?? 0) <= revocation.revokedAtMs)
      .map(({ serial }) => canonicalSerial(serial) ?? serial);
    if (serials.length === 0) namesWithoutSerial += 1;
    for (const serial of serials) {
      if (!entries.has(serial)) entries.set(serial, { serial, ...revocation });
    }
  }
  return { entries: [...entries.values()], namesWithoutSerial };
}

function revocationIn(
  one: Readonly<Record<string, unknown>>,
): Pick<CrlEntry, 'revokedAtMs' | 'reason'> {
  const { revokedAtMs, reason } = one;
  if (typeof revokedAtMs !== 'number' || !isRevocationReason(reason)) throw notUnderstood();
  return { revokedAtMs, reason };
}

const notUnderstood = (): CommandError =>
  new CommandError(
    'the broker lists a revocation that this release does not understand: update it',
  );

function report(
  { path, count, number, nextUpdateMs }: WrittenCrl,
  namesWithoutSerial: number,
  options: CrlCommandOptions,
): void {
  const nextUpdate = new Date(nextUpdateMs).toISOString();
  if (options.json === true) {
    printJson({ crl: path, count, number, nextUpdate, namesWithoutSerial });
    return;
  }
  printLine(`${path}  ${count} revoked, number ${number}, next one due ${nextUpdate}`);
  if (namesWithoutSerial === 0) return;
  printLine(
    `${namesWithoutSerial} revoked names have no certificate that this folder knows of: the CRL ` +
      'cannot name them (the broker refuses them all the same)',
  );
}
