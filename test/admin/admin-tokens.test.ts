/** Operators who come with a token: how a request becomes somebody's, and what is recorded. */
import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/logger.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';
import { OperatorTokens } from '../../src/security/token/operator-tokens.ts';
import { claimsFor, signedToken, signingKey } from '../tools/token-issuer.ts';
import { type AdminFixture, DENIED, startFixture } from './admin-fixture.ts';

const ISSUER = 'https://login.example.com/';
const AUDIENCE = 'breakwater-admin';
const CONNECTIONS_MAX = 4;
const key = signingKey('k1');
let skewMs = 0;
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + skewMs };
const tokens = new OperatorTokens(
  [
    {
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: { keys: [key.jwk] },
      algorithms: ['ES256'],
      principalClaim: 'sub',
      principalPrefix: '',
      scopeRoles: { claims: ['scope'], roles: new Map([['ops', ['Role:operator']]]) },
      clockToleranceMs: 0,
      tenants: null,
      tenantClaim: null,
      tokenAgeMaxMs: 3_600_000,
    },
  ],
  clock,
);
const tokenOf = (more: Readonly<Record<string, unknown>> = {}): string =>
  signedToken(key, claimsFor(ISSUER, AUDIENCE, { sub: 'ada', scope: 'ops', ...more }));
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const logLines: string[] = [];
let admin: AdminFixture;
beforeAll(async () => {
  const logger = createLogger('trace', { write: (line) => logLines.push(line) });
  admin = await startFixture({ tokens, logger, limits: { connectionsMax: CONNECTIONS_MAX } });
});
afterAll(() => admin.dispose());
afterEach(() => {
  admin.audit.events.length = 0;
  skewMs = 0;
});

const get = (headers: Readonly<Record<string, string>> = {}, as: string | null = null) =>
  admin.call('GET', '/v1/tenants', { as, headers });

