/** An OAuth issuer that is a key pair: it signs whatever a test wants, and writes its public keys. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';

type Fields = Readonly<Record<string, unknown>>;

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The public one, as it stands in a JWKS. */
  readonly jwk: Record<string, unknown>;
}

export function signingKey(kid: string): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' };
  return { kid, publicKey, privateKey, jwk };
}

export function writeJwks(path: string, keys: readonly SigningKey[]): void {
  writeFileSync(path, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
}

export const encoded = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A token in compact form; `header` replaces or adds fields. */
export function signedToken(key: SigningKey, payload: unknown, header: Fields = {}): string {
  const signed = `${encoded({ alg: 'ES256', kid: key.kid, ...header })}.${encoded(payload)}`;
  const options = { key: key.privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return `${signed}.${sign('sha256', Buffer.from(signed), options).toString('base64url')}`;
}

/** Signed by HMAC with a text that everybody knows: the public key. */
export function hmacToken(key: SigningKey, payload: unknown): string {
  const secret = key.publicKey.export({ type: 'spki', format: 'pem' });
  const signed = `${encoded({ alg: 'HS256', kid: key.kid })}.${encoded(payload)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** What every good token says; `more` replaces or adds claims. */
export function claimsFor(issuer: string, audience: string, more: Fields = {}): Fields {
  const nowS = Math.floor(Date.now() / 1000);
  return { iss: issuer, aud: audience, iat: nowS, exp: nowS + 300, ...more };
}
