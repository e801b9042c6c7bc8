/**
 * What the four APIs of delegation tokens have in common (Kafka's DelegationTokenControlManager and
 * KafkaApis.allowTokenRequests): who may ask at all, whose a token is, and how a change is made.
 *
 * Invariant: a change is in the audit log, durably, before it is made, and is decided once more in
 * its turn; so is the refusal of somebody who held a token that is not theirs.
 */
import { KafkaError } from '../../base/errors.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import {
  type DelegationToken,
  type DelegationTokenChange,
  type DelegationTokens,
  hasExpired,
  isOwnerOrRenewer,
  tokenName,
} from '../../security/tokens/delegation-token.ts';
import type { RequestContext } from '../request-context.ts';
import type { TenantDelegationTokens } from '../tenant-security.ts';

/** Kafka's value of a time in an answer that refuses. */
export const NO_TIME = -1;
/** The only type of principal. */
export const USER_TYPE = 'User';

/** Rejects where a token was the proof: a token makes, renews and shows no tokens. */
export async function refuseTokenSession(ctx: RequestContext): Promise<void> {
  const { tokenId, tenant } = ctx.session.principal;
  if (tokenId === undefined) return;
  const token = tokenName(tenant, { id: tokenId });
  ctx.administrationFailed('delegation-token-request', 'a token was the proof', { token });
  await ctx.recorded();
  throw new KafkaError(
    ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
    'Delegation token requests are not allowed on a connection that a token authenticated.',
  );
}

export function tokensOf(ctx: RequestContext): TenantDelegationTokens {
  const { delegationTokens } = ctx.services.security;
  if (delegationTokens !== null) return delegationTokens;
  throw new KafkaError(
    ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED,
    'Delegation tokens are not enabled: the broker has no delegation.token.secret.key.file.',
  );
}

export interface TokenAction {
  readonly reason: 'delegation-token-renew' | 'delegation-token-expire';
  readonly hmac: Buffer;
  /** What becomes of the token: when it expires from now on; null: it goes. Throws KafkaError. */
  readonly expiryOf: (token: DelegationToken, nowMs: number) => number | null;
}

/** Does it to the token that the HMAC proves; resolves with the time of its end. */
export async function actOnToken(ctx: RequestContext, action: TokenAction): Promise<number> {
  await refuseTokenSession(ctx);
  const tokens = tokensOf(ctx);
  const { tenant } = ctx.session.principal;
  const id = tokens.keys.idOf(tenant, action.hmac);
  const { clock } = ctx.services;
  const first = await noted(ctx, action, id, () => verdict(tokens.of(tenant), clock.nowMs()));
  const token = tokenName(tenant, first.token);
  ctx.administration(action.reason, { token, owner: first.token.owner, endsAtMs: first.endsAtMs });
  await ctx.recorded();
  let endsAtMs = first.endsAtMs;
  const decide = (now: DelegationTokens, nowMs: number): DelegationTokenChange => {
    const last = verdict(now, nowMs);
    endsAtMs = last.endsAtMs;
    return last.change;
  };
  await noted(ctx, action, id, () =>
    tokens.change(tenant, decide, { isPermitted: () => ctx.isStillPermitted() }),
  );
  return endsAtMs;

  function verdict(now: DelegationTokens, nowMs: number) {
    const found = id === null ? undefined : now.get(id);
    if (found === undefined) {
      throw new KafkaError(ErrorCode.DELEGATION_TOKEN_NOT_FOUND, 'There is no such token.');
    }
    const expiresAtMs = action.expiryOf(found, nowMs);
    const change: DelegationTokenChange =
      expiresAtMs === null
        ? { set: [], removed: [found.id] }
        : { set: [{ ...found, expiresAtMs }], removed: [] };
    return { token: found, change, endsAtMs: expiresAtMs ?? nowMs };
  }
}

/** A refusal of it stands in the audit log before the caller hears of it. */
async function noted<T>(
  ctx: RequestContext,
  { reason }: TokenAction,
  id: string | null,
  attempt: () => T | Promise<T>,
): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    const { tenant } = ctx.session.principal;
    const detail = error instanceof KafkaError ? error.message : 'the change could not be stored';
    const token = id === null ? null : tokenName(tenant, { id });
    ctx.administrationFailed(reason, detail, { token });
    await ctx.recorded();
    throw error;
  }
}

export function refuseExpired(token: DelegationToken, nowMs: number): void {
  if (!hasExpired(token, nowMs)) return;
  throw new KafkaError(ErrorCode.DELEGATION_TOKEN_EXPIRED, 'The token has expired.');
}

export function refuseStranger(ctx: RequestContext, token: DelegationToken): void {
  if (isOwnerOrRenewer(token, ctx.session.principal.name)) return;
  throw new KafkaError(
    ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH,
    'Only the owner and the renewers of a token may change it.',
  );
}
