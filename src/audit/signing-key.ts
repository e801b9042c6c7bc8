/**
 * Owns the key that signs checkpoints: Ed25519, PKCS#8 in PEM, mode 0600, with its public half beside
 * it (SPKI in PEM), which is what a verifier needs and what belongs on another machine.
 *
 * Invariant: a key that is missing, readable by others or of another kind is refused; it is never
 * made anew in silence, since everything signed before could then not be told from a forgery.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { dirname, join } from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { isReadableByOthers, readRequired, writeWhole } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';

export const SIGNING_KEY_FILE = 'audit-signing.key';
export const SIGNING_KEY_PUBLIC_FILE = 'audit-signing.pub';

export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** RFC 7638 thumbprint of the public key: the same for everybody who has it. */
  readonly id: string;
}

export interface VerifyingKey {
  readonly publicKey: KeyObject;
  readonly id: string;
  readonly path: string;
}

/** Where the public half of `<name>.key` stands: `<name>.pub`. */
export const publicPathOf = (keyPath: string): string => `${keyPath.replace(/\.key$/, '')}.pub`;

const idOf = (publicKey: KeyObject): Promise<string> =>
  calculateJwkThumbprint(publicKey.export({ format: 'jwk' }) as { kty: string });

/** Makes a pair in a folder; throws PkiError where one is there, or the folder cannot be written. */
export function makeSigningKey(directory: string): { keyPath: string; publicPath: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const keyPath = join(directory, SIGNING_KEY_FILE);
  const publicPath = join(directory, SIGNING_KEY_PUBLIC_FILE);
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' });
  const spki = publicKey.export({ format: 'pem', type: 'spki' });
  const durable = { replace: false, durable: true };
  writeWhole(keyPath, key, { access: 'private', ...durable });
  // What stands there without its key signed nothing.
  writeWhole(publicPath, spki, { access: 'public', ...durable, replace: true });
  return { keyPath, publicPath };
}

function parsed<T>(path: string, remedy: string, parse: (text: string) => T): T {
  try {
    return parse(readRequired(path, remedy));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`The audit signing key cannot be used: ${path}: ${why}`, { cause });
  }
}

function ed25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('it is not an Ed25519 key');
  return key;
}

/** Throws ConfigError when the key is missing, no Ed25519 key, or open to other users. */
export async function readSigningKey(path: string): Promise<SigningKey> {
  const remedy = `restore it, or make one with "breakwater audit new-key ${dirname(path)}"`;
  const privateKey = parsed(path, remedy, (text) => ed25519(createPrivateKey(text)));
  if (isReadableByOthers(path)) {
    throw new ConfigError(
      `The audit signing key ${path} is open to other users: run "chmod 600 ${path}".`,
    );
  }
  const publicKey = createPublicKey(privateKey);
  return { privateKey, publicKey, id: await idOf(publicKey) };
}

/** Throws ConfigError when the file holds no public Ed25519 key; a private one is taken as well. */
export async function readVerifyingKey(path: string): Promise<VerifyingKey> {
  const remedy = 'name the public key of the log with --key';
  const publicKey = parsed(path, remedy, (text) => ed25519(createPublicKey(text)));
  return { publicKey, id: await idOf(publicKey), path };
}
