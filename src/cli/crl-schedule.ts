/**
 * `breakwater cert crl --all --out DIR [--every 6h]`: makes the CRL of every CA in the PKI folder, of
 * those that were rotated out too, and publishes them in a folder that any web server may serve.
 *
 *   DIR/<key identifier>.crl      DER, one for each CA: what certificates point at
 *   DIR/client.crl.pem            the client root's and all tenants' CAs': for ssl.client.crl
 *   DIR/operator.crl.pem, server.crl.pem
 *
 * Invariants: a file appears whole or not at all; what could not be made anew stays as it was, and
 * is told on stderr; one CA's failure keeps no other from its CRL. With --every it goes on until it is
 * told to end, and tries a failed round again sooner.
 */
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { makeDirectory, readIfThere, readRequired, writeWhole } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import type { CertificateAuthority } from '../pki/certificate-authority.ts';
import { writeCrlAt, writeRootCrl } from '../pki/crl-file.ts';
import { crlNameOf } from '../pki/crl-publication.ts';
import { pemBytes, splitPem } from '../pki/der.ts';
import {
  listTenantCas,
  loadAuthority,
  loadTenantCa,
  type Pki,
  parseChain,
  ROOTS,
  type RootName,
  writingTo,
} from '../pki/pki-directory.ts';
import { previousCas } from '../pki/tenant-ca-rotation.ts';
import type { CrlCommandOptions } from './cert-crl.ts';
import { CommandError, UsageError } from './command-error.ts';
import { revocationsOf, tenantEntries } from './crl-entries.ts';
import { counted, printable, printJson, printLine } from './output.ts';

const DAY_SECONDS = 86_400;
const RETRY_SECONDS_MAX = 300;
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: DAY_SECONDS };

interface Source {
  /** For messages. */
  readonly name: string;
  readonly root: RootName;
  /** Where its CRL is kept in the PKI folder. */
  readonly path: string;
  readonly certificatePath: string;
  readonly make: () => Promise<void>;
}

interface Round {
  readonly published: readonly string[];
  readonly failures: readonly string[];
}

export async function publishCrls(pki: Pki, options: CrlCommandOptions): Promise<void> {
  const { out, days } = options;
  if (out === undefined) throw new UsageError('--all needs a folder: --out DIR');
  if (!/^[1-9]\d{0,3}$/.test(days)) throw new UsageError(`--days ${days} is no number of days`);
  if (options.from !== undefined || options.revoke !== undefined) {
    throw new UsageError('--from and --revoke do not go with --all');
  }
  const everySeconds = options.every === undefined ? null : secondsOf(options.every);
  if (everySeconds !== null && everySeconds > (Number(days) * DAY_SECONDS) / 2) {
    throw new UsageError('--every must be at most half of --days, so that a failure can be mended');
  }
  makeDirectory(out, 'public');
  const first = await round(pki, out, options);
  report(first, options);
  if (everySeconds === null) {
    if (first.failures.length === 0) return;
    throw new CommandError(`${counted(first.failures.length, 'CRL')} could not be made: see above`);
  }
  await repeat(first, everySeconds, () => round(pki, out, options), options);
}

/** Resolves when the process is told to end. */
async function repeat(
  first: Round,
  everySeconds: number,
  next: () => Promise<Round>,
  options: CrlCommandOptions,
): Promise<void> {
  let last = first;
  let wake = (): void => {};
  let isEnding = false;
  const end = (): void => {
    isEnding = true;
    wake();
  };
  process.once('SIGTERM', end).once('SIGINT', end);
  try {
    while (!isEnding) {
      const hasFailed = last.failures.length > 0;
      const retrySeconds = Math.min(everySeconds, RETRY_SECONDS_MAX);
      await new Promise<void>((resolve) => {
        const timer = systemClock.setTimer(
          1000 * (hasFailed ? retrySeconds : everySeconds),
          resolve,
        );
        wake = () => {
          timer.cancel();
          resolve();
        };
      });
      if (isEnding) break;
      last = await next();
      report(last, options);
    }
  } finally {
    process.off('SIGTERM', end).off('SIGINT', end);
  }
}

