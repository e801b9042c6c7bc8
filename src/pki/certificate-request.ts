/**
 * Owns the reading of a certificate signing request (PKCS #10, RFC 2986) and what may be in one.
 *
 * Invariant: only the public key leaves this file, after its signature proved that who asks has the
 * private half. Names in the request are not read: whom a certificate is for is the operator's to
 * say. A request to be a CA, or to hold a weak or unusual key, is refused, not mended.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import { ExtensionOid } from './certificate-extensions.ts';
import {
  type Asn1,
  bytesOf,
  childrenOf,
  fromDer,
  isContext,
  isUniversal,
  objectIdOf,
  splitPem,
  Tag,
  toDer,
} from './der.ts';

const LENGTH_MAX = 65_536;
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const RSA_BITS = { min: 2048, max: 8192 } as const;
const RSA_EXPONENT_MIN = 65_537n;
const KEY_CERT_SIGN_AND_CRL_SIGN = 0x06;

/** Digest by the algorithm of the request's signature; SHA-1 and older are not among them. */
const SIGNATURES: Readonly<Record<string, { key: string; digest: string | null }>> = {
  '1.2.840.10045.4.3.2': { key: 'ec', digest: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ec', digest: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ec', digest: 'sha512' },
  '1.2.840.113549.1.1.11': { key: 'rsa', digest: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', digest: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', digest: 'sha512' },
  '1.3.101.112': { key: 'ed25519', digest: null },
};

/** The public key that a PEM or DER request proves to have. Throws PkiError naming `what`. */
export function readCertificateRequest(request: Buffer, what: string): KeyObject {
  const refuse = (why: string): never => {
    throw new PkiError(`${what} is refused: ${why}`);
  };
  if (request.length > LENGTH_MAX) refuse(`it is larger than ${LENGTH_MAX} bytes`);
  const der = derOf(request) ?? refuse('it is no certificate request (PEM or DER)');
  const fields = partsOf(der) ?? refuse('it is no certificate request (PEM or DER)');
  const publicKey = parseKey(fields.subjectPublicKey) ?? refuse('its key cannot be read');
  const weakness = weaknessOf(publicKey);
  if (weakness !== null) refuse(weakness);
  const algorithm = SIGNATURES[fields.algorithm];
  if (algorithm === undefined) {
    refuse(`its signature is of a kind that is not accepted (${fields.algorithm}): use SHA-256`);
  } else if (algorithm.key !== publicKey.asymmetricKeyType) {
    refuse('its signature is of another kind than its key');
  } else if (!proves(algorithm.digest, fields.signed, publicKey, fields.signature)) {
    refuse('its signature does not prove possession of the key');
  }
  const wish = forbiddenWish(fields.attributes);
  if (wish !== null) refuse(wish);
  return publicKey;
}

function derOf(request: Buffer): Buffer | null {
  const text = request.toString('latin1');
  if (!text.includes('-----BEGIN')) return request;
  const blocks = [
    ...splitPem('CERTIFICATE REQUEST', text),
    ...splitPem('NEW CERTIFICATE REQUEST', text),
  ];
  const body = blocks.length === 1 ? blocks[0]!.replace(/-----[^-]+-----/g, '') : '';
  return /^[A-Za-z0-9+/=\s]+$/.test(body) ? Buffer.from(body, 'base64') : null;
}

interface RequestParts {
  /** The bytes that the signature is over, as they were sent. */
  readonly signed: Buffer;
  readonly subjectPublicKey: Buffer;
  readonly attributes: Asn1[];
  readonly algorithm: string;
  readonly signature: Buffer;
}

function partsOf(der: Buffer): RequestParts | null {
  try {
    const whole = fromDer(der);
    const [info, algorithm, signature, ...more] = childrenOf(whole);
    if (!info || !algorithm || !signature || more.length > 0) return null;
    if (![whole, info, algorithm].every((node) => isUniversal(node, Tag.SEQUENCE))) return null;
    const [version, subject, key, attributes, ...rest] = childrenOf(info);
    if (!version || !isUniversal(version, Tag.INTEGER) || !subject || !key) return null;
    if (rest.length > 0 || !isUniversal(signature, Tag.BIT_STRING)) return null;
    const [oid] = childrenOf(algorithm);
    if (bytesOf(signature)[0] !== 0 || !oid || !isUniversal(oid, Tag.OID)) return null;
    const subjectPublicKey = toDer(key);
    // Two encodings of one request would make "what was signed" a matter of opinion.
    if (!toDer(fromDer(der)).equals(der)) return null;
    return {
      signed: toDer(info),
      subjectPublicKey,
      attributes:
        attributes !== undefined && isContext(attributes, 0) ? childrenOf(attributes) : [],
      algorithm: objectIdOf(oid),
      signature: bytesOf(signature).subarray(1),
    };
  } catch {
    return null;
  }
}

function parseKey(spki: Buffer): KeyObject | null {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

/** Why a key may not stand in a certificate; null when it may. */
export function weaknessOf(key: KeyObject): string | null {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return null;
    case 'ec':
      if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') return null;
      return `its key is on the curve ${namedCurve ?? '(unnamed)'}: use P-256 or P-384`;
    case 'rsa':
      if (modulusLength < RSA_BITS.min || modulusLength > RSA_BITS.max) {
        return `its RSA key has ${modulusLength} bits: use ${RSA_BITS.min} to ${RSA_BITS.max}`;
      }
      if (publicExponent < RSA_EXPONENT_MIN || publicExponent % 2n === 0n) {
        return `its RSA key has the exponent ${publicExponent}: use ${RSA_EXPONENT_MIN}`;
      }
      return null;
  }
  return `its key is of type ${key.asymmetricKeyType}: use P-256, P-384, Ed25519 or RSA`;
}

function proves(
  digest: string | null,
  signed: Buffer,
  publicKey: KeyObject,
  signature: Buffer,
): boolean {
  try {
    return verify(digest, signed, publicKey, signature);
  } catch {
    return false;
  }
}

/** What the request wants that no device may have; null when nothing. */
function forbiddenWish(attributes: Asn1[]): string | null {
  try {
    return wishIn(attributes);
  } catch {
    return 'its attributes cannot be read';
  }
}

function wishIn(attributes: Asn1[]): string | null {
  for (const attribute of attributes) {
    const [oid, values] = childrenOf(attribute);
    if (oid === undefined || objectIdOf(oid) !== EXTENSION_REQUEST) continue;
    for (const extension of childrenOf(childrenOf(values!)[0]!)) {
      const parts = childrenOf(extension);
      const value = fromDer(bytesOf(parts.at(-1)!));
      const asked = objectIdOf(parts[0]!);
      const isCa = childrenOf(value).some(isTrue);
      if (asked === ExtensionOid.basicConstraints && isCa) return 'it asks to be a CA';
      const usage = bytesOf(value)[1] ?? 0;
      if (asked === ExtensionOid.keyUsage && (usage & KEY_CERT_SIGN_AND_CRL_SIGN) !== 0) {
        return 'it asks for the right to sign certificates';
      }
    }
  }
  return null;
}

const isTrue = (node: Asn1): boolean => isUniversal(node, Tag.BOOLEAN) && bytesOf(node)[0] !== 0;
