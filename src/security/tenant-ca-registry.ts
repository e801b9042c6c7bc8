/**
 * Owns which CA certificates speak for which tenant, and whether the tenant may connect.
 *
 * Invariants: a CA key belongs to one tenant only; a CA is accepted only when the client root signed
 * it, it may sign leaves only, and its critical name constraints permit that tenant's URI host and no
 * other. CAs that are not ours are kept apart (imported-cas.ts). A tenant is inactive until it is set active: what the registry was not told is refused.
 * In memory, on one thread; the metadata log fills it.
 */
import { X509Certificate } from 'node:crypto';
import { ConfigError, PkiError } from '../base/errors.ts';
import { readCaConstraints } from '../pki/certificate-extensions.ts';
import { splitPem } from '../pki/der.ts';
import { checkTenantName, tenantHost } from '../pki/identity-name.ts';
import {
  type ImportedCa,
  type ImportedCaSettings,
  ImportedCas,
  readImport,
} from './imported-cas.ts';
import { type Issuer, issuerOf } from './issuer.ts';

export { type Issuer, issuerOf };

export interface RegisteredCa extends Issuer {
  readonly tenant: string;
  /** The keyId of the client root that signed it. */
  readonly rootKeyId: string;
}

export interface TenantCaRegistryOptions {
  /** The client root, PEM; several while one root replaces another. */
  readonly clientRootPem: string;
  readonly trustDomain: string;
  /** Certificates of other roots of ours, as they are now: none of them, nor what they signed, is foreign. */
  readonly otherRoots?: () => readonly X509Certificate[];
}

export class TenantCaRegistry {
  readonly trustDomain: string;
  #roots: readonly Issuer[];
  readonly #otherRoots: () => readonly X509Certificate[];
  readonly #imported = new ImportedCas();
  readonly #byKeyId = new Map<string, RegisteredCa>();
  readonly #bySubject = new Map<string, RegisteredCa[]>();
  readonly #active = new Set<string>();

  /** Throws ConfigError when the client root cannot be read. */
  constructor(options: TenantCaRegistryOptions) {
    this.#roots = parseRoots(options.clientRootPem);
    this.trustDomain = options.trustDomain;
    this.#otherRoots = options.otherRoots ?? (() => []);
  }

  /**
   * Makes `pem` a CA of the tenant; again with the same certificate changes nothing. Throws
   * ConfigError, saying why, when the certificate may not speak for that tenant.
   */
  register(tenant: string, pem: string): RegisteredCa {
    const { ca, known } = this.#judge(tenant, pem);
    const { certificate } = ca;
    if (known?.certificate.fingerprint256 === certificate.fingerprint256) return known;
    if (known !== undefined) this.#forget(known);
    this.#byKeyId.set(ca.keyId, ca);
    const sameSubject = this.#bySubject.get(certificate.subject) ?? [];
    this.#bySubject.set(certificate.subject, [...sameSubject, ca]);
    return ca;
  }

  /** Throws what `register` would, and changes nothing. */
  checkCa(tenant: string, pem: string): void {
    this.#judge(tenant, pem);
  }

