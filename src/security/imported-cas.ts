/**
 * Owns the CAs that are not ours and that an operator bound to tenants, each with the rules by which
 * what it signs is named there.
 *
 * Invariants: an imported CA speaks for the tenants that it was imported for and no other, whatever
 * its certificates say; it is a trust anchor by itself, for certificates that its key signed and
 * nothing below: no certificate that a client sends along is looked at, so neither a chain nor a
 * cross-signed loop leads anywhere. One key in several tenants is possible only when it was shared
 * on purpose; then the server name of the handshake has to name the tenant. A changed import is
 * another object, so that connections under the old rules can be told. In memory, on one thread.
 */
import type { X509Certificate } from 'node:crypto';
import { ConfigError, PkiError } from '../base/errors.ts';
import {
  type CertificateFacts,
  readCertificateFacts,
  weaknessOf,
} from '../pki/certificate-facts.ts';
import { type Issuer, issuerOf } from './issuer.ts';
import { SslPrincipalMapper } from './mapping/ssl-principal-mapper.ts';

export interface ImportedCaSettings {
  readonly pem: string;
  /** In the syntax of ssl.principal.mapping.rules. */
  readonly mappingRules: string;
  /** Its name is told in handshakes, for clients that choose their certificate by it. */
  readonly isAnnounced: boolean;
  /** Other tenants may have it too. */
  readonly isShared: boolean;
}

export interface ImportedCa extends Issuer {
  readonly tenant: string;
  readonly settings: ImportedCaSettings;
  readonly mapper: SslPrincipalMapper;
}

/** extendedKeyUsage: TLS client, and any. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';
/** Each costs a certificate that claims to be of that name a verification. */
const KEYS_OF_ONE_SUBJECT_MAX = 8;
/** Their names stand in every handshake. */
const ANNOUNCED_MAX = 32;

export class ImportedCas {
  readonly #bySubject = new Map<string, ImportedCa[]>();

  add(tenant: string, certificate: X509Certificate, settings: ImportedCaSettings): ImportedCa {
    const named = this.#bySubject.get(certificate.subject) ?? [];
    const mapper = readImport(certificate, settings);
    const ca: ImportedCa = { tenant, settings, mapper, ...issuerOf(certificate) };
    const known = named.find((other) => other.tenant === tenant && other.keyId === ca.keyId);
    if (known !== undefined && isSame(known.settings, settings)) return known;
    const others = named.filter((other) => other.keyId === ca.keyId && other.tenant !== tenant);
    if (others.length > 0 && !(settings.isShared && others.every((one) => one.settings.isShared))) {
      throw refused('another tenant has imported it, and it was not declared as shared by all');
    }
    const rest = named.filter((other) => other !== known);
    const keys = new Set(rest.map(({ keyId }) => keyId)).add(ca.keyId);
    if (keys.size > KEYS_OF_ONE_SUBJECT_MAX) {
      throw refused(`${KEYS_OF_ONE_SUBJECT_MAX} CAs of that subject are imported already`);
    }
    const announced = new Set(this.announced().map(({ keyId }) => keyId)).add(ca.keyId);
    if (settings.isAnnounced && announced.size > ANNOUNCED_MAX) {
      throw refused(`${ANNOUNCED_MAX} imported CAs are announced already`);
    }
    this.#bySubject.set(certificate.subject, [...rest, ca]);
    return ca;
  }

  /** Forgets those of the tenant whose certificate's SHA-256 is not among these. */
  retain(tenant: string, fingerprints: ReadonlySet<string>): void {
    for (const [subject, cas] of this.#bySubject) {
      const rest = cas.filter(
        (ca) => ca.tenant !== tenant || fingerprints.has(ca.certificate.fingerprint256),
      );
      if (rest.length === 0) this.#bySubject.delete(subject);
      else if (rest.length < cas.length) this.#bySubject.set(subject, rest);
    }
  }

  has(ca: ImportedCa): boolean {
    return this.findByIssuer(ca.certificate.subject).includes(ca);
  }

  /** Those of that subject, as node:crypto prints it; which one signed is in the signature. */
  findByIssuer(issuer: string): readonly ImportedCa[] {
    return this.#bySubject.get(issuer) ?? [];
  }

  tenantsOf(keyId: string): string[] {
    return this.#all()
      .filter((ca) => ca.keyId === keyId)
      .map(({ tenant }) => tenant);
  }

  announced(): ImportedCa[] {
    return this.#all().filter(({ settings }) => settings.isAnnounced);
  }

  /** Each key once. */
  issuers(): Issuer[] {
    return [...new Map(this.#all().map((ca) => [ca.keyId, ca])).values()];
  }

  #all(): ImportedCa[] {
    return [...this.#bySubject.values()].flat();
  }
}

function isSame(a: ImportedCaSettings, b: ImportedCaSettings): boolean {
  return (
    a.pem === b.pem &&
    a.mappingRules === b.mappingRules &&
    a.isAnnounced === b.isAnnounced &&
    a.isShared === b.isShared
  );
}

/** Throws ConfigError for what may not be a trust anchor of clients. */
export function readImport(
  certificate: X509Certificate,
  { mappingRules }: ImportedCaSettings,
): SslPrincipalMapper {
  const facts = factsOf(certificate);
  if (!facts.isCa) throw refused('it is not a CA certificate');
  if (facts.keyUsage?.has('keyCertSign') !== true || !certificate.ca) {
    throw refused('its key usage does not let it sign certificates');
  }
  const usages = facts.extendedKeyUsages ?? [ANY_USAGE];
  if (!usages.includes(CLIENT_AUTH) && !usages.includes(ANY_USAGE)) {
    throw refused('its extended key usage does not let it sign for TLS clients');
  }
  if (facts.hasNameConstraints) {
    throw refused('it has name constraints, which are evaluated for our own CAs only');
  }
  const [unknown] = facts.unknownCritical;
  if (unknown !== undefined) throw refused(`its critical extension ${unknown} is not understood`);
  const weakness = weaknessOf(certificate.publicKey);
  if (weakness !== null) throw refused(`it has ${weakness}`);
  if (facts.weakSignature !== null) {
    throw refused(`its signature algorithm ${facts.weakSignature} is not accepted`);
  }
  try {
    return new SslPrincipalMapper(mappingRules);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new ConfigError(`the mapping rules are refused: ${cause.message}`, { cause });
  }
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  try {
    return readCertificateFacts(certificate.raw);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new ConfigError(`the imported CA is refused: ${cause.message}`, { cause });
  }
}

const refused = (why: string): ConfigError => new ConfigError(`the imported CA is refused: ${why}`);
