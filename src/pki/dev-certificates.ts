/**
 * Owns the certificates of `serve --dev`: makes what is missing, renews what is about to expire.
 *
 * Invariant: running it again changes nothing that is still good, so clients keep their files, and
 * writes nothing, so the folder may be read-only; one process at a time makes what is missing
 * (several brokers may start on one folder). A production PKI is left alone.
 */
import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { fileExists, makeDirectory, readIfThere } from '../base/credential-files.ts';
import { type DataDirectoryLock, lockDataDirectory } from '../base/data-directory-lock.ts';
import { ConfigError, PkiError } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import { parsePrivateKey } from './ca-key.ts';
import { DAY_MS } from './certificate-authority.ts';
import { issueBroker, issueDevice, issueOperator, issueService } from './issue.ts';
import {
  createPki,
  createTenantCa,
  openPki,
  type Pki,
  type PkiSeams,
  parseChain,
  ROOTS,
} from './pki-directory.ts';

export const DEV_TENANTS = ['acme', 'globex'] as const;
export const DEV_DEVICES = ['device-1', 'device-2'] as const;
export const DEV_SERVICES = ['service-1', 'admin-1'] as const;
export const DEV_FLEET = 'dev';
export const DEV_OPERATOR = 'operator';

/** Leaves are renewed in their last third, authorities in their last year. */
const LEAF_MARGIN_MS = 30 * DAY_MS;
const AUTHORITY_MARGIN_MS = 365 * DAY_MS;
const LOCK_PATIENCE_MS = 10_000;

export interface DevCertificatesOptions extends PkiSeams {
  readonly trustDomain?: string;
}

export interface DevCertificates {
  readonly pki: Pki;
  /** The files that were made or renewed, without their extensions. */
  readonly made: readonly string[];
}

/** Brings `dir` up to date. */
export async function ensureDevCertificates(
  dir: string,
  options: DevCertificatesOptions = {},
): Promise<DevCertificates> {
  const existing = openDevPki(dir, options);
  if (existing !== null && bringUpToDate(existing, () => undefined).length === 0) {
    return { pki: existing, made: [] };
  }
  makeDirectory(dir, 'public');
  const lock = await lockDirectory(dir, options);
  try {
    return makeMissing(dir, options);
  } finally {
    await lock.release();
  }
}

/** Waits for another process that is at the same work. */
async function lockDirectory(dir: string, seams: PkiSeams): Promise<DataDirectoryLock> {
  const { random = systemRandom } = seams;
  const deadlineMs = systemClock.monotonicMs() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      return await lockDataDirectory(dir, random);
    } catch (cause) {
      if (!(cause instanceof ConfigError)) throw cause;
      // The lock says that it cannot be made by giving the system's error as its cause.
      if (cause.cause !== undefined || systemClock.monotonicMs() > deadlineMs) {
        throw new PkiError(`cannot write into ${dir}, or another process does: try again`, {
          cause,
        });
      }
    }
    // Of two that start together both may be refused: they come back at different times.
    const delayMs = 10 + random.bytes(1)[0]! / 8;
    await new Promise<void>((resolve) => systemClock.setTimer(delayMs, resolve));
  }
}

function makeMissing(dir: string, options: DevCertificatesOptions): DevCertificates {
  const existing = openDevPki(dir, options);
  const pki = existing ?? createPki(dir, { ...options, mode: 'dev', force: true });
  const roots = Object.values(ROOTS).map(({ certificate }) => certificate.replace(/\.crt$/, ''));
  const made = bringUpToDate(pki, (issue) => issue());
  return { pki, made: existing === null ? [...roots, ...made] : made };
}

/** Finds what is missing, and has `make` make each. Returns their names. */
function bringUpToDate(pki: Pki, make: (issue: () => unknown) => void): string[] {
  const made: string[] = [];
  const leaf = { force: true };
  const ensure = (path: string, isGood: boolean, issue: () => unknown): void => {
    if (isGood) return;
    make(issue);
    made.push(path);
  };
  ensure('broker', isGoodLeaf(pki, 'broker', 'ca.crt'), () => issueBroker(pki, undefined, leaf));
  ensure(DEV_OPERATOR, isGoodLeaf(pki, DEV_OPERATOR, 'operator-ca.crt'), () =>
    issueOperator(pki, DEV_OPERATOR, leaf),
  );
  for (const tenant of DEV_TENANTS) {
    const ca = join(tenant, 'ca.crt');
    const caIsGood = isGoodAuthority(pki, ca, join(tenant, 'ca.key'), 'client-ca.crt');
    ensure(join(tenant, 'ca'), caIsGood, () => createTenantCa(pki, tenant, leaf));
    for (const device of DEV_DEVICES) {
      const path = join(tenant, device);
      ensure(path, isGoodLeaf(pki, path, ca), () =>
        issueDevice(pki, { tenant, device, fleet: DEV_FLEET }, leaf),
      );
    }
    for (const service of DEV_SERVICES) {
      const path = join(tenant, service);
      ensure(path, isGoodLeaf(pki, path, ca), () => issueService(pki, { tenant, service }, leaf));
    }
  }
  return made;
}

/** The development PKI of `dir` with good roots; null when it must be made. */
function openDevPki(dir: string, options: DevCertificatesOptions): Pki | null {
  if (!fileExists(join(dir, 'pki.json'))) return null;
  const pki = openPki(dir, options);
  if (pki.mode !== 'dev') {
    throw new PkiError(`${dir} holds a production PKI: give serve --dev a folder of its own`);
  }
  const { trustDomain = pki.trustDomain } = options;
  const allGood = Object.values(ROOTS).every(({ certificate, key }) =>
    isGoodAuthority(pki, certificate, key, certificate),
  );
  return trustDomain === pki.trustDomain && allGood ? pki : null;
}

function isGoodAuthority(pki: Pki, crt: string, key: string, issuer: string): boolean {
  return isGood(pki, crt, key, issuer, AUTHORITY_MARGIN_MS);
}

function isGoodLeaf(pki: Pki, baseName: string, issuer: string): boolean {
  const hasP12 = fileExists(join(pki.dir, `${baseName}.p12`));
  return hasP12 && isGood(pki, `${baseName}.crt`, `${baseName}.key`, issuer, LEAF_MARGIN_MS);
}

/** Readable, signed by what is now in `issuer`, with its own key, and not about to expire. */
function isGood(pki: Pki, crt: string, key: string, issuer: string, marginMs: number): boolean {
  try {
    const certificate = readCertificate(join(pki.dir, crt));
    const signer = readCertificate(join(pki.dir, issuer));
    const keyPath = join(pki.caKeysDir, key);
    const keyText = readIfThere(keyPath);
    if (certificate === null || signer === null || keyText === null) return false;
    return (
      certificate.checkIssued(signer) &&
      certificate.verify(signer.publicKey) &&
      certificate.checkPrivateKey(parsePrivateKey(keyText, keyPath)) &&
      Date.parse(certificate.validTo) - pki.clock.nowMs() > marginMs
    );
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

function readCertificate(path: string): X509Certificate | null {
  const text = readIfThere(path);
  return text === null ? null : parseChain(text, path)[0]!;
}
