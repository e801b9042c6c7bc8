/**
 * Owns the trust in one set of token issuers (the SASL listener has its own, the admin API another):
 * whose signature, audience and dates are believed, and which roles scopes stand for.
 *
 * Invariant: a token is checked against a strict form before anything looks into it, its algorithm is
 * one of the issuer's asymmetric ones, and a role comes only from the operator's mapping, never from
 * what a token calls a role. Nothing of a token's text is kept, logged or told.
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
import { NO_ROLES } from '../principal.ts';

/** RFC 7515 compact form; jose itself tolerates white space and lenient base64. */
const COMPACT_JWS = /^[A-Za-z0-9_-]{2,4096}\.[A-Za-z0-9_-]{2,12000}\.[A-Za-z0-9_-]{2,2048}$/;
export const TOKEN_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

const JWKS_REFRESH_MS = 60 * 60 * 1000;
/** Between two fetches for key ids that are not known. */
const JWKS_COOLDOWN_MS = 30 * 1000;
const JWKS_TIMEOUT_MS = 5000;

/** The roles that the operator gives for what a token was granted. */
export interface ScopeRoles {
  /** Claims that hold scopes, each a text with spaces between or a list. */
  readonly claims: readonly string[];
  /** From a scope to `Role:<name>`s. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
}

export interface TokenIssuer {
  /** The `iss` claim. */
  readonly issuer: string;
  readonly audience: string;
  /** Where its keys are: an address, the keys themselves, or who looks for one of them. */
  readonly jwks: URL | JSONWebKeySet | JWTVerifyGetKey;
  readonly algorithms: readonly TokenAlgorithm[];
  readonly principalClaim: string;
  /** Stands before the claim in the name, so that it is never the name of a certificate. */
  readonly principalPrefix: string;
  /** Null: its tokens bring no roles. */
  readonly scopeRoles: ScopeRoles | null;
  /** Claims that rules may say as variables: `site` is ${token.site}. */
  readonly attributeClaims?: readonly string[];
  readonly clockToleranceMs: number;
  readonly tokenAgeMaxMs: number;
}

export type TokenRefusalReason = 'bad_token' | 'token_expired' | 'unusable';

export interface TokenRefusal {
  readonly reason: TokenRefusalReason;
  readonly detail: string;
}

export interface VerifiedToken<T extends TokenIssuer> {
  readonly settings: T;
  readonly payload: JWTPayload;
  /** A name that a principal may have. */
  readonly name: string;
  /** `Role:<name>`, sorted, each once. */
  readonly roles: readonly string[];
  /** The listed claims that it has, as `token.<claim>`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly expiresAtMs: number;
}

/** For a claim that is no text: no name can be so, so a rule with it never grants and always denies. */
const NO_TEXT = '?';

const badToken = (detail: string): TokenRefusal => ({ reason: 'bad_token', detail });

export class TokenTrust<T extends TokenIssuer> {
  readonly #byName: ReadonlyMap<string, { settings: T; keys: JWTVerifyGetKey }>;
  readonly #clock: Clock;

  constructor(issuers: readonly T[], clock: Clock) {
    this.#byName = new Map(
      issuers.map((settings) => [settings.issuer, { settings, keys: keysOf(settings) }]),
    );
    this.#clock = clock;
  }

  /** Verifies a token. Rejects for nothing that a peer sent. */
  async verify(token: string): Promise<VerifiedToken<T> | TokenRefusal> {
    const issuer = COMPACT_JWS.test(token) ? issuerNamedBy(token) : undefined;
    const trusted = issuer === undefined ? undefined : this.#byName.get(issuer);
    if (trusted === undefined) return badToken('no trusted issuer');
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
      return verified(settings, payload);
    } catch (error) {
      return refusalFor(error);
    }
  }
}

function verified<T extends TokenIssuer>(
  settings: T,
  payload: JWTPayload,
): VerifiedToken<T> | TokenRefusal {
  // Its holder must prove a key (RFC 7800), which a bearer does not.
  if (payload.cnf !== undefined) return badToken('the token is bound to a key (cnf)');
  const claim = payload[settings.principalClaim];
  const name = typeof claim === 'string' ? settings.principalPrefix + claim : '';
  if (claim === '' || !isSubjectName(name)) {
    return badToken(`the claim ${settings.principalClaim} is no name that a principal may have`);
  }
  const roles = settings.scopeRoles === null ? NO_ROLES : rolesIn(payload, settings.scopeRoles);
  // Denies may hang on a role, so a claim that cannot be read is not the same as none.
  if (roles === null) return badToken('a claim of scopes is neither a text nor a list of texts');
  const attributes = attributesIn(payload, settings.attributeClaims ?? []);
  return { settings, payload, name, roles, attributes, expiresAtMs: payload.exp! * 1000 };
}

function attributesIn(
  payload: JWTPayload,
  claims: readonly string[],
): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  for (const claim of claims) {
    const value: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
    if (value === undefined || value === '') continue;
    attributes[`token.${claim}`] = typeof value === 'string' ? value.slice(0, 64) : NO_TEXT;
  }
  return attributes;
}

function rolesIn(payload: JWTPayload, mapping: ScopeRoles): readonly string[] | null {
  const held = new Set<string>();
  for (const claim of mapping.claims) {
    const value: unknown = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
    if (value === undefined) continue;
    const scopes: unknown[] | null =
      typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : null;
    if (scopes === null) return null;
    for (const scope of scopes) {
      if (typeof scope !== 'string') return null;
      for (const role of mapping.roles.get(scope) ?? NO_ROLES) held.add(role);
    }
  }
  return [...held].sort();
}

function keysOf({ jwks }: TokenIssuer): JWTVerifyGetKey {
  if (typeof jwks === 'function') return jwks;
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

function refusalFor(error: unknown): TokenRefusal {
  const detail = error instanceof errors.JOSEError ? error.code : 'the keys could not be fetched';
  if (error instanceof errors.JWTExpired) return { reason: 'token_expired', detail };
  const isOurs = !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout;
  return { reason: isOurs ? 'unusable' : 'bad_token', detail };
}
