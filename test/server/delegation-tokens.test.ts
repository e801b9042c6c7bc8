/** Delegation tokens over the wire: Kafka's rules, version by version. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import {
  createToken,
  describeTokens,
  expireToken,
  renewToken,
  tokenBrokerEnv,
} from '../tools/delegation-tokens.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const DAY_MS = 24 * 3600 * 1000;

describeRequiring(['built-broker'], 'delegation tokens', () => {
  const fixture = useBroker({ env: tokenBrokerEnv() });
  let device: WireClient;
  let other: WireClient;
  let admin: WireClient;

  beforeAll(async () => {
    device = await fixture.connect('acme', 'device-1');
    other = await fixture.connect('acme', 'device-2');
    admin = await fixture.connect('acme', 'admin-1');
  });

  const rule = async (method: 'POST' | 'DELETE', right: Record<string, string>): Promise<void> => {
    const path = '/v1/tenants/acme/acls';
    const binding = { ...right, principal: 'User:device-2', permission: 'ALLOW' };
    const reply =
      method === 'POST'
        ? await adminRequest(fixture.broker, method, path, binding)
        : await adminRequest(fixture.broker, method, `${path}?${new URLSearchParams(binding)}`);
    expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  };

  describe('made', () => {
    it('for oneself, without any right: a week at most, a day until it must be renewed', async () => {
      const beforeMs = Date.now();
      const token = await createToken(device, { renewers: ['service-1', 'service-1'] });
      const afterMs = Date.now();
      expect(token).toMatchObject({
        errorCode: 0,
        principalType: 'User',
        principalName: 'device-1',
        tokenRequesterPrincipalType: 'User',
        tokenRequesterPrincipalName: 'device-1',
        tokenId: expect.stringMatching(/^acme\/[A-Za-z0-9_-]{22}$/),
      });
      expect(token.hmac).toHaveLength(64);
      expect(token.issueTimestampMs).toBeGreaterThanOrEqual(beforeMs);
      expect(token.issueTimestampMs).toBeLessThanOrEqual(afterMs);
      expect(token.expiryTimestampMs - token.issueTimestampMs).toBe(DAY_MS);
      expect(token.maxTimestampMs - token.issueTimestampMs).toBe(7 * DAY_MS);
      const [seen] = (await describeTokens(device)).filter((one) => one.tokenId === token.tokenId);
      expect(seen?.renewers).toEqual([{ principalType: 'User', principalName: 'service-1' }]);
      expect(seen?.hmac).toEqual(token.hmac);
    });

    it.each([
      ['shorter than the longest', 5000, 5000],
      ['longer than the longest', 30 * DAY_MS, 7 * DAY_MS],
      ['the most that there is', 2 ** 63, 7 * DAY_MS],
      ['none', 0, 7 * DAY_MS],
    ])('to last as asked: %s', async (_what, maxLifetimeMs, lasts) => {
      const token = await createToken(device, { maxLifetimeMs });
      expect(token.maxTimestampMs - token.issueTimestampMs).toBe(lasts);
      expect(token.expiryTimestampMs - token.issueTimestampMs).toBe(Math.min(lasts, DAY_MS));
      await expireToken(device, token.hmac);
    });

    it.each([1, 2])('in version %i, which knows no owner but the requester', async (version) => {
      const token = await device.call(ApiKey.CreateDelegationToken, version, {
        renewers: [],
        maxLifetimeMs: 1000,
      });
      expect(token).toMatchObject({ errorCode: 0, principalName: 'device-1' });
      const { tokens } = await device.call(ApiKey.DescribeDelegationToken, version, {
        owners: null,
      });
      expect(tokens.map(({ tokenId }) => tokenId)).toContain(token.tokenId);
      const asked = { hmac: token.hmac, renewPeriodMs: 500 };
      const renewed = await device.call(ApiKey.RenewDelegationToken, version === 1 ? 1 : 2, asked);
      expect(renewed.errorCode).toBe(0);
      const ended = { hmac: token.hmac, expiryTimePeriodMs: -1 };
      const gone = await device.call(ApiKey.ExpireDelegationToken, version === 1 ? 1 : 2, ended);
      expect(gone.errorCode).toBe(0);
    });

    it('for another owner, with CREATE_TOKENS on that user', async () => {
      const right = {
        resourceType: 'USER',
        resourceName: 'User:service-1',
        operation: 'CREATE_TOKENS',
      };
      const refused = await createToken(other, { owner: 'service-1' });
      expect(refused).toMatchObject({
        errorCode: ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
        principalName: 'service-1',
        tokenRequesterPrincipalName: 'device-2',
        tokenId: '',
        hmac: Buffer.alloc(0),
        issueTimestampMs: -1,
        expiryTimestampMs: -1,
        maxTimestampMs: -1,
      });
      await rule('POST', right);
      const token = await createToken(other, { owner: 'service-1' });
      expect(token).toMatchObject({
        errorCode: 0,
        principalName: 'service-1',
        tokenRequesterPrincipalName: 'device-2',
      });
      expect((await createToken(other, { owner: 'admin-1' })).errorCode).toBe(
        ErrorCode.DELEGATION_TOKEN_AUTHORIZATION_FAILED,
      );
      await rule('DELETE', right);
      // The requester is neither owner nor renewer: from here on it is not its token.
      expect((await expireToken(other, token.hmac)).errorCode).toBe(
        ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH,
      );
    });

    it.each<[string, object, number]>([
      [
        'an owner of no known type',
        { ownerPrincipalType: 'Group', ownerPrincipalName: 'x' },
        ErrorCode.INVALID_PRINCIPAL_TYPE,
      ],
      [
        'a renewer of no known type',
        { renewers: [{ principalType: 'Role', principalName: 'x' }] },
        ErrorCode.INVALID_PRINCIPAL_TYPE,
      ],
      [
        'a renewer that nobody can be called',
        { renewers: [{ principalType: 'User', principalName: 'a b' }] },
        ErrorCode.INVALID_REQUEST,
      ],
      [
        'an owner that nobody can be called',
        { ownerPrincipalType: 'User', ownerPrincipalName: '../x' },
        ErrorCode.INVALID_REQUEST,
      ],
      [
        'eleven renewers',
        {
          renewers: Array.from({ length: 11 }, (_, n) => ({
            principalType: 'User',
            principalName: `r${n}`,
          })),
        },
        ErrorCode.INVALID_REQUEST,
      ],
    ])('not for %s', async (_what, change, errorCode) => {
      const before = (await describeTokens(admin)).length;
      const body = { renewers: [], maxLifetimeMs: -1, ...change };
      const answer = await admin.call(ApiKey.CreateDelegationToken, 3, body as never);
      expect(answer).toMatchObject({ errorCode, tokenId: '' });
      expect(answer.hmac).toHaveLength(0);
      expect(await describeTokens(admin)).toHaveLength(before);
    });
  });

  describe('described', () => {
    it('to owner and renewers with the HMAC, to those with a right without it, to nobody else', async () => {
      const token = await createToken(device, { renewers: ['service-1'] });
      const find = async (client: WireClient, owners: string[] | null = null) =>
        (await describeTokens(client, owners)).find(({ tokenId }) => tokenId === token.tokenId);
      const service = await fixture.connect('acme', 'service-1');
      expect((await find(device))?.hmac).toEqual(token.hmac);
      expect((await find(service))?.hmac).toEqual(token.hmac);
      expect(await find(other)).toBeUndefined();
      for (const right of [
        {
          resourceType: 'DELEGATION_TOKEN',
          resourceName: token.tokenId,
          operation: 'DESCRIBE',
        },
        { resourceType: 'USER', resourceName: 'User:device-1', operation: 'DESCRIBE_TOKENS' },
      ]) {
        await rule('POST', right);
        const seen = await find(other);
        expect(seen).toMatchObject({ principalName: 'device-1', hmac: Buffer.alloc(0) });
        await rule('DELETE', right);
        expect(await find(other)).toBeUndefined();
      }
    });

    it('by owner or renewer that is asked for; for an empty list none', async () => {
      await createToken(other, { renewers: ['service-1'] });
      const owners = async (asked: string[]) =>
        new Set((await describeTokens(admin, asked)).map(({ principalName }) => principalName));
      expect(await owners(['device-2'])).toEqual(new Set(['device-2']));
      expect(await owners(['service-1'])).toEqual(new Set(['device-1', 'device-2', 'service-1']));
      expect(await owners(['nobody'])).toEqual(new Set());
      expect(await owners([])).toEqual(new Set());
      const body = { owners: [{ principalType: 'Group', principalName: 'device-2' }] };
      const group = await admin.call(ApiKey.DescribeDelegationToken, 3, body);
      expect(group).toMatchObject({ errorCode: 0, tokens: [] });
    });

    it('not for a thousand and one owners', async () => {
      const owners = Array.from({ length: 1001 }, () => ({
        principalType: 'User',
        principalName: 'x',
      }));
      const answer = await admin.call(ApiKey.DescribeDelegationToken, 3, { owners });
      expect(answer).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST, tokens: [] });
    });
  });

  describe('renewed and ended', () => {
    it('by the owner and a renewer, by nobody else', async () => {
      const { hmac, maxTimestampMs } = await createToken(device, { renewers: ['device-2'] });
      const service = await fixture.connect('acme', 'service-1');
      for (const client of [device, other]) {
        const beforeMs = Date.now();
        const renewed = await renewToken(client, hmac, 3_600_000);
        expect(renewed.errorCode).toBe(0);
        expect(renewed.expiryTimestampMs - 3_600_000).toBeGreaterThanOrEqual(beforeMs);
        expect(renewed.expiryTimestampMs - 3_600_000).toBeLessThanOrEqual(Date.now());
      }
      // The administrator may see it; that is all.
      for (const client of [service, admin]) {
        for (const change of [renewToken, expireToken]) {
          expect(await change(client, hmac)).toMatchObject({
            errorCode: ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH,
            expiryTimestampMs: -1,
          });
        }
      }
      const line = await fixture.audited(
        'security',
        (one) => one.reason === 'delegation-token-expire' && one.outcome === 'failure',
      );
      expect(line).toMatchObject({ tenant: 'acme', type: 'administration' });
      const long = await renewToken(other, hmac, 30 * DAY_MS);
      expect(long.expiryTimestampMs).toBeLessThan(maxTimestampMs);
      expect((await expireToken(other, hmac)).errorCode).toBe(0);
      for (const change of [renewToken, expireToken]) {
        expect((await change(device, hmac)).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_NOT_FOUND);
      }
    });

    it('not beyond its longest time, and not after its end', async () => {
      const { hmac, maxTimestampMs } = await createToken(device, { maxLifetimeMs: 60_000 });
      expect((await renewToken(device, hmac)).expiryTimestampMs).toBe(maxTimestampMs);
      expect((await expireToken(device, hmac, DAY_MS)).expiryTimestampMs).toBe(maxTimestampMs);
      expect((await expireToken(device, hmac, 0)).errorCode).toBe(0);
      expect((await renewToken(device, hmac)).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_EXPIRED);
      const again = await expireToken(device, hmac, 1000);
      expect(again.errorCode).toBe(ErrorCode.DELEGATION_TOKEN_EXPIRED);
      expect((await expireToken(device, hmac)).errorCode).toBe(0);
    });

    it.each([0, 1, 63, 64, 65, 4096])('not by %i bytes that prove nothing', async (length) => {
      const hmac = Buffer.alloc(length, 7);
      for (const change of [renewToken, expireToken]) {
        expect(await change(device, hmac)).toMatchObject({
          errorCode: ErrorCode.DELEGATION_TOKEN_NOT_FOUND,
          expiryTimestampMs: -1,
        });
      }
    });
  });

  it('an owner has a hundred of them; what ended makes room', async () => {
    const connections = Array.from({ length: 11 }, () => fixture.connect('globex', 'service-1'));
    const [service, ...others] = (await Promise.all(connections)) as [WireClient, ...WireClient[]];
    const first = await createToken(service);
    // Ten at a time: they share commits.
    const made = await Promise.all(
      Array.from({ length: 99 }, (_, n) => createToken(others[n % others.length]!)),
    );
    expect(new Set(made.map(({ errorCode }) => errorCode))).toEqual(new Set([0]));
    const refused = await createToken(service);
    expect(refused).toMatchObject({ errorCode: ErrorCode.POLICY_VIOLATION, tokenId: '' });
    await fixture.audited(
      'security',
      (one) => one.reason === 'delegation-token-create' && one.outcome === 'failure',
    );
    await expireToken(service, first.hmac, 0);
    expect((await createToken(service)).errorCode).toBe(0);
    expect(await describeTokens(service)).toHaveLength(100);
  });

  it('each change is in the security log, and no HMAC is', async () => {
    const token = await createToken(device, { renewers: ['service-1'] });
    await renewToken(device, token.hmac);
    await expireToken(device, token.hmac);
    const lines = fixture
      .audit('security')
      .filter((line) => JSON.stringify(line).includes(token.tokenId));
    expect(lines.map(({ reason, outcome }) => [reason, outcome])).toEqual([
      ['delegation-token-create', 'success'],
      ['delegation-token-renew', 'success'],
      ['delegation-token-expire', 'success'],
    ]);
    const text = JSON.stringify(fixture.audit('security')) + fixture.broker.stderr();
    for (const form of ['base64', 'base64url', 'hex'] as const) {
      expect(text).not.toContain(token.hmac.subarray(16).toString(form));
    }
  });
});
