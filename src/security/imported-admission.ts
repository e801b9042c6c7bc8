/**
 * Owns the decision over certificates of imported CAs: whether the leaf may be a client's, which name
 * the tenant's rules give it, and which tenant it is of.
 *
 * Invariant: pure, and it fails closed. The tenant is one that the CA was imported for; the name is
 * a user's and nothing else: whatever the rules make that is no plain name is refused, so that it
 * cannot be a role, a fleet, an operator or in another tenant. What TLS thinks of the chain does not
 * count: the CA's key signed the leaf itself, and nothing else is looked at.
 */
import type { X509Certificate } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import {
  type CertificateFacts,
  readCertificateFacts,
  weaknessOf,
} from '../pki/certificate-facts.ts';
import { isSubjectName } from '../pki/identity-name.ts';
import type { RefusalReason } from './admission.ts';
import type { ImportedCa } from './imported-cas.ts';

export interface ImportedRefusal {
  readonly reason: RefusalReason;
  readonly detail: string;
}

export interface ImportedIdentity {
  readonly ca: ImportedCa;
  readonly name: string;
  readonly expiresAtMs: number;
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** The subject in its RFC 2253 form. */
const SUBJECT_LENGTH_MAX = 512;
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u;
/** Kafka's name for who did not prove anything. */
const RESERVED = 'anonymous';

const refusal = (reason: RefusalReason, detail: string): ImportedRefusal => ({ reason, detail });

/**
 * `signers` are the imports of the one key that signed. `serverTenant` is the tenant that the server
 * name of the handshake names, or null.
 */
export function identifyImported(
  certificate: X509Certificate,
  signers: readonly ImportedCa[],
  serverTenant: string | null,
  nowMs: number,
): ImportedIdentity | ImportedRefusal {
  const facts = factsOf(certificate);
  if ('reason' in facts) return facts;
  const problem = checkDates(certificate, signers[0]!, nowMs) ?? checkLeaf(certificate, facts);
  if (problem !== null) return problem;
  const ca = chooseTenant(signers, serverTenant);
  if ('reason' in ca) return ca;
  const name = nameIn(ca, facts.subject);
  if (typeof name !== 'string') return name;
  return { ca, name, expiresAtMs: Date.parse(certificate.validTo) };
}

function factsOf(certificate: X509Certificate): CertificateFacts | ImportedRefusal {
  try {
    return readCertificateFacts(certificate.raw);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return refusal('malformed_certificate', error.message);
  }
}

function checkDates(
  { validFrom, validTo }: X509Certificate,
  ca: ImportedCa,
  nowMs: number,
): ImportedRefusal | null {
  // Written so that an unreadable date (NaN) is refused.
  if (!(nowMs >= Date.parse(validFrom))) return refusal('not_yet_valid', `valid from ${validFrom}`);
  if (!(nowMs <= Date.parse(validTo))) return refusal('expired', `valid until ${validTo}`);
  if (nowMs >= ca.notBeforeMs && nowMs <= ca.notAfterMs) return null;
  return refusal('issuer_not_valid', `its CA is valid until ${ca.certificate.validTo}`);
}

function checkLeaf(certificate: X509Certificate, facts: CertificateFacts): ImportedRefusal | null {
  if (certificate.ca || facts.isCa) {
    return refusal('ca_certificate', 'a CA certificate is not an identity');
  }
  const usages = facts.extendedKeyUsages ?? [];
  if (!usages.includes(CLIENT_AUTH)) {
    return refusal('wrong_key_usage', `extended key usage: ${usages.join(', ') || 'none'}`);
  }
  if (facts.keyUsage !== null && !facts.keyUsage.has('digitalSignature')) {
    return refusal('wrong_key_usage', 'its key usage has no digital signature');
  }
  const [unknown] = facts.unknownCritical;
  if (unknown !== undefined || facts.hasNameConstraints) {
    return refusal('unknown_extension', `critical extension ${unknown ?? 'nameConstraints'}`);
  }
  const weakness = weaknessOf(certificate.publicKey);
  if (weakness !== null) return refusal('weak_certificate', weakness);
  if (facts.weakSignature === null) return null;
  return refusal('weak_certificate', `signature algorithm ${facts.weakSignature}`);
}

/** Where the CA is of one tenant it is that one; else the server name has to say. */
function chooseTenant(
  signers: readonly ImportedCa[],
  serverTenant: string | null,
): ImportedCa | ImportedRefusal {
  if (signers.length === 1) return signers[0]!;
  if (serverTenant === null) {
    const tenants = signers.map(({ tenant }) => tenant).join(', ');
    return refusal('tenant_not_named', `its CA is of ${tenants}: the server name must name one`);
  }
  const found = signers.find(({ tenant }) => tenant === serverTenant);
  return found ?? refusal('server_name_mismatch', `its CA is not of ${serverTenant}`);
}

function nameIn({ mapper }: ImportedCa, subject: string): string | ImportedRefusal {
  if (subject.length > SUBJECT_LENGTH_MAX) {
    return refusal('malformed_identity', `a subject of ${subject.length} characters`);
  }
  if (UNPRINTABLE.test(subject)) {
    return refusal('malformed_identity', 'a subject with control characters');
  }
  let name: string | null;
  try {
    name = mapper.nameOf(subject);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return refusal('malformed_identity', error.message);
  }
  const quoted = JSON.stringify(subject.slice(0, 200));
  if (name === null) return refusal('name_not_mapped', `no mapping rule applies to ${quoted}`);
  if (isSubjectName(name) && name.toLowerCase() !== RESERVED) return name;
  const made = JSON.stringify(name.slice(0, 80));
  return refusal('name_not_allowed', `the mapping rules make ${made} of ${quoted}`);
}
