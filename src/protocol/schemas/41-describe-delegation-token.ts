/** DescribeDelegationToken (key 41): lists delegation tokens, all or by owner. */
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

const describeDelegationTokenOwner = struct({
  principalType: string('0+'),
  principalName: string('0+'),
});
export interface DescribeDelegationTokenOwner extends Infer<typeof describeDelegationTokenOwner> {}

export const describeDelegationTokenRequest = message(
  'DescribeDelegationTokenRequest',
  { versions: '1-3', flexible: '2+' },
  {
    owners: array('0+', describeDelegationTokenOwner, { nullable: '0+' }),
  },
);
export interface DescribeDelegationTokenRequest
  extends Infer<typeof describeDelegationTokenRequest> {}

const describedDelegationTokenRenewer = struct({
  principalType: string('0+'),
  principalName: string('0+'),
});
export interface DescribedDelegationTokenRenewer
  extends Infer<typeof describedDelegationTokenRenewer> {}

const describedDelegationToken = struct({
  principalType: string('0+'),
  principalName: string('0+'),
  tokenRequesterPrincipalType: string('3+'),
  tokenRequesterPrincipalName: string('3+'),
  issueTimestamp: int64('0+'),
  expiryTimestamp: int64('0+'),
  maxTimestamp: int64('0+'),
  tokenId: string('0+'),
  hmac: bytes('0+', { sensitive: true }),
  renewers: array('0+', describedDelegationTokenRenewer),
});
export interface DescribedDelegationToken extends Infer<typeof describedDelegationToken> {}

export const describeDelegationTokenResponse = message(
  'DescribeDelegationTokenResponse',
  { versions: '1-3', flexible: '2+' },
  {
    errorCode: int16('0+'),
    tokens: array('0+', describedDelegationToken),
    throttleTimeMs: int32('0+'),
  },
);
export interface DescribeDelegationTokenResponse
  extends Infer<typeof describeDelegationTokenResponse> {}
