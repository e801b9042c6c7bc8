/** CreateDelegationToken (key 38): creates a delegation token. */
import {
  array,
  bytes,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
} from '../schema.ts';

const creatableRenewers = struct({
  principalType: string('0+'),
  principalName: string('0+'),
});
export interface CreatableRenewers extends Infer<typeof creatableRenewers> {}

export const createDelegationTokenRequest = message(
  'CreateDelegationTokenRequest',
  { versions: '1-3', flexible: '2+' },
  {
    ownerPrincipalType: string('3+', { nullable: '3+' }),
    ownerPrincipalName: string('3+', { nullable: '3+' }),
    renewers: array('0+', creatableRenewers),
    maxLifetimeMs: int64('0+'),
  },
);
export interface CreateDelegationTokenRequest extends Infer<typeof createDelegationTokenRequest> {}

export const createDelegationTokenResponse = message(
  'CreateDelegationTokenResponse',
  { versions: '1-3', flexible: '2+' },
  {
    errorCode: int16('0+'),
    principalType: string('0+'),
    principalName: string('0+'),
    tokenRequesterPrincipalType: string('3+'),
    tokenRequesterPrincipalName: string('3+'),
    issueTimestampMs: int64('0+'),
    expiryTimestampMs: int64('0+'),
    maxTimestampMs: int64('0+'),
    tokenId: string('0+'),
    hmac: bytes('0+', { sensitive: true }),
    throttleTimeMs: int32('0+'),
  },
);
export interface CreateDelegationTokenResponse
  extends Infer<typeof createDelegationTokenResponse> {}
