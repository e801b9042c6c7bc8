/**
 * Owns the decision whether a TLS connection gets in, and as whom.
 *
 * It runs on EVERY connection, resumed ones too, because a TLS stack does not: resumption checks
 * neither dates nor revocation nor the server name, and on TLS 1.3 a client that never showed a
 * certificate may resume and count as authorized. So nothing here relies on `authorized` alone: the
 * certificate itself is verified again against the tenant's CA.
 *
 * Invariant: pure, and it fails closed; whatever is not positively shown is refused with a stable
 * reason. The tenant is the issuing CA's; the URI and the server name can only contradict it, and
 * choose only among the tenants that share an imported CA (imported-admission.ts).
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type Identity, isTenantName, parseIdentity } from '../pki/identity-name.ts';
import type { BanExclusion } from './abuse/bans.ts';
import { identifyImported } from './imported-admission.ts';
import type { ImportedCa } from './imported-cas.ts';
import { type KafkaPrincipal, NO_ROLES, OPERATOR_TENANT } from './principal.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import { type CertificateFacts, canonicalSerial, type Revocations } from './revocations.ts';
import {
  type Issuer,
  issuerOf,
  type RegisteredCa,
  type TenantCaRegistry,
} from './tenant-ca-registry.ts';

/** Stable codes: they stand in the audit log, and operators write alarms on them. */
export type RefusalReason =
  | 'no_certificate'
  | 'unknown_issuer'
  | 'bad_signature'
  | 'not_yet_valid'
  | 'expired'
  | 'issuer_not_valid'
  | 'ca_certificate'
  | 'wrong_key_usage'
  | 'malformed_identity'
  | 'identity_not_allowed'
  | 'tenant_mismatch'
  | 'name_mismatch'
  | 'untrusted_chain'
  | 'revoked'
  | 'suspended'
  | 'banned'
  | 'tenant_inactive'
  | 'server_name_mismatch'
  /** Of certificates of imported CAs only. */
  | 'malformed_certificate'
  | 'weak_certificate'
  | 'unknown_extension'
  | 'name_not_mapped'
  | 'name_not_allowed'
  | 'tenant_not_named';

export type AdmissionResult =
  | {
      readonly admitted: true;
      readonly principal: KafkaPrincipal;
      /** Whether the same certificate would be shut out by now; null: it would not. */
      readonly recheck: () => Refusal | null;
    }
  | Refusal;

export interface Refusal {
  readonly admitted: false;
  readonly reason: RefusalReason;
  /** For our own log and audit, never for the peer. */
  readonly detail: string;
  /** Who was refused, where the caller looked. */
  readonly proven?: ProvenIdentity | null;
}

/** What the TLS stack knows of the peer. */
export interface PeerFacts {
  readonly certificate: X509Certificate | null;
  /** The TLS stack's verdict on the chain. */
  readonly authorized: boolean;
  readonly authorizationError: string | null;
  /** The server name that the client asked for, lower case; null when it named none. */
  readonly serverName: string | null;
  readonly resumed: boolean;
}

/**
 * What CRLs say. `issuerKeyId` as in RegisteredCa; `serial` as `canonicalSerial` writes it.
 */
export type RevocationCheck = (issuerKeyId: string, serial: string) => boolean;

export interface AdmissionRules {
  readonly registry: TenantCaRegistry;
  /** `<tenant>.<serverNameDomain>` names a tenant; '' or absent: every server name is neutral. */
  readonly serverNameDomain?: string;
  readonly isRevoked?: RevocationCheck;
  /** Why the name is shut out for a time, by now; null: it is not. */
  readonly banOf?: (tenant: string, name: string) => BanExclusion | null;
  /** What operators revoked and suspended in the tenant, as it is now. */
  readonly revocationsOf?: (tenant: string) => Revocations;
}

export interface OperatorRules {
  readonly operatorCas: readonly Issuer[];
  readonly trustDomain: string;
  readonly isRevoked?: RevocationCheck;
}