async function round(pki: Pki, out: string, options: CrlCommandOptions): Promise<Round> {
  const failures: string[] = [];
  const published: string[] = [];
  const bundles = new Map<RootName, string[]>();
  for (const source of sources(pki, options, failures)) {
    try {
      await source.make();
    } catch (error) {
      failures.push(`${source.name}: ${messageOf(error)}`);
    }
    // Also what could not be made anew: the last one counts on.
    const pem = readIfThere(source.path);
    const [block] = pem === null ? [] : splitPem('X509 CRL', pem);
    if (block === undefined) continue;
    bundles.set(source.root, [...(bundles.get(source.root) ?? []), block]);
    try {
      const { certificatePath } = source;
      const text = readRequired(certificatePath, 'restore the PKI folder from a backup');
      const path = join(out, crlNameOf(parseChain(text, certificatePath)[0]!));
      writeWhole(path, pemBytes(block), { access: 'public', ...writingTo(pki, true) });
      published.push(path);
    } catch (error) {
      failures.push(`${source.name}: ${messageOf(error)}`);
    }
  }
  for (const [root, blocks] of bundles) {
    const path = join(out, `${root}.crl.pem`);
    try {
      const text = blocks.map((block) => `${block}\n`).join('');
      writeWhole(path, text, { access: 'public', ...writingTo(pki, true) });
      published.push(path);
    } catch (error) {
      failures.push(`${path}: ${messageOf(error)}`);
    }
  }
  return { published, failures };
}

const crlBeside = (certificatePath: string): string => certificatePath.replace(/\.crt$/, '.crl');

/** None when the folder cannot be read as it is: the next round may. */
function sources(pki: Pki, options: CrlCommandOptions, failures: string[]): Source[] {
  try {
    return sourcesOf(pki, options, failures);
  } catch (error) {
    failures.push(`${pki.dir}: ${messageOf(error)}`);
    return [];
  }
}

function sourcesOf(pki: Pki, options: CrlCommandOptions, failures: string[]): Source[] {
  const days = { days: Number(options.days) };
  const roots = (Object.keys(ROOTS) as RootName[]).map(
    (root): Source => ({
      name: `the ${root} root`,
      root,
      path: crlBeside(join(pki.dir, ROOTS[root].certificate)),
      certificatePath: join(pki.dir, ROOTS[root].certificate),
      make: async () => void writeRootCrl(pki, root, [], days),
    }),
  );
  const ofTenant = (
    tenant: string,
    name: string,
    certificatePath: string,
    load: () => CertificateAuthority,
  ): Source => ({
    ...{ name, root: 'client', path: crlBeside(certificatePath), certificatePath },
    make: async () => {
      const ca = load();
      const answer = await revocationsOf(tenant, options);
      const { entries } = tenantEntries(pki, tenant, ca.certificate, answer);
      writeCrlAt(pki, ca, crlBeside(certificatePath), entries, days);
    },
  });
  const tenants = listTenantCas(pki.dir).flatMap(({ tenant }) => {
    const current = ofTenant(tenant, `the CA of ${tenant}`, join(pki.dir, tenant, 'ca.crt'), () =>
      loadTenantCa(pki, tenant),
    );
    try {
      const previous = previousCas(pki, tenant).map(({ certificate, certificatePath, keyPath }) =>
        ofTenant(
          tenant,
          `the previous CA ${certificate.serialNumber} of ${tenant}`,
          certificatePath,
          () => loadAuthority(certificatePath, keyPath, pki),
        ),
      );
      return [current, ...previous];
    } catch (error) {
      failures.push(`the previous CAs of ${tenant}: ${messageOf(error)}`);
      return [current];
    }
  });
  return [...roots, ...tenants];
}

function messageOf(error: unknown): string {
  if (error instanceof CommandError || error instanceof PkiError) return error.message;
  throw error;
}

function report({ published, failures }: Round, options: CrlCommandOptions): void {
  const at = new Date(systemClock.nowMs()).toISOString();
  if (options.json === true) printJson({ at, published, failures });
  else printLine(`${at}  ${counted(published.length, 'file')} published in ${options.out}`);
  for (const failure of failures) {
    process.stderr.write(`breakwater: ALARM: no new CRL of ${printable(failure)}\n`);
  }
}

function secondsOf(text: string): number {
  const parts = /^([1-9]\d{0,4})([smhd])$/.exec(text);
  if (parts === null) throw new UsageError(`--every ${text} is no time such as 6h, 30m or 90s`);
  return Number(parts[1]) * UNIT_SECONDS[parts[2]!]!;
}
