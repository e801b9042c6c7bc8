/**
 * Owns PKCS#12 files (RFC 7292): a key with its chain, and a truststore for Java.
 *
 * Invariant: PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA256 throughout, HMAC-SHA256 over the whole.
 * Files are written here and never read: reading has no cap on iterations.
 */

import type { X509Certificate } from 'node:crypto';
import { createHash, createHmac, type KeyObject } from 'node:crypto';
import { type Random, systemRandom } from '../base/random.ts';
import {
  type Asn1,
  bmpString,
  context,
  contextBytes,
  integer,
  nothing,
  objectId,
  octetString,
  sequence,
  setOf,
  toDer,
} from './der.ts';
import { encrypt, SALT_BYTES, type Sealing } from './pbes2.ts';

const Oid = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  /** Oracle's trustedKeyUsage: without it keytool shows a truststore as empty. */
  trustedKeyUsage: '2.16.840.1.113894.746875.1.1',
  anyExtendedKeyUsage: '2.5.29.37.0',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const;

export interface Pkcs12Options {
  readonly password: string;
  /** PBKDF2 and MAC rounds; 10,000 (Java's default) when absent. */
  readonly iterations?: number;
  readonly random?: Random;
}

const DEFAULT_ITERATIONS = 10_000;

const sealingOf = (options: Pkcs12Options): Sealing => ({
  password: options.password,
  iterations: options.iterations ?? DEFAULT_ITERATIONS,
  random: options.random ?? systemRandom,
});

/** A key store: `chain` begins with the certificate of `privateKey`. */
export function encodeKeyStore(
  alias: string,
  privateKey: KeyObject,
  chain: readonly X509Certificate[],
  options: Pkcs12Options,
): Buffer {
  const sealing = sealingOf(options);
  const localKeyId = createHash('sha256').update(chain[0]!.raw).digest().subarray(0, 20);
  const identity = [
    attribute(Oid.friendlyName, bmpString(alias)),
    attribute(Oid.localKeyId, octetString(localKeyId)),
  ];
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  const { algorithm, ciphertext } = encrypt(pkcs8, sealing);
  const keyBag = bag(Oid.shroudedKeyBag, sequence(algorithm, octetString(ciphertext)), identity);
  const certBags = chain.map((certificate, depth) =>
    certBag(certificate, depth === 0 ? identity : []),
  );
  return seal([encryptedSafe(certBags, sealing), plainSafe([keyBag])], sealing);
}

/** A truststore: certificates that Java may trust for any purpose, each under its alias. */
export function encodeTrustStore(
  entries: ReadonlyArray<{ readonly alias: string; readonly certificate: X509Certificate }>,
  options: Pkcs12Options,
): Buffer {
  const sealing = sealingOf(options);
  const bags = entries.map(({ alias, certificate }) =>
    certBag(certificate, [
      attribute(Oid.friendlyName, bmpString(alias)),
      attribute(Oid.trustedKeyUsage, objectId(Oid.anyExtendedKeyUsage)),
    ]),
  );
  return seal([encryptedSafe(bags, sealing)], sealing);
}

const attribute = (oid: string, value: Asn1): Asn1 => sequence(objectId(oid), setOf(value));

function bag(oid: string, value: Asn1, attributes: Asn1[]): Asn1 {
  const set = attributes.length === 0 ? [] : [setOf(...attributes)];
  return sequence(objectId(oid), context(0, value), ...set);
}

const certBag = (certificate: X509Certificate, attributes: Asn1[]): Asn1 =>
  bag(
    Oid.certBag,
    sequence(objectId(Oid.x509Certificate), context(0, octetString(certificate.raw))),
    attributes,
  );

const plainSafe = (bags: Asn1[]): Asn1 =>
  sequence(objectId(Oid.data), context(0, octetString(toDer(sequence(...bags)))));

function encryptedSafe(bags: Asn1[], sealing: Sealing): Asn1 {
  const { algorithm, ciphertext } = encrypt(toDer(sequence(...bags)), sealing);
  const content = sequence(objectId(Oid.data), algorithm, contextBytes(0, ciphertext));
  return sequence(objectId(Oid.encryptedData), context(0, sequence(integer(0), content)));
}

/** The PFX: the safes under one MAC. */
function seal(safes: Asn1[], sealing: Sealing): Buffer {
  const content = toDer(sequence(...safes));
  const salt = sealing.random.bytes(SALT_BYTES);
  const key = deriveMacKey(sealing.password, salt, sealing.iterations);
  const mac = createHmac('sha256', key).update(content).digest();
  const pfx = sequence(
    integer(3),
    sequence(objectId(Oid.data), context(0, octetString(content))),
    sequence(
      sequence(sequence(objectId(Oid.sha256), nothing()), octetString(mac)),
      octetString(salt),
      integer(sealing.iterations),
    ),
  );
  return toDer(pfx);
}

const MAC_KEY_PURPOSE = 3;
const SHA256_BLOCK_BYTES = 64;

/**
 * The key derivation of RFC 7292, appendix B.2, for SHA-256 and the 32 bytes that its HMAC wants:
 * one block, so the step that prepares further blocks never runs.
 */
function deriveMacKey(password: string, salt: Buffer, iterations: number): Buffer {
  const secret = Buffer.from(`${password}\0`, 'utf16le').swap16();
  const diversifier = Buffer.alloc(SHA256_BLOCK_BYTES, MAC_KEY_PURPOSE);
  let digest: Buffer = Buffer.concat([diversifier, fillBlocks(salt), fillBlocks(secret)]);
  for (let round = 0; round < iterations; round++) {
    digest = createHash('sha256').update(digest).digest();
  }
  return digest;
}

/** Repeats `bytes` up to a multiple of the hash's block size. */
function fillBlocks(bytes: Buffer): Buffer {
  const length = Math.ceil(bytes.length / SHA256_BLOCK_BYTES) * SHA256_BLOCK_BYTES;
  return Buffer.alloc(length, bytes);
}
