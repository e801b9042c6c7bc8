/**
 * Owns the certificates of `serve --dev`: makes what is missing, renews what is about to expire.
 *
 * Invariant: running it again changes nothing that is still good, so clients keep their files; one
 * process at a time does it (several brokers may start on one folder). A production PKI is left
 * alone.
 */
import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { fileExists, makeDirectory, readIfThere, withLock } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { DAY_MS } from './certificate-authority.ts';
import {
  issueBroker,
  issueDevice,
  issueOperator,
  issueService,
  type LeafOptions,
} from './issue.ts';
import {
  createPki,
  createTenantCa,
  openPki,
  type Pki,
  type PkiSeams,
  parseChain,
  parsePrivateKey,
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

/** Brings `dir` up to date. Returns the base names that were made or renewed. */
export async function ensureDevCertificates(
  dir: string,
  options: DevCertificatesOptions = {},
): Promise<{ pki: Pki; made: string[] }> {
  makeDirectory(dir, 'public');
  return withLock(join(dir, '.lock'), LOCK_PATIENCE_MS, () => bringUpToDate(dir, options));
}

function bringUpToDate(dir: string, options: DevCertificatesOptions): { pki: Pki; made: string[] } {
  const made: string[] = [];
  const pki = ensureRoots(dir, options, made);
  const ensure = (
    issuer: string,
    path: string,
    issue: (leafOptions: LeafOptions) => unknown,
  ): void => {
    if (isGoodLeaf(pki, path, issuer)) return;
    issue({ force: true });
    made.push(path);
  };
  ensure('ca.crt', 'broker', (leaf) => issueBroker(pki, undefined, leaf));
  ensure('operator-ca.crt', DEV_OPERATOR, (leaf) => issueOperator(pki, DEV_OPERATOR, leaf));
  for (const tenant of DEV_TENANTS) {
    const issuer = join(tenant, 'ca.crt');
    if (!isGoodAuthority(pki, issuer, join(tenant, 'ca.key'), 'client-ca.crt')) {
      createTenantCa(pki, tenant, { force: true });
      made.push(join(tenant, 'ca'));
    }
    for (const device of DEV_DEVICES) {
      ensure(issuer, join(tenant, device), (leaf) =>
        issueDevice(pki, { tenant, device, fleet: DEV_FLEET }, leaf),
      );
    }
    for (const service of DEV_SERVICES) {
      ensure(issuer, join(tenant, service), (leaf) => issueService(pki, { tenant, service }, leaf));
    }
  }
  return { pki, made };
}

function ensureRoots(dir: string, options: DevCertificatesOptions, made: string[]): Pki {
  if (fileExists(join(dir, 'pki.json'))) {
    const pki = openPki(dir, options);
    if (pki.mode !== 'dev') {
      throw new PkiError(`${dir} holds a production PKI: give serve --dev a folder of its own`);
    }
    const sameDomain = options.trustDomain === undefined || options.trustDomain === pki.trustDomain;
    const roots = Object.values(ROOTS);
    const allGood = roots.every(({ certificate, key }) =>
      isGoodAuthority(pki, certificate, key, certificate),
    );
    if (sameDomain && allGood) return pki;
  }
  made.push(...Object.values(ROOTS).map(({ certificate }) => certificate.replace(/\.crt$/, '')));
  return createPki(dir, { ...options, mode: 'dev', force: true });
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
