/**
 * Owns how an operator's token comes in a request (RFC 6750, section 2.1) and what is said when it is
 * not taken. Invariant: there is at most one; nothing of it leaves in an answer.
 */
import type { OperatorTokenRefusal } from '../security/token/operator-tokens.ts';
import { AdminError } from './problem.ts';

/** A scheme and one token; what is in it is judged by its verifier. */
const BEARER = /^bearer ([^\s]+)$/i;

/** The values of Authorization as they came: Node itself keeps the first of several. */
export function authorizationsIn(rawHeaders: readonly string[]): string[] {
  return rawHeaders.filter(
    (_text, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'authorization',
  );
}

/** The token of the only value; null when there is not exactly one bearer token. */
export function bearerToken(authorizations: readonly string[]): string | null {
  const [value, ...more] = authorizations;
  return more.length === 0 ? (BEARER.exec(value ?? '')?.[1] ?? null) : null;
}

export interface TokenProblem {
  /** For the access log. */
  readonly reason: string;
  readonly detail: string;
  readonly error: AdminError;
}

const problem = (reason: string, detail: string, error: AdminError): TokenProblem => ({
  reason,
  detail,
  error,
});

const unauthorized = (code: string, detail: string): AdminError =>
  new AdminError(401, code, detail);

export const NO_CREDENTIALS: TokenProblem = problem(
  'no_credentials',
  'a request with neither a certificate nor a token',
  unauthorized('no-credentials', 'Show the certificate of an operator, or a bearer token.'),
);

export const TOKENS_NOT_TAKEN: TokenProblem = problem(
  'token_not_taken',
  'an Authorization header, and admin.oauth.issuers.file is not set',
  unauthorized('tokens-not-taken', 'This broker takes certificates of operators only.'),
);

export const MALFORMED: TokenProblem = problem(
  'token_malformed',
  'not exactly one bearer token',
  unauthorized('malformed-authorization', 'Give one Authorization header with one bearer token.'),
);

export const TOO_MANY: TokenProblem = problem(
  'max-connections',
  'admin.max.connections is reached',
  new AdminError(503, 'max-connections', 'There are too many connections of operators.'),
);

const AUDIT_REASONS = {
  bad_token: 'token_refused',
  token_expired: 'token_expired',
  no_role: 'token_without_role',
  no_tenant: 'token_of_no_tenant',
  unusable: 'token_keys_unavailable',
} as const satisfies Record<OperatorTokenRefusal['reason'], string>;

/** What one that was verified and refused is told; the log has the detail. */
export function problemFor({ reason, detail }: OperatorTokenRefusal): TokenProblem {
  const error = {
    bad_token: unauthorized('invalid-token', 'The token is not one of a trusted issuer for here.'),
    token_expired: unauthorized('token-expired', 'The token has ended: get a new one.'),
    no_role: new AdminError(403, 'insufficient-scope', 'No scope of the token gives a role here.'),
    no_tenant: new AdminError(403, 'no-tenant', "The token is for none of the issuer's tenants."),
    unusable: new AdminError(503, 'token-keys-unavailable', "The issuer's keys cannot be fetched."),
  }[reason];
  return problem(AUDIT_REASONS[reason], detail, error);
}

export const BAD_TOKEN: TokenProblem = problemFor({ reason: 'bad_token', detail: '' });

export const ENDED: TokenProblem = problemFor({
  reason: 'token_expired',
  detail: 'it ended while the request came in',
});

/** Whose tenant is suspended or gone, or who is shut out of it by name; the log says which. */
export const shutOut = ({ reason, detail }: { reason: string; detail: string }): TokenProblem =>
  problem(
    reason,
    detail,
    new AdminError(403, 'shut-out', 'Whoever this token is of is shut out at present.'),
  );
