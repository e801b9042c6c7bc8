/**
 * Owns a signing certificate with what signs for it, and what it signs.
 *
 * Invariant: nothing that it signs outlives it. The key exists only in the process that issues, or
 * in the device behind its Signer: the broker never holds one of these.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.ts';
import { PkiError } from '../base/errors.ts';
import { type Random, systemRandom } from '../base/random.ts';
import { buildCertificate } from './certificate-builder.ts';
import type { CertificateProfile } from './certificate-profile.ts';
import { createKeyPair, DEFAULT_KEY_TYPE, type KeyType } from './key-pair.ts';
import { keySigner, type Signer } from './signer.ts';

export interface CertificateAuthority {
  readonly certificate: X509Certificate;
  readonly signer: Signer;
  /** Where its CRL is published: it stands in what it signs. */
  readonly crlUrl?: string | undefined;
}

/** A certificate with its key; a leaf and a CA differ in the profile only. */
export interface Credential extends CertificateAuthority {
  readonly privateKey: KeyObject;
}

export interface IssueOptions {
  readonly keyType?: KeyType;
  /** Lifetime; the profile's own when absent, shortened to the issuer's end. */
  readonly days?: number;
  /** The validity begins then or later. */
  readonly notBeforeMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export const DAY_MS = 86_400_000;
/** Certificates begin a little in the past, for peers whose clock is behind. */
const CLOCK_SKEW_MS = 5 * 60_000;
const DAYS_MAX = 36_500;

/** A self-signed root. */
export function createRoot(profile: CertificateProfile, options: IssueOptions = {}): Credential {
  const keys = createKeyPair(options.keyType ?? DEFAULT_KEY_TYPE);
  const signer = keySigner(keys.privateKey);
  const certificate = create(profile, keys.publicKey, { certificate: null, signer }, options);
  return { certificate, signer, privateKey: keys.privateKey };
}

/** A certificate signed by `issuer`, with a new key. Throws PkiError when it would outlive it. */
export function issueCredential(
  issuer: CertificateAuthority,
  profile: CertificateProfile,
  options: IssueOptions = {},
): Credential {
  const { publicKey, privateKey } = createKeyPair(options.keyType ?? DEFAULT_KEY_TYPE);
  const certificate = create(profile, publicKey, issuer, options);
  return { certificate, signer: keySigner(privateKey), privateKey };
}

/** The same for a key whose private half is elsewhere: the caller has had proof of possession. */
export function issueForPublicKey(
  issuer: CertificateAuthority,
  profile: CertificateProfile,
  publicKey: KeyObject,
  options: IssueOptions = {},
): X509Certificate {
  return create(profile, publicKey, issuer, options);
}

function create(
  profile: CertificateProfile,
  publicKey: KeyObject,
  issuer: Omit<CertificateAuthority, 'certificate'> & {
    readonly certificate: X509Certificate | null;
  },
  options: IssueOptions,
): X509Certificate {
  const nowMs = (options.clock ?? systemClock).nowMs();
  return buildCertificate({
    profile,
    publicKey,
    issuer: issuer.certificate,
    signer: issuer.signer,
    crlUrl: issuer.crlUrl,
    ...validity(profile, issuer.certificate, nowMs, options),
    random: options.random ?? systemRandom,
  });
}

function validity(
  profile: CertificateProfile,
  issuer: X509Certificate | null,
  nowMs: number,
  { days, notBeforeMs: earliestMs = 0 }: IssueOptions,
): { notBeforeMs: number; notAfterMs: number } {
  if (days !== undefined && !(Number.isInteger(days) && days >= 1 && days <= DAYS_MAX)) {
    throw new PkiError(`a lifetime of ${days} days is not possible: use 1 to ${DAYS_MAX}`);
  }
  const notBeforeMs = Math.max(nowMs - CLOCK_SKEW_MS, earliestMs);
  const notAfterMs = nowMs + (days ?? profile.days) * DAY_MS;
  if (issuer === null) return { notBeforeMs, notAfterMs };
  const issuerFromMs = Date.parse(issuer.validFrom);
  const issuerToMs = Date.parse(issuer.validTo);
  if (issuerToMs <= nowMs) {
    throw new PkiError(`the CA that would sign expired on ${issuer.validTo}: make a new one first`);
  }
  if (days !== undefined && notAfterMs > issuerToMs) {
    const most = Math.floor((issuerToMs - nowMs) / DAY_MS);
    throw new PkiError(`${days} days outlive the CA that signs: at most ${most} are left to it`);
  }
  return {
    notBeforeMs: Math.max(notBeforeMs, issuerFromMs),
    notAfterMs: Math.min(notAfterMs, issuerToMs),
  };
}
