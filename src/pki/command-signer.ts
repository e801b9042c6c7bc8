/**
 * Owns signing by a command: the way to a KMS, an HSM or a PKCS#11 token. `<name>.signer` beside the
 * place of the CA's key holds {"command": ["program", "argument", ...]}; the program is called for
 * each signature with the bytes to sign on its standard input, and answers on standard output with
 * the raw signature (DER for ECDSA), made with the digest that goes with the key: SHA-256 for P-256
 * and RSA (PKCS #1 v1.5), SHA-384 for P-384, none for Ed25519.
 *
 * Invariant: an answer counts only when it verifies under the CA's public key. No shell: the words
 * are passed as they stand. The file must be its owner's alone to change, since it names a program.
 */
import { spawnSync } from 'node:child_process';
import { type KeyObject, verify } from 'node:crypto';
import { isChangeableByOthers, readRequired } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import { systemErrorCode } from '../base/file-system.ts';
import { signatureSchemeOf } from './key-pair.ts';
import type { Signer } from './signer.ts';

const TIMEOUT_MS = 30_000;
const SIGNATURE_BYTES_MAX = 4096;
const ERROR_TEXT_LENGTH_MAX = 300;

export function readCommandSigner(path: string, publicKey: KeyObject): Signer {
  const text = readRequired(path, 'name the folder that holds the CA keys with --ca-keys');
  if (isChangeableByOthers(path)) {
    throw new PkiError(`${path} names a program and others may write to it: chmod 600 it first`);
  }
  return commandSigner(parseCommand(text, path), publicKey);
}

function parseCommand(text: string, path: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PkiError(`${path} is not JSON`, { cause });
  }
  const { command, ...rest } = Object(value) as Record<string, unknown>;
  const words: unknown[] = Array.isArray(command) ? command : [];
  if (!words.every((word) => typeof word === 'string') || !words[0] || Object.keys(rest).length > 0)
    throw new PkiError(`${path} must hold {"command": ["program", "argument", ...]}, no more`);
  return words;
}

export function commandSigner(command: readonly string[], publicKey: KeyObject): Signer {
  const { algorithm, digest } = signatureSchemeOf(publicKey);
  return {
    publicKey,
    algorithm,
    spec: { kind: 'command', command, publicKey },
    sign: (bytes) => {
      const signature = run(command, bytes);
      if (verifies(digest, bytes, publicKey, signature)) return signature;
      throw new PkiError(
        `what the signer ${command[0]} answered is no signature by the CA's key: check which key ` +
          'it uses, and that it writes the bare signature',
      );
    },
  };
}

function run([program = '', ...args]: readonly string[], input: Buffer): Buffer {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    input,
    timeout: TIMEOUT_MS,
    maxBuffer: SIGNATURE_BYTES_MAX,
    stdio: 'pipe',
  });
  // A program that ends without reading what it was to sign says why by its exit code.
  if (error !== undefined && systemErrorCode(error) !== 'EPIPE') {
    throw new PkiError(`the signer ${program} cannot be used: ${error.message}`, { cause: error });
  }
  if (status === 0) return stdout;
  const said = stderr.toString('utf8').trim().slice(0, ERROR_TEXT_LENGTH_MAX);
  throw new PkiError(`the signer ${program} failed (${signal ?? `exit code ${status}`}): ${said}`);
}

function verifies(
  digest: string | null,
  bytes: Buffer,
  publicKey: KeyObject,
  signature: Buffer,
): boolean {
  try {
    return verify(digest, bytes, publicKey, signature);
  } catch {
    return false;
  }
}
