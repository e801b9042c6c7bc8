/**
 * Owns what a token is worth on the admin listener: an operator by the name in it, with the roles
 * that its scopes are mapped to.
 *
 * Invariant: the issuers are the admin listener's own; a token whose scopes are mapped to no role is
 * refused, so that an issuer's other clients are nobody here, whatever their names.
 */
import type { Clock } from '../../base/clock.ts';
import { type KafkaPrincipal, OPERATOR_TENANT } from '../principal.ts';
import { type TokenIssuer, type TokenRefusalReason, TokenTrust } from './token-trust.ts';

export type OperatorIssuer = TokenIssuer & {
  readonly scopeRoles: NonNullable<TokenIssuer['scopeRoles']>;
};

export interface OperatorToken {
  readonly principal: KafkaPrincipal;
  readonly issuer: string;
  /** When it is taken no more, in milliseconds since the epoch: its end and the clock's tolerance. */
  readonly usableUntilMs: number;
}

/** `reason` is a stable code. */
export interface OperatorTokenRefusal {
  readonly reason: TokenRefusalReason | 'no_role';
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
    const { settings, name, roles, attributes, expiresAtMs } = verdict;
    if (roles.length === 0) {
      return { reason: 'no_role', detail: `no scope of ${name} is mapped to a role` };
    }
    return {
      principal: {
        principalType: 'User',
        name,
        tenant: OPERATOR_TENANT,
        kind: 'operator',
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
