/** SaslAuthenticate (key 36) on a connection that has its identity: a step of its renewal. */
import { ApiKey } from '../../protocol/api-keys.ts';
import { defineApi, none } from '../define-api.ts';
import { illegalState } from '../sasl-reauthentication.ts';

export const saslAuthenticateApi = defineApi({
  key: ApiKey.SaslAuthenticate,
  versions: { min: 0, max: 2 },
  authorization: none('it proves who asks; it touches no resource'),

  handle: (ctx, request) =>
    ctx.session.reauthentication?.authenticate(request.authBytes) ?? illegalState(),

  fail: (_request, errorCode) => ({ ...illegalState(), errorCode }),
});
