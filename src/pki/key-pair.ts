/** Owns key generation and the signature algorithm that goes with each kind of key. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import { type Asn1, nothing, objectId, sequence } from './der.ts';

export const KEY_TYPES = ['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072'] as const;
export type KeyType = (typeof KEY_TYPES)[number];
export const DEFAULT_KEY_TYPE: KeyType = 'p256';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const spkis = new WeakMap<KeyObject, Buffer>();

/** A public key as it stands in certificates; encoded once for each object, which is slow. */
export function spkiOf(publicKey: KeyObject): Buffer {
  const known = spkis.get(publicKey);
  if (known !== undefined) return known;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  spkis.set(publicKey, spki);
  return spki;
}

/** Names a public key in the list of what was issued: SHA-256 of it, hexadecimal. */
export const keyIdOf = (publicKey: KeyObject): string =>
  createHash('sha256').update(spkiOf(publicKey)).digest('hex');

export function checkKeyType(text: string): KeyType {
  const found = KEY_TYPES.find((type) => type === text);
  if (found === undefined) {
    throw new PkiError(
      `${JSON.stringify(text)} is not a key type: use one of ${KEY_TYPES.join(', ')}`,
    );
  }
  return found;
}

export function createKeyPair(type: KeyType): KeyPair {
  switch (type) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'rsa2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'rsa3072':
      return generateKeyPairSync('rsa', { modulusLength: 3072 });
  }
}

/** How a key signs certificates: never SHA-1, and the digest is as strong as the key. */
export interface SignatureScheme {
  /** The AlgorithmIdentifier, parameters as RFC 3279, 5758 and 8410 want them. */
  readonly algorithm: Asn1;
  /** null: the algorithm hashes by itself. */
  readonly digest: string | null;
  sign(bytes: Buffer, key: KeyObject): Buffer;
}

const ECDSA_SHA256 = scheme('1.2.840.10045.4.3.2', 'sha256', false);
const ECDSA_SHA384 = scheme('1.2.840.10045.4.3.3', 'sha384', false);
const RSA_SHA256 = scheme('1.2.840.113549.1.1.11', 'sha256', true);
const ED25519 = scheme('1.3.101.112', null, false);

function scheme(oid: string, digest: string | null, nullParameters: boolean): SignatureScheme {
  const algorithm = nullParameters ? sequence(objectId(oid), nothing()) : sequence(objectId(oid));
  return { algorithm, digest, sign: (bytes, key) => sign(digest, bytes, key) };
}

/** Of a private key, or of the public one that belongs to it. */
export function signatureSchemeOf(key: KeyObject): SignatureScheme {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  switch (key.asymmetricKeyType) {
    case 'ec':
      if (curve === 'prime256v1') return ECDSA_SHA256;
      if (curve === 'secp384r1') return ECDSA_SHA384;
      break;
    case 'rsa':
      return RSA_SHA256;
    case 'ed25519':
      return ED25519;
  }
  throw new PkiError(
    `a CA key of type ${key.asymmetricKeyType} ${curve ?? ''} cannot sign here: ` +
      `use one of ${KEY_TYPES.join(', ')}`,
  );
}