  #judge(tenant: string, pem: string): { ca: RegisteredCa; known: RegisteredCa | undefined } {
    checkTenantName(tenant);
    const certificate = parseCertificate(pem, `the CA of tenant ${tenant}`);
    const rootKeyId = this.#checkSpeaksFor(tenant, certificate).keyId;
    const ca: RegisteredCa = { tenant, rootKeyId, ...issuerOf(certificate) };
    const known = this.#byKeyId.get(ca.keyId);
    if (known !== undefined && known.tenant !== tenant) {
      throw new ConfigError(`the CA of tenant ${tenant} belongs to another tenant already`);
    }
    if (this.#imported.tenantsOf(ca.keyId).length > 0) {
      throw new ConfigError(`the CA of tenant ${tenant} has the key of an imported CA`);
    }
    return { ca, known };
  }

  /**
   * After a reload of the client root's file. CAs that none of the roots signed are forgotten, so
   * that TLS and admission trust the same; register them again should their root come back. Returns
   * their tenants. Throws ConfigError, and changes nothing, when the roots cannot be read.
   */
  replaceClientRoots(clientRootPem: string): string[] {
    this.#roots = parseRoots(clientRootPem);
    const isOrphan = ({ certificate }: RegisteredCa): boolean =>
      this.#signerOf(certificate) === undefined;
    const orphans = [...this.#byKeyId.values()].filter(isOrphan);
    for (const ca of orphans) this.#forget(ca);
    return [...new Set(orphans.map((ca) => ca.tenant))];
  }

  /**
   * Makes a CA that is not ours speak for the tenant, by its mapping rules; again with the same
   * settings changes nothing. Throws ConfigError, saying why, when it is refused.
   */
  importCa(tenant: string, settings: ImportedCaSettings): ImportedCa {
    checkTenantName(tenant);
    return this.#imported.add(tenant, this.checkImport(settings), settings);
  }

  /** Throws ConfigError for a CA that may be imported by nobody. */
  checkImport(settings: ImportedCaSettings): X509Certificate {
    const certificate = parseCertificate(settings.pem, 'the imported CA');
    const { keyId } = issuerOf(certificate);
    const ours = [...this.#roots.map((root) => root.certificate), ...this.#otherRoots()];
    const isOurs =
      this.#byKeyId.has(keyId) ||
      ours.some(
        (root) =>
          issuerOf(root).keyId === keyId ||
          (certificate.checkIssued(root) && certificate.verify(root.publicKey)) ||
          (root.checkIssued(certificate) && root.verify(certificate.publicKey)),
      );
    if (isOurs) {
      throw new ConfigError(
        'the imported CA is refused: it is one of the CAs of this installation',
      );
    }
    readImport(certificate, settings);
    return certificate;
  }

  /** Forgets those CAs of the tenant, ours and imported, whose certificates are not among these. */
  retain(tenant: string, pems: readonly string[], importedPems: readonly string[]): void {
    const kept = new Set(pems.map((pem) => fingerprintOf(pem)));
    for (const ca of this.casOf(tenant)) {
      if (!kept.has(ca.certificate.fingerprint256)) this.#forget(ca);
    }
    this.#imported.retain(tenant, new Set(importedPems.map((pem) => fingerprintOf(pem))));
  }

  /** Forgets every CA of the tenant and makes it inactive. */
  unregister(tenant: string): void {
    for (const ca of this.casOf(tenant)) this.#forget(ca);
    this.#imported.retain(tenant, new Set());
    this.#active.delete(tenant);
  }

  setActive(tenant: string, active: boolean): void {
    if (active) this.#active.add(checkTenantName(tenant));
    else this.#active.delete(tenant);
  }

  isActive(tenant: string): boolean {
    return this.#active.has(tenant);
  }

  /** Those whose subject is `issuer`, as node:crypto prints it; which one signed is in the signature. */
  findByIssuer(issuer: string): readonly RegisteredCa[] {
    return this.#bySubject.get(issuer) ?? [];
  }

  /** The same of imported CAs: the one key may stand there for several tenants. */
  findImportedByIssuer(issuer: string): readonly ImportedCa[] {
    return this.#imported.findByIssuer(issuer);
  }

  /** Whether the imported CA speaks for its tenant as it did, by the same rules. */
  hasImported(ca: ImportedCa): boolean {
    return this.#imported.has(ca);
  }

  /** Imported CAs whose names a handshake tells. */
  announced(): readonly ImportedCa[] {
    return this.#imported.announced();
  }

  /** Whether the CA's key still speaks for its tenant. */
  has({ keyId, tenant }: RegisteredCa): boolean {
    return this.#byKeyId.get(keyId)?.tenant === tenant;
  }

  /** The CA with this key, whosever it is. */
  find(keyId: string): RegisteredCa | undefined {
    return this.#byKeyId.get(keyId);
  }

  /** Whether the tenant has imported the CA with this key. */
  isImportedBy(keyId: string, tenant: string): boolean {
    return this.#imported.tenantsOf(keyId).includes(tenant);
  }

  /** Everybody whose CRLs count: the client roots, and the CAs of all tenants, imported ones too. */
  issuers(): Issuer[] {
    return [...this.#roots, ...this.#byKeyId.values(), ...this.#imported.issuers()];
  }

  casOf(tenant: string): RegisteredCa[] {
    return [...this.#byKeyId.values()].filter((ca) => ca.tenant === tenant);
  }

  #forget(ca: RegisteredCa): void {
    this.#byKeyId.delete(ca.keyId);
    const subject = ca.certificate.subject;
    const rest = (this.#bySubject.get(subject) ?? []).filter((other) => other !== ca);
    if (rest.length === 0) this.#bySubject.delete(subject);
    else this.#bySubject.set(subject, rest);
  }

  #signerOf(certificate: X509Certificate): Issuer | undefined {
    return this.#roots.find(
      (root) => certificate.checkIssued(root.certificate) && certificate.verify(root.publicKey),
    );
  }

  /** Answers the root that signed it. */
  #checkSpeaksFor(tenant: string, certificate: X509Certificate): Issuer {
    const refuse = (why: string): never => {
      throw new ConfigError(`the CA of tenant ${tenant} is refused: ${why}`);
    };
    if (!certificate.ca) refuse('it is not a CA certificate');
    const root = this.#signerOf(certificate) ?? refuse('the client root did not sign it');
    const { pathLength, permittedUriHosts } = constraintsOf(certificate);
    if (pathLength !== 0) refuse('it may sign further CAs (its path length must be 0)');
    const host = tenantHost(tenant, this.trustDomain);
    if (permittedUriHosts?.length !== 1 || permittedUriHosts[0] !== host) {
      refuse(`its critical name constraints do not permit exactly the URI host ${host}`);
    }
    return root;
  }
}

function parseRoots(pem: string): Issuer[] {
  const blocks = splitPem('CERTIFICATE', pem);
  if (blocks.length === 0) throw new ConfigError('the client root is not a PEM certificate');
  return blocks.map((block) => issuerOf(parseCertificate(block, 'the client root')));
}

function parseCertificate(pem: string, what: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new ConfigError(`${what} is not a PEM certificate`, { cause });
  }
}

function fingerprintOf(pem: string): string {
  return parseCertificate(pem, 'a CA').fingerprint256;
}

function constraintsOf(certificate: X509Certificate): ReturnType<typeof readCaConstraints> {
  try {
    return readCaConstraints(certificate);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new ConfigError(`a tenant's CA is refused: ${cause.message}`, { cause });
  }
}
