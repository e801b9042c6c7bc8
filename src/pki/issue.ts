/**
 * Owns the issuing of leaves to files: a device, a service, an operator, a broker.
 *
 * Invariant: the key is written before its certificate, with mode 0600; a file that holds a CA is
 * never replaced, not even by force (a device may be called "ca").
 */
import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { fileExists, makeDirectory, readIfThere, writeWhole } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { type CertificateAuthority, issueCredential } from './certificate-authority.ts';
import {
  brokerProfile,
  type CertificateProfile,
  DEFAULT_BROKER_NAMES,
  identityProfile,
} from './certificate-profile.ts';
import {
  checkSubjectName,
  checkTenantName,
  DEFAULT_FLEET,
  type Identity,
} from './identity-name.ts';
import { checkNameIsFree, recordIssued } from './issue-record.ts';
import type { KeyType } from './key-pair.ts';
import { encodeKeyStore } from './pkcs12.ts';
import {
  DEV_P12_PASSWORD,
  loadRoot,
  loadTenantCa,
  type Pki,
  p12OptionsOf,
  parseChain,
  writeChain,
  writeKey,
  writingTo,
} from './pki-directory.ts';
import { earliestStartMs } from './revoked-record.ts';

export interface LeafOptions {
  /** Where the files go; the place that the layout gives them when absent. */
  readonly outDir?: string;
  readonly keyType?: KeyType;
  readonly days?: number;
  /** When absent: `changeit` in a development PKI, else random and written beside the P12. */
  readonly p12Password?: string;
  readonly force?: boolean;
}

export interface IssuedFiles {
  readonly certificatePath: string;
  readonly keyPath: string;
  readonly p12Path: string;
  /** Where a random P12 password was written (mode 0600); null when it was given or is known. */
  readonly p12PasswordPath: string | null;
  readonly certificate: X509Certificate;
}

export function issueDevice(
  pki: Pki,
  names: { readonly tenant: string; readonly device: string; readonly fleet?: string },
  options: LeafOptions = {},
): IssuedFiles {
  const tenant = checkTenantName(names.tenant);
  const name = checkSubjectName('device', names.device);
  const fleet = checkSubjectName('fleet', names.fleet ?? DEFAULT_FLEET);
  return issueClient(pki, { kind: 'device', tenant, fleet, name }, options);
}

/** A service or an administrator of a tenant: what it may do is the policy's, not the name's. */
export function issueService(
  pki: Pki,
  names: { readonly tenant: string; readonly service: string },
  options: LeafOptions = {},
): IssuedFiles {
  const tenant = checkTenantName(names.tenant);
  const name = checkSubjectName('service', names.service);
  return issueClient(pki, { kind: 'service', tenant, name }, options);
}

type TenantIdentity = Exclude<Identity, { kind: 'operator' }>;

function issueClient(pki: Pki, identity: TenantIdentity, options: LeafOptions): IssuedFiles {
  const { tenant, kind, name } = identity;
  const issuer = loadTenantCa(pki, tenant);
  if (options.force !== true) checkNameIsFree(pki, identity);
  const notBeforeMs = earliestStartMs(pki, tenant, name);
  const place: Place = {
    ...(notBeforeMs === null ? {} : { notBeforeMs }),
    dir: options.outDir ?? join(pki.dir, tenant),
    baseName: name,
    intermediates: [issuer.certificate],
    record: (certificate) =>
      recordIssued(pki, tenant, {
        serial: certificate.serialNumber,
        kind,
        name,
        fleet: identity.kind === 'device' ? identity.fleet : null,
        validFromMs: Date.parse(certificate.validFrom),
        expiresAtMs: Date.parse(certificate.validTo),
      }),
  };
  return issueLeaf(pki, issuer, identityProfile(identity, pki.trustDomain), place, options);
}

