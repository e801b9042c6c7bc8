/**
 * Owns how the key of a CA lies on disk and becomes a Signer: `<name>.key`, plain or encrypted under
 * a passphrase (PKCS#8, PBES2 with AES-256), or instead of it `<name>.signer`, which names a
 * command that signs (a KMS, a PKCS#11 token).
 *
 * Invariant: a passphrase is held in memory only and never printed; a key that was encrypted is
 * never written plain, and where a passphrase is at hand every new CA key is encrypted under it.
 */
import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import {
  readIfThere,
  readRequired,
  type WriteOptions,
  writeWhole,
} from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { readCommandSigner } from './command-signer.ts';
import { toPem } from './der.ts';
import { encryptPkcs8 } from './pbes2.ts';
import { keySigner, type Signer } from './signer.ts';

/** OWASP's figure for PBKDF2-HMAC-SHA256: about a third of a second for each guess and each use. */
const PASSPHRASE_ITERATIONS = 600_000;
export const CA_PASSPHRASE_LENGTH_MIN = 12;

/** The key is encrypted and no passphrase was given: who can ask for one may, and try again. */
export class PassphraseNeededError extends PkiError {}

export interface CaKeyOptions {
  readonly caPassphrase: string | null;
  readonly random: Random;
}

export function checkCaPassphrase(text: string): string {
  if (text.length >= CA_PASSPHRASE_LENGTH_MIN) return text;
  throw new PkiError(
    `the passphrase of CA keys is too short: use ${CA_PASSPHRASE_LENGTH_MIN} characters or more`,
  );
}

/** PEM of a CA's key, encrypted when a passphrase is at hand. */
export function encodeCaKey(key: KeyObject, { caPassphrase, random }: CaKeyOptions): string {
  if (caPassphrase === null) return String(key.export({ format: 'pem', type: 'pkcs8' }));
  const sealing = {
    password: checkCaPassphrase(caPassphrase),
    iterations: PASSPHRASE_ITERATIONS,
    random,
  };
  const der = encryptPkcs8(key.export({ format: 'der', type: 'pkcs8' }), sealing);
  return toPem('ENCRYPTED PRIVATE KEY', der);
}

export function writeCaKey(
  path: string,
  key: KeyObject,
  options: CaKeyOptions,
  writing: Omit<WriteOptions, 'access'>,
): void {
  writeWhole(path, encodeCaKey(key, options), { access: 'private', ...writing });
}

export const isEncryptedKey = (pem: string): boolean => /-----BEGIN ENCRYPTED /.test(pem);

/** The key in a file. Throws PassphraseNeededError, or PkiError when it cannot be read. */
export function readCaKey(path: string, caPassphrase: string | null): KeyObject {
  const pem = readRequired(path, 'name the folder that holds the CA keys with --ca-keys');
  if (!isEncryptedKey(pem)) return parsePrivateKey(pem, path);
  if (caPassphrase === null) {
    throw new PassphraseNeededError(
      `${path} is encrypted: give its passphrase with --ca-passphrase-file, or in the environment ` +
        'variable BREAKWATER_CA_PASSPHRASE',
    );
  }
  try {
    return createPrivateKey({ key: pem, passphrase: caPassphrase });
  } catch (cause) {
    throw new PkiError(`the passphrase does not open ${path}`, { cause });
  }
}

export function parsePrivateKey(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw new PkiError(`${path} holds no private key that can be read without a password`, {
      cause,
    });
  }
}

/** What signs for `certificate`. Throws PkiError when the key is another CA's. */
export function loadSigner(
  certificate: X509Certificate,
  certificatePath: string,
  keyPath: string,
  caPassphrase: string | null,
): Signer {
  const signerPath = keyPath.replace(/\.key$/, '.signer');
  if (readIfThere(keyPath) === null && readIfThere(signerPath) !== null) {
    return readCommandSigner(signerPath, certificate.publicKey);
  }
  const key = readCaKey(keyPath, caPassphrase);
  if (!certificate.checkPrivateKey(key)) {
    throw new PkiError(`${keyPath} is not the key of ${certificatePath}`);
  }
  return keySigner(key);
}
