/**
 * Owns the identity that a connection acts under, once admission (or SASL) has settled it.
 *
 * Invariant: a principal is immutable and complete; its tenant came from the issuing CA or from the
 * operator's binding of a login, never from a claim of the client. An operator stands outside the
 * tenants: its `tenant` is the empty string, which no tenant can be named. `roles` are of this
 * session alone: they come from the operator's mapping of a token's scopes, beside what the policy's
 * own links give, and other sessions of the same name do not have them.
 */

/** A `user` logged in by SASL: whether it is a device or a service its credential does not say. */
export type PrincipalKind = 'device' | 'service' | 'user' | 'operator';

export interface KafkaPrincipal {
  readonly principalType: 'User';
  /** The device, service or operator name (the certificate's common name), or the login's user. */
  readonly name: string;
  /** The tenant that issued the identity; '' for an operator. */
  readonly tenant: string;
  readonly kind: PrincipalKind;
  /** The fleet of a device; null for everybody else. */
  readonly fleet: string | null;
  /** `Role:<name>`, sorted, each once; empty unless a verified token brought them. */
  readonly roles: readonly string[];
  /** `mTLS`, or the SASL mechanism. */
  readonly authentication: string;
  /** Upper-case hexadecimal, as `openssl x509 -serial` prints it; null without a certificate. */
  readonly certificateSerial: string | null;
  /** The end of the credential's validity, in milliseconds since the epoch; null without one. */
  readonly expiresAtMs: number | null;
  /** What the certificate was, for what is made with it; absent without one. */
  readonly certificate?: {
    readonly issuerKeyId: string;
    readonly serial: string;
    readonly validFromMs: number;
  };
  /** The delegation token that was the proof; absent where it was another. */
  readonly tokenId?: string;
  /**
   * What rules may say of it as variables: `cert.cn`, `cert.o`, `cert.ou` and `cert.serial` of a
   * certificate, `token.<claim>` for the claims that the operator listed for a token's issuer. What
   * is not there has no value.
   */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** The tenant of operators: no tenant name is empty, so it never equals a tenant's. */
export const OPERATOR_TENANT = '';

/** Of everybody whose credential is no token. */
export const NO_ROLES: readonly string[] = Object.freeze([]);

/** Kafka's text form of a principal, for example `User:device-1`. */
export function formatPrincipal(principal: Pick<KafkaPrincipal, 'principalType' | 'name'>): string {
  return `${principal.principalType}:${principal.name}`;
}

/** The principal with its tenant, for logs that an operator reads: `acme/User:device-1`, `(operator)/User:root`. */
export function formatQualifiedPrincipal(
  principal: Pick<KafkaPrincipal, 'principalType' | 'name' | 'tenant'>,
): string {
  const qualifier = principal.tenant === OPERATOR_TENANT ? '(operator)' : principal.tenant;
  return `${qualifier}/${formatPrincipal(principal)}`;
}
