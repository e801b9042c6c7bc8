/** AlterUserScramCredentials (key 51): creates, replaces and deletes SCRAM credentials. */
import {
  array,
  bytes,
  type Infer,
  int8,
  int16,
  int32,
  message,
  string,
  struct,
} from '../schema.ts';

const scramCredentialDeletion = struct({
  name: string('0+'),
  mechanism: int8('0+'),
});
export interface ScramCredentialDeletion extends Infer<typeof scramCredentialDeletion> {}

const scramCredentialUpsertion = struct({
  name: string('0+'),
  mechanism: int8('0+'),
  iterations: int32('0+'),
  salt: bytes('0+', { sensitive: true }),
  saltedPassword: bytes('0+', { sensitive: true }),
});
export interface ScramCredentialUpsertion extends Infer<typeof scramCredentialUpsertion> {}

export const alterUserScramCredentialsRequest = message(
  'AlterUserScramCredentialsRequest',
  { versions: '0', flexible: '0+' },
  {
    deletions: array('0+', scramCredentialDeletion),
    upsertions: array('0+', scramCredentialUpsertion),
  },
);
export interface AlterUserScramCredentialsRequest
  extends Infer<typeof alterUserScramCredentialsRequest> {}

const alterUserScramCredentialsResult = struct({
  user: string('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
});
export interface AlterUserScramCredentialsResult
  extends Infer<typeof alterUserScramCredentialsResult> {}

export const alterUserScramCredentialsResponse = message(
  'AlterUserScramCredentialsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    results: array('0+', alterUserScramCredentialsResult),
  },
);
export interface AlterUserScramCredentialsResponse
  extends Infer<typeof alterUserScramCredentialsResponse> {}
