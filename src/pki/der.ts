/**
 * Owns DER and PEM as text on disk: small builders over node-forge's ASN.1 encoder, and the way back.
 *
 * Invariant: what is built here is DER (definite lengths, minimal integers). Parsing is for
 * certificates that an operator hands over; no byte from a client connection comes here.
 */
import asn1, { type Asn1 } from 'node-forge/lib/asn1.js';
import { PkiError } from '../base/errors.ts';

export type { Asn1 };

const { Class } = asn1;
/** Universal tag numbers (X.680, 8.6). */
export const Tag = {
  BOOLEAN: 1,
  INTEGER: 2,
  BIT_STRING: 3,
  OCTET_STRING: 4,
  NULL: 5,
  OID: 6,
  ENUMERATED: 10,
  UTF8_STRING: 12,
  SEQUENCE: 16,
  SET: 17,
  PRINTABLE_STRING: 19,
  T61_STRING: 20,
  IA5_STRING: 22,
  UTC_TIME: 23,
  GENERALIZED_TIME: 24,
  GENERAL_STRING: 27,
  BMP_STRING: 30,
} as const;
/** Nesting deeper than any certificate; a deeper one is refused. */
const DEPTH_MAX = 32;

function primitive(tag: number, bytes: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, tag, false, bytes);
}

function constructed(tag: number, children: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, tag, true, children);
}

export const sequence = (...children: Asn1[]): Asn1 => constructed(Tag.SEQUENCE, children);

/** A SET OF: DER orders the elements by their encodings (X.690, 11.6). */
export const setOf = (...children: Asn1[]): Asn1 =>
  constructed(
    Tag.SET,
    children.length < 2 ? children : children.toSorted((a, b) => toDer(a).compare(toDer(b))),
  );

export const objectId = (dotted: string): Asn1 =>
  primitive(Tag.OID, asn1.oidToDer(dotted).getBytes());

export const boolean = (value: boolean): Asn1 => primitive(Tag.BOOLEAN, value ? '\xff' : '\x00');

export const nothing = (): Asn1 => primitive(Tag.NULL, '');

export const utf8String = (text: string): Asn1 =>
  primitive(Tag.UTF8_STRING, Buffer.from(text, 'utf8').toString('latin1'));

/** A BMPString, which PKCS#12 friendly names use; the encoder itself makes two bytes a character. */
export const bmpString = (text: string): Asn1 => primitive(Tag.BMP_STRING, text);

export const enumerated = (value: number): Asn1 =>
  primitive(Tag.ENUMERATED, String.fromCharCode(value));

export const octetString = (bytes: Buffer): Asn1 =>
  primitive(Tag.OCTET_STRING, bytes.toString('latin1'));

export const bitString = (bytes: Buffer, unusedBits = 0): Asn1 =>
  primitive(Tag.BIT_STRING, String.fromCharCode(unusedBits) + bytes.toString('latin1'));

/** A non-negative INTEGER: a safe number, or an unsigned big-endian magnitude. */
export function integer(value: number | Buffer): Asn1 {
  let bytes = typeof value === 'number' ? magnitude(value) : value;
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  bytes = bytes.subarray(start);
  if ((bytes[0] ?? 0) >= 0x80) bytes = Buffer.concat([Buffer.from([0]), bytes]);
  return primitive(Tag.INTEGER, bytes.toString('latin1'));
}

function magnitude(value: number): Buffer {
  const digits = value.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
}

/** UTCTime to the end of 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). */
export function time(atMs: number): Asn1 {
  const at = new Date(atMs);
  return at.getUTCFullYear() < 2050
    ? primitive(Tag.UTC_TIME, asn1.dateToUtcTime(at))
    : primitive(Tag.GENERALIZED_TIME, asn1.dateToGeneralizedTime(at));
}

/** `[tag] EXPLICIT` or an implicitly tagged constructed type: context class, constructed. */
export const context = (tag: number, ...children: Asn1[]): Asn1 =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag, true, children);

/** `[tag] IMPLICIT` of a primitive type. */
export const contextBytes = (tag: number, bytes: Buffer): Asn1 =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag, false, bytes.toString('latin1'));

export const toDer = (node: Asn1): Buffer => Buffer.from(asn1.toDer(node).getBytes(), 'latin1');

/** Parses DER; throws PkiError when the bytes are not one whole ASN.1 value. */
export function fromDer(bytes: Buffer): Asn1 {
  try {
    return asn1.fromDer(bytes.toString('latin1'), {
      strict: true,
      parseAllBytes: true,
      decodeBitStrings: false,
      maxDepth: DEPTH_MAX,
    });
  } catch (cause) {
    throw new PkiError('not a DER structure', { cause });
  }
}

/** The children of a constructed value; [] for a primitive one. */
export function childrenOf(node: Asn1): Asn1[] {
  return Array.isArray(node.value) ? node.value : [];
}

/** The content bytes of a primitive value; empty for a constructed one. */
export function bytesOf(node: Asn1): Buffer {
  return typeof node.value === 'string' ? Buffer.from(node.value, 'latin1') : Buffer.alloc(0);
}

/** The dotted form of an OID value. */
export function objectIdOf(node: Asn1): string {
  return typeof node.value === 'string' ? asn1.derToOid(node.value) : '';
}

export const isUniversal = (node: Asn1, tag: number): boolean =>
  node.tagClass === Class.UNIVERSAL && node.type === tag;

export const isContext = (node: Asn1, tag: number): boolean =>
  node.tagClass === Class.CONTEXT_SPECIFIC && node.type === tag;

export type PemLabel =
  | 'CERTIFICATE'
  | 'PRIVATE KEY'
  | 'ENCRYPTED PRIVATE KEY'
  | 'CERTIFICATE REQUEST'
  | 'NEW CERTIFICATE REQUEST'
  | 'X509 CRL';

export function toPem(label: PemLabel, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Every PEM block of one label, as the PEM texts themselves, in order. */
export function splitPem(label: PemLabel, text: string): string[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----[\\s\\S]+?-----END ${label}-----`, 'g');
  return text.match(pattern) ?? [];
}

/** The bytes of one PEM block. */
export function pemBytes(block: string): Buffer {
  return Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64');
}
