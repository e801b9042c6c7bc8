/** A real OAuth issuer (oidc-provider) on loopback, with client credentials and JWT access tokens. */
import { generateKeyPairSync } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import Provider from 'oidc-provider';
import { freePort } from './free-port.ts';

export interface OidcIssuer {
  readonly issuer: string;
  readonly tokenUrl: string;
  readonly jwksUrl: string;
  readonly audience: string;
  /** Fetches a token as a client would. */
  token(clientId: string): Promise<string>;
  stop(): Promise<void>;
}

export const CLIENT_SECRET = 'a-secret-of-the-test';
export const SCOPE = 'kafka';

export async function startOidcIssuer(options: {
  readonly clients: readonly string[];
  readonly tokenSeconds: number;
  /** Its certificate and key, in PEM: then it speaks HTTPS alone. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
}): Promise<OidcIssuer> {
  const port = await freePort();
  const { tls } = options;
  const issuer = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const audience = 'breakwater';
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' };
  const resourceServer = {
    scope: SCOPE,
    audience,
    accessTokenTTL: options.tokenSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
  const provider = new Provider(issuer, {
    clients: options.clients.map((clientId) => ({
      client_id: clientId,
      client_secret: CLIENT_SECRET,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    scopes: [SCOPE],
    jwks: { keys: [key] },
    ttl: { ClientCredentials: options.tokenSeconds },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:breakwater',
        getResourceServerInfo: () => resourceServer,
        useGrantedResource: () => true,
      },
    },
  });
  const handle = provider.callback();
  const server = tls === undefined ? createHttpServer(handle) : createHttpsServer(tls, handle);
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  const tokenUrl = `${issuer}/token`;
  return {
    issuer,
    tokenUrl,
    jwksUrl: `${issuer}/jwks`,
    audience,
    async token(clientId) {
      const credentials = Buffer.from(`${clientId}:${CLIENT_SECRET}`).toString('base64');
      const answer = await fetch(tokenUrl, {
        method: 'POST',
        headers: {
          authorization: `Basic ${credentials}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: `grant_type=client_credentials&scope=${SCOPE}`,
      });
      const body = (await answer.json()) as { access_token?: string };
      if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`);
      return body.access_token;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
