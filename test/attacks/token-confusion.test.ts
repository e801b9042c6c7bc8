/**
 * Threat: a token is used where it was not meant for (a client's at the admin API, an operator's at
 * the brokers' port) or is forged by games with its header; its roles reach another session, another
 * tenant or the operators. (An operator's token that ends: test/admin/admin-tokens.)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { createToken, tokenBrokerEnv } from '../tools/delegation-tokens.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import {
  claimsFor,
  encoded,
  hmacToken,
  signedToken,
  signingKey,
  writeJwks,
} from '../tools/token-issuer.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

/** One identity provider for both listeners, as it will often be: the audience tells them apart. */
const ISSUER = 'https://login.example.com/';
const CLIENTS = 'breakwater';
const OPERATORS = 'breakwater-admin';
const key = signingKey('k1');
const second = signingKey('k2');
const stranger = signingKey('k1');

type Fields = Readonly<Record<string, unknown>>;
const clientClaims = (more: Fields = {}): Fields =>
  claimsFor(ISSUER, CLIENTS, { sub: 'robot', scope: 'telemetry.write ops', ...more });
const operatorClaims = (more: Fields = {}): Fields =>
  claimsFor(ISSUER, OPERATORS, { sub: 'ada', scope: 'ops', ...more });

const directory = temporaryDirectory('issuers');
const jwksFile = join(directory, 'jwks.json');
const entry = (audience: string, ...more: string[]): string =>
  [
    'issuers:',
    `  - issuer: ${ISSUER}`,
    `    audience: ${audience}`,
    '    jwks.file: jwks.json',
    '    algorithms: [ES256]',
    '    clock.tolerance.seconds: 0',
    ...more.map((line) => `    ${line}`),
    '',
  ].join('\n');

