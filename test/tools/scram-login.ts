/** A SCRAM client over a WireClient, for tests that must be exact about the wire. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import type { SaslAuthenticateResponse } from '../../src/protocol/schemas/36-sasl-authenticate.ts';
import type { WireClient } from './wire-client.ts';

const FIRST = 'n,,';

export interface ScramClientMessages {
  readonly first: Buffer;
  final(serverFirst: Buffer): Buffer;
}

/** The messages of a SCRAM-SHA-256 client; `extensions` as they stand behind its nonce. */
export const scramClient = (
  user: string,
  password: string,
  extensions = '',
): ScramClientMessages => {
  const bare = `n=${user},r=the-nonce-of-a-test${extensions}`;
  return {
    first: Buffer.from(FIRST + bare),
    final: (serverFirst) => {
      const text = serverFirst.toString();
      const [, nonce = '', salt = '', iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(text) ?? [];
      const saltBytes = Buffer.from(salt, 'base64');
      const salted = pbkdf2Sync(password, saltBytes, Number(iterations), 32, 'sha256');
      const mac = (key: Buffer, of: string) => createHmac('sha256', key).update(of).digest();
      const clientKey = mac(salted, 'Client Key');
      const withoutProof = `c=${Buffer.from(FIRST).toString('base64')},r=${nonce}`;
      const message = `${bare},${text},${withoutProof}`;
      const signature = mac(createHash('sha256').update(clientKey).digest(), message);
      const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]!));
      return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
    },
  };
};

/** SaslHandshake and SaslAuthenticate; the last answer. */
export const scramLogin = async (
  client: WireClient,
  user: string,
  password: string,
  extensions = '',
): Promise<SaslAuthenticateResponse> => {
  await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
  const messages = scramClient(user, password, extensions);
  const challenge = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes: messages.first });
  if (challenge.errorCode !== 0) return challenge;
  const authBytes = messages.final(challenge.authBytes);
  return client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
};

/** What a delegation token is to its client. */
export interface HeldToken {
  readonly tokenId: string;
  readonly hmac: Buffer;
}

/** Logs in by a delegation token, as Kafka's clients do. */
export const tokenLogin = (
  client: WireClient,
  { tokenId, hmac }: HeldToken,
): Promise<SaslAuthenticateResponse> =>
  scramLogin(client, tokenId, hmac.toString('base64'), ',tokenauth=true');
