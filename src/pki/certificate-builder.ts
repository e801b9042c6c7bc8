/**
 * Owns the encoding of an X.509 v3 certificate (RFC 5280) from a profile, and its signature.
 *
 * Invariant: extensions are exactly the profile's; the validity lies inside the issuer's.
 */
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import type { Random } from '../base/random.ts';
import { ExtensionOid, extensionValue, GeneralNameTag } from './certificate-extensions.ts';
import type { CertificateProfile, SubjectName } from './certificate-profile.ts';
import {
  type Asn1,
  bitString,
  boolean,
  bytesOf,
  childrenOf,
  context,
  contextBytes,
  fromDer,
  integer,
  objectId,
  octetString,
  sequence,
  setOf,
  time,
  toDer,
  utf8String,
} from './der.ts';
import { spkiOf } from './key-pair.ts';
import type { Signer } from './signer.ts';

export interface CertificateRequest {
  readonly profile: CertificateProfile;
  readonly publicKey: KeyObject;
  /** null: self-signed by `signer`, whose key must then be `publicKey`. */
  readonly issuer: X509Certificate | null;
  readonly signer: Signer;
  /** Where the issuer's CRL is published; left out where it is nowhere. */
  readonly crlUrl?: string | undefined;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly random: Random;
}

const EXTENDED_KEY_USAGE = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;
const ATTRIBUTE = {
  organization: '2.5.4.10',
  unit: '2.5.4.11',
  commonName: '2.5.4.3',
} as const;
/** KeyUsage bits with their count of unused bits: digitalSignature; keyCertSign and cRLSign. */
const USAGE_OF_LEAF = bitString(Buffer.from([0x80]), 7);
const USAGE_OF_CA = bitString(Buffer.from([0x06]), 1);
const VERSION_3 = 2;

export function buildCertificate(request: CertificateRequest): X509Certificate {
  const { signer } = request;
  const subjectPublicKey = spkiOf(request.publicKey);
  const subject = encodeName(request.profile.subject);
  const tbs = toDer(
    sequence(
      context(0, integer(VERSION_3)),
      integer(randomSerial(request.random)),
      signer.algorithm,
      request.issuer === null ? subject : issuerFacts(request.issuer).subject,
      sequence(time(request.notBeforeMs), time(request.notAfterMs)),
      subject,
      fromDer(subjectPublicKey),
      context(3, sequence(...extensions(request, subjectPublicKey))),
    ),
  );
  const der = toDer(sequence(fromDer(tbs), signer.algorithm, bitString(signer.sign(tbs))));
  return new X509Certificate(der);
}

