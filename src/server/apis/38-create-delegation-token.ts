/**
 * CreateDelegationToken (key 38; KIP-48, KIP-373): a token with which others log in as its owner.
 * - For oneself no right is needed; for another owner CREATE_TOKENS on USER `User:<owner>`.
 * - Not over a connection that a token authenticated: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
 * - Principals are users: INVALID_PRINCIPAL_TYPE. Names that no principal can have, or more than ten
 *   renewers: INVALID_REQUEST. Too many tokens of the owner or tenant: POLICY_VIOLATION.
 * - Beyond Kafka: a token made with a certificate does not outlive it, is revoked with it, and has
 *   the fleet of the device that made it for itself.
 * - Beyond Kafka: whose login brought roles or claims makes none for itself, as a token would be without
 *   them, and outside of the denies that they are for. (What a certificate says, `cert.o` and the
 *   like, a token does not have either; its fleet it has.)
 * - Versions before 3 know no owner but the requester.
 */
import { KafkaError } from '../../base/errors.ts';
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { EMPTY_BYTES } from '../../protocol/schema.ts';
import type {
  CreateDelegationTokenRequest,
  CreateDelegationTokenResponse,
} from '../../protocol/schemas/38-create-delegation-token.ts';
import { NAME_GRAMMAR } from '../../security/policy-rule.ts';
import {
  type DelegationToken,
  type DelegationTokenDecision,
  TOKEN_RENEWERS_MAX,
  tokenName,
} from '../../security/tokens/delegation-token.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import type { TenantDelegationTokens } from '../tenant-security.ts';
import { NO_TIME, refuseTokenSession, tokensOf, USER_TYPE } from './delegation-token-rules.ts';

/** Since then another owner can be named, and the requester stands in answers. */
export const OWNER_VERSION_MIN = 3;

interface Owner {
  readonly type: string;
  readonly name: string;
}

export const createDelegationTokenApi = defineApi({
  key: ApiKey.CreateDelegationToken,
  versions: { min: 1, max: 3 },
  authorization: perResource,

  async handle(ctx, request) {
    const { tenant, name: requester } = ctx.session.principal;
    const owner = ownerIn(request) ?? { type: USER_TYPE, name: requester };
    const answer = {
      ...refusal(owner, ErrorCode.NONE),
      ...(ctx.apiVersion >= OWNER_VERSION_MIN && {
        tokenRequesterPrincipalType: USER_TYPE,
        tokenRequesterPrincipalName: requester,
      }),
    };
    try {
      const token = await created(ctx, request, owner);
      return {
        ...answer,
        issueTimestampMs: token.issuedAtMs,
        expiryTimestampMs: token.expiresAtMs,
        maxTimestampMs: token.maxAtMs,
        tokenId: tokenName(tenant, token),
        hmac: tokensOf(ctx).keys.hmacOf(tenant, token.id),
      };
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { ...answer, errorCode: error.errorCode };
    }
  },

  fail: (request, errorCode) => refusal(ownerIn(request) ?? { type: '', name: '' }, errorCode),
});

/** Null: whoever asks. */
function ownerIn(request: CreateDelegationTokenRequest): Owner | null {
  const { ownerPrincipalType: type, ownerPrincipalName: name } = request;
  return name === null || name === '' ? null : { type: type ?? '', name };
}

function refusal({ type, name }: Owner, errorCode: number): CreateDelegationTokenResponse {
  return {
    errorCode,
    principalType: type,
    principalName: name,
    tokenRequesterPrincipalType: '',
    tokenRequesterPrincipalName: '',
    issueTimestampMs: NO_TIME,
    expiryTimestampMs: NO_TIME,
    maxTimestampMs: NO_TIME,
    tokenId: '',
    hmac: EMPTY_BYTES,
    throttleTimeMs: 0,
  };
}

