/**
 * Owns the SCRAM mechanisms (RFC 5802, RFC 7677) and what of a password is kept: everything about a
 * mechanism in one entry. Invariant: from a salted password only StoredKey and ServerKey leave this
 * file; neither gives the password back, nor lets anybody log in who holds StoredKey alone.
 */
import { createHash, createHmac } from 'node:crypto';

export interface ScramMechanism {
  readonly name: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  /** The code in messages 50 and 51 (KIP-554). */
  readonly code: number;
  readonly digest: 'sha256' | 'sha512';
  readonly digestBytes: number;
}

export type ScramMechanismName = ScramMechanism['name'];

export const SCRAM_MECHANISMS: readonly ScramMechanism[] = [
  { name: 'SCRAM-SHA-256', code: 1, digest: 'sha256', digestBytes: 32 },
  { name: 'SCRAM-SHA-512', code: 2, digest: 'sha512', digestBytes: 64 },
];

/** The iterations that Kafka takes, both mechanisms alike. */
export const SCRAM_ITERATIONS_MIN = 4096;
export const SCRAM_ITERATIONS_MAX = 16_384;
export const SCRAM_SALT_BYTES_MAX = 255;

export function isScramIterations(count: number): boolean {
  return Number.isInteger(count) && count >= SCRAM_ITERATIONS_MIN && count <= SCRAM_ITERATIONS_MAX;
}

export interface ScramKeys {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export function scramMechanismByCode(code: number): ScramMechanism | undefined {
  return SCRAM_MECHANISMS.find((mechanism) => mechanism.code === code);
}

export function scramMechanismByName(name: string): ScramMechanism | undefined {
  return SCRAM_MECHANISMS.find((mechanism) => mechanism.name === name);
}

/** StoredKey = H(HMAC(salted, "Client Key")), ServerKey = HMAC(salted, "Server Key"). */
export function scramKeys({ digest }: ScramMechanism, saltedPassword: Buffer): ScramKeys {
  const clientKey = createHmac(digest, saltedPassword).update('Client Key').digest();
  const storedKey = createHash(digest).update(clientKey).digest();
  clientKey.fill(0);
  return { storedKey, serverKey: createHmac(digest, saltedPassword).update('Server Key').digest() };
}

/** Kafka's tools draw a salt of 130 bits and write it in base 36; what we draw looks the same. */
const SALT_BITS = 130n;

/** A salt made of 64 bytes. */
export function saltText(bytes: Buffer): Buffer {
  const number = BigInt(`0x${bytes.toString('hex')}`) >> (8n * BigInt(bytes.length) - SALT_BITS);
  return Buffer.from(number.toString(36));
}
