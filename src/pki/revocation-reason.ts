/** Owns the reasons for which a certificate is revoked (RFC 5280, 5.3.1), by name and number. */

/**
 * Those that fit a device, service or operator. `certificateHold` is not among them: what may come
 * back is suspended, a revocation is final.
 */
export const REVOCATION_REASONS = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;

export type RevocationReason = keyof typeof REVOCATION_REASONS;

export const REVOCATION_REASON_NAMES = Object.keys(REVOCATION_REASONS) as RevocationReason[];

export function isRevocationReason(value: unknown): value is RevocationReason {
  return typeof value === 'string' && Object.hasOwn(REVOCATION_REASONS, value);
}

/** What a CRL made elsewhere may say and is not given out here counts as `unspecified`. */
export function reasonOfCode(code: number): RevocationReason {
  return REVOCATION_REASON_NAMES.find((name) => REVOCATION_REASONS[name] === code) ?? 'unspecified';
}
