/**
 * Decides whether a delegation token still speaks for its owner. Invariant: who is shut out cannot
 * come back by a token: neither its owner nor its requester may be banned, suspended, or revoked by
 * name since it was issued, nor the certificate that it was made with, or that certificate's CA, be
 * revoked or no longer known.
 */
import type { BanExclusion } from '../abuse/bans.ts';
import type { RevocationCheck } from '../admission.ts';
import { canonicalSerial, type Exclusion, type Revocations } from '../revocations.ts';
import type { TenantCaRegistry } from '../tenant-ca-registry.ts';
import { type DelegationToken, hasExpired, type TokenCertificate } from './delegation-token.ts';

export interface TokenCircumstances {
  readonly tenant: string;
  readonly nowMs: number;
  readonly revocations: Revocations;
  /** Why the name is banned in the tenant by now; null: it is not. */
  readonly banOf: (name: string) => BanExclusion | null;
  /** What the CRLs of clients say. */
  readonly isRevoked: RevocationCheck;
  readonly registry: Pick<TenantCaRegistry, 'find' | 'isImportedBy'>;
}

/** Why the token speaks for nobody by now; null: it is good. */
export function tokenExclusion(
  token: DelegationToken,
  now: TokenCircumstances,
): Exclusion | BanExclusion | null {
  if (hasExpired(token, now.nowMs)) return revoked('the token has expired');
  const { issuerKeyId, serial } = token.certificate ?? { issuerKeyId: '', serial: '' };
  for (const name of new Set([token.owner, token.requester])) {
    const fleet = name === token.owner ? token.fleet : null;
    // Revoking a name ends what began by then: for a token that is its issue.
    const facts = { issuerKeyId, serial, name, fleet, validFromMs: token.issuedAtMs };
    const exclusion = now.revocations.exclusionOf(facts) ?? now.banOf(name);
    if (exclusion !== null) return exclusion;
  }
  return token.certificate === null ? null : certificateExclusion(token.certificate, now);
}

/** What the CRLs and the registry say, as admission asks them of a connection. */
function certificateExclusion(
  { issuerKeyId, serial }: TokenCertificate,
  { tenant, isRevoked, registry }: TokenCircumstances,
): Exclusion | null {
  const isListed = (keyId: string, text: string): boolean => {
    const canonical = canonicalSerial(text);
    return canonical === null || isRevoked(keyId, canonical);
  };
  if (!registry.isImportedBy(issuerKeyId, tenant)) {
    const ca = registry.find(issuerKeyId);
    if (ca?.tenant !== tenant) return revoked('the CA behind the token is no longer registered');
    if (isListed(ca.rootKeyId, ca.certificate.serialNumber)) {
      return revoked('the CA behind the token is revoked');
    }
  }
  return isListed(issuerKeyId, serial) ? revoked(`serial ${serial}, behind the token`) : null;
}

function revoked(detail: string): Exclusion {
  return { reason: 'revoked', detail };
}