describe('a request with a token', () => {
  test('acts as its subject with the mapped roles, and is recorded with its issuer', async () => {
    let asked: KafkaPrincipal | undefined;
    const { authorizer } = admin.deps;
    const decide = authorizer.authorizeIn;
    authorizer.authorizeIn = (tenant, principal, host, action) => {
      asked = principal;
      return decide(tenant, principal, host, action);
    };
    try {
      expect((await get(bearer(tokenOf()))).status).toBe(200);
    } finally {
      authorizer.authorizeIn = decide;
    }
    expect(asked).toMatchObject({ kind: 'operator', tenant: '', name: 'ada', fleet: null });
    expect(asked?.roles).toEqual(['Role:operator']);
    const [login, , access] = admin.audit.events;
    expect(login?.security).toMatchObject({
      reason: 'operator-token',
      outcome: 'success',
      facts: { issuer: ISSUER, tokenRoles: 'Role:operator' },
    });
    for (const event of [login, access]) {
      expect(event?.subject).toMatchObject({ principal: 'User:ada', tokenIssuer: ISSUER });
    }
    expect(admin.audit.story()[1]).toBe('durable');
  });

  test('is decided by the policy like any other', async () => {
    const { decide } = admin;
    admin.decide = () => DENIED;
    const answer = await get(bearer(tokenOf()));
    admin.decide = decide;
    expect([answer.status, answer.json.code]).toEqual([403, 'not-authorized']);
  });

  test('acts as the token says where there is a certificate, too', async () => {
    expect((await get(bearer(tokenOf()), 'operator')).status).toBe(200);
    const access = admin.audit.events.find(({ kind }) => kind === 'access');
    expect(access?.subject?.principal).toBe('User:ada');
    expect((await get(bearer('x.y.z'), 'operator')).status).toBe(401);
  });

  test('gets no further with a certificate that is refused', async () => {
    await expect(get(bearer(tokenOf()), 'acme/device-1')).rejects.toThrow();
  });

  test.each([
    ['no role', { scope: 'openid' }, 403, 'insufficient-scope', 'token_without_role'],
    ['no scope', { scope: undefined }, 403, 'insufficient-scope', 'token_without_role'],
    ['another audience', { aud: 'breakwater' }, 401, 'invalid-token', 'token_refused'],
    ['a name that is none', { sub: 'a/b' }, 401, 'invalid-token', 'token_refused'],
    ['no name', { sub: undefined }, 401, 'invalid-token', 'token_refused'],
    ['its end behind it', { exp: 1, iat: 0 }, 401, 'token-expired', 'token_expired'],
  ])('with %s is refused, durably recorded first', async (_what, more, status, code, reason) => {
    const answer = await get(bearer(tokenOf(more)));
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(admin.audit.story()).toEqual([`security ${reason} failure`, 'durable']);
  });

  test('that ends is worth nothing on the connection that it opened', async () => {
    const socket = await admin.connect(null);
    const token = tokenOf({ exp: Math.floor(Date.now() / 1000) + 60 });
    const request = `GET /v1/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    expect(await exchange(socket, request)).toMatch(/^HTTP\/1\.1 200 /);
    skewMs = 61_000;
    expect(await exchange(socket, request)).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('is one login for many requests of a connection', async () => {
    const socket = await admin.connect(null);
    const token = tokenOf();
    const request = `GET /v1/tenants HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`;
    for (let count = 0; count < 3; count += 1) await exchange(socket, request);
    socket.destroy();
    const logins = admin.audit.story().filter((line) => line.includes('operator-token'));
    expect(logins).toHaveLength(1);
  });
});

describe('a request without proof', () => {
  test('is answered 401 with what to show, and the connection ends', async () => {
    for (const path of ['/v1/tenants', '/healthz', '/no/such/route']) {
      const answer = await admin.call('GET', path, { as: null });
      expect([answer.status, answer.json.code], path).toEqual([401, 'no-credentials']);
      expect(answer.headers).toMatchObject({ 'www-authenticate': 'Bearer', connection: 'close' });
    }
  });

  test.each(['Basic YTpi', 'Bearer', 'Bearer ', 'bearer a b', 'Token x', ''])(
    'an Authorization of %j is malformed',
    async (authorization) => {
      expect((await get({ authorization }, null)).json.code).toBe('malformed-authorization');
    },
  );

  test('two tokens are malformed, the good one first or last', async () => {
    const [good, bad] = [`authorization: Bearer ${tokenOf()}`, 'Authorization: Bearer x'];
    for (const headers of [
      [good, bad],
      [bad, good],
    ]) {
      const socket = await admin.connect(null);
      const lines = ['GET /v1/tenants HTTP/1.1', 'host: x', ...headers, '', ''];
      expect(await exchange(socket, lines.join('\r\n'))).toContain('malformed-authorization');
    }
  });

  test('is refused before its body is read', async () => {
    const socket = await admin.connect(null);
    const head =
      'POST /v1/tenants HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
      'content-length: 10000\r\n\r\n';
    expect(await exchange(socket, head)).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('a header that is too large is refused by the parser', async () => {
    const answer = await get(bearer('a'.repeat(17_000)));
    expect(answer.status).toBe(431);
  });

  test('a mass of nameless connections makes room among itself, and operators get in', async () => {
    const held: TLSSocket[] = [];
    for (let count = 0; count < CONNECTIONS_MAX + 2; count += 1) {
      const socket = await admin.connect(null);
      socket.on('error', () => {});
      held.push(socket);
    }
    await expect.poll(() => held.filter(({ closed }) => closed).length).toBe(2);
    expect((await get(bearer(tokenOf()))).status).toBe(200);
    expect((await admin.call('GET', '/v1/tenants')).status).toBe(200);
    for (const socket of held) socket.destroy();
  });

  test('is refused with 503 while the refusal cannot be recorded', async () => {
    admin.audit.failing = true;
    const answer = await get();
    admin.audit.failing = false;
    expect(answer.json.code).toBe('audit-offline');
  });
});

test('where no issuer is configured a token is refused, even beside a certificate', async () => {
  const plain = await startFixture();
  try {
    const headers = bearer(tokenOf());
    const answer = await plain.call('GET', '/v1/tenants', { headers });
    expect([answer.status, answer.json.code]).toEqual([401, 'tokens-not-taken']);
    await expect(plain.call('GET', '/v1/tenants', { headers, as: null })).rejects.toThrow();
  } finally {
    await plain.dispose();
  }
});

test('nothing of a token is in the log, the access log or an answer', async () => {
  const answers = [await get(bearer(tokenOf())), await get(bearer(`${tokenOf()}A`))];
  const text = JSON.stringify([logLines, admin.audit.events, answers.map((one) => one.text)]);
  expect(text).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
});

/** Writes, and reads until there is a whole head and something of a body. */
async function exchange(socket: TLSSocket, text: string): Promise<string> {
  let received = '';
  socket.write(text);
  while (!/\r\n\r\n./s.test(received)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    received += chunk.toString('latin1');
  }
  return received;
}
