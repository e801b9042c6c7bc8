/**
 * Threat: PLAIN, which shows the broker passwords, is open where nobody asked for it, tells who
 * exists, or lets a flood of logins starve the disk and everybody else.
 */
import type { ConnectionOptions } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import type { SaslAuthenticateResponse } from '../../src/protocol/schemas/36-sasl-authenticate.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { removeScramUser, upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const PASSWORD = 'a password of PLAIN';
const USER = 'acme/service-1';
const WITHIN_MS = 1000;

describeRequiring(['built-broker'], 'PLAIN', () => {
  const fixture = useBroker({
    env: { BREAKWATER_SASL_ENABLED_MECHANISMS: 'PLAIN,SCRAM-SHA-512' },
  });
  let admin: WireClient;

  beforeAll(async () => {
    admin = await fixture.connect('acme', 'admin-1');
    await upsertScramUser(admin, 'service-1', PASSWORD);
  });

  const connect = (): Promise<WireClient> =>
    WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'));
  const say = async (
    client: WireClient,
    message: string | Buffer,
  ): Promise<SaslAuthenticateResponse> => {
    const { mechanisms } = await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'PLAIN' });
    expect(mechanisms).toEqual(['PLAIN', 'SCRAM-SHA-512']);
    const authBytes = Buffer.from(message);
    return client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
  };
  const login = (client: WireClient, user: string, password: string) =>
    say(client, `\0${user}\0${password}`);
  const names = async (client: WireClient): Promise<(string | null)[]> => {
    const { topics } = await client.call(ApiKey.Metadata, 12, { topics: null });
    return topics.map(({ name }) => name);
  };

  it('lets in who has the password, into its tenant', async () => {
    const client = await connect();
    expect(await login(client, USER, PASSWORD)).toMatchObject({
      errorCode: 0,
      authBytes: Buffer.alloc(0),
      sessionLifetimeMs: 0,
    });
    expect(await names(client)).toEqual(['__audit', 'telemetry']);
    const line = await fixture.audited(
      'security',
      (one) => one.reason === 'PLAIN' && one.outcome === 'success',
    );
    expect(line).toMatchObject({ tenant: 'acme', principal: 'User:service-1' });
  });

  it('every refusal is the same sentence, is as late, and is the end', async () => {
    await upsertScramUser(admin, 'dear', PASSWORD, 16_384);
    const messages: [string, string | Buffer][] = [
      ['a wrong password', `\0${USER}\0wrong`],
      ['a wrong password that costs more', '\0acme/dear\0wrong'],
      ['an unknown user', `\0acme/nobody-here\0${PASSWORD}`],
      ['a user of another tenant', `\0globex/service-1\0${PASSWORD}`],
      ['a tenant that is not', `\0nowhere/service-1\0${PASSWORD}`],
      ['no tenant', `\0service-1\0${PASSWORD}`],
      ['somebody else to act for', `acme/admin-1\0${USER}\0${PASSWORD}`],
      ['missing NULs', `${USER}${PASSWORD}`],
      ['a NUL too many', `\0${USER}\0${PASSWORD}\0`],
      ['an empty password', `\0${USER}\0`],
      ['bytes that are no UTF-8', Buffer.from([0, 0x61, 0, 0xff, 0xfe])],
      ['far too much', Buffer.alloc(60_000, 0x61)],
      ['nothing', ''],
    ];
    await Promise.all(
      messages.map(async ([what, message]) => {
        const client = await connect();
        const beganMs = performance.now();
        expect(await say(client, message), what).toEqual({
          errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
          errorMessage: 'Authentication failed.',
          authBytes: Buffer.alloc(0),
          sessionLifetimeMs: 0,
        });
        // The pause of PLAIN and the one of every refusal: saltings are 4 to 16 ms of it.
        expect(performance.now() - beganMs, what).toBeGreaterThanOrEqual(195);
        expect(await client.isClosed(2000), what).toBe(true);
      }),
    );
  });

  it('a session ends within a second of its password, and with the suspension of its name', async () => {
    await upsertScramUser(admin, 'leaver', PASSWORD);
    const [leaver, other] = [await connect(), await connect()];
    expect((await login(leaver, 'acme/leaver', PASSWORD)).errorCode).toBe(0);
    expect((await login(other, USER, PASSWORD)).errorCode).toBe(0);
    await removeScramUser(admin, 'leaver');
    expect(await leaver.isClosed(WITHIN_MS)).toBe(true);
    expect((await login(await connect(), 'acme/leaver', PASSWORD)).errorCode).not.toBe(0);
    expect(await names(other)).toEqual(['__audit', 'telemetry']);
    const standing = async (verb: string): Promise<void> => {
      const path = `/v1/tenants/acme/devices/service-1/${verb}`;
      const reply = await adminRequest(fixture.broker, 'POST', path, {});
      expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
    };
    await standing('suspend');
    expect(await other.isClosed(WITHIN_MS)).toBe(true);
    expect((await login(await connect(), USER, PASSWORD)).errorCode).not.toBe(0);
    await standing('resume');
  });

  it('a flood of logins keeps nobody waiting who is served, and another login not for long', async () => {
    const flood = await Promise.all(Array.from({ length: 120 }, connect));
    const refused = flood.map((client, n) => login(client, `acme/guess-${n}`, 'wrong'));
    const beganMs = performance.now();
    // Durable before it is answered: the disk has its threads.
    const { topics } = await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'during-the-flood', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    expect(topics[0]?.errorCode).toBe(0);
    const other = await WireClient.connect(
      fixture.broker.saslPort,
      fixture.who('acme', 'device-1'),
      { localAddress: '127.0.0.2' } as ConnectionOptions,
    );
    expect((await login(other, USER, PASSWORD)).errorCode).toBe(0);
    expect(performance.now() - beganMs).toBeLessThan(5000);
    for (const answer of await Promise.all(refused)) {
      expect(answer.errorMessage).toBe('Authentication failed.');
    }
  });

  it('the password is in no log', () => {
    const text = JSON.stringify(fixture.audit('security')) + fixture.broker.stderr();
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain(Buffer.from(PASSWORD).toString('base64').slice(0, 20));
  });
});

describe('PLAIN where it is not named', () => {
  it('is in no default', async () => {
    const { CONFIG_KEYS } = await import('../../src/config/config-schema.ts');
    const { devDefaults } = await import('../../src/cli/dev-defaults.ts');
    const key = 'sasl.enabled.mechanisms';
    expect(CONFIG_KEYS[key].default).toBeNull();
    // That it is refused then: test/attacks/sasl-login.test.ts.
    expect(devDefaults()[key]).toBe('SCRAM-SHA-256,SCRAM-SHA-512');
  });
});
