/**
 * ExpireDelegationToken (key 40): a token ends earlier; a negative period removes it at once.
 * - No right is asked for: the owner and the renewers may, others get
 *   DELEGATION_TOKEN_OWNER_MISMATCH. An HMAC that proves no token of the tenant:
 *   DELEGATION_TOKEN_NOT_FOUND. One that has expired can only be removed.
 * - As in Kafka a period may also make it last longer, up to its longest time.
 * - Connections that logged in by it are closed within a second of its end.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, perResource } from '../define-api.ts';
import { actOnToken, NO_TIME, refuseExpired, refuseStranger } from './delegation-token-rules.ts';

export const expireDelegationTokenApi = defineApi({
  key: ApiKey.ExpireDelegationToken,
  versions: { min: 1, max: 2 },
  authorization: perResource,

  async handle(ctx, { hmac, expiryTimePeriodMs }) {
    const expiryTimestampMs = await actOnToken(ctx, {
      reason: 'delegation-token-expire',
      hmac,
      expiryOf(token, nowMs) {
        refuseStranger(ctx, token);
        if (expiryTimePeriodMs < 0) return null;
        refuseExpired(token, nowMs);
        return Math.min(nowMs + expiryTimePeriodMs, token.maxAtMs);
      },
    });
    return { errorCode: ErrorCode.NONE, expiryTimestampMs, throttleTimeMs: 0 };
  },

  fail: (_request, errorCode) => ({ errorCode, expiryTimestampMs: NO_TIME, throttleTimeMs: 0 }),
});
