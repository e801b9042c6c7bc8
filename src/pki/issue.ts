/**
 * Owns the issuing of leaves to files: a device, a service, an operator, a broker.
 *
 * Invariant: the key is written before its certificate, with mode 0600; a file that holds a CA is
 * never replaced, not even by force (a device may be called "ca").
 */
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { join, resolve } from 'node:path';
import {
  makeDirectory,
  readIfThere,
  readRequired,
  writeTogether,
} from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { type CertificateAuthority, issueForPublicKey } from './certificate-authority.ts';
import {
  brokerProfile,
  type CertificateProfile,
  DEFAULT_BROKER_NAMES,
  identityProfile,
} from './certificate-profile.ts';
import { readCertificateRequest } from './certificate-request.ts';
import {
  checkSubjectName,
  checkTenantName,
  DEFAULT_FLEET,
  type Identity,
} from './identity-name.ts';
import {
  checkKeyIsFree,
  checkNameIsFree,
  type IssuedRecord,
  recordIssued,
  recordOf,
} from './issue-record.ts';
import { createKeyPair, DEFAULT_KEY_TYPE, type KeyType } from './key-pair.ts';
import {
  firstExisting,
  type LeafFileOptions,
  type LeafOutput,
  leafFiles,
  sharedFiles,
} from './leaf-files.ts';
import {
  DEV_P12_ITERATIONS,
  DEV_P12_PASSWORD,
  loadRoot,
  loadTenantCa,
  type Pki,
  parseChain,
  pemOf,
  ROOTS,
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
  /** Certifies the key of this request (PEM or DER) instead of a new one; no key is written. */
  readonly request?: { readonly bytes: Buffer; readonly what: string };
  /** The key that the certificate before had is kept. */
  readonly keepKey?: KeyObject;
  /** What to write besides certificate and key; the PKCS#12 key store when absent. */
  readonly outputs?: readonly LeafOutput[];
  /** For the configurations among the outputs. */
  readonly bootstrap?: string;
  readonly installedAt?: string;
}

export interface IssuedFiles {
  readonly certificatePath: string;
  /** null: the key is where the request was made. */
  readonly keyPath: string | null;
  readonly p12Path: string | null;
  /** Every file that was written, the certificate's last. */
  readonly paths: readonly string[];
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
  const { tenant, name } = identity;
  const issuer = loadTenantCa(pki, tenant);
  if (options.force !== true) checkNameIsFree(pki, identity);
  const notBeforeMs = earliestStartMs(pki, tenant, name);
  const place: Place = {
    ...(notBeforeMs === null ? {} : { notBeforeMs }),
    dir: options.outDir ?? join(pki.dir, tenant),
    baseName: name,
    intermediates: [issuer.certificate],
    recordIn: tenant,
    holder: { ...identity, fleet: identity.kind === 'device' ? identity.fleet : null },
  };
  return issueLeaf(pki, issuer, identityProfile(identity, pki.trustDomain), place, options);
}

/** An operator of the whole installation. `baseName` of the files: the operator's name. */
export function issueOperator(pki: Pki, operator: string, options: LeafOptions = {}): IssuedFiles {
  const name = checkSubjectName('operator', operator);
  const profile = identityProfile({ kind: 'operator', name }, pki.trustDomain);
  const place: Place = {
    dir: options.outDir ?? pki.dir,
    baseName: name,
    intermediates: [],
    recordIn: null,
    holder: { kind: 'operator', name, fleet: null },
  };
  return issueLeaf(pki, loadRoot(pki, 'operator'), profile, place, options);
}

/** The broker's own certificate, for the names and addresses that clients connect to. */
export function issueBroker(
  pki: Pki,
  names: readonly string[] = DEFAULT_BROKER_NAMES,
  options: LeafOptions = {},
): IssuedFiles {
  const profile = brokerProfile(names, pki.trustDomain);
  const place: Place = {
    dir: options.outDir ?? pki.dir,
    baseName: 'broker',
    intermediates: [],
    recordIn: null,
    holder: { kind: 'broker', name: 'broker', fleet: null },
  };
  return issueLeaf(pki, loadRoot(pki, 'server'), profile, place, options);
}

