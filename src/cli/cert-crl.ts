import { type Command, Option } from 'commander';
import { systemClock } from '../base/clock.ts';
import type { CrlEntry } from '../pki/crl-builder.ts';
import { type WrittenCrl, writeRootCrl, writeTenantCrl } from '../pki/crl-file.ts';
import { checkCrlBaseUrl } from '../pki/crl-publication.ts';
import { checkTenantName } from '../pki/identity-name.ts';
import {
  loadTenantCa,
  openPki,
  ROOTS,
  type RootName,
  setCrlBaseUrl,
} from '../pki/pki-directory.ts';
import { REVOCATION_REASON_NAMES, type RevocationReason } from '../pki/revocation-reason.ts';
import { canonicalSerial } from '../security/revocations.ts';
import { addConnectionOptions, type ConnectionOptions, certsDirOf } from './admin-client.ts';
import { asUsage } from './as-usage.ts';
import { addCaPassphrase, addPlace, caPassphraseOf } from './cert-options.ts';
import { serialsIn } from './cert-revoke.ts';
import { UsageError } from './command-error.ts';
import { revocationsOf, tenantEntries } from './crl-entries.ts';
import { publishCrls } from './crl-schedule.ts';
import { printJson, printLine } from './output.ts';

export interface CrlCommandOptions extends ConnectionOptions {
  readonly all?: boolean;
  readonly every?: string;
  readonly caPassphraseFile?: string;
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
    .option(
      '--out <path>',
      'the file (its place in the PKI folder when left out); with --all a folder',
    )
    .option('--all', 'of every CA there is, published in the folder --out, which may be served')
    .option('--every <time>', 'with --all: go on, and make them anew so often, such as 6h or 30m')
    .option('--pki <dir>', 'PKI folder (default: the folder of --certs)')
    .option('--ca-keys <dir>', 'folder of the CA keys, where they are kept apart')
    .option('--json', 'print JSON');
  addPlace(
    group
      .command('crl-url')
      .argument('[url]', 'such as http://pki.example/crl, where --out of "crl --all" is served'),
  )
    .description('show or set where certificates say that CRLs are published')
    .option('--none', 'nowhere')
    .action((url: string | undefined, options: UrlOptions) => crlUrl(url, options));
  addConnectionOptions(addCaPassphrase(crl)).action((options: CrlCommandOptions) =>
    makeCrl(options),
  );
}

interface UrlOptions {
  readonly pki: string;
  readonly none?: boolean;
  readonly json?: boolean;
}

/** Where the folder of "cert crl --all" is served; it stands in what is issued from then on. */
function crlUrl(url: string | undefined, options: UrlOptions): void {
  if (url !== undefined && options.none === true) throw new UsageError('give an address or --none');
  const known = openPki(options.pki);
  const checked = url === undefined ? null : asUsage(() => checkCrlBaseUrl(url));
  const changes = url !== undefined || options.none === true;
  const { crlBaseUrl } = changes ? setCrlBaseUrl(known, checked) : known;
  if (options.json === true) printJson({ crlBaseUrl });
  else if (crlBaseUrl === null) printLine('certificates name no place of CRLs');
  else printLine(`certificates name ${crlBaseUrl}/<key identifier>.crl`);
}

async function makeCrl(options: CrlCommandOptions): Promise<void> {
  const { tenant, root, days, out, caKeys } = options;
  const named = [tenant !== undefined, root !== undefined, options.all === true];
  if (named.filter(Boolean).length !== 1) {
    throw new UsageError('say whose CRL: --tenant, --root or --all');
  }
  if (options.all !== true && options.every !== undefined) {
    throw new UsageError('--every goes with --all');
  }
  if (!/^[1-9]\d{0,3}$/.test(days)) throw new UsageError(`--days ${days} is no number of days`);
  if (tenant !== undefined) asUsage(() => checkTenantName(tenant));
  if (root === undefined && options.revoke !== undefined) {
    throw new UsageError('--revoke goes with --root; for a tenant: "cert revoke"');
  }
  const dir = options.pki ?? certsDirOf(options);
  const caPassphrase = caPassphraseOf(options);
  const pki = openPki(dir, {
    ...(caKeys === undefined ? {} : { caKeysDir: caKeys }),
    ...(caPassphrase === null ? {} : { caPassphrase }),
  });
  if (options.all === true) {
    await publishCrls(pki, options);
    return;
  }
  const writing = { days: Number(days), ...(out === undefined ? {} : { out }) };
  if (root !== undefined) {
    report(writeRootCrl(pki, root, addedEntries(options), writing), 0, options);
    return;
  }
  const answer = await revocationsOf(tenant!, options);
  const ca = loadTenantCa(pki, tenant!).certificate;
  const { entries, namesWithoutSerial } = tenantEntries(pki, tenant!, ca, answer);
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
