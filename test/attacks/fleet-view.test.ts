/** What strangers and tenants may try with the fleet view and with client telemetry. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { gauge, label, otlpBytes } from '../fleet/telemetry/otlp-bytes.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { pointCommandsAt, run } from '../tools/ban-scene.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { scramLogin } from '../tools/scram-login.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const ZERO = Buffer.alloc(16).toString('base64url');
const CLIENT_METRICS = 16;
const MIB = 1024 * 1024;

type Json = Record<string, unknown>;

describeRequiring(['built-broker'], 'the fleet view under attack', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_FLEET_FLUSH_INTERVAL_MS: '100',
      BREAKWATER_TELEMETRY_PUSH_INTERVAL_MIN_MS: '100',
    },
  });
  beforeAll(() => pointCommandsAt(fixture.broker));
  afterAll(() => void vi.unstubAllEnvs());

  const show = async (name: string, tenant = 'acme'): Promise<Json> =>
    JSON.parse(await run(`device show ${name} --tenant ${tenant} --json`)) as Json;

  async function subscribe(tenant: string, metrics: string): Promise<void> {
    const admin = await fixture.connect(tenant, 'admin-1');
    const config = { name: 'metrics', configOperation: 0, value: metrics };
    const resource = { resourceType: CLIENT_METRICS, resourceName: 'all', configs: [config] };
    const interval = { name: 'interval.ms', configOperation: 0, value: '100' };
    const { responses } = await admin.call(ApiKey.IncrementalAlterConfigs, 1, {
      resources: [{ ...resource, configs: [config, interval] }],
      validateOnly: false,
    });
    expect(responses[0]?.errorCode).toBe(ErrorCode.NONE);
  }
  const ask = (client: WireClient, clientInstanceId = ZERO) =>
    client.call(ApiKey.GetTelemetrySubscriptions, 0, { clientInstanceId });

  it('a client that calls itself by escapes and without end steers no terminal and fills no memory', async () => {
    const clientId = `\u001b[2J\u202e${'x'.repeat(20_000)}`;
    const identity = fixture.who('acme', 'device-1');
    const client = await WireClient.connect(fixture.broker.port, identity, { clientId });
    await client.call(ApiKey.ApiVersions, 3, {
      clientSoftwareName: 'y'.repeat(20_000),
      clientSoftwareVersion: '1',
    });
    await vi.waitFor(async () => expect((await show('device-1')).requests).toBe(1), 5000);
    const text = await run('device show device-1 --tenant acme');
    expect(text).toContain('\\u{1b}[2J\\u{202e}xxx');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text.length).toBeLessThan(3000);
    client.close();
  });

  it('whoever guesses in a name leaves a count with it, and nothing with names that nobody has', async () => {
    await upsertScramUser(await fixture.connect('acme', 'admin-1'), 'ada', 'lovelace');
    const login = async (user: string, password: string): Promise<number> => {
      const client = await WireClient.connect(
        fixture.broker.saslPort,
        fixture.who('acme', 'device-1'),
        { cert: undefined, key: undefined, clientId: 'guesser' },
      );
      await client.call(ApiKey.ApiVersions, 3, {
        clientSoftwareName: 'sasl-software',
        clientSoftwareVersion: '9.1',
      });
      const { errorCode } = await scramLogin(client, user, password);
      if (errorCode === 0) await client.call(ApiKey.ApiVersions, 0, {});
      client.close();
      return errorCode;
    };
    expect(await login('acme/nobody-at-all', 'x')).not.toBe(0);
    expect(await login('acme/ada', 'wrong')).not.toBe(0);
    const unknown = async (name: string) => {
      const path = `/v1/tenants/acme/devices/${name}`;
      return (await adminRequest(fixture.broker, 'GET', path)).status;
    };
    expect([await unknown('nobody-at-all'), await unknown('ada')]).toEqual([404, 404]);
    expect(await login('acme/ada', 'lovelace')).toBe(0);
    expect(await login('acme/ada', 'wrong')).not.toBe(0);
    expect(await show('ada')).toMatchObject({
      kind: 'user',
      authentication: 'SCRAM-SHA-256',
      softwareName: 'sasl-software',
      softwareVersion: '9.1',
      certificate: null,
      connects: 1,
      authenticationFailures: 1,
      failures: [{ address: '127.0.0.1' }],
    });
  });

  it('a tenant asks for its own subscriptions, and shows its metrics to nobody else', async () => {
    await subscribe('acme', 'own.secret.');
    const [acme, globex] = [
      await fixture.connect('acme', 'device-2'),
      await fixture.connect('globex', 'device-2'),
    ];
    const wanted = await ask(acme);
    expect(wanted.requestedMetrics).toEqual(['own.secret.']);
    expect((await ask(globex)).requestedMetrics).toEqual([]);
    const push = {
      clientInstanceId: wanted.clientInstanceId,
      subscriptionId: wanted.subscriptionId,
      terminating: false,
      compressionType: 0,
      metrics: otlpBytes([gauge('own.secret.depth', 42, [label('site', '\u001b[31mred')])]),
    };
    expect((await acme.call(ApiKey.PushTelemetry, 0, push)).errorCode).toBe(ErrorCode.NONE);
    const own = await show('device-2');
    expect(own.telemetry).toMatchObject([{ metrics: [{ name: 'own.secret.depth', value: 42 }] }]);
    const text = await run('device show device-2 --tenant acme');
    expect(text).toContain('own.secret.depth');
    expect(text).not.toContain('\u001b');
    // The same name and the same instance in another tenant are others.
    await globex.call(ApiKey.PushTelemetry, 0, { ...push, terminating: true });
    expect(JSON.stringify(await show('device-2', 'globex'))).not.toContain('secret');
    await vi.waitFor(async () => {
      expect((await show('device-2')).telemetryMs).not.toBeNull();
    }, 5000);
  });

  it('bombs, floods and rubbish are answered with errors, and the neighbour is served', async () => {
    const hostile = await fixture.connect('acme', 'device-2');
    const neighbour = await fixture.connect('globex', 'device-1');
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    const empties = Buffer.alloc(MIB - 1, Buffer.from([0x0a, 0x00]));
    const pushes: [number, Buffer, number][] = [
      [1, bomb, ErrorCode.INVALID_RECORD],
      [0, Buffer.alloc(MIB + 1), ErrorCode.TELEMETRY_TOO_LARGE],
      [0, empties, ErrorCode.INVALID_RECORD],
      [4, Buffer.from('no zstd at all'), ErrorCode.INVALID_RECORD],
      [77, Buffer.alloc(1), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE],
    ];
    for (const [compressionType, metrics, expected] of pushes) {
      const { clientInstanceId, subscriptionId } = await ask(hostile);
      const body = { clientInstanceId, subscriptionId, terminating: false };
      const pushing = hostile.call(ApiKey.PushTelemetry, 0, { ...body, compressionType, metrics });
      const began = performance.now();
      await neighbour.call(ApiKey.ApiVersions, 0, {});
      expect(performance.now() - began).toBeLessThan(2000);
      expect((await pushing).errorCode).toBe(expected);
    }
    // Ids without end: each is another instance, none costs a neighbour.
    for (let count = 0; count < 300; count++) await ask(hostile);
    expect((await neighbour.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(ErrorCode.NONE);
  });
});
