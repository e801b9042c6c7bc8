/**
 * SaslHandshake (key 17) on a connection that has its identity: the beginning of a renewal
 * (KIP-368) on a SASL listener, and out of place everywhere else. The first login is
 * server/sasl-login.ts.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, none } from '../define-api.ts';

export const saslHandshakeApi = defineApi({
  key: ApiKey.SaslHandshake,
  versions: { min: 0, max: 1 },
  authorization: none('it proves who asks; it touches no resource'),

  handle(ctx, request) {
    const { reauthentication } = ctx.session;
    if (reauthentication === null) {
      return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms: [] };
    }
    return reauthentication.handshake(request.mechanism, ctx.apiVersion);
  },

  fail: (_request, errorCode) => ({ errorCode, mechanisms: [] }),
});
