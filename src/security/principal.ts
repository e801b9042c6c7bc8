/**
 * Owns the identity that a connection acts under, once admission (or SASL) has settled it.
 *
 * Invariant: a principal is immutable and complete; its tenant came from the issuing CA, never from
 * a claim of the client. An operator stands outside the tenants: its `tenant` is the empty string,
 * which no tenant can be named.
 */

export type PrincipalKind = 'device' | 'service' | 'operator';

export interface KafkaPrincipal {
  readonly principalType: 'User';
  /** The device, service or operator name: the certificate's common name. */
  readonly name: string;
  /** The tenant that issued the identity; '' for an operator. */
  readonly tenant: string;
  readonly kind: PrincipalKind;
  /** The fleet of a device; null for services and operators. */
  readonly fleet: string | null;
  readonly authentication: 'mTLS';
  /** Upper-case hexadecimal, as `openssl x509 -serial` prints it. */
  readonly certificateSerial: string;
  /** The end of the certificate's validity, in milliseconds since the epoch. */
  readonly certificateExpiresAtMs: number;
}

/** The tenant of operators: no tenant name is empty, so it never equals a tenant's. */
export const OPERATOR_TENANT = '';

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
