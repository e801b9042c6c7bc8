/**
 * Owns the reading of what node:crypto does not show of a certificate (RFC 5280, 4), for certificates
 * of CAs that are not ours: signature algorithm, subject in RFC 2253's form, and the extensions with
 * their criticality.
 *
 * Invariant: whatever is not in order, stated twice or beyond its bounds throws PkiError; nothing has
 * a default that grants something.
 */
import type { KeyObject } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import { ExtensionOid } from './certificate-extensions.ts';
import { Tag } from './der.ts';
import { type DerNode, DerWalk, rawOf, SEQUENCE, wholeOf } from './der-walk.ts';
import { objectIdText, rfc2253NameOf } from './distinguished-name.ts';

export interface CertificateFacts {
  /** RFC 2253, as Java has it. */
  readonly subject: string;
  /** Null when the certificate has none, then it restricts nothing. */
  readonly keyUsage: ReadonlySet<KeyUsage> | null;
  readonly extendedKeyUsages: readonly string[] | null;
  readonly isCa: boolean;
  readonly hasNameConstraints: boolean;
  /** Critical extensions that are not understood here. */
  readonly unknownCritical: readonly string[];
  /** Null when it is one of the strong ones; else its OID. */
  readonly weakSignature: string | null;
}

const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

const WHAT = 'the certificate';
const CERTIFICATE_POLICIES = '2.5.29.32';
const UNDERSTOOD: ReadonlySet<string> = new Set([
  ExtensionOid.basicConstraints,
  ExtensionOid.keyUsage,
  ExtensionOid.extendedKeyUsage,
  ExtensionOid.subjectAltName,
  CERTIFICATE_POLICIES,
]);
/** ECDSA and RSA (PKCS #1) with SHA-2, Ed25519. RSA-PSS may hide any digest in its parameters. */
const STRONG_SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.3.101.112',
]);
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const RSA_BITS_MIN = 2048;
const CERTIFICATE_BYTES_MAX = 32 * 1024;
const NAME_BYTES_MAX = 1024;
const EXTENSIONS_MAX = 64;
const VERSION_3 = '02';
const CONTEXT_0 = 0xa0;
const CONTEXT_3 = 0xa3;
/** issuerUniqueID and subjectUniqueID. */
const UNIQUE_IDS = [0x81, 0x82] as const;

/** Throws PkiError when the certificate is not in order. */
export function readCertificateFacts(der: Buffer): CertificateFacts {
  if (der.length > CERTIFICATE_BYTES_MAX) throw new PkiError(`${WHAT} is too large`);
  const whole = walk(der, wholeOf(der));
  const certificate = walk(der, whole.take(SEQUENCE));
  whole.finish();
  const fields = walk(der, certificate.take(SEQUENCE));
  const outerAlgorithm = certificate.take(SEQUENCE);
  const version = walk(der, fields.take(CONTEXT_0));
  if (version.hex(version.take(Tag.INTEGER)) !== VERSION_3) {
    throw new PkiError(`${WHAT} is not of version 3`);
  }
  fields.take(Tag.INTEGER);
  const algorithm = fields.take(SEQUENCE);
  if (!rawOf(der, algorithm).equals(rawOf(der, outerAlgorithm))) {
    throw new PkiError(`${WHAT} names two signature algorithms`);
  }
  fields.take(SEQUENCE); // Issuer.
  fields.take(SEQUENCE); // Validity.
  const subject = fields.take(SEQUENCE);
  if (subject.end - subject.start > NAME_BYTES_MAX) throw new PkiError('the subject is too long');
  fields.take(SEQUENCE); // Public key.
  for (const tag of UNIQUE_IDS) if (fields.nextIs(tag)) fields.take(tag);
  const extensions = fields.done ? [] : extensionsIn(der, fields.take(CONTEXT_3));
  fields.finish();
  const oid = objectIdText(der, walk(der, algorithm).take(Tag.OID));
  return {
    subject: rfc2253NameOf(der, subject),
    ...statedBy(der, new Map(extensions.map((one) => [one.oid, one.value]))),
    unknownCritical: extensions
      .filter((one) => one.isCritical && !UNDERSTOOD.has(one.oid))
      .map((one) => one.oid),
    weakSignature: STRONG_SIGNATURES.has(oid) ? null : oid,
  };
}

/** What is wrong with the key; null when it is strong enough. */
export function weaknessOf(key: KeyObject): string | null {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return null;
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    return bits >= RSA_BITS_MIN ? null : `an RSA key of ${bits} bits`;
  }
  if (type === 'ec' && CURVES.has(details?.namedCurve ?? '')) return null;
  return `a key of type ${type ?? 'unknown'} ${details?.namedCurve ?? ''}`.trimEnd();
}

const walk = (der: Buffer, node: DerNode): DerWalk => new DerWalk(der, node, WHAT);

interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  /** What the OCTET STRING holds. */
  readonly value: DerNode;
}

function extensionsIn(der: Buffer, wrapped: DerNode): Extension[] {
  const outer = walk(der, wrapped);
  const all = walk(der, outer.take(SEQUENCE));
  outer.finish();
  const found = new Map<string, Extension>();
  while (!all.done) {
    const one = walk(der, all.take(SEQUENCE));
    const oid = objectIdText(der, one.take(Tag.OID));
    const isCritical = one.nextIs(Tag.BOOLEAN) && one.hex(one.take(Tag.BOOLEAN)) !== '00';
    const value = one.take(Tag.OCTET_STRING);
    one.finish();
    if (found.has(oid)) throw new PkiError(`${WHAT} states extension ${oid} twice`);
    if (found.size >= EXTENSIONS_MAX) throw new PkiError(`${WHAT} has too many extensions`);
    found.set(oid, { oid, isCritical, value });
  }
  return [...found.values()];
}

function statedBy(
  der: Buffer,
  values: ReadonlyMap<string, DerNode>,
): Pick<CertificateFacts, 'keyUsage' | 'extendedKeyUsages' | 'isCa' | 'hasNameConstraints'> {
  const usage = values.get(ExtensionOid.keyUsage);
  const extended = values.get(ExtensionOid.extendedKeyUsage);
  const basic = values.get(ExtensionOid.basicConstraints);
  return {
    keyUsage: usage === undefined ? null : keyUsageIn(der, usage),
    extendedKeyUsages: extended === undefined ? null : objectIdsIn(der, extended),
    isCa: basic !== undefined && isCaIn(der, basic),
    hasNameConstraints: values.has(ExtensionOid.nameConstraints),
  };
}

function keyUsageIn(der: Buffer, value: DerNode): Set<KeyUsage> {
  const outer = walk(der, value);
  const bits = outer.take(Tag.BIT_STRING);
  outer.finish();
  // Its first octet counts unused bits; decipherOnly, the ninth bit, is of no interest.
  const octet = bits.end - bits.content >= 2 ? der[bits.content + 1]! : 0;
  return new Set(KEY_USAGES.filter((_, at) => (octet & (0x80 >> at)) !== 0));
}

function objectIdsIn(der: Buffer, value: DerNode): string[] {
  const outer = walk(der, value);
  const list = walk(der, outer.take(SEQUENCE));
  outer.finish();
  const found: string[] = [];
  while (!list.done) found.push(objectIdText(der, list.take(Tag.OID)));
  return found;
}

function isCaIn(der: Buffer, value: DerNode): boolean {
  const outer = walk(der, value);
  const basic = walk(der, outer.take(SEQUENCE));
  outer.finish();
  return basic.nextIs(Tag.BOOLEAN) && basic.hex(basic.take(Tag.BOOLEAN)) !== '00';
}
