/**
 * Threat: a client of the SASL listener gets something without logging in, as somebody else, after
 * its password is gone, or ties the broker up before it has an identity.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { encodeRequest } from '../../src/protocol/headers.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { scramClient, scramLogin } from '../tools/scram-login.ts';
import { removeScramUser, upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const PASSWORD = 'a password';
const USER = 'acme/service-1';
const LOGIN_TIMEOUT_MS = 1500;

describeRequiring(['built-broker'], 'a login by SASL', () => {
  const fixture = useBroker({
    env: { BREAKWATER_SASL_LOGIN_TIMEOUT_MS: String(LOGIN_TIMEOUT_MS) },
  });
  let admin: WireClient;

  beforeAll(async () => {
    admin = await fixture.connect('acme', 'admin-1');
    await upsertScramUser(admin, 'service-1', PASSWORD);
  });

  const connect = (): Promise<WireClient> =>
    WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'));
  const names = async (client: WireClient): Promise<(string | null)[]> => {
    const { topics } = await client.call(ApiKey.Metadata, 12, { topics: null });
    return topics.map(({ name }) => name);
  };

  describe('before there is an identity', () => {
    it('nothing but the login is served, a client certificate or not', async () => {
      const client = await connect();
      await expect(names(client)).rejects.toThrow();
      const line = await fixture.audited('security', (one) => one.reason === 'sasl_state');
      expect(line).toMatchObject({ listener: 'sasl', outcome: 'failure' });
    });

    it('the versions are told once', async () => {
      const client = await connect();
      expect((await client.call(ApiKey.ApiVersions, 3, versions)).errorCode).toBe(0);
      await expect(client.call(ApiKey.ApiVersions, 3, versions)).rejects.toThrow();
    });

    it('a version that is not known is answered, and another one may be tried', async () => {
      const client = await connect();
      const raw = encodeRequest({
        apiKey: ApiKey.ApiVersions,
        apiVersion: 4,
        correlationId: 77,
        clientId: 'x',
        body: versions,
      });
      const frame = Buffer.concat(raw);
      frame.writeInt16BE(99, 6);
      client.socket.write(frame);
      expect((await client.call(ApiKey.ApiVersions, 3, versions)).errorCode).toBe(0);
    });

    it('SaslAuthenticate comes after SaslHandshake', async () => {
      const client = await connect();
      const authBytes = scramClient(USER, PASSWORD).first;
      await expect(client.call(ApiKey.SaslAuthenticate, 2, { authBytes })).rejects.toThrow();
    });

    it('a mechanism that is not enabled is named so, and that is the end', async () => {
      for (const mechanism of ['PLAIN', 'GSSAPI', 'scram-sha-256', '']) {
        const client = await connect();
        const answer = await client.call(ApiKey.SaslHandshake, 1, { mechanism });
        expect(answer.errorCode).toBe(ErrorCode.UNSUPPORTED_SASL_MECHANISM);
        expect(answer.mechanisms).toEqual(['SCRAM-SHA-256', 'SCRAM-SHA-512']);
        expect(await client.isClosed(2000)).toBe(true);
      }
    });

    it.each([-1, 64 * 1024 + 1, 0x7fff_ffff])('a frame of %i bytes is the end', async (size) => {
      const client = await connect();
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(size);
      expect(await client.closedBy(bytes)).toBe(true);
    });

    it('who says nothing, or drips, is closed in time', async () => {
      const silent = await connect();
      const dripping = await connect();
      const drip = setInterval(() => dripping.socket.write(Buffer.alloc(1)), 200);
      expect(await silent.isClosed(LOGIN_TIMEOUT_MS + 2000)).toBe(true);
      expect(await dripping.isClosed(2000)).toBe(true);
      clearInterval(drip);
      await fixture.audited('security', (one) => one.reason === 'sasl_timeout');
    });

    it('a request behind a login that fails is not served', async () => {
      const client = await connect();
      await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
      const authBytes = scramClient(USER, PASSWORD).first;
      await client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
      const wrong = client.call(ApiKey.SaslAuthenticate, 2, { authBytes: Buffer.from('c=biws') });
      const behind = names(client);
      expect((await wrong).errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
      await expect(behind).rejects.toThrow();
    });
  });

  describe('with an identity', () => {
    it('the tenant of the login is seen, no other', async () => {
      const client = await connect();
      const answer = await scramLogin(client, USER, PASSWORD);
      expect(answer).toMatchObject({ errorCode: 0, sessionLifetimeMs: 0 });
      expect(await names(client)).toEqual(['__audit', 'telemetry']);
    });

    it('a request right behind the login is served', async () => {
      const client = await connect();
      await client.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
      const messages = scramClient(USER, PASSWORD);
      const first = await client.call(ApiKey.SaslAuthenticate, 2, { authBytes: messages.first });
      const authBytes = messages.final(first.authBytes);
      client.socket.cork();
      const last = client.call(ApiKey.SaslAuthenticate, 2, { authBytes });
      const behind = names(client);
      client.socket.uncork();
      expect((await last).errorCode).toBe(0);
      expect(await behind).toEqual(['__audit', 'telemetry']);
    });

    it('another login is out of place, here and on the mutual-TLS listener', async () => {
      const client = await connect();
      await scramLogin(client, USER, PASSWORD);
      for (const each of [client, admin]) {
        const again = await each.call(ApiKey.SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
        expect(again.errorCode).toBe(ErrorCode.ILLEGAL_SASL_STATE);
        const token = await each.call(ApiKey.SaslAuthenticate, 2, { authBytes: Buffer.from('x') });
        expect(token.errorCode).toBe(ErrorCode.ILLEGAL_SASL_STATE);
      }
    });

    it('version 0 of the handshake takes bare tokens', async () => {
      const client = await connect();
      await client.call(ApiKey.SaslHandshake, 0, { mechanism: 'SCRAM-SHA-256' });
      // From here on frames have no header, so that the client must not read them by id.
      client.socket.removeAllListeners('data');
      const messages = scramClient(USER, PASSWORD);
      const challenge = await bare(client, messages.first);
      const last = await bare(client, messages.final(challenge));
      expect(last.toString()).toMatch(/^v=/);
    });

    it('ends within a second of the removal of the password', async () => {
      await upsertScramUser(admin, 'leaver', PASSWORD);
      const leaver = await connect();
      expect((await scramLogin(leaver, 'acme/leaver', PASSWORD)).errorCode).toBe(0);
      const other = await connect();
      await scramLogin(other, USER, PASSWORD);
      await removeScramUser(admin, 'leaver');
      expect(await leaver.isClosed(1000)).toBe(true);
      expect(await names(other)).toEqual(['__audit', 'telemetry']);
      const again = await connect();
      const refused = await scramLogin(again, 'acme/leaver', PASSWORD);
      expect(refused.errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
      expect(refused.errorMessage).toBe('Authentication failed.');
    });

    it('ends with the suspension of the tenant, and does not begin again', async () => {
      const client = await connect();
      await scramLogin(client, USER, PASSWORD);
      await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/suspend', {});
      expect(await client.isClosed(1000)).toBe(true);
      const again = await connect();
      const refused = await scramLogin(again, USER, PASSWORD);
      expect(refused.errorCode).toBe(ErrorCode.SASL_AUTHENTICATION_FAILED);
      await adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/resume', {});
    });
  });

  it('passwords, salts and keys are in no log', async () => {
    const text = JSON.stringify(fixture.audit('security')) + fixture.broker.stderr();
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toMatch(/storedKey|serverKey|saltedPassword|p=[A-Za-z0-9+/]{20}/);
  });
});

const versions = { clientSoftwareName: 'test', clientSoftwareVersion: '1' };

/** Sends a token as a bare frame, and reads the one that comes back. */
function bare(client: WireClient, token: Buffer): Promise<Buffer> {
  const size = Buffer.alloc(4);
  size.writeInt32BE(token.length);
  client.socket.write(Buffer.concat([size, token]));
  return new Promise((resolve) => {
    client.socket.once('data', (chunk: Buffer) => resolve(chunk.subarray(4)));
  });
}
