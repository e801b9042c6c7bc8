/**
 * DescribeUserScramCredentials (key 50): the SCRAM mechanisms and iteration counts of users; never
 * the secrets.
 */
import { array, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const userName = struct({
  name: string('0+'),
});
export interface UserName extends Infer<typeof userName> {}

export const describeUserScramCredentialsRequest = message(
  'DescribeUserScramCredentialsRequest',
  { versions: '0', flexible: '0+' },
  {
    users: array('0+', userName, { nullable: '0+' }),
  },
);
export interface DescribeUserScramCredentialsRequest
  extends Infer<typeof describeUserScramCredentialsRequest> {}

const credentialInfo = struct({
  mechanism: int8('0+'),
  iterations: int32('0+'),
});
export interface CredentialInfo extends Infer<typeof credentialInfo> {}

const describeUserScramCredentialsResult = struct({
  user: string('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  credentialInfos: array('0+', credentialInfo),
});
export interface DescribeUserScramCredentialsResult
  extends Infer<typeof describeUserScramCredentialsResult> {}

export const describeUserScramCredentialsResponse = message(
  'DescribeUserScramCredentialsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    results: array('0+', describeUserScramCredentialsResult),
  },
);
export interface DescribeUserScramCredentialsResponse
  extends Infer<typeof describeUserScramCredentialsResponse> {}
