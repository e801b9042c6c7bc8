/**
 * Owns how a CA signs: the interface that everything which issues goes through, and the signer for a
 * key that this process holds. A KMS or a PKCS#11 token is another Signer (see command-signer.ts).
 *
 * Invariant: what a Signer returns is a signature by `publicKey` in the form that X.509 wants (DER
 * for ECDSA), or it throws PkiError.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Asn1 } from './der.ts';
import { signatureSchemeOf } from './key-pair.ts';

/** What a worker thread needs to sign as this one does. */
export type SignerSpec =
  | { readonly kind: 'key'; readonly privateKey: KeyObject }
  | {
      readonly kind: 'command';
      readonly command: readonly string[];
      readonly publicKey: KeyObject;
    };

export interface Signer {
  readonly publicKey: KeyObject;
  /** The AlgorithmIdentifier that stands in what is signed. */
  readonly algorithm: Asn1;
  sign(bytes: Buffer): Buffer;
  /** null: cannot leave this thread. */
  readonly spec: SignerSpec | null;
}

export function keySigner(privateKey: KeyObject): Signer {
  const scheme = signatureSchemeOf(privateKey);
  return {
    publicKey: createPublicKey(privateKey),
    algorithm: scheme.algorithm,
    sign: (bytes) => scheme.sign(bytes, privateKey),
    spec: { kind: 'key', privateKey },
  };
}
