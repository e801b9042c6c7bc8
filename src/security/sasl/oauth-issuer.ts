/**
 * Owns the trust in OAuth issuers: each is bound by the operator to its keys, its audience and fixed
 * tenants. Invariant: a token is checked against a strict form before anything looks into it, its
 * algorithm is one of the issuer's asymmetric ones, and no claim leads out of the issuer's tenants.
 */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Clock } from '../../base/clock.ts';
import { isSubjectName } from '../../pki/identity-name.ts';
import type { SaslIdentity, SaslRefusal } from './sasl-mechanism.ts';

/** RFC 7515 compact form; jose itself tolerates white space and lenient base64. */
const COMPACT_JWS = /^[A-Za-z0-9_-]{2,4096}\.[A-Za-z0-9_-]{2,12000}\.[A-Za-z0-9_-]{2,2048}$/;
export const TOKEN_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

const JWKS_REFRESH_MS = 60 * 60 * 1000;
/** Between two fetches for key ids that are not known. */
const JWKS_COOLDOWN_MS = 30 * 1000;
const JWKS_TIMEOUT_MS = 5000;

export interface OauthIssuerSettings {
  /** The `iss` claim. */
  readonly issuer: string;
  readonly audience: string;
  /** Where its keys are: an https address (http on loopback only), or the keys themselves. */
  readonly jwks: URL | JSONWebKeySet;
  readonly algorithms: readonly TokenAlgorithm[];
  /** The tenants that it may speak for; with more than one the token or the login must choose. */
  readonly tenants: readonly string[];
  /** The claim that chooses among `tenants`. */
  readonly tenantClaim: string | null;
  readonly principalClaim: string;
  readonly clockToleranceMs: number;
  readonly tokenAgeMaxMs: number;
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
  readonly #byName: ReadonlyMap<string, { settings: OauthIssuerSettings; keys: JWTVerifyGetKey }>;
  readonly #clock: Clock;

  constructor(issuers: readonly OauthIssuerSettings[], clock: Clock) {
    this.#byName = new Map(
      issuers.map((settings) => [settings.issuer, { settings, keys: keysOf(settings) }]),
    );
    this.#clock = clock;
  }

  /** Verifies a token. Rejects for nothing that a peer sent. */
  async verify(token: string, serverTenant: string | null): Promise<TokenVerdict> {
    const issuer = COMPACT_JWS.test(token) ? issuerNamedBy(token) : undefined;
    const trusted = issuer === undefined ? undefined : this.#byName.get(issuer);
    if (trusted === undefined) {
      return { reason: 'sasl_bad_token', detail: 'no trusted issuer', claimed: NOBODY };
    }
    const { settings, keys } = trusted;
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: settings.issuer,
        audience: settings.audience,
        algorithms: [...settings.algorithms],
        clockTolerance: settings.clockToleranceMs / 1000,
        requiredClaims: ['exp', 'iat', settings.principalClaim],
        maxTokenAge: settings.tokenAgeMaxMs / 1000,
        currentDate: new Date(this.#clock.nowMs()),
      });
      return identityIn(payload, settings, serverTenant);
    } catch (error) {
      return refusalFor(error);
    }
  }
}

function keysOf({ jwks }: OauthIssuerSettings): JWTVerifyGetKey {
  if (!(jwks instanceof URL)) return createLocalJWKSet(jwks);
  return createRemoteJWKSet(jwks, {
    cacheMaxAge: JWKS_REFRESH_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    timeoutDuration: JWKS_TIMEOUT_MS,
  });
}

/** Read before any verification, only to choose the keys to verify with. */
function issuerNamedBy(token: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(
      Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8'),
    );
    const issuer = payload instanceof Object && 'iss' in payload ? payload.iss : undefined;
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}

function identityIn(
  payload: JWTPayload,
  settings: OauthIssuerSettings,
  serverTenant: string | null,
): TokenVerdict {
  const name = payload[settings.principalClaim];
  if (typeof name !== 'string' || !isSubjectName(name)) {
    const detail = `the claim ${settings.principalClaim} is no name that a principal may have`;
    return { reason: 'sasl_bad_token', detail, claimed: NOBODY };
  }
  const tenant = tenantIn(payload, settings, serverTenant);
  const claimed = { tenant: tenant ?? null, name };
  if (tenant === undefined) {
    const detail = `nothing chooses among the tenants of ${settings.issuer}`;
    return { reason: 'sasl_no_tenant', detail, claimed };
  }
  if (!settings.tenants.includes(tenant) || (serverTenant ?? tenant) !== tenant) {
    const detail = `${settings.issuer} does not speak for ${JSON.stringify(tenant.slice(0, 80))} here`;
    return { reason: 'sasl_no_tenant', detail, claimed: { tenant: null, name } };
  }
  return { identity: { tenant, name, expiresAtMs: payload.exp! * 1000 } };
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

function refusalFor(error: unknown): TokenVerdict {
  const detail = error instanceof errors.JOSEError ? error.code : 'the keys could not be fetched';
  if (error instanceof errors.JWTExpired) {
    return { reason: 'sasl_token_expired', detail, claimed: NOBODY };
  }
  const isOurs = !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout;
  return { reason: isOurs ? 'sasl_unusable' : 'sasl_bad_token', detail, claimed: NOBODY };
}
