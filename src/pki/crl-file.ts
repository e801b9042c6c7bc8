/**
 * Owns the CRLs of a PKI folder: `<tenant>/ca.crl` and, beside each root, `client-ca.crl` and so on.
 *
 * Invariant: a CRL that replaces another has a larger number. What a tenant has revoked is the
 * broker's to say; what a root has revoked (a tenant's CA, an operator, a broker) stands in its CRL
 * alone, so every new one takes over what the last one held.
 */
import { join } from 'node:path';
import { readIfThere, writeWhole } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { type CertificateAuthority, DAY_MS } from './certificate-authority.ts';
import { buildCrl, type CrlEntry } from './crl-builder.ts';
import { type Crl, readCrl } from './crl-reader.ts';
import { pemBytes, splitPem, toPem } from './der.ts';
import {
  loadRoot,
  loadTenantCa,
  type Pki,
  ROOTS,
  type RootName,
  writingTo,
} from './pki-directory.ts';

/** CRLs begin a little in the past, for peers whose clock is behind. */
const CLOCK_SKEW_MS = 5 * 60_000;

export interface WrittenCrl {
  readonly path: string;
  readonly count: number;
  readonly number: string;
  readonly nextUpdateMs: number;
}

export interface CrlOptions {
  readonly days: number;
  readonly out?: string;
}

export function writeTenantCrl(
  pki: Pki,
  tenant: string,
  entries: readonly CrlEntry[],
  options: CrlOptions,
): WrittenCrl {
  const path = options.out ?? join(pki.dir, tenant, 'ca.crl');
  return writeCrlAt(pki, loadTenantCa(pki, tenant), path, entries, options);
}

/** The CRL of a CA that may not be the current one of its tenant. */
export function writeCrlAt(
  pki: Pki,
  ca: CertificateAuthority,
  path: string,
  entries: readonly CrlEntry[],
  options: Pick<CrlOptions, 'days'>,
): WrittenCrl {
  return write(pki, ca, path, entries, previousOf(path, ca), options);
}

/** Adds `added` to what the root's last CRL holds. */
export function writeRootCrl(
  pki: Pki,
  root: RootName,
  added: readonly CrlEntry[],
  options: CrlOptions,
): WrittenCrl {
  const inPlace = join(pki.dir, ROOTS[root].certificate.replace(/\.crt$/, '.crl'));
  const ca = loadRoot(pki, root);
  const previous = previousOf(inPlace, ca);
  const known = new Set(previous?.entries.map(({ serial }) => serial));
  const entries = [
    ...(previous?.entries ?? []),
    ...added.filter(({ serial }) => !known.has(serial)),
  ];
  const written = write(pki, ca, inPlace, entries, previous, options);
  if (options.out === undefined) return written;
  const copy = readIfThere(inPlace) ?? '';
  writeWhole(options.out, copy, { access: 'public', ...writingTo(pki, true) });
  return { ...written, path: options.out };
}

function write(
  pki: Pki,
  ca: CertificateAuthority,
  path: string,
  entries: readonly CrlEntry[],
  previous: Crl | null,
  { days }: Pick<CrlOptions, 'days'>,
): WrittenCrl {
  const nowMs = pki.clock.nowMs();
  const least = previous === null ? 0n : previous.number + 1n;
  const number = BigInt(nowMs) > least ? BigInt(nowMs) : least;
  const nextUpdateMs = nowMs + days * DAY_MS;
  const thisUpdateMs = nowMs - CLOCK_SKEW_MS;
  const der = buildCrl(ca, { entries, number, thisUpdateMs, nextUpdateMs });
  writeWhole(path, toPem('X509 CRL', der), { access: 'public', ...writingTo(pki, true) });
  return { path, count: entries.length, number: String(number), nextUpdateMs };
}

/** The CRL that is there; null when there is none, or it is another CA's (which was replaced). */
function previousOf(path: string, ca: CertificateAuthority): Crl | null {
  const text = readIfThere(path);
  if (text === null) return null;
  const [block] = splitPem('X509 CRL', text);
  if (block === undefined) throw new PkiError(`${path} holds no CRL: move it away`);
  const crl = readCrl(pemBytes(block));
  return crl.isSignedBy(ca.certificate) ? crl : null;
}
