/** RenewDelegationToken (key 39): prolongs a delegation token. */
import { bytes, type Infer, int16, int32, int64, message } from '../schema.ts';

export const renewDelegationTokenRequest = message(
  'RenewDelegationTokenRequest',
  { versions: '1-2', flexible: '2+' },
  {
    hmac: bytes('0+', { sensitive: true }),
    renewPeriodMs: int64('0+'),
  },
);
export interface RenewDelegationTokenRequest extends Infer<typeof renewDelegationTokenRequest> {}

export const renewDelegationTokenResponse = message(
  'RenewDelegationTokenResponse',
  { versions: '1-2', flexible: '2+' },
  {
    errorCode: int16('0+'),
    expiryTimestampMs: int64('0+'),
    throttleTimeMs: int32('0+'),
  },
);
export interface RenewDelegationTokenResponse extends Infer<typeof renewDelegationTokenResponse> {}
