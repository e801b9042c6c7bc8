/**
 * RenewDelegationToken (key 39): a token lasts longer, up to its longest time.
 * - No right is asked for: the owner and the renewers may, others get
 *   DELEGATION_TOKEN_OWNER_MISMATCH. An HMAC that proves no token of the tenant:
 *   DELEGATION_TOKEN_NOT_FOUND. One that has expired stays so: DELEGATION_TOKEN_EXPIRED.
 * - A period that is not positive, or longer than delegation.token.expiry.time.ms: that.
 * - Sessions by the token last as long as it did when they logged in, unless they renew their login.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, perResource } from '../define-api.ts';
import {
  actOnToken,
  NO_TIME,
  refuseExpired,
  refuseStranger,
  tokensOf,
} from './delegation-token-rules.ts';

export const renewDelegationTokenApi = defineApi({
  key: ApiKey.RenewDelegationToken,
  versions: { min: 1, max: 2 },
  authorization: perResource,

  async handle(ctx, { hmac, renewPeriodMs }) {
    const expiryTimestampMs = await actOnToken(ctx, {
      reason: 'delegation-token-renew',
      hmac,
      expiryOf(token, nowMs) {
        refuseExpired(token, nowMs);
        refuseStranger(ctx, token);
        const { renewalMaxMs } = tokensOf(ctx);
        const periodMs = renewPeriodMs > 0 ? Math.min(renewPeriodMs, renewalMaxMs) : renewalMaxMs;
        return Math.min(nowMs + periodMs, token.maxAtMs);
      },
    });
    return { errorCode: ErrorCode.NONE, expiryTimestampMs, throttleTimeMs: 0 };
  },

  fail: (_request, errorCode) => ({ errorCode, expiryTimestampMs: NO_TIME, throttleTimeMs: 0 }),
});