async function created(
  ctx: RequestContext,
  request: CreateDelegationTokenRequest,
  owner: Owner,
): Promise<DelegationToken> {
  await refuseTokenSession(ctx);
  const { tenant, name: requester } = ctx.session.principal;
  const renewers = checkedRenewers(request, owner);
  const isOwn = owner.name === requester;
  if (isOwn) await refuseShedding(ctx);
  if (!isOwn && !ctx.authorize('CREATE_TOKENS', 'USER', `${owner.type}:${owner.name}`)) {
    const code = ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED;
    throw new KafkaError(code, 'Not authorized to create tokens for this owner.');
  }
  const tokens = tokensOf(ctx);
  const id = tokens.newId();
  const facts = { token: tokenName(tenant, { id }), owner: owner.name };
  const { maxLifetimeMs } = request;
  ctx.administration('delegation-token-create', {
    ...facts,
    renewers: renewers.join(' '),
    maxLifetimeMs,
  });
  await ctx.recorded();
  const named = { id, owner: owner.name, requester, renewers };
  let token: DelegationToken | undefined;
  try {
    const decide: DelegationTokenDecision = (_now, nowMs) => {
      token = { ...named, ...termsOf(ctx, tokens, { isOwn, maxLifetimeMs, nowMs }) };
      return { set: [token], removed: [] };
    };
    await tokens.change(tenant, decide, { isPermitted: () => ctx.isStillPermitted() });
  } catch (error) {
    const detail = error instanceof KafkaError ? error.message : 'it could not be stored';
    ctx.administrationFailed('delegation-token-create', detail, facts);
    await ctx.recorded();
    throw error;
  }
  return token!;
}

/** Rejects where the caller is more than its name, or less: a token would be the name alone. */
async function refuseShedding(ctx: RequestContext): Promise<void> {
  const { roles, attributes = {}, certificate } = ctx.session.principal;
  const hasClaims = certificate === undefined && Object.keys(attributes).length > 0;
  if (roles.length === 0 && !hasClaims) return;
  const detail = 'the login brought roles or claims, which a delegation token would not have';
  ctx.administrationFailed('delegation-token-create', detail, { roles: roles.join(' ') });
  await ctx.recorded();
  throw new KafkaError(ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, `Not allowed: ${detail}.`);
}

/** Each once. Throws KafkaError when they, or the owner, cannot be principals. */
function checkedRenewers({ renewers }: CreateDelegationTokenRequest, owner: Owner): string[] {
  const types = [owner.type, ...renewers.map(({ principalType }) => principalType)];
  if (types.some((type) => type !== USER_TYPE)) {
    throw new KafkaError(ErrorCode.INVALID_PRINCIPAL_TYPE, 'Owners and renewers are users.');
  }
  const names = [...new Set(renewers.map(({ principalName }) => principalName))];
  if (names.length > TOKEN_RENEWERS_MAX) {
    throw new KafkaError(ErrorCode.INVALID_REQUEST, `At most ${TOKEN_RENEWERS_MAX} renewers.`);
  }
  if ([owner.name, ...names].every((name) => NAME_GRAMMAR.test(name))) return names;
  throw new KafkaError(ErrorCode.INVALID_REQUEST, 'A name that no principal can have.');
}

/** How long it lasts, and what it stands and falls with. */
function termsOf(
  ctx: RequestContext,
  { lifetimeMaxMs, renewalMaxMs }: TenantDelegationTokens,
  asked: { readonly isOwn: boolean; readonly maxLifetimeMs: number; readonly nowMs: number },
): Omit<DelegationToken, 'id' | 'owner' | 'requester' | 'renewers'> {
  const { principal } = ctx.session;
  const { isOwn, maxLifetimeMs, nowMs } = asked;
  const lifetimeMs = maxLifetimeMs > 0 ? Math.min(maxLifetimeMs, lifetimeMaxMs) : lifetimeMaxMs;
  const { certificate = null, expiresAtMs } = principal;
  const endsAtMs = certificate === null || expiresAtMs === null ? Infinity : expiresAtMs;
  const maxAtMs = Math.min(nowMs + lifetimeMs, endsAtMs);
  return {
    fleet: isOwn ? principal.fleet : null,
    certificate,
    issuedAtMs: nowMs,
    expiresAtMs: Math.min(nowMs + renewalMaxMs, maxAtMs),
    maxAtMs,
  };
}
