/**
 * Owns the folder layout of a PKI and what is issued into it.
 *
 *   pki.json                     trust domain, and whether this is a development PKI
 *   ca.crt, truststore.p12       the server CA: what clients trust
 *   client-ca.crt                the root over the tenants' CAs
 *   operator-ca.crt              the CA of operators
 *   broker.crt|key               the broker's certificate
 *   operator.crt|key             an operator's
 *   <tenant>/ca.crt              a tenant's CA, signed by the client root
 *   <tenant>/<name>.crt|key|p12  a device's or service's; the .crt holds the chain
 *   server-ca.key, client-ca.key, operator-ca.key, <tenant>/ca.key
 *                                in `caKeysDir`, which may be another folder, on another machine;
 *                                see ca-key.ts
 *   issued.ndjson, <tenant>/issued.ndjson
 *                                there too: what was signed, see issue-record.ts
 *
 * Invariant: no existing key is overwritten unless asked to; the broker reads certificates and its
 * own key only. One process issues at a time.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock.ts';
import {
  fileExists,
  listDirectory,
  makeDirectory,
  readIfThere,
  readRequired,
  type WriteOptions,
  writeWhole,
} from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { type Random, systemRandom } from '../base/random.ts';
import { loadSigner, writeCaKey } from './ca-key.ts';
import {
  type CertificateAuthority,
  type Credential,
  createRoot,
  issueCredential,
} from './certificate-authority.ts';
import {
  type CertificateProfile,
  clientRootProfile,
  operatorCaProfile,
  serverCaProfile,
  tenantCaProfile,
} from './certificate-profile.ts';
import { checkCrlBaseUrl, crlNameOf } from './crl-publication.ts';
import { splitPem, toPem } from './der.ts';
import {
  checkTenantName,
  checkTrustDomain,
  DEFAULT_TRUST_DOMAIN,
  isTenantName,
} from './identity-name.ts';
import type { KeyType } from './key-pair.ts';
import { encodeTrustStore } from './pkcs12.ts';

/** Development: known P12 password, fewer rounds. Never taken for a PKI that faces a network. */
export type PkiMode = 'dev' | 'production';

export const DEV_P12_PASSWORD = 'changeit';
/** The development password is public: rounds would only cost start-up time. */
export const DEV_P12_ITERATIONS = 1000;
const STATE_FILE = 'pki.json';
const STATE_VERSION = 1;

