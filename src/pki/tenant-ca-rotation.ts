/**
 * Owns the change of a tenant's CA: a new one takes over signing while the one before stays trusted
 * until what it signed has ended or was renewed, and is then retired.
 *
 *   ca.crt|key (current) --rotate--> previous/<serial>.crt|key --retire--> retired/<serial>.crt
 *
 * Invariant: the tenant has a usable current CA at each moment but one, in which its key and its
 * certificate are renamed one after the other; `rotate` run again completes that. A previous CA is
 * not retired while a valid certificate of it is on the list, unless forced; its key is then
 * deleted, its certificate kept.
 */
import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import {
  fileExists,
  listDirectory,
  makeDirectory,
  moveFile,
  readIfThere,
  removeFile,
  writeWhole,
} from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { loadSigner } from './ca-key.ts';
import { checkTenantName } from './identity-name.ts';
import { forEachIssued } from './issue-record.ts';
import {
  listTenantCas,
  makeTenantCa,
  type Pki,
  parseChain,
  type TenantCa,
  type TenantCaOptions,
  writingTo,
} from './pki-directory.ts';

export interface PreviousCa {
  readonly certificate: X509Certificate;
  readonly certificatePath: string;
  readonly keyPath: string;
  /** Certificates of it that are still valid. */
  readonly stillValid: number;
}

interface Places {
  readonly dir: string;
  readonly keysDir: string;
}

const placesOf = (pki: Pki, tenant: string): Places => ({
  dir: join(pki.dir, checkTenantName(tenant)),
  keysDir: join(pki.caKeysDir, tenant),
});

/** Makes a new CA the current one. Completes a rotation that was interrupted, instead of another. */
export function rotateTenantCa(pki: Pki, tenant: string, options: TenantCaOptions): TenantCa {
  const { dir, keysDir } = placesOf(pki, tenant);
  const nextCertificate = join(dir, 'ca-next.crt');
  const nextKey = join(keysDir, 'ca-next.key');
  const interrupted = readIfThere(nextCertificate);
  if (interrupted === null) {
    const current = currentCa(pki, tenant);
    archive(pki, tenant, current);
    removeFile(nextKey);
    makeTenantCa(pki, tenant, { certificatePath: nextCertificate, keyPath: nextKey }, options);
  }
  if (fileExists(nextKey)) moveFile(nextKey, join(keysDir, 'ca.key'));
  removeFile(join(keysDir, 'ca.signer'));
  moveFile(nextCertificate, join(dir, 'ca.crt'));
  const made = currentCa(pki, tenant);
  loadSigner(made.certificate, made.certificatePath, join(keysDir, 'ca.key'), pki.caPassphrase);
  return made;
}

function currentCa(pki: Pki, tenant: string): TenantCa {
  const found = listTenantCas(pki.dir).find((ca) => ca.tenant === tenant);
  if (found !== undefined) return found;
  throw new PkiError(`tenant ${tenant} has no CA in ${pki.dir}: "cert ca create" makes one`);
}

const writeCopy = (pki: Pki, path: string, text: string, access: 'private' | 'public'): void =>
  writeWhole(path, text, { access, ...writingTo(pki, false) });

/** Copies of the current CA, beside it until the new one replaces it. */
function archive(pki: Pki, tenant: string, { certificate, pem }: TenantCa): void {
  const { dir, keysDir } = placesOf(pki, tenant);
  const serial = certificate.serialNumber;
  makeDirectory(join(dir, 'previous'), 'public');
  makeDirectory(join(keysDir, 'previous'), 'private');
  for (const extension of ['key', 'signer']) {
    const text = readIfThere(join(keysDir, `ca.${extension}`));
    const copy = join(keysDir, 'previous', `${serial}.${extension}`);
    if (text !== null && !fileExists(copy)) writeCopy(pki, copy, text, 'private');
  }
  const copy = join(dir, 'previous', `${serial}.crt`);
  if (!fileExists(copy)) writeCopy(pki, copy, pem, 'public');
}

/** The CAs that stood before the current one and are not retired. */
export function previousCas(pki: Pki, tenant: string): PreviousCa[] {
  const { dir, keysDir } = placesOf(pki, tenant);
  const current = listTenantCas(pki.dir).find((ca) => ca.tenant === tenant);
  const paths = listDirectory(join(dir, 'previous'))
    .filter(({ name }) => name.endsWith('.crt'))
    .map(({ name }) => join(dir, 'previous', name));
  const cas = paths.map((path) => ({
    certificate: parseChain(readIfThere(path) ?? '', path)[0]!,
    certificatePath: path,
  }));
  const valid = new Map<string, number>();
  const nowMs = pki.clock.nowMs();
  forEachIssued(pki, tenant, ({ issuerSerial, expiresAtMs }) => {
    if (expiresAtMs <= nowMs) return;
    // A record of an earlier version does not say: it may be of any CA that is not the current one.
    const serial = issuerSerial ?? '';
    valid.set(serial, (valid.get(serial) ?? 0) + 1);
  });
  return cas
    .filter(({ certificate }) => certificate.serialNumber !== current?.certificate.serialNumber)
    .map(({ certificate, certificatePath }) => ({
      certificate,
      certificatePath,
      keyPath: join(keysDir, 'previous', `${certificate.serialNumber}.key`),
      stillValid: (valid.get(certificate.serialNumber) ?? 0) + (valid.get('') ?? 0),
    }));
}

/** Retires a previous CA: the key is gone for good. Throws PkiError while it is needed. */
export function retireTenantCa(
  pki: Pki,
  tenant: string,
  serial: string,
  force: boolean,
): PreviousCa {
  const previous = previousCas(pki, tenant);
  const ca = previous.find(({ certificate }) => certificate.serialNumber === serial.toUpperCase());
  if (ca === undefined) {
    const known = previous.map(({ certificate }) => certificate.serialNumber).join(', ');
    throw new PkiError(
      `tenant ${tenant} has no previous CA ${serial}: ` +
        (known === '' ? 'it has none ("cert ca rotate" makes one)' : `it has ${known}`),
    );
  }
  if (ca.stillValid > 0 && !force) {
    throw new PkiError(
      `${ca.stillValid} certificates of this CA are still valid, those that were renewed included: ` +
        'wait until they end, or use --force when their devices have new ones',
    );
  }
  const { dir } = placesOf(pki, tenant);
  makeDirectory(join(dir, 'retired'), 'public');
  removeFile(ca.keyPath);
  removeFile(ca.keyPath.replace(/\.key$/, '.signer'));
  moveFile(ca.certificatePath, join(dir, 'retired', `${ca.certificate.serialNumber}.crt`));
  return ca;
}
