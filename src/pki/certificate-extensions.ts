/**
 * Owns the reading of those extensions that node:crypto does not show: path length, name
 * constraints, criticality.
 *
 * Invariant: anything unexpected in an extension is an error, never a default. It runs when a CA is
 * registered or shown, not on connections.
 */
import type { X509Certificate } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import {
  type Asn1,
  bytesOf,
  childrenOf,
  fromDer,
  isContext,
  isUniversal,
  objectIdOf,
  Tag,
} from './der.ts';

export const ExtensionOid = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Tags of GeneralName (RFC 5280, 4.2.1.6). */
export const GeneralNameTag = { email: 1, dns: 2, uri: 6, ip: 7 } as const;

interface Extension {
  readonly critical: boolean;
  readonly value: Asn1;
}

function readExtensions(certificate: X509Certificate): Map<string, Extension> {
  const fields = childrenOf(childrenOf(fromDer(certificate.raw))[0]!);
  const wrapped = fields.find((field) => isContext(field, 3));
  const found = new Map<string, Extension>();
  for (const entry of wrapped === undefined ? [] : childrenOf(childrenOf(wrapped)[0]!)) {
    const parts = childrenOf(entry);
    const oid = objectIdOf(parts[0]!);
    if (found.has(oid)) throw new PkiError(`the certificate states extension ${oid} twice`);
    const critical = parts.length === 3 && bytesOf(parts[1]!)[0] !== 0;
    found.set(oid, { critical, value: fromDer(bytesOf(parts.at(-1)!)) });
  }
  return found;
}

/** The decoded value of one extension, or null when the certificate does not have it. */
export function extensionValue(certificate: X509Certificate, oid: string): Asn1 | null {
  return readExtensions(certificate).get(oid)?.value ?? null;
}

export interface CaConstraints {
  /** null: any number of CAs may stand below. */
  readonly pathLength: number | null;
  /** Hosts that URIs may have; null when URIs are not restricted, or not critically. */
  readonly permittedUriHosts: readonly string[] | null;
}

/** What a CA certificate may sign, as far as Breakwater relies on it. */
export function readCaConstraints(certificate: X509Certificate): CaConstraints {
  const extensions = readExtensions(certificate);
  const basic = extensions.get(ExtensionOid.basicConstraints);
  const length = basic && childrenOf(basic.value).find((part) => isUniversal(part, Tag.INTEGER));
  return {
    pathLength: length === undefined ? null : Number.parseInt(bytesOf(length).toString('hex'), 16),
    permittedUriHosts: permittedUriHosts(extensions.get(ExtensionOid.nameConstraints)),
  };
}

function permittedUriHosts(constraints: Extension | undefined): string[] | null {
  if (constraints === undefined || !constraints.critical) return null;
  const permitted = childrenOf(constraints.value).find((part) => isContext(part, 0));
  const hosts = (permitted === undefined ? [] : childrenOf(permitted))
    .map((subtree) => childrenOf(subtree)[0]!)
    .filter((base) => isContext(base, GeneralNameTag.uri))
    .map((base) => bytesOf(base).toString('latin1'));
  return hosts.length === 0 ? null : hosts;
}