export interface Pki {
  readonly dir: string;
  readonly caKeysDir: string;
  readonly trustDomain: string;
  readonly mode: PkiMode;
  /** Opens encrypted CA keys, and encrypts new ones; null when none was given. */
  readonly caPassphrase: string | null;
  /** Where CRLs are published, see crl-publication.ts; null: nowhere. */
  readonly crlBaseUrl: string | null;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PkiSeams {
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CreatePkiOptions extends PkiSeams {
  readonly trustDomain?: string;
  /** 'production' when absent. */
  readonly mode?: PkiMode;
  /** Where CA keys live; the PKI folder itself when absent. */
  readonly caKeysDir?: string;
  /** Encrypts the CA keys. */
  readonly caPassphrase?: string;
  readonly keyType?: KeyType;
  /** Password of truststore.p12, which holds nothing secret; `changeit` when absent. */
  readonly trustStorePassword?: string;
  /** Replace the three roots. Everything that was issued before stops working. */
  readonly force?: boolean;
}

/** The three trust roots, by the base name of their files. */
export const ROOTS = {
  server: { certificate: 'ca.crt', key: 'server-ca.key' },
  client: { certificate: 'client-ca.crt', key: 'client-ca.key' },
  operator: { certificate: 'operator-ca.crt', key: 'operator-ca.key' },
} as const;
export type RootName = keyof typeof ROOTS;

/** Makes the three roots. Throws PkiError when `dir` holds a PKI already. */
export function createPki(dir: string, options: CreatePkiOptions = {}): Pki {
  const trustDomain = checkTrustDomain(options.trustDomain ?? DEFAULT_TRUST_DOMAIN);
  const pki: Pki = {
    dir,
    caKeysDir: options.caKeysDir ?? dir,
    trustDomain,
    mode: options.mode ?? 'production',
    caPassphrase: options.caPassphrase ?? null,
    crlBaseUrl: null,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
  const replace = options.force ?? false;
  if (!replace && fileExists(join(dir, STATE_FILE))) {
    throw new PkiError(`${dir} holds a PKI already: use it, or name another folder`);
  }
  const writing = writingTo(pki, replace);
  makeDirectory(dir, 'public');
  makeDirectory(pki.caKeysDir, 'private');
  const root = (name: RootName, profile: CertificateProfile): Credential => {
    const made = createRoot(profile, { ...keyTypeOf(options.keyType), ...seamsOf(pki) });
    writeCaKey(join(pki.caKeysDir, ROOTS[name].key), made.privateKey, pki, writing);
    writeChain(join(dir, ROOTS[name].certificate), [made.certificate], writing);
    return made;
  };
  const server = root('server', serverCaProfile(trustDomain));
  root('client', clientRootProfile(trustDomain));
  root('operator', operatorCaProfile(trustDomain));
  const trustStore = encodeTrustStore(
    [{ alias: 'breakwater-server-ca', certificate: server.certificate }],
    { ...p12OptionsOf(pki), password: options.trustStorePassword ?? DEV_P12_PASSWORD },
  );
  writeWhole(join(dir, 'truststore.p12'), trustStore, { access: 'public', ...writing });
  writeState(pki, writing);
  return pki;
}

function writeState(pki: Pki, writing: Writing): void {
  const { trustDomain, mode, crlBaseUrl } = pki;
  const published = crlBaseUrl === null ? {} : { crlBaseUrl };
  const state = { version: STATE_VERSION, trustDomain, mode, ...published };
  const text = `${JSON.stringify(state)}\n`;
  writeWhole(join(pki.dir, STATE_FILE), text, { access: 'public', ...writing });
}

/** What is issued from now on says that CRLs are there; null: it says nothing. */
export function setCrlBaseUrl(pki: Pki, url: string | null): Pki {
  const changed = { ...pki, crlBaseUrl: url === null ? null : checkCrlBaseUrl(url) };
  writeState(changed, writingTo(pki, true));
  return changed;
}

export interface OpenPkiOptions extends PkiSeams {
  readonly caKeysDir?: string;
  readonly caPassphrase?: string;
}

/** The PKI of a folder. Throws PkiError when there is none. */
export function openPki(dir: string, options: OpenPkiOptions = {}): Pki {
  const path = join(dir, STATE_FILE);
  const text = readRequired(
    path,
    'make a PKI with "breakwater init" or "breakwater serve --dev", or name its folder with --pki',
  );
  return {
    dir,
    caKeysDir: options.caKeysDir ?? dir,
    ...parseState(text, path),
    caPassphrase: options.caPassphrase ?? null,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function parseState(text: string, path: string): Pick<Pki, 'trustDomain' | 'mode' | 'crlBaseUrl'> {
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch (cause) {
    throw new PkiError(`${path} is not JSON: restore it from a backup`, { cause });
  }
  const {
    version,
    trustDomain,
    mode,
    crlBaseUrl = null,
  } = Object(state) as Record<string, unknown>;
  if (version !== STATE_VERSION) {
    throw new PkiError(
      `${path} has format ${String(version)}; this version reads ${STATE_VERSION}`,
    );
  }
  if (typeof trustDomain !== 'string' || (mode !== 'dev' && mode !== 'production')) {
    throw new PkiError(`${path} lacks its trust domain or mode: restore it from a backup`);
  }
  if (crlBaseUrl !== null && typeof crlBaseUrl !== 'string') {
    throw new PkiError(`${path} has a crlBaseUrl that is no text: restore it from a backup`);
  }
  const url = crlBaseUrl === null ? null : checkCrlBaseUrl(crlBaseUrl);
  return { trustDomain: checkTrustDomain(trustDomain), mode, crlBaseUrl: url };
}

export interface TenantCaOptions {
  readonly keyType?: KeyType;
  readonly days?: number;
  /** Replace the tenant's CA: what it has issued is then refused. */
  readonly force?: boolean;
}

export interface TenantCa {
  readonly tenant: string;
  readonly certificatePath: string;
  readonly pem: string;
  readonly certificate: X509Certificate;
}

/** Makes a tenant's intermediate CA under the client root. */
export function createTenantCa(
  pki: Pki,
  tenant: string,
  options: TenantCaOptions = {},
): TenantCa & { readonly keyPath: string } {
  checkTenantName(tenant);
  const certificatePath = join(pki.dir, tenant, 'ca.crt');
  const replace = options.force ?? false;
  if (!replace && fileExists(certificatePath)) {
    throw new PkiError(`tenant ${tenant} has a CA already, in ${certificatePath}`);
  }
  const keyPath = join(pki.caKeysDir, tenant, 'ca.key');
  const certificate = makeTenantCa(pki, tenant, { certificatePath, keyPath }, options);
  return { tenant, certificatePath, keyPath, pem: pemOf(certificate), certificate };
}

/** The same at places of the caller's choice, beside a CA that the tenant has already. */
export function makeTenantCa(
  pki: Pki,
  tenant: string,
  { certificatePath, keyPath }: { readonly certificatePath: string; readonly keyPath: string },
  options: TenantCaOptions,
): X509Certificate {
  const made = issueCredential(loadRoot(pki, 'client'), tenantCaProfile(tenant, pki.trustDomain), {
    ...keyTypeOf(options.keyType),
    ...(options.days === undefined ? {} : { days: options.days }),
    ...seamsOf(pki),
  });
  makeDirectory(join(pki.dir, tenant), 'public');
  makeDirectory(join(pki.caKeysDir, tenant), 'private');
  const writing = writingTo(pki, options.force ?? false);
  writeCaKey(keyPath, made.privateKey, pki, writing);
  writeChain(certificatePath, [made.certificate], writing);
  return made.certificate;
}

/** The CA of every tenant in the folder, in order of name: what the broker registers. */
export function listTenantCas(dir: string): TenantCa[] {
  return listDirectory(dir)
    .filter((entry) => entry.isDirectory && isTenantName(entry.name))
    .flatMap((entry) => {
      const certificatePath = join(dir, entry.name, 'ca.crt');
      const text = readIfThere(certificatePath);
      if (text === null) return [];
      const [certificate] = parseChain(text, certificatePath);
      return [
        {
          tenant: entry.name,
          certificatePath,
          pem: pemOf(certificate!),
          certificate: certificate!,
        },
      ];
    });
}

/** One of the three roots with its key, to sign with. */
export function loadRoot(pki: Pki, name: RootName): CertificateAuthority {
  const { certificate, key } = ROOTS[name];
  return loadAuthority(join(pki.dir, certificate), join(pki.caKeysDir, key), pki);
}

/** A tenant's CA with its key, to sign with. */
export function loadTenantCa(pki: Pki, tenant: string): CertificateAuthority {
  checkTenantName(tenant);
  const certificatePath = join(pki.dir, tenant, 'ca.crt');
  if (!fileExists(certificatePath)) {
    throw new PkiError(
      `tenant ${tenant} has no CA in ${pki.dir}: run "breakwater cert ca --tenant ${tenant}" first`,
    );
  }
  return loadAuthority(certificatePath, join(pki.caKeysDir, tenant, 'ca.key'), pki);
}

export function loadAuthority(
  certificatePath: string,
  keyPath: string,
  { caPassphrase, crlBaseUrl }: Pki,
): CertificateAuthority {
  const text = readRequired(certificatePath, 'restore the PKI folder from a backup');
  const certificate = parseChain(text, certificatePath)[0]!;
  return {
    certificate,
    signer: loadSigner(certificate, certificatePath, keyPath, caPassphrase),
    crlUrl: crlBaseUrl === null ? undefined : `${crlBaseUrl}/${crlNameOf(certificate)}`,
  };
}

/** The certificates of a PEM text, leaf first. Throws PkiError when there is none or one is broken. */
export function parseChain(text: string, path: string): X509Certificate[] {
  const blocks = splitPem('CERTIFICATE', text);
  if (blocks.length === 0) throw new PkiError(`${path} holds no PEM certificate`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new PkiError(`${path} holds a certificate that cannot be read`, { cause });
  }
}

export const pemOf = (certificate: X509Certificate): string =>
  toPem('CERTIFICATE', certificate.raw);

export type Writing = Omit<WriteOptions, 'access'>;

/** Development files can be made again, so they are not synced: start-up is faster. */
export const writingTo = (pki: Pki, replace: boolean): Writing => ({
  replace,
  durable: pki.mode === 'production',
});

export function writeChain(
  path: string,
  chain: readonly X509Certificate[],
  writing: Writing,
): void {
  writeWhole(path, chain.map(pemOf).join(''), { access: 'public', ...writing });
}

export function writeKey(path: string, key: KeyObject, writing: Writing): void {
  const pem = key.export({ format: 'pem', type: 'pkcs8' });
  writeWhole(path, pem, { access: 'private', ...writing });
}

export const p12OptionsOf = (pki: Pki): { iterations?: number; random: Random } => ({
  ...(pki.mode === 'dev' ? { iterations: DEV_P12_ITERATIONS } : {}),
  random: pki.random,
});

const keyTypeOf = (keyType: KeyType | undefined): { keyType?: KeyType } =>
  keyType === undefined ? {} : { keyType };

const seamsOf = (pki: Pki): { clock: Clock; random: Random } => ({
  clock: pki.clock,
  random: pki.random,
});
