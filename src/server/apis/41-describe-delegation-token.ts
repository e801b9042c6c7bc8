/**
 * DescribeDelegationToken (key 41): the tokens that the caller owns or may renew, and those that it
 * holds DESCRIBE for on the DELEGATION_TOKEN, or DESCRIBE_TOKENS on the USER `User:<owner>`.
 * - Null owners: all of these; a list: those that one of it owns or may renew; an empty list: none.
 * - Not over a connection that a token authenticated: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
 * - Beyond Kafka: only owners and renewers are told the HMAC, with which one logs in; others that
 *   may look get none. To see is not to be.
 */
import { KafkaError } from '../../base/errors.ts';
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { workInTurns } from '../../protocol/records/event-loop-slices.ts';
import { EMPTY_BYTES } from '../../protocol/schema.ts';
import type {
  DescribeDelegationTokenRequest,
  DescribedDelegationToken,
} from '../../protocol/schemas/41-describe-delegation-token.ts';
import {
  type DelegationToken,
  isOwnerOrRenewer,
  tokenName,
} from '../../security/tokens/delegation-token.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import type { TenantDelegationTokens } from '../tenant-security.ts';
import { OWNER_VERSION_MIN } from './38-create-delegation-token.ts';
import { refuseTokenSession, tokensOf, USER_TYPE } from './delegation-token-rules.ts';

/** Named in one request. */
const OWNERS_MAX = 1000;

export const describeDelegationTokenApi = defineApi({
  key: ApiKey.DescribeDelegationToken,
  versions: { min: 1, max: 3 },
  authorization: perResource,

  async handle(ctx, { owners }) {
    await refuseTokenSession(ctx);
    const tokens = tokensOf(ctx);
    if (owners !== null && owners.length > OWNERS_MAX) {
      throw new KafkaError(ErrorCode.INVALID_REQUEST, `At most ${OWNERS_MAX} owners.`);
    }
    if (owners?.length === 0) return described(ErrorCode.NONE, []);
    if (!ctx.listed('DESCRIBE', 'DELEGATION_TOKEN')) {
      return described(ErrorCode.KAFKA_STORAGE_ERROR, []);
    }
    const found = await workInTurns(ctx.services.clock, visible(ctx, tokens, owners));
    return described(ErrorCode.NONE, found);
  },

  fail: (_request, errorCode) => described(errorCode, []),
});

function described(errorCode: number, tokens: DescribedDelegationToken[]) {
  return { errorCode, tokens, throttleTimeMs: 0 };
}

function* visible(
  ctx: RequestContext,
  tokens: TenantDelegationTokens,
  owners: DescribeDelegationTokenRequest['owners'],
): Generator<void, DescribedDelegationToken[]> {
  const { tenant, name: caller } = ctx.session.principal;
  const users = owners?.filter(({ principalType }) => principalType === USER_TYPE);
  const wanted = users && new Set(users.map(({ principalName }) => principalName));
  const found: DescribedDelegationToken[] = [];
  const maySee = sight(ctx);
  for (const token of tokens.of(tenant).all()) {
    yield;
    if (wanted && ![token.owner, ...token.renewers].some((name) => wanted.has(name))) continue;
    const isTheirs = isOwnerOrRenewer(token, caller);
    if (!isTheirs && !maySee(token)) continue;
    const hmac = isTheirs ? tokens.keys.hmacOf(tenant, token.id) : EMPTY_BYTES;
    found.push(facts(ctx, token, hmac));
  }
  return found;
}

/** Who holds a right to look; what concerns an owner is asked once. */
function sight(ctx: RequestContext): (token: DelegationToken) => boolean {
  const { tenant } = ctx.session.principal;
  const ofOwner = new Map<string, boolean>();
  return (token) => {
    let may = ofOwner.get(token.owner);
    if (may === undefined) {
      may = ctx.permits('DESCRIBE_TOKENS', 'USER', `${USER_TYPE}:${token.owner}`);
      ofOwner.set(token.owner, may);
    }
    return may || ctx.permits('DESCRIBE', 'DELEGATION_TOKEN', tokenName(tenant, token));
  };
}

function facts(
  ctx: RequestContext,
  token: DelegationToken,
  hmac: Buffer,
): DescribedDelegationToken {
  const hasRequester = ctx.apiVersion >= OWNER_VERSION_MIN;
  return {
    principalType: USER_TYPE,
    principalName: token.owner,
    tokenRequesterPrincipalType: hasRequester ? USER_TYPE : '',
    tokenRequesterPrincipalName: hasRequester ? token.requester : '',
    issueTimestamp: token.issuedAtMs,
    expiryTimestamp: token.expiresAtMs,
    maxTimestamp: token.maxAtMs,
    tokenId: tokenName(ctx.session.principal.tenant, token),
    hmac,
    renewers: token.renewers.map((principalName) => ({ principalType: USER_TYPE, principalName })),
  };
}