/** Rules of the admin listener from the certificates in the operator CA file. */
export function operatorRulesOf(
  operatorCas: readonly X509Certificate[],
  trustDomain: string,
  isRevoked?: RevocationCheck,
): OperatorRules {
  return {
    operatorCas: operatorCas.map(issuerOf),
    trustDomain,
    ...(isRevoked === undefined ? {} : { isRevoked }),
  };
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const URI_PREFIX = 'URI:';

const refuse = (reason: RefusalReason, detail: string): Refusal => ({
  admitted: false,
  reason,
  detail,
});

/** Decides for a client listener: devices and services of active tenants. */
export function admit(peer: PeerFacts, rules: AdmissionRules, nowMs: number): AdmissionResult {
  const { certificate } = peer;
  if (certificate === null) return refuse('no_certificate', 'the client showed no certificate');
  const { registry } = rules;
  const signers = importedSigners(certificate, registry);
  if (signers.length > 0) return admitImported(certificate, signers, peer, rules, nowMs);
  const issuer = findIssuer(certificate, registry.findByIssuer(certificate.issuer));
  if ('admitted' in issuer) return issuer;
  const checked = checkLeaf(certificate, issuer, registry.trustDomain, nowMs);
  if ('admitted' in checked) return checked;
  const { identity, expiresAtMs } = checked;
  if (identity.kind === 'operator') {
    return refuse('identity_not_allowed', 'an operator has no place on a client listener');
  }
  if (identity.tenant !== issuer.tenant) {
    return refuse('tenant_mismatch', `the CA of ${issuer.tenant} signed for ${identity.tenant}`);
  }
  const facts = factsOf(certificate, issuer, identity);
  const recheck = (): Refusal | null => checkStanding(issuer, facts, rules);
  const last = checkChain(peer) ?? recheck() ?? checkTenant(peer, issuer.tenant, rules);
  if (last !== null) return last;
  return {
    admitted: true,
    principal: principalOf(identity, certificate, expiresAtMs, facts),
    recheck,
  };
}

/** The imports of the key that signed, one for each tenant; none when it is not a foreign CA's. */
function importedSigners(
  certificate: X509Certificate,
  registry: TenantCaRegistry,
): readonly ImportedCa[] {
  const named = registry.findImportedByIssuer(certificate.issuer);
  const judged = new Map<string, boolean>();
  return named.filter((ca) => {
    const known = judged.get(ca.keyId);
    if (known !== undefined) return known;
    const isSigner = certificate.checkIssued(ca.certificate) && certificate.verify(ca.publicKey);
    judged.set(ca.keyId, isSigner);
    return isSigner;
  });
}

function admitImported(
  certificate: X509Certificate,
  signers: readonly ImportedCa[],
  peer: PeerFacts,
  rules: AdmissionRules,
  nowMs: number,
): AdmissionResult {
  const serverTenant = tenantOfServerName(peer.serverName, rules.serverNameDomain ?? '');
  const found = identifyImported(certificate, signers, serverTenant, nowMs);
  if ('reason' in found) return refuse(found.reason, found.detail);
  const { ca, name, expiresAtMs } = found;
  const facts: CertificateFacts = {
    issuerKeyId: ca.keyId,
    serial: certificate.serialNumber,
    name,
    fleet: null,
    validFromMs: Date.parse(certificate.validFrom),
  };
  const recheck = (): Refusal | null => {
    if (!rules.registry.hasImported(ca)) {
      return refuse('unknown_issuer', 'its CA is no longer imported, or by other rules');
    }
    return (
      checkSerial(ca.keyId, facts.serial, rules.isRevoked) ??
      checkExclusion(ca.tenant, facts, rules)
    );
  };
  const last = recheck() ?? checkTenant(peer, ca.tenant, rules);
  if (last !== null) return last;
  const principal: KafkaPrincipal = {
    principalType: 'User',
    name,
    tenant: ca.tenant,
    kind: 'user',
    fleet: null,
    roles: NO_ROLES,
    authentication: 'mTLS',
    certificateSerial: certificate.serialNumber,
    expiresAtMs,
    certificate: provenBy(facts),
    attributes: attributesOf({ name }, certificate),
  };
  return { admitted: true, principal, recheck };
}

/** Decides for the admin listener: operators only. */
export function admitOperator(
  peer: PeerFacts,
  rules: OperatorRules,
  nowMs: number,
): AdmissionResult {
  const { certificate } = peer;
  if (certificate === null) return refuse('no_certificate', 'the client showed no certificate');
  const named = rules.operatorCas.filter((ca) => ca.certificate.subject === certificate.issuer);
  const issuer = findIssuer(certificate, named);
  if ('admitted' in issuer) return issuer;
  const checked = checkLeaf(certificate, issuer, rules.trustDomain, nowMs);
  if ('admitted' in checked) return checked;
  const { identity, expiresAtMs } = checked;
  if (identity.kind !== 'operator') {
    return refuse('identity_not_allowed', `a ${identity.kind} has no place on the admin listener`);
  }
  const facts = factsOf(certificate, issuer, identity);
  const recheck = (): Refusal | null => checkSerial(issuer.keyId, facts.serial, rules.isRevoked);
  const last = checkChain(peer) ?? recheck();
  if (last !== null) return last;
  return { admitted: true, principal: principalOf(identity, certificate, expiresAtMs), recheck };
}

/** The candidate that really signed: names are free to choose, signatures are not. */
function findIssuer<T extends Issuer>(
  certificate: X509Certificate,
  candidates: readonly T[],
): T | Refusal {
  if (candidates.length === 0) {
    return refuse(
      'unknown_issuer',
      `no registered CA has the subject ${oneLine(certificate.issuer)}`,
    );
  }
  const signer = candidates.find(
    (ca) => certificate.checkIssued(ca.certificate) && certificate.verify(ca.publicKey),
  );
  return signer ?? refuse('bad_signature', 'no registered CA of that name signed the certificate');
}

/** What the leaf itself must say, whoever may connect here. */
function checkLeaf(
  certificate: X509Certificate,
  issuer: Issuer,
  trustDomain: string,
  nowMs: number,
): { readonly identity: Identity; readonly expiresAtMs: number } | Refusal {
  const expiresAtMs = Date.parse(certificate.validTo);
  // Written so that an unreadable date (NaN) is refused.
  if (!(nowMs >= Date.parse(certificate.validFrom))) {
    return refuse('not_yet_valid', `valid from ${certificate.validFrom}`);
  }
  if (!(nowMs <= expiresAtMs)) return refuse('expired', `valid until ${certificate.validTo}`);
  if (!(nowMs >= issuer.notBeforeMs && nowMs <= issuer.notAfterMs)) {
    return refuse('issuer_not_valid', `its CA is valid until ${issuer.certificate.validTo}`);
  }
  if (certificate.ca) return refuse('ca_certificate', 'a CA certificate is not an identity');
  const usages: readonly string[] | undefined = certificate.keyUsage;
  if (usages?.length !== 1 || usages[0] !== CLIENT_AUTH) {
    return refuse('wrong_key_usage', `extended key usage: ${usages?.join(', ') ?? 'none'}`);
  }
  const names = certificate.subjectAltName ?? '';
  const identity = names.startsWith(URI_PREFIX)
    ? parseIdentity(names.slice(URI_PREFIX.length), trustDomain)
    : null;
  if (identity === null) {
    return refuse('malformed_identity', `alternative names: ${oneLine(names)}`);
  }
  const commonNames = certificate.subject.split('\n').filter((line) => line.startsWith('CN='));
  if (commonNames.length !== 1 || commonNames[0] !== `CN=${identity.name}`) {
    return refuse('name_mismatch', `the subject ${oneLine(certificate.subject)} is not its URI's`);
  }
  return { identity, expiresAtMs };
}

/** `authorized` adds what is not checked above: root, path length, name constraints, criticality. */
function checkChain(peer: PeerFacts): Refusal | null {
  if (peer.authorized) return null;
  return refuse('untrusted_chain', chainProblem(peer.authorizationError));
}

/** What may change while a connection stands: its certificate, name or CA is shut out. */
function checkStanding(
  issuer: RegisteredCa,
  certificate: CertificateFacts,
  rules: AdmissionRules,
): Refusal | null {
  const { registry, isRevoked } = rules;
  if (!registry.has(issuer)) return refuse('unknown_issuer', 'its CA is no longer registered');
  const byCrl =
    checkSerial(issuer.rootKeyId, issuer.certificate.serialNumber, isRevoked) ??
    checkSerial(issuer.keyId, certificate.serial, isRevoked);
  return byCrl ?? checkExclusion(issuer.tenant, certificate, rules);
}

function checkExclusion(
  tenant: string,
  certificate: CertificateFacts,
  { revocationsOf, banOf }: AdmissionRules,
): Refusal | null {
  const exclusion =
    revocationsOf?.(tenant).exclusionOf(certificate) ?? banOf?.(tenant, certificate.name) ?? null;
  return exclusion === null ? null : refuse(exclusion.reason, exclusion.detail);
}

function checkSerial(
  issuerKeyId: string,
  serialNumber: string,
  isRevoked: RevocationCheck | undefined,
): Refusal | null {
  const serial = canonicalSerial(serialNumber);
  if (serial === null) return refuse('revoked', 'a serial that is no positive number');
  return isRevoked?.(issuerKeyId, serial) === true ? refuse('revoked', `serial ${serial}`) : null;
}

function factsOf(
  certificate: X509Certificate,
  issuer: Issuer,
  identity: Identity,
): CertificateFacts {
  return {
    issuerKeyId: issuer.keyId,
    serial: certificate.serialNumber,
    name: identity.name,
    fleet: identity.kind === 'device' ? identity.fleet : null,
    validFromMs: Date.parse(certificate.validFrom),
  };
}

/** The usual mistake has a remedy: some clients send the leaf only. */
function chainProblem(error: string | null): string {
  const isIncomplete =
    error === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' || error === 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY';
  const remedy = ': the client must send its intermediate CA along, as in its .crt file';
  return isIncomplete ? error + remedy : (error ?? 'the chain was not verified');
}

function checkTenant(peer: PeerFacts, tenant: string, rules: AdmissionRules): Refusal | null {
  if (!rules.registry.isActive(tenant)) {
    return refuse('tenant_inactive', `tenant ${tenant} is not active`);
  }
  const asked = tenantOfServerName(peer.serverName, rules.serverNameDomain ?? '');
  if (asked !== null && asked !== tenant) {
    return refuse('server_name_mismatch', `a certificate of ${tenant} asked for ${asked}`);
  }
  return null;
}

/** The tenant that a server name of the form `<tenant>.<domain>` names; null when it is neutral. */
export function tenantOfServerName(serverName: string | null, domain: string): string | null {
  if (serverName === null || domain === '') return null;
  const name = serverName.toLowerCase().replace(/\.$/, '');
  const suffix = `.${domain.toLowerCase()}`;
  if (!name.endsWith(suffix)) return null;
  const tenant = name.slice(0, -suffix.length);
  return isTenantName(tenant) ? tenant : null;
}

const provenBy = ({ issuerKeyId, serial, validFromMs }: CertificateFacts) => ({
  issuerKeyId,
  serial,
  validFromMs,
});

function principalOf(
  identity: Identity,
  certificate: X509Certificate,
  expiresAtMs: number,
  facts?: CertificateFacts,
): KafkaPrincipal {
  return {
    principalType: 'User',
    name: identity.name,
    tenant: identity.kind === 'operator' ? OPERATOR_TENANT : identity.tenant,
    kind: identity.kind,
    fleet: identity.kind === 'device' ? identity.fleet : null,
    roles: NO_ROLES,
    authentication: 'mTLS',
    certificateSerial: certificate.serialNumber,
    expiresAtMs,
    ...(facts && { certificate: provenBy(facts) }),
    attributes: attributesOf(identity, certificate),
  };
}

/**
 * What rules may say of a certificate. Where the subject has several, they stand together with a +:
 * no name can be so, and a rule with it never grants and always denies.
 */
function attributesOf(
  identity: Pick<Identity, 'name'>,
  certificate: X509Certificate,
): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {
    'cert.cn': identity.name,
    'cert.serial': certificate.serialNumber,
  };
  const lines = certificate.subject.split('\n');
  for (const [variable, prefix] of [
    ['cert.o', 'O='],
    ['cert.ou', 'OU='],
  ] as const) {
    const values = lines.filter((line) => line.startsWith(prefix));
    if (values.length === 0) continue;
    const said = values.map((line) => line.slice(prefix.length)).join('+');
    // Longer than any name that a rule can mean: cut, it still is.
    attributes[variable] = (said === '' ? '+' : said).slice(0, 64);
  }
  return attributes;
}

/** A peer's text for a log line: one line, bounded, no control characters. */
function oneLine(text: string): string {
  return JSON.stringify(text.slice(0, 200)).slice(1, -1);
}

/** The server name of the handshake, lower case; null when the client named none. */
export function serverNameOf(socket: TLSSocket): string | null {
  const name: unknown = 'servername' in socket ? socket.servername : null;
  return typeof name === 'string' ? name.toLowerCase() : null;
}

/**
 * Reads the facts of a server-side socket once its handshake is done. `askedServerName` is what its
 * first message asked for, where the listener read it: OpenSSL hides it on a resumed TLS 1.2 session.
 */
export function peerFactsOf(socket: TLSSocket, askedServerName: string | null = null): PeerFacts {
  const error: unknown = socket.authorizationError;
  return {
    certificate: socket.getPeerX509Certificate() ?? null,
    authorized: socket.authorized,
    authorizationError: error ? (error instanceof Error ? error.message : String(error)) : null,
    serverName: serverNameOf(socket) ?? askedServerName,
    resumed: socket.isSessionReused(),
  };
}
