/** ExpireDelegationToken (key 40): ends a delegation token early. */
import { bytes, type Infer, int16, int32, int64, message } from '../schema.ts';

export const expireDelegationTokenRequest = message(
  'ExpireDelegationTokenRequest',
  { versions: '1-2', flexible: '2+' },
  {
    hmac: bytes('0+', { sensitive: true }),
    expiryTimePeriodMs: int64('0+'),
  },
);
export interface ExpireDelegationTokenRequest extends Infer<typeof expireDelegationTokenRequest> {}

export const expireDelegationTokenResponse = message(
  'ExpireDelegationTokenResponse',
  { versions: '1-2', flexible: '2+' },
  {
    errorCode: int16('0+'),
    expiryTimestampMs: int64('0+'),
    throttleTimeMs: int32('0+'),
  },
);
export interface ExpireDelegationTokenResponse
  extends Infer<typeof expireDelegationTokenResponse> {}
