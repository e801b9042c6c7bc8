/**
 * Decides whether a delegation token still speaks for its owner. Invariant: who is shut out cannot
 * come back by a token: neither its owner nor its requester may be suspended, or revoked by name
 * since it was issued, nor the certificate revoked that it was made with.
 */
import type { RevocationCheck } from '../admission.ts';
import { canonicalSerial, type Exclusion, type Revocations } from '../revocations.ts';
import { type DelegationToken, hasExpired } from './delegation-token.ts';

export interface TokenCircumstances {
  readonly nowMs: number;
  readonly revocations: Revocations;
  /** What the CRLs of clients say. */
  readonly isRevoked: RevocationCheck;
}

/** Why the token speaks for nobody by now; null: it is good. */
export function tokenExclusion(
  token: DelegationToken,
  { nowMs, revocations, isRevoked }: TokenCircumstances,
): Exclusion | null {
  if (hasExpired(token, nowMs)) return { reason: 'revoked', detail: 'the token has expired' };
  const { issuerKeyId, serial } = token.certificate ?? { issuerKeyId: '', serial: '' };
  for (const name of new Set([token.owner, token.requester])) {
    const fleet = name === token.owner ? token.fleet : null;
    // Revoking a name ends what began by then: for a token that is its issue.
    const facts = { issuerKeyId, serial, name, fleet, validFromMs: token.issuedAtMs };
    const exclusion = revocations.exclusionOf(facts);
    if (exclusion !== null) return exclusion;
  }
  const listed = token.certificate === null ? null : canonicalSerial(serial);
  return listed !== null && isRevoked(issuerKeyId, listed)
    ? { reason: 'revoked', detail: `serial ${listed}, which the token was made with` }
    : null;
}
