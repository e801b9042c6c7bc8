/**
 * Threat: a delegation token gives more than its owner has, to somebody of another tenant, after its
 * end, or after the certificate or the name behind it was shut out; or it makes more tokens.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import type { ClientIdentity } from '../tools/client-identity.ts';
import {
  createToken,
  describeTokens,
  expireToken,
  renewToken,
  tokenBrokerEnv,
} from '../tools/delegation-tokens.ts';
import { scramClient, scramLogin, tokenLogin } from '../tools/scram-login.ts';
import { removeScramUser, upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const WITHIN_MS = 1000;
const PASSWORD = 'a password';

describeRequiring(['built-broker'], 'a delegation token', () => {
  const fixture = useBroker({
    env: {
      ...tokenBrokerEnv(),
      BREAKWATER_DELEGATION_TOKEN_EXPIRY_CHECK_INTERVAL_MS: '200',
      BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,SCRAM-SHA-512,PLAIN',
    },
  });
  let device: WireClient;
  let admin: WireClient;

  beforeAll(async () => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
    device = await fixture.connect('acme', 'device-1');
    admin = await fixture.connect('acme', 'admin-1');
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  const run = async (line: string): Promise<void> => {
    const { code, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
  };
  const issued = async (name: string, fleet = 'dev'): Promise<ClientIdentity> => {
    await run(`cert issue --tenant acme --device ${name} --fleet ${fleet} --force`);
    return fixture.who('acme', name);
  };
  const connect = (): Promise<WireClient> =>
    WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'), {
      cert: undefined,
      key: undefined,
    });
  const names = async (client: WireClient): Promise<(string | null)[]> => {
    const { topics } = await client.call(ApiKey.Metadata, 12, { topics: null });
    return topics.map(({ name }) => name);
  };
  const loggedIn = async (token: { tokenId: string; hmac: Buffer }): Promise<WireClient> => {
    const client = await connect();
    expect((await tokenLogin(client, token)).errorCode).toBe(0);
    return client;
  };
  const isRefused = async (token: { tokenId: string; hmac: Buffer }): Promise<boolean> => {
    const answer = await tokenLogin(await connect(), token);
    expect(answer.errorMessage ?? '').toBe(answer.errorCode === 0 ? '' : 'Authentication failed.');
    return answer.errorCode === ErrorCode.SASL_AUTHENTICATION_FAILED;
  };

  describe('while it is good', () => {
    it('is its owner, fleet and all, with no more rights, until it ends', async () => {
      const token = await createToken(device);
      const client = await connect();
      const answer = await tokenLogin(client, token);
      expect(answer.errorCode).toBe(0);
      const lastsMs = token.expiryTimestampMs - Date.now();
      expect(Math.abs(answer.sessionLifetimeMs - lastsMs)).toBeLessThan(5000);
      // The rule that shows telemetry is of the fleet.
      expect(await names(client)).toEqual(['telemetry']);
      const create = { topics: [{ name: 'x', numPartitions: 1, replicationFactor: 1 }] };
      const { topics } = await client.call(ApiKey.CreateTopics, 7, create);
      expect(topics[0]?.errorCode).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      const line = await fixture.audited(
        'security',
        (one) => one.outcome === 'success' && JSON.stringify(one).includes('delegationToken'),
      );
      expect(line).toMatchObject({ tenant: 'acme', principal: 'User:device-1' });
    });

    it('makes, renews, ends and shows no tokens', async () => {
      const token = await createToken(device, { renewers: ['service-1'] });
      const client = await loggedIn(token);
      const refused = ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
      expect(await createToken(client)).toMatchObject({ errorCode: refused, tokenId: '' });
      expect((await renewToken(client, token.hmac)).errorCode).toBe(refused);
      expect((await expireToken(client, token.hmac)).errorCode).toBe(refused);
      const shown = await client.call(ApiKey.DescribeDelegationToken, 3, { owners: null });
      expect(shown).toMatchObject({ errorCode: refused, tokens: [] });
      const asked = fixture
        .audit('security')
        .filter(
          ({ reason, outcome }) => `${reason} ${outcome}` === 'delegation-token-request failure',
        );
      expect(asked).toHaveLength(4);
      expect(await isRefused(token)).toBe(false);
    });

    it('is no password: not by PLAIN, not without the extension, nor is a password a token', async () => {
      await upsertScramUser(admin, 'service-1', PASSWORD);
      const token = await createToken(device);
      const hmac = token.hmac.toString('base64');
      const attempts = [
        await scramLogin(await connect(), token.tokenId, hmac),
        await scramLogin(await connect(), 'acme/device-1', hmac),
        await scramLogin(await connect(), 'acme/device-1', hmac, ',tokenauth=true'),
        await scramLogin(await connect(), 'acme/service-1', PASSWORD, ',tokenauth=true'),
        await scramLogin(await connect(), token.tokenId, PASSWORD, ',tokenauth=true'),
        await scramLogin(await connect(), `${token.tokenId}x`, hmac, ',tokenauth=true'),
        await scramLogin(await connect(), token.tokenId, `${hmac}x`, ',tokenauth=true'),
      ];
      const plain = await connect();
      await plain.call(ApiKey.SaslHandshake, 1, { mechanism: 'PLAIN' });
      const authBytes = Buffer.from(`\0${token.tokenId}\0${hmac}`);
      attempts.push(await plain.call(ApiKey.SaslAuthenticate, 2, { authBytes }));
      for (const answer of attempts) {
        expect(answer).toMatchObject({
          errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
          errorMessage: 'Authentication failed.',
        });
      }
    });

    it('one that is not there gets the same first answer each time, as a user does', async () => {
      const first = async (): Promise<string> => {
        const client = await connect();
        await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
        const authBytes = Buffer.from(`n,,n=acme/${'A'.repeat(22)},r=abc,tokenauth=true`);
        const answer = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
        expect(answer.errorCode).toBe(0);
        return answer.authBytes.toString().replace(/^r=[^,]+,/, '');
      };
      const answers = [await first(), await first()];
      expect(new Set(answers).size).toBe(1);
      expect(answers[0]).toMatch(/^s=[A-Za-z0-9+/=]{30,40},i=4096$/);
    });
  });

  describe('renews its session in place', () => {
    /** SaslHandshake is taken once a second has gone by. */
    const renewing = async (client: WireClient, mechanism = 'SCRAM-SHA-256'): Promise<void> => {
      const handshake = async () =>
        (await client.call(ApiKey.SaslHandshake, 1, { mechanism })).errorCode;
      await expect.poll(handshake, { timeout: 5000 }).toBe(0);
    };
    const proof = async (client: WireClient, user: string, password: string, extensions = '') => {
      const messages = scramClient(user, password, extensions);
      const first = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes: messages.first });
      const authBytes = messages.final(first.authBytes);
      return client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
    };

    it('by another token of its owner, whose end is its own from then on', async () => {
      const [first, second] = [await createToken(device), await createToken(device)];
      const client = await loggedIn(first);
      await renewing(client);
      const hmac = second.hmac.toString('base64');
      const answer = await proof(client, second.tokenId, hmac, ',tokenauth=true');
      expect(answer.errorCode).toBe(0);
      await expireToken(device, first.hmac);
      expect(await names(client)).toEqual(['telemetry']);
      await expireToken(device, second.hmac);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
    });

    it("not by another's token, nor by a password, which would make tokens", async () => {
      await upsertScramUser(admin, 'device-1', PASSWORD);
      const others = await createToken(admin);
      const [one, two] = [
        await loggedIn(await createToken(device)),
        await loggedIn(await createToken(device)),
      ];
      await Promise.all([renewing(one), renewing(two)]);
      const hmac = others.hmac.toString('base64');
      for (const [client, answer] of [
        [one, await proof(one, others.tokenId, hmac, ',tokenauth=true')],
        [two, await proof(two, 'acme/device-1', PASSWORD)],
      ] as const) {
        expect(answer.errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
        expect(await client.isClosed(2000)).toBe(true);
      }
      await removeScramUser(admin, 'device-1');
    });
  });

  it('of one tenant is unknown in every other: to log in, to renew, to end, to look at', async () => {
    const token = await createToken(device, { renewers: ['device-2', 'admin-1'] });
    const stranger = await fixture.connect('globex', 'admin-1');
    const id = token.tokenId.slice('acme/'.length);
    expect(await isRefused({ ...token, tokenId: `globex/${id}` })).toBe(true);
    for (const change of [renewToken, expireToken]) {
      const answer = await change(stranger, token.hmac);
      expect(answer.errorCode).toBe(ErrorCode.DELEGATION_TOKEN_NOT_FOUND);
    }
    const seen = await describeTokens(stranger);
    expect(JSON.stringify(seen)).not.toContain(id);
    expect(JSON.stringify(seen)).not.toContain('acme');
    expect(JSON.stringify(await describeTokens(stranger, ['device-1']))).toBe('[]');
    expect(await isRefused(token)).toBe(false);
  });

  describe('ends its sessions within a second', () => {
    it('when it is removed', async () => {
      const token = await createToken(device);
      const kept = await loggedIn(await createToken(device));
      const client = await loggedIn(token);
      await expireToken(device, token.hmac);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await isRefused(token)).toBe(true);
      expect(await names(kept)).toEqual(['telemetry']);
    });

    it('when it expires, and when it is made to expire sooner', async () => {
      const short = await createToken(device, { maxLifetimeMs: 1500 });
      const shortened = await createToken(device);
      const atOnce = await createToken(device);
      const clients = [await loggedIn(short), await loggedIn(shortened), await loggedIn(atOnce)];
      const { expiryTimestampMs } = await expireToken(device, shortened.hmac, 1000);
      await expireToken(device, atOnce.hmac, 0);
      const endsMs = [short.expiryTimestampMs, expiryTimestampMs, Date.now()];
      await Promise.all(
        clients.map(async (client, at) => {
          expect(await client.isClosed(5000)).toBe(true);
          expect(Date.now()).toBeGreaterThanOrEqual(endsMs[at]! - 5);
          expect(Date.now()).toBeLessThan(endsMs[at]! + WITHIN_MS + 200);
        }),
      );
      for (const token of [short, shortened, atOnce]) expect(await isRefused(token)).toBe(true);
      const kept = async () => (await describeTokens(device)).map(({ tokenId }) => tokenId);
      await expect.poll(kept).not.toContain(short.tokenId);
      await fixture.audited('security', (one) => one.reason === 'delegation-tokens-expired');
    });

    it('when the certificate is revoked that it was made with, by serial', async () => {
      const who = await issued('token-1');
      const { serialNumber } = new X509Certificate(readFileSync(who.certFile));
      const maker = await fixture.connect('acme', 'token-1');
      const token = await createToken(maker);
      const client = await loggedIn(token);
      await run(`cert revoke --tenant acme --serial ${serialNumber}`);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await isRefused(token)).toBe(true);
    });

    it.each([
      ['the name is revoked', 'cert revoke --tenant acme --device token-2'],
      ['the name is suspended', 'device suspend --tenant acme token-2'],
      ['the fleet is suspended', 'fleet suspend --tenant acme token-fleet'],
    ])('when %s', async (_what, command) => {
      await issued('token-2', 'token-fleet');
      // A certificate counts as revoked by its name until the next second.
      let maker = await fixture.connect('acme', 'token-2');
      await expect
        .poll(async () => {
          maker = await fixture.connect('acme', 'token-2');
          return maker.call(ApiKey.ApiVersions, 0, {}).then(
            () => true,
            () => false,
          );
        })
        .toBe(true);
      const token = await createToken(maker);
      const client = await loggedIn(token);
      await run(command);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await isRefused(token)).toBe(true);
      if (!command.includes('suspend')) return;
      await run(command.replace('suspend', 'resume'));
      expect(await isRefused(token)).toBe(false);
    });

    it.each([
      ['suspended', 'device suspend --tenant acme token-3', 'device resume --tenant acme token-3'],
      [
        'banned',
        'ban add --tenant acme --device token-3 --for 1h',
        'ban remove --tenant acme --device token-3',
      ],
    ])('when its requester is %s, who made it for another', async (_what, out, back) => {
      await issued('token-3');
      const binding = {
        resourceType: 'USER',
        resourceName: 'User:service-1',
        operation: 'CREATE_TOKENS',
        principal: 'User:token-3',
        permission: 'ALLOW',
      };
      const path = '/v1/tenants/acme/acls';
      expect((await adminRequest(fixture.broker, 'POST', path, binding)).status).toBeLessThan(300);
      const token = await createToken(await fixture.connect('acme', 'token-3'), {
        owner: 'service-1',
      });
      const client = await loggedIn(token);
      await run(out);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await isRefused(token)).toBe(true);
      await run(back);
    });

    it('when the tenant is suspended', async () => {
      const token = await createToken(await fixture.connect('globex', 'device-1'));
      const client = await loggedIn(token);
      await adminRequest(fixture.broker, 'POST', '/v1/tenants/globex/suspend', {});
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await isRefused(token)).toBe(true);
      await adminRequest(fixture.broker, 'POST', '/v1/tenants/globex/resume', {});
    });
  });

  it("is its owner's and not the owner's password: a new password leaves its sessions", async () => {
    await upsertScramUser(admin, 'service-1', PASSWORD);
    const login = await connect();
    await scramLogin(login, 'acme/service-1', PASSWORD);
    const session = await loggedIn(await createToken(login));
    await removeScramUser(admin, 'service-1');
    expect(await login.isClosed(WITHIN_MS)).toBe(true);
    expect(await names(session)).toContain('telemetry');
  });

  it('does not outlive the certificate that it was made with', async () => {
    await run('cert issue --tenant acme --device token-4 --fleet dev --days 1 --force');
    const { validTo } = new X509Certificate(readFileSync(fixture.who('acme', 'token-4').certFile));
    const token = await createToken(await fixture.connect('acme', 'token-4'));
    expect(token.maxTimestampMs).toBe(Date.parse(validTo));
    const renewed = await renewToken(await fixture.connect('acme', 'token-4'), token.hmac);
    expect(renewed.expiryTimestampMs).toBeLessThanOrEqual(Date.parse(validTo));
  });
});
