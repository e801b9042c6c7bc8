/**
 * Owns what a token is worth on the admin listener: somebody by the name in it, with the roles that
 * its scopes are mapped to. Of an issuer that is bound to tenants it is one of a tenant, of any other
 * it is an operator of the broker.
 *
 * Invariant: the issuers are the admin listener's own; a token whose scopes are mapped to no role is
 * refused, so that an issuer's other clients are nobody here, whatever their names. No claim and no
 * scope of an issuer that is bound to tenants leads out of them: its principals belong to a tenant,
 * which the policy decides in that tenant's domain alone, whatever their roles are called.
 */
import type { JWTPayload } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { type KafkaPrincipal, OPERATOR_TENANT } from '../principal.ts';
import { type TokenIssuer, type TokenRefusalReason, TokenTrust } from './token-trust.ts';

export type OperatorIssuer = TokenIssuer & {
  readonly scopeRoles: NonNullable<TokenIssuer['scopeRoles']>;
  /** The tenants that it may speak for; null: for operators of the broker. */
  readonly tenants: readonly string[] | null;
  /** The claim that chooses among `tenants`; needed where there are several. */
  readonly tenantClaim: string | null;
};

export interface OperatorToken {
  readonly principal: KafkaPrincipal;
  readonly issuer: string;
  /** When it is taken no more, in milliseconds since the epoch: its end and the clock's tolerance. */
  readonly usableUntilMs: number;
}

/** `reason` is a stable code. */
export interface OperatorTokenRefusal {
  readonly reason: TokenRefusalReason | 'no_role' | 'no_tenant';
  readonly detail: string;
}

export class OperatorTokens {
  readonly #trust: TokenTrust<OperatorIssuer>;

  constructor(issuers: readonly OperatorIssuer[], clock: Clock) {
    this.#trust = new TokenTrust(issuers, clock);
  }

  /** Rejects for nothing that a peer sent. */
  async verify(token: string): Promise<OperatorToken | OperatorTokenRefusal> {
    const verdict = await this.#trust.verify(token);
    if ('reason' in verdict) return verdict;
    const { settings, payload, name, roles, attributes, expiresAtMs } = verdict;
    const tenant = tenantIn(payload, settings);
    if (tenant === null) {
      return { reason: 'no_tenant', detail: `${settings.issuer} does not speak for that tenant` };
    }
    if (roles.length === 0) {
      return { reason: 'no_role', detail: `no scope of ${name} is mapped to a role` };
    }
    return {
      principal: {
        principalType: 'User',
        name,
        tenant,
        kind: tenant === OPERATOR_TENANT ? 'operator' : 'user',
        fleet: null,
        roles,
        ...(Object.keys(attributes).length > 0 && { attributes }),
        authentication: 'JWT',
        certificateSerial: null,
        expiresAtMs,
      },
      issuer: settings.issuer,
      usableUntilMs: expiresAtMs + settings.clockToleranceMs,
    };
  }
}

/** Null where nothing chooses among the issuer's tenants, or something chooses another. */
function tenantIn(
  payload: JWTPayload,
  { tenants, tenantClaim }: Pick<OperatorIssuer, 'tenants' | 'tenantClaim'>,
): string | null {
  if (tenants === null) return OPERATOR_TENANT;
  const claim: unknown =
    tenantClaim !== null && Object.hasOwn(payload, tenantClaim) ? payload[tenantClaim] : undefined;
  const chosen = claim ?? (tenants.length === 1 ? tenants[0] : undefined);
  return tenants.find((tenant) => tenant === chosen) ?? null;
}
