/**
 * Owns encryption under a password (RFC 8018, PBES2): what PKCS#12 files and encrypted keys share.
 *
 * Invariant: AES-256-CBC under PBKDF2-HMAC-SHA256, with a new salt and vector each time.
 */
import { createCipheriv, pbkdf2Sync } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { type Asn1, integer, nothing, objectId, octetString, sequence, toDer } from './der.ts';

const Oid = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const;

export const SALT_BYTES = 16;
const VECTOR_BYTES = 16;
const KEY_BYTES = 32;

export interface Sealing {
  readonly password: string;
  readonly iterations: number;
  readonly random: Random;
}

/** PBES2 (RFC 8018, 6.2) and its AlgorithmIdentifier. */
export function encrypt(
  plaintext: Buffer,
  sealing: Sealing,
): { algorithm: Asn1; ciphertext: Buffer } {
  const salt = sealing.random.bytes(SALT_BYTES);
  const vector = sealing.random.bytes(VECTOR_BYTES);
  const key = pbkdf2Sync(sealing.password, salt, sealing.iterations, KEY_BYTES, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, vector);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const derivation = sequence(
    octetString(salt),
    integer(sealing.iterations),
    sequence(objectId(Oid.hmacSha256), nothing()),
  );
  const algorithm = sequence(
    objectId(Oid.pbes2),
    sequence(
      sequence(objectId(Oid.pbkdf2), derivation),
      sequence(objectId(Oid.aes256Cbc), octetString(vector)),
    ),
  );
  return { algorithm, ciphertext };
}

/** An EncryptedPrivateKeyInfo (RFC 5958, 3) around a PKCS#8 key. */
export function encryptPkcs8(pkcs8: Buffer, sealing: Sealing): Buffer {
  const { algorithm, ciphertext } = encrypt(pkcs8, sealing);
  return toDer(sequence(algorithm, octetString(ciphertext)));
}
