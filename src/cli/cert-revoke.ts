/**
 * `breakwater cert revoke|revocations`: through the admin API of a running broker, which shuts out
 * at once whom it concerns. Where the PKI folder is at hand, the serials of a name go along, so that
 * the revocation holds whatever the clock of the machine that issued said.
 */
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import { fileExists } from '../base/credential-files.ts';
import { checkSubjectName, checkTenantName } from '../pki/identity-name.ts';
import { readIssued } from '../pki/issue-record.ts';
import { openPki, type Pki } from '../pki/pki-directory.ts';
import { REVOCATION_REASON_NAMES } from '../pki/revocation-reason.ts';
import { recordRevokedName } from '../pki/revoked-record.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  certsDirOf,
  pathOf,
  withAdmin,
} from './admin-client.ts';
import { asObject, cell, dateCell, listIn } from './answer-fields.ts';
import { asUsage } from './as-usage.ts';
import { UsageError } from './command-error.ts';
import { printJson, printLine, printTable } from './output.ts';

interface Options extends ConnectionOptions {
  readonly tenant: string;
  readonly json?: boolean;
}

interface RevokeOptions extends Options {
  readonly device?: string;
  readonly service?: string;
  readonly serial?: string;
  readonly caFingerprint?: string;
  readonly reason: string;
  readonly pki?: string;
  readonly caKeys?: string;
}

/** What one request takes. */
const SERIALS_MAX = 192;

export function registerRevocation(group: Command): void {
  const reason = new Option('--reason <reason>', 'why (RFC 5280)').default('unspecified');
  const revoke = group
    .command('revoke')
    .description('revoke certificates for good: their connections end, and none comes back')
    .requiredOption('--tenant <tenant>', 'the tenant')
    .option('--device <name>', 'all certificates of a device so far')
    .option('--service <name>', 'all certificates of a service so far')
    .option('--serial <hex>', 'one certificate, or several separated by commas')
    .option('--ca-fingerprint <sha256>', "which of the tenant's CAs signed (default: any)")
    .addOption(reason.choices(REVOCATION_REASON_NAMES))
    .option('--pki <dir>', 'PKI folder (default: the folder of --certs)')
    .option('--ca-keys <dir>', 'folder of the CA keys, where they are kept apart')
    .option('--json', 'print JSON');
  addConnectionOptions(revoke).action((options: RevokeOptions) => revokeCertificates(options));
  const revocations = group
    .command('revocations')
    .description('list what is revoked in a tenant')
    .requiredOption('--tenant <tenant>', 'the tenant')
    .option('--json', 'print JSON');
  addConnectionOptions(revocations).action((options: Options) => listRevocations(options));
}

async function revokeCertificates(options: RevokeOptions): Promise<void> {
  const { tenant, device, service, serial, reason, caFingerprint } = options;
  const given = [device, service, serial].filter((option) => option !== undefined);
  if (given.length !== 1)
    throw new UsageError('say what to revoke: --device, --service or --serial');
  const name = device ?? service ?? null;
  asUsage(() => {
    checkTenantName(tenant);
    if (name !== null) checkSubjectName(device === undefined ? 'service' : 'device', name);
  });
  const pki = name === null ? null : pkiAtHand(options);
  const serials =
    name === null ? serialsIn(serial ?? '') : pki === null ? [] : validSerials(pki, tenant, name);
  const answer = await withAdmin(options, (client) =>
    client.call('POST', pathOf('v1', 'tenants', tenant, 'revocations'), {
      ...(name === null ? {} : { name }),
      serials,
      ...(caFingerprint === undefined ? {} : { caFingerprint }),
      reason,
    }),
  );
  const { nameRevokedAtMs } = asObject(answer);
  if (pki !== null && name !== null && typeof nameRevokedAtMs === 'number') {
    recordRevokedName(pki, tenant, { name, revokedAtMs: nameRevokedAtMs });
  }
  if (options.json === true) printJson(answer);
  else printLine(sentence(tenant, name, serials));
}

function sentence(tenant: string, name: string | null, serials: readonly string[]): string {
  const next = 'its connections end now';
  if (name === null) return `revoked in ${tenant}: ${serials.join(', ')}; ${next}`;
  return `revoked in ${tenant}: every certificate of ${name} so far; ${next}`;
}

/** As openssl prints them, colons and `serial=` left out. */
export function serialsIn(text: string): string[] {
  const serials = text.split(',').map((part) =>
    part
      .trim()
      .replaceAll(':', '')
      .replace(/^(?:serial=|0x)/i, ''),
  );
  const wrong = serials.find((serial) => !/^[0-9A-Fa-f]{1,40}$/.test(serial));
  if (wrong !== undefined) throw new UsageError('a serial is hexadecimal: "cert list" shows them');
  if (serials.length > SERIALS_MAX) throw new UsageError(`at most ${SERIALS_MAX} serials at once`);
  return serials;
}

/** Null when there is none: then the broker's clock alone decides. */
function pkiAtHand(options: RevokeOptions): Pki | null {
  const dir = options.pki ?? certsDirOf(options);
  if (options.pki === undefined && !fileExists(join(dir, 'pki.json'))) return null;
  return openPki(dir, options.caKeys === undefined ? {} : { caKeysDir: options.caKeys });
}

/** The newest ones of the name that have not expired. */
function validSerials(pki: Pki, tenant: string, name: string): string[] {
  const nowMs = systemClock.nowMs();
  return readIssued(pki, tenant)
    .filter((issued) => issued.name === name && issued.expiresAtMs > nowMs)
    .slice(-SERIALS_MAX)
    .map(({ serial }) => serial);
}

async function listRevocations(options: Options): Promise<void> {
  asUsage(() => checkTenantName(options.tenant));
  const answer = await withAdmin(options, (client) =>
    client.all(pathOf('v1', 'tenants', options.tenant, 'revocations'), {}, [
      'names',
      'certificates',
    ]),
  );
  if (options.json === true) {
    printJson(answer);
    return;
  }
  const names = listIn(answer, 'names').map((one) => [
    `all of ${cell(one, 'name')}`,
    dateCell(one, 'revokedAtMs'),
    cell(one, 'reason'),
  ]);
  const serials = listIn(answer, 'certificates').map((one) => [
    cell(one, 'serial'),
    dateCell(one, 'revokedAtMs'),
    cell(one, 'reason'),
  ]);
  printTable(['CERTIFICATE', 'REVOKED', 'REASON'], [...names, ...serials], 'nothing is revoked');
}
