/**
 * Owns what a token is worth on the SASL listener: each issuer is bound by the operator to fixed
 * tenants. Invariant: no claim or scope leads out of the issuer's tenants; roles are of the one
 * tenant that was chosen.
 */
import type { JWTPayload } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { type TokenIssuer, TokenTrust, type VerifiedToken } from '../token/token-trust.ts';
import type { SaslIdentity, SaslRefusal } from './sasl-mechanism.ts';

export interface OauthIssuerSettings extends TokenIssuer {
  /** The tenants that it may speak for; with more than one the token or the login must choose. */
  readonly tenants: readonly string[];
  /** The claim that chooses among `tenants`. */
  readonly tenantClaim: string | null;
}

export type TokenVerdict =
  | { readonly identity: SaslIdentity }
  | {
      readonly reason: SaslRefusal;
      readonly detail: string;
      readonly claimed: { readonly tenant: string | null; readonly name: string | null };
    };

const NOBODY = { tenant: null, name: null };

export class OauthIssuers {
  readonly #trust: TokenTrust<OauthIssuerSettings>;

  constructor(issuers: readonly OauthIssuerSettings[], clock: Clock) {
    this.#trust = new TokenTrust(issuers, clock);
  }

  /** Verifies a token. Rejects for nothing that a peer sent. */
  async verify(token: string, serverTenant: string | null): Promise<TokenVerdict> {
    const verdict = await this.#trust.verify(token);
    if ('reason' in verdict) {
      return { reason: `sasl_${verdict.reason}`, detail: verdict.detail, claimed: NOBODY };
    }
    return identityIn(verdict, serverTenant);
  }
}

function identityIn(
  { settings, payload, name, roles, attributes, expiresAtMs }: VerifiedToken<OauthIssuerSettings>,
  serverTenant: string | null,
): TokenVerdict {
  const { issuer } = settings;
  const tenant = tenantIn(payload, settings, serverTenant);
  const claimed = { tenant: tenant ?? null, name };
  if (tenant === undefined) {
    const detail = `nothing chooses among the tenants of ${issuer}`;
    return { reason: 'sasl_no_tenant', detail, claimed };
  }
  if (!settings.tenants.includes(tenant) || (serverTenant ?? tenant) !== tenant) {
    const detail = `${issuer} does not speak for ${JSON.stringify(tenant.slice(0, 80))} here`;
    return { reason: 'sasl_no_tenant', detail, claimed: { tenant: null, name } };
  }
  const facts = { issuer, ...(settings.scopeRoles !== null && { tokenRoles: roles.join(' ') }) };
  const listed = (settings.attributeClaims ?? []).length > 0;
  return {
    identity: { tenant, name, expiresAtMs, roles, ...(listed && { attributes }), facts },
  };
}

/** The claim, else the server name, else the only tenant that there is. */
function tenantIn(
  payload: JWTPayload,
  { tenants, tenantClaim }: OauthIssuerSettings,
  serverTenant: string | null,
): string | undefined {
  const claim = tenantClaim === null ? undefined : payload[tenantClaim];
  if (typeof claim === 'string') return claim;
  if (serverTenant !== null) return serverTenant;
  return tenants.length === 1 ? tenants[0] : undefined;
}
