/**
 * Owns which files go with a leaf: `<name>.key` and `<name>.crt` always, a PKCS#12 key store and
 * configurations of clients on request, and what a folder of them shares.
 *
 * Invariant: the certificate comes last, so that a certificate that is there has all its files.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { fileExists, type NewFile } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { javaProperties, kcatConfig } from './client-config.ts';
import { toPem } from './der.ts';
import { encodeKeyStore, encodeTrustStore } from './pkcs12.ts';

export const LEAF_OUTPUTS = ['p12', 'truststore', 'properties', 'kcat'] as const;
export type LeafOutput = (typeof LEAF_OUTPUTS)[number];

export interface LeafFileOptions {
  readonly dir: string;
  readonly outputs: readonly LeafOutput[];
  /** Where clients will find the files: what the configurations name. */
  readonly installedAt: string;
  /** host:port, several by comma. */
  readonly bootstrap: string;
  readonly serverCaPem: string;
  /** null: a random one for each key store, written beside it. */
  readonly p12Password: string | null;
  readonly p12Iterations?: number;
  readonly random: Random;
  readonly replace: boolean;
}

export interface Leaf {
  readonly baseName: string;
  /** Leaf first. */
  readonly chain: readonly X509Certificate[];
  /** null: made elsewhere, and certified by a request. */
  readonly privateKey: KeyObject | null;
}

/** Extensions of every file that a leaf may have, the certificate's last. */
export const LEAF_EXTENSIONS = ['key', 'p12', 'p12-password', 'properties', 'kcat.conf', 'crt'];

const SERVER_CA_FILE = 'server-ca.crt';
const TRUST_STORE_FILE = 'server-ca.p12';
/** A truststore holds nothing secret: its password only keeps keytool content. */
const TRUST_STORE_PASSWORD = 'changeit';

/** The files of one leaf. Throws PkiError when an output needs a key that is not here. */
export function leafFiles(leaf: Leaf, options: LeafFileOptions): NewFile[] {
  const { baseName, chain, privateKey } = leaf;
  const { outputs, replace } = options;
  const file = (
    extension: string,
    content: string | Buffer,
    access: NewFile['access'],
  ): NewFile => {
    return { path: join(options.dir, `${baseName}.${extension}`), content, access, replace };
  };
  const chainPem = chain.map((certificate) => toPem('CERTIFICATE', certificate.raw)).join('');
  const certificate = file('crt', chainPem, 'public');
  const there = (extension: string): string =>
    join(options.installedAt, `${baseName}.${extension}`);
  const kcat = outputs.includes('kcat')
    ? [file('kcat.conf', kcatOf(options, there), 'private')]
    : [];
  if (privateKey === null) {
    if (outputs.includes('p12') || outputs.includes('properties')) {
      throw new PkiError('p12 and properties hold the private key, which a request does not bring');
    }
    return [...kcat, certificate];
  }
  const keyPem = String(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const files = [file('key', keyPem, 'private')];
  // Kafka reads RSA, DSA and EC keys from PEM, no others (DefaultSslEngineFactory).
  const asP12 = outputs.includes('properties') && privateKey.asymmetricKeyType === 'ed25519';
  const password = options.p12Password ?? options.random.bytes(18).toString('base64url');
  if (outputs.includes('p12') || asP12) {
    const { p12Iterations: iterations, random } = options;
    const rounds = iterations === undefined ? {} : { iterations };
    const store = encodeKeyStore(baseName, privateKey, chain, { password, ...rounds, random });
    files.push(file('p12', store, 'private'));
    if (options.p12Password === null) files.push(file('p12-password', `${password}\n`, 'private'));
  }
  if (outputs.includes('properties')) {
    const key = asP12
      ? ({ kind: 'p12', path: there('p12'), password } as const)
      : ({ kind: 'pem', chainPem, keyPem } as const);
    const text = javaProperties(options.bootstrap, options.serverCaPem, key);
    files.push(file('properties', text, 'private'));
  }
  return [...files, ...kcat, certificate];
}

function kcatOf(options: LeafFileOptions, there: (extension: string) => string): string {
  return kcatConfig({
    bootstrap: options.bootstrap,
    certificatePath: there('crt'),
    keyPath: there('key'),
    serverCaPath: join(options.installedAt, SERVER_CA_FILE),
  });
}

/** What all leaves of a folder share: the server CA for those outputs that name or need it. */
export function sharedFiles(
  serverCa: X509Certificate,
  { dir, outputs, serverCaPem, random }: LeafFileOptions,
): NewFile[] {
  const shared = (name: string, content: string | Buffer): NewFile => {
    return { path: join(dir, name), content, access: 'public', replace: true };
  };
  const files: NewFile[] = [];
  if (outputs.includes('kcat')) files.push(shared(SERVER_CA_FILE, serverCaPem));
  if (outputs.includes('truststore')) {
    const entries = [{ alias: 'breakwater-server-ca', certificate: serverCa }];
    const store = encodeTrustStore(entries, { password: TRUST_STORE_PASSWORD, random });
    files.push(shared(TRUST_STORE_FILE, store));
  }
  return files;
}

/**
 * The first file of a leaf that is there already, or null. The key of a request may well lie where
 * its certificate goes.
 */
export function firstExisting(dir: string, baseName: string, keyIsTheirs: boolean): string | null {
  const extensions = LEAF_EXTENSIONS.filter((one) => !(keyIsTheirs && one === 'key'));
  const paths = extensions.map((extension) => join(dir, `${baseName}.${extension}`));
  return paths.find(fileExists) ?? null;
}

/** Such a leaf would take the place of a folder's `sharedFiles`. */
export const isReservedBaseName = (baseName: string): boolean => baseName === 'server-ca';