interface Place {
  readonly dir: string;
  readonly baseName: string;
  readonly intermediates: readonly X509Certificate[];
  /** The validity begins then or later. */
  readonly notBeforeMs?: number;
  /** The tenant whose list of issued certificates it enters; null: the roots' list. */
  readonly recordIn: string | null;
  readonly holder: Pick<IssuedRecord, 'kind' | 'name' | 'fleet'>;
}

function issueLeaf(
  pki: Pki,
  issuer: CertificateAuthority,
  profile: CertificateProfile,
  place: Place,
  options: LeafOptions,
): IssuedFiles {
  const { dir, baseName } = place;
  const writing = writingTo(pki, options.force ?? false);
  refuseToReplaceCa(place);
  const inTheWay = writing.replace
    ? null
    : firstExisting(dir, baseName, options.request !== undefined);
  if (inTheWay !== null) {
    throw new PkiError(`${inTheWay} exists and is kept: use --force to replace it`);
  }
  const { publicKey, privateKey } = keysFor(options);
  if (options.request !== undefined && options.force !== true) {
    checkKeyIsFree(pki, place.recordIn, place.holder.name, publicKey);
  }
  const certificate = issueForPublicKey(issuer, profile, publicKey, {
    ...(options.days === undefined ? {} : { days: options.days }),
    ...(place.notBeforeMs === undefined ? {} : { notBeforeMs: place.notBeforeMs }),
    clock: pki.clock,
    random: pki.random,
  });
  const chain = [certificate, ...place.intermediates];
  const fileOptions = leafFileOptionsOf(pki, dir, options);
  const files = leafFiles({ baseName, chain, privateKey }, fileOptions);
  const shared = sharedFiles(serverCaOf(pki), fileOptions);
  makeDirectory(dir, 'public');
  const record = recordOf(place.holder, certificate, {
    publicKey,
    issuer: issuer.certificate,
    nowMs: pki.clock.nowMs(),
  });
  recordIssued(pki, place.recordIn, record);
  writeTogether([...shared, ...files], writing.durable);
  const paths = files.map(({ path }) => path);
  const pathOf = (extension: string): string | null =>
    paths.find((path) => path === join(dir, `${baseName}.${extension}`)) ?? null;
  return {
    certificatePath: join(dir, `${baseName}.crt`),
    keyPath: pathOf('key'),
    p12Path: pathOf('p12'),
    p12PasswordPath: pathOf('p12-password'),
    paths: [...shared.map(({ path }) => path), ...paths],
    certificate,
  };
}

function keysFor(options: LeafOptions): { publicKey: KeyObject; privateKey: KeyObject | null } {
  const { request, keepKey: privateKey } = options;
  if (request !== undefined) {
    return { publicKey: readCertificateRequest(request.bytes, request.what), privateKey: null };
  }
  return privateKey === undefined
    ? createKeyPair(options.keyType ?? DEFAULT_KEY_TYPE)
    : { publicKey: createPublicKey(privateKey), privateKey };
}

/** How the files of leaves are made, for one or for many of them. */
export function leafFileOptionsOf(pki: Pki, dir: string, options: LeafOptions): LeafFileOptions {
  const isDev = pki.mode === 'dev';
  const outputs = options.outputs ?? (options.request === undefined ? ['p12'] : []);
  if (options.bootstrap === undefined && outputs.some((one) => CONFIGURATIONS.includes(one))) {
    throw new PkiError('a client configuration needs the address of the broker: use --bootstrap');
  }
  return {
    dir,
    outputs,
    installedAt: options.installedAt ?? resolve(dir),
    bootstrap: options.bootstrap ?? '',
    serverCaPem: pemOf(serverCaOf(pki)),
    p12Password: options.p12Password ?? (isDev ? DEV_P12_PASSWORD : null),
    ...(isDev ? { p12Iterations: DEV_P12_ITERATIONS } : {}),
    random: pki.random,
    replace: options.force ?? false,
  };
}

const CONFIGURATIONS: readonly LeafOutput[] = ['properties', 'kcat'];

export const serverCaOf = (pki: Pki): X509Certificate => {
  const path = join(pki.dir, ROOTS.server.certificate);
  return parseChain(readRequired(path, 'restore the PKI folder from a backup'), path)[0]!;
};

/** The base names of CA files: their keys are beside them. */
const CA_NAME = /(?:^|-)ca$/;

/** Throws PkiError when a leaf of that name would stand where a CA is. */
export function refuseToReplaceCa(place: {
  readonly dir: string;
  readonly baseName: string;
}): void {
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