/** 128 bits, positive and never short: unguessable, and unlike any other serial of this CA. */
function randomSerial(random: Random): Buffer {
  const bytes = random.bytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

function encodeName(name: SubjectName): Asn1 {
  const attribute = (oid: string, text: string): Asn1 =>
    setOf(sequence(objectId(oid), utf8String(text)));
  return sequence(
    attribute(ATTRIBUTE.organization, name.organization),
    ...(name.unit === undefined ? [] : [attribute(ATTRIBUTE.unit, name.unit)]),
    attribute(ATTRIBUTE.commonName, name.commonName),
  );
}

interface IssuerFacts {
  readonly subject: Asn1;
  readonly keyIdentifier: Buffer;
}

/** A CA signs thousands in a row: it is parsed once. */
const factsOfIssuers = new WeakMap<X509Certificate, IssuerFacts>();

function issuerFacts(certificate: X509Certificate): IssuerFacts {
  const known = factsOfIssuers.get(certificate);
  if (known !== undefined) return known;
  const facts = { subject: subjectOf(certificate), keyIdentifier: keyIdentifierOf(certificate) };
  factsOfIssuers.set(certificate, facts);
  return facts;
}

/** The issuer's subject exactly as it was encoded, so that names compare byte for byte. */
export function subjectOf(certificate: X509Certificate): Asn1 {
  const fields = childrenOf(childrenOf(fromDer(certificate.raw))[0]!);
  return fields[5]!;
}

/** The leftmost 160 bits of SHA-256 over the key's bits (RFC 7093, method 1). */
export function keyIdentifier(subjectPublicKey: Buffer): Buffer {
  const keyBits = bytesOf(childrenOf(fromDer(subjectPublicKey))[1]!).subarray(1);
  return createHash('sha256').update(keyBits).digest().subarray(0, 20);
}

function extensions(request: CertificateRequest, subjectPublicKey: Buffer): Asn1[] {
  const { profile, issuer } = request;
  const isCa = profile.pathLength !== null;
  const subjectKeyId = keyIdentifier(subjectPublicKey);
  const basic = profile.pathLength === null ? [] : [boolean(true), integer(profile.pathLength)];
  return [
    extension(ExtensionOid.basicConstraints, true, sequence(...basic)),
    extension(ExtensionOid.keyUsage, true, isCa ? USAGE_OF_CA : USAGE_OF_LEAF),
    extension(
      ExtensionOid.extendedKeyUsage,
      false,
      sequence(...profile.extendedKeyUsages.map((usage) => objectId(EXTENDED_KEY_USAGE[usage]))),
    ),
    extension(ExtensionOid.subjectAltName, false, encodeAlternativeNames(profile)),
    ...(profile.permittedUriHost === null
      ? []
      : [extension(ExtensionOid.nameConstraints, true, nameConstraints(profile.permittedUriHost))]),
    extension(ExtensionOid.subjectKeyIdentifier, false, octetString(subjectKeyId)),
    extension(
      ExtensionOid.authorityKeyIdentifier,
      false,
      sequence(contextBytes(0, issuer === null ? subjectKeyId : issuerFacts(issuer).keyIdentifier)),
    ),
    ...(request.crlUrl === undefined ? [] : [distributionPoint(request.crlUrl)]),
  ];
}

/** One place, for all reasons (RFC 5280, 4.2.1.13). */
function distributionPoint(url: string): Asn1 {
  const name = contextBytes(GeneralNameTag.uri, Buffer.from(url, 'latin1'));
  const point = sequence(context(0, context(0, name)));
  return extension(ExtensionOid.crlDistributionPoints, false, sequence(point));
}

export function extension(oid: string, critical: boolean, value: Asn1): Asn1 {
  return sequence(objectId(oid), ...(critical ? [boolean(true)] : []), octetString(toDer(value)));
}

export function keyIdentifierOf(issuer: X509Certificate): Buffer {
  const stated = extensionValue(issuer, ExtensionOid.subjectKeyIdentifier);
  return stated === null ? keyIdentifier(spkiOf(issuer.publicKey)) : bytesOf(stated);
}

function encodeAlternativeNames(profile: CertificateProfile): Asn1 {
  const { dns = [], ip = [], uri = [] } = profile.alternativeNames;
  return sequence(
    ...dns.map((name) => contextBytes(GeneralNameTag.dns, Buffer.from(name, 'latin1'))),
    ...ip.map((address) => contextBytes(GeneralNameTag.ip, encodeAddress(address))),
    ...uri.map((text) => contextBytes(GeneralNameTag.uri, Buffer.from(text, 'latin1'))),
  );
}

/**
 * Permits one URI host and no other kind of name that a TLS peer looks at (RFC 5280, 4.2.1.10): a
 * kind that is not mentioned would be unrestricted. E-mail is confined to a host that cannot exist
 * (RFC 6761), since Java refuses to read the empty constraint that would exclude it. Java 17 cannot
 * evaluate the empty DNS constraint either (it takes a common name for an implied DNS name and
 * throws): a Java server that shall accept these clients must have the tenant's CA, not the client
 * root, in its truststore.
 */
function nameConstraints(uriHost: string): Asn1 {
  const subtree = (tag: number, bytes: Buffer): Asn1 => sequence(contextBytes(tag, bytes));
  return sequence(
    context(
      0,
      subtree(GeneralNameTag.uri, Buffer.from(uriHost, 'latin1')),
      subtree(GeneralNameTag.email, Buffer.from('invalid', 'latin1')),
    ),
    context(
      1,
      subtree(GeneralNameTag.dns, Buffer.alloc(0)),
      subtree(GeneralNameTag.ip, Buffer.alloc(8)),
      subtree(GeneralNameTag.ip, Buffer.alloc(32)),
    ),
  );
}

/** 4 bytes for IPv4, 16 for IPv6 (which may end in dotted IPv4, RFC 4291, 2.2). */
export function encodeAddress(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const plain = address.replace(/[\d.]+$/, (tail) =>
    isIPv4(tail)
      ? encodeAddress(tail)
          .toString('hex')
          .replace(/^(....)/, '$1:')
      : tail,
  );
  const [head = '', tail] = plain.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  const all = [...left, ...zeros, ...right].map((group) => group.padStart(4, '0'));
  return Buffer.from(all.join(''), 'hex');
}