describeRequiring(['built-broker'], 'tokens', () => {
  writeJwks(jwksFile, [key, second]);
  const saslFile = join(directory, 'clients.yaml');
  const adminFile = join(directory, 'operators.yaml');
  const scopes = [
    'tenants: [acme]',
    'attribute.claims: [site]',
    'scope.roles:',
    '  telemetry.write: [writer]',
  ];
  writeFileSync(saslFile, entry(CLIENTS, ...scopes));
  writeFileSync(adminFile, entry(OPERATORS, 'scope.roles:', '  ops: [operator]'));
  const fixture = useBroker({
    env: {
      ...tokenBrokerEnv(),
      BREAKWATER_SASL_ENABLED_MECHANISMS: 'OAUTHBEARER,SCRAM-SHA-512',
      BREAKWATER_CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: '0',
      BREAKWATER_SASL_OAUTHBEARER_ISSUERS_FILE: saslFile,
      BREAKWATER_ADMIN_OAUTH_ISSUERS_FILE: adminFile,
    },
  });
  afterAll(() => removeDirectory(directory));
  beforeAll(async () => {
    const rule = {
      principal: 'Role:writer',
      permission: 'ALLOW',
      operation: 'WRITE',
      resourceType: 'TOPIC',
      resourceName: 'telemetry',
    };
    const { status } = await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/acls', rule);
    expect(status).toBe(201);
  });

  /** Of the admin API, for a token and no certificate. */
  const adminStatus = (token: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const { adminPort, certsDir } = fixture.broker;
      const call = request(
        {
          host: '127.0.0.1',
          port: adminPort,
          path: '/v1/tenants',
          ca: readFileSync(join(certsDir, 'ca.crt')),
          headers: { authorization: `Bearer ${token}` },
          agent: false,
        },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      call.on('error', reject);
      call.end();
    });

  const connected = (): Promise<WireClient> =>
    WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'));
  const handshake = async (client: WireClient): Promise<number> =>
    (await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'OAUTHBEARER' })).errorCode;
  const authenticate = async (client: WireClient, token: string): Promise<number> => {
    await handshake(client);
    return present(client, token);
  };
  const present = async (client: WireClient, token: string): Promise<number> => {
    const authBytes = Buffer.from(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);
    const first = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
    if (first.errorCode !== 0 || first.authBytes.length === 0) return first.errorCode;
    // The challenge of a token that is refused: the client says that it has seen it.
    const seen = { authBytes: Buffer.from('\u0001') };
    return (await client.call(ApiKey.SaslAuthenticate, 2, seen)).errorCode;
  };
  const loggedIn = async (token: string): Promise<WireClient> => {
    const client = await connected();
    expect(await authenticate(client, token)).toBe(0);
    return client;
  };
  const saslCode = async (token: string): Promise<number> => {
    const client = await connected();
    const code = await authenticate(client, token);
    client.close();
    return code;
  };
  /** Whether the session may write to telemetry: it sees the topic then. */
  const mayWrite = async (client: WireClient): Promise<boolean> => {
    const asked = { topics: [{ name: 'telemetry' }] };
    const { topics } = await client.call(ApiKey.Metadata, 12, asked);
    return topics[0]?.errorCode === ErrorCode.NONE;
  };

  const bad = ErrorCode.SASL_AUTHENTICATION_FAILED;
  const past = { iat: 1_600_000_000, exp: 1_600_000_300 };
  const signature = (token: string): string => token.split('.')[2]!;
  const forged: [string, (claims: Fields) => string][] = [
    ['without a signature', (claims) => `${encoded({ alg: 'none' })}.${encoded(claims)}.`],
    [
      'without a signature, and with one',
      (claims) =>
        `${encoded({ alg: 'none' })}.${encoded(claims)}.${signature(signedToken(key, claims))}`,
    ],
    ['by HMAC with the public key', (claims) => hmacToken(key, claims)],
    ['of a stranger under our key id', (claims) => signedToken(stranger, claims)],
    ['of another key under ours', (claims) => signedToken(second, claims, { kid: 'k1' })],
    ['under a key id that is a path', (claims) => signedToken(key, claims, { kid: '../../k1' })],
    ['under a key id that is a list', (claims) => signedToken(key, claims, { kid: ['k1'] })],
    [
      'under no key id, of a stranger',
      (claims) => signedToken(stranger, claims, { kid: undefined }),
    ],
    [
      'with its own key inside',
      (claims) => signedToken(stranger, claims, { jwk: stranger.jwk, kid: undefined }),
    ],
    [
      'with an address of keys inside',
      (claims) => signedToken(stranger, claims, { jku: 'https://evil.example.com/jwks', kid: 'x' }),
    ],
    ['that ended', (claims) => signedToken(key, { ...claims, ...past })],
    ['of the future', (claims) => signedToken(key, { ...claims, iat: 4_000_000_000 })],
    ['of another issuer', (claims) => signedToken(key, { ...claims, iss: `${ISSUER}x` })],
    ['for nobody', (claims) => signedToken(key, { ...claims, aud: [] })],
  ];

  it.each(forged)('a token %s gets in nowhere', async (_what, forge) => {
    expect(await saslCode(forge(clientClaims()))).toBe(bad);
    expect(await adminStatus(forge(operatorClaims()))).toBe(401);
  });

  it('a good one gets in, each in its own place', async () => {
    expect(await saslCode(signedToken(key, clientClaims()))).toBe(0);
    expect(await adminStatus(signedToken(key, operatorClaims()))).toBe(200);
    expect(await adminStatus(signedToken(second, operatorClaims()))).toBe(200);
  });

  it('the command line takes a token from a file, and its scope must give a role', async () => {
    const file = join(directory, 'token');
    const { adminPort, certsDir } = fixture.broker;
    const run = (claims: Fields) => {
      writeFileSync(file, `${signedToken(key, claims)}\n`);
      const where = ['--url', `https://127.0.0.1:${adminPort}`, '--certs', certsDir];
      return runInProcess(['tenant', 'list', ...where, '--token-file', file]);
    };
    expect((await run(operatorClaims())).stdout).toMatch(/acme +active/);
    const refused = await run(operatorClaims({ scope: 'x' }));
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toContain('ask the issuer for a scope');
  });

  it("a client's token is nothing at the admin API, whatever it says", async () => {
    for (const more of [{}, { tenant: '', roles: ['operator'] }, { sub: 'operator' }]) {
      const token = signedToken(key, clientClaims({ scope: 'ops', ...more }));
      expect(await saslCode(token)).toBe(0);
      expect(await adminStatus(token)).toBe(401);
    }
  });

  it("an operator's token is nothing on the brokers' port", async () => {
    expect(await saslCode(signedToken(key, operatorClaims()))).toBe(bad);
  });

  it('a token larger than a header may be is refused by the parser', async () => {
    const more = { padding: 'a'.repeat(16_000) };
    expect(await adminStatus(signedToken(key, operatorClaims(more)))).toBe(431);
  });

  it('the name of an operator with a certificate brings nothing without a scope', async () => {
    const token = signedToken(key, operatorClaims({ sub: 'operator', scope: '' }));
    expect(await adminStatus(token)).toBe(403);
  });

  it('the access log has issuer, subject and roles, and nothing of a token', async () => {
    await adminStatus(signedToken(key, operatorClaims()));
    const login = await fixture.audited('security', (one) => one.reason === 'operator-token');
    expect(login).toMatchObject({ principal: 'User:ada', issuer: ISSUER, listener: 'admin' });
    const access = await fixture.audited(
      'access',
      (one) => one.principal === 'User:ada' && one.decision === 'allow',
    );
    expect(access).toMatchObject({ issuer: ISSUER, tokenRole: 'Role:operator' });
    const all = JSON.stringify([fixture.audit('access'), fixture.audit('security')]);
    expect(all + fixture.broker.stderr() + fixture.broker.stdout()).not.toMatch(/eyJ[\w-]{10}/);
  });

  describe('roles', () => {
    it('are of the session whose token brought them, and of no other', async () => {
      const [writer, other] = [
        await loggedIn(signedToken(key, clientClaims())),
        await loggedIn(signedToken(key, clientClaims({ scope: 'openid' }))),
      ];
      for (let round = 0; round < 2; round += 1) {
        expect([await mayWrite(writer), await mayWrite(other)]).toEqual([true, false]);
      }
      const login = await fixture.audited(
        'security',
        (line) => line.reason === 'OAUTHBEARER' && JSON.stringify(line).includes('Role:writer'),
      );
      expect(login.facts).toMatchObject({ issuer: ISSUER, tokenRoles: 'Role:writer' });
      const access = await fixture.audited('access', (line) => line.tokenRole === 'Role:writer');
      expect(access).toMatchObject({ principal: 'User:robot', origin: 'dynamic' });
      for (const client of [writer, other]) client.close();
    });

    it('are not shed by way of a delegation token, which has none, nor are attributes', async () => {
      const refused = ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
      for (const [claims, errorCode] of [
        [{}, refused],
        [{ scope: 'openid', site: 'north' }, refused],
        [{ scope: 'openid' }, 0],
      ] as const) {
        const client = await loggedIn(signedToken(key, clientClaims(claims)));
        expect((await createToken(client)).errorCode).toBe(errorCode);
        client.close();
      }
      const line = await fixture.audited(
        'security',
        (one) => one.reason === 'delegation-token-create' && one.outcome === 'failure',
      );
      expect(line).toMatchObject({ tenant: 'acme', principal: 'User:robot' });
    });

    it('are replaced when the login is renewed, with what was decided before', async () => {
      const client = await loggedIn(signedToken(key, clientClaims()));
      const renew = (scope: string) => present(client, signedToken(key, clientClaims({ scope })));
      expect(await mayWrite(client)).toBe(true);
      // The first may come at once, the next one a second after it.
      expect(await handshake(client)).toBe(0);
      expect(await renew('openid')).toBe(0);
      expect(await mayWrite(client)).toBe(false);
      expect(await handshake(client)).toBe(ErrorCode.ILLEGAL_SASL_STATE);
      await expect.poll(() => handshake(client), { timeout: 5000, interval: 100 }).toBe(0);
      expect(await renew('telemetry.write')).toBe(0);
      expect(await mayWrite(client)).toBe(true);
      // A ban of the address ends a login that was renewed as it does any other.
      const ban = { network: '127.0.0.1', durationMs: 60_000 };
      expect((await adminRequest(fixture.broker, 'POST', '/v1/bans', ban)).status).toBe(201);
      expect(await client.isClosed(1000)).toBe(true);
      await adminRequest(fixture.broker, 'DELETE', '/v1/bans?network=127.0.0.1');
    });
  });

  it('a key that is added to the file is used, one that is taken out is not', async () => {
    const third = signingKey('k3');
    const token = signedToken(third, clientClaims());
    expect(await saslCode(token)).toBe(bad);
    writeJwks(jwksFile, [third]);
    await expect.poll(() => saslCode(token), { timeout: 5000, interval: 200 }).toBe(0);
    expect(await saslCode(signedToken(key, clientClaims()))).toBe(bad);
    writeFileSync(jwksFile, '{"keys":[');
    await expect
      .poll(
        async () => [
          await saslCode(token),
          fixture.audit('security').some(({ reason }) => reason === 'jwks-refused'),
        ],
        { timeout: 5000, interval: 200 },
      )
      .toEqual([0, true]);
  });
});
