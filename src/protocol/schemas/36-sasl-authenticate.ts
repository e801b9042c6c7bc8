/** SaslAuthenticate (key 36): one step of a SASL exchange, after SaslHandshake version 1. */
import { bytes, type Infer, int16, int64, message, string } from '../schema.ts';

export const saslAuthenticateRequest = message(
  'SaslAuthenticateRequest',
  { versions: '0-2', flexible: '2+' },
  {
    authBytes: bytes('0+', { sensitive: true }),
  },
);
export interface SaslAuthenticateRequest extends Infer<typeof saslAuthenticateRequest> {}

export const saslAuthenticateResponse = message(
  'SaslAuthenticateResponse',
  { versions: '0-2', flexible: '2+' },
  {
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    authBytes: bytes('0+', { sensitive: true }),
    sessionLifetimeMs: int64('1+', { ignorable: true }),
  },
);
export interface SaslAuthenticateResponse extends Infer<typeof saslAuthenticateResponse> {}