/** An operator of the whole installation. `baseName` of the files: the operator's name. */
export function issueOperator(pki: Pki, operator: string, options: LeafOptions = {}): IssuedFiles {
  const name = checkSubjectName('operator', operator);
  const profile = identityProfile({ kind: 'operator', name }, pki.trustDomain);
  const place = { dir: options.outDir ?? pki.dir, baseName: name, intermediates: [] };
  return issueLeaf(pki, loadRoot(pki, 'operator'), profile, place, options);
}

/** The broker's own certificate, for the names and addresses that clients connect to. */
export function issueBroker(
  pki: Pki,
  names: readonly string[] = DEFAULT_BROKER_NAMES,
  options: LeafOptions = {},
): IssuedFiles {
  const profile = brokerProfile(names, pki.trustDomain);
  const place = { dir: options.outDir ?? pki.dir, baseName: 'broker', intermediates: [] };
  return issueLeaf(pki, loadRoot(pki, 'server'), profile, place, options);
}

interface Place {
  readonly dir: string;
  readonly baseName: string;
  readonly intermediates: readonly X509Certificate[];
  /** The validity begins then or later. */
  readonly notBeforeMs?: number;
  /** Called with the certificate before any file of it is written. */
  readonly record?: (certificate: X509Certificate) => void;
}

function issueLeaf(
  pki: Pki,
  issuer: CertificateAuthority,
  profile: CertificateProfile,
  place: Place,
  options: LeafOptions,
): IssuedFiles {
  const path = (extension: string): string => join(place.dir, `${place.baseName}.${extension}`);
  const writing = writingTo(pki, options.force ?? false);
  refuseToReplaceCa(place);
  if (!writing.replace) for (const extension of EXTENSIONS) refuseToReplace(path(extension));
  const { certificate, privateKey } = issueCredential(issuer, profile, {
    ...(options.keyType === undefined ? {} : { keyType: options.keyType }),
    ...(options.days === undefined ? {} : { days: options.days }),
    ...(place.notBeforeMs === undefined ? {} : { notBeforeMs: place.notBeforeMs }),
    clock: pki.clock,
    random: pki.random,
  });
  const chain = [certificate, ...place.intermediates];
  makeDirectory(place.dir, 'public');
  place.record?.(certificate);
  writeKey(path('key'), privateKey, writing);
  writeChain(path('crt'), chain, writing);
  const password = p12PasswordFor(pki, options);
  const p12 = encodeKeyStore(place.baseName, privateKey, chain, {
    ...p12OptionsOf(pki),
    password: password.text,
  });
  writeWhole(path('p12'), p12, { access: 'private', ...writing });
  const p12PasswordPath = password.isRandom ? path('p12-password') : null;
  if (p12PasswordPath !== null) {
    writeWhole(p12PasswordPath, `${password.text}\n`, { access: 'private', ...writing });
  }
  const p12Path = path('p12');
  return {
    certificatePath: path('crt'),
    keyPath: path('key'),
    p12Path,
    p12PasswordPath,
    certificate,
  };
}

function p12PasswordFor(pki: Pki, options: LeafOptions): { text: string; isRandom: boolean } {
  if (options.p12Password !== undefined) return { text: options.p12Password, isRandom: false };
  if (pki.mode === 'dev') return { text: DEV_P12_PASSWORD, isRandom: false };
  return { text: pki.random.bytes(18).toString('base64url'), isRandom: true };
}

const EXTENSIONS = ['crt', 'key', 'p12'];

/** Before anything is made; the writing itself would refuse too, but after the first file. */
function refuseToReplace(path: string): void {
  if (fileExists(path)) throw new PkiError(`${path} exists and is kept: use --force to replace it`);
}

/** The base names of CA files: their keys are beside them. */
const CA_NAME = /(?:^|-)ca$/;

function refuseToReplaceCa(place: Place): void {
  const path = join(place.dir, `${place.baseName}.crt`);
  const text = readIfThere(path);
  if (text === null || !(CA_NAME.test(place.baseName) || holdsCa(text, path))) return;
  throw new PkiError(`${path} holds a CA: choose another --out folder or another name`);
}

function holdsCa(text: string, path: string): boolean {
  try {
    return parseChain(text, path)[0]?.ca === true;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
