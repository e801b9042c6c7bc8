/**
 * SaslHandshake (key 17): chooses the SASL mechanism. Version 1 is followed by SaslAuthenticate,
 * version 0 by raw tokens.
 */
import { array, type Infer, int16, message, string } from '../schema.ts';

export const saslHandshakeRequest = message(
  'SaslHandshakeRequest',
  { versions: '0-1', flexible: 'none' },
  {
    mechanism: string('0+'),
  },
);
export interface SaslHandshakeRequest extends Infer<typeof saslHandshakeRequest> {}

export const saslHandshakeResponse = message(
  'SaslHandshakeResponse',
  { versions: '0-1', flexible: 'none' },
  {
    errorCode: int16('0+'),
    mechanisms: array('0+', string()),
  },
);
export interface SaslHandshakeResponse extends Infer<typeof saslHandshakeResponse> {}
