/** The fleet view of a running broker: what devices leave in it, by the commands that show it. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { pointCommandsAt, run } from '../tools/ban-scene.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { startBroker } from '../tools/broker-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

type Json = Record<string, unknown>;

describeRequiring(['built-broker'], 'the fleet view of a broker', () => {
  const certsDir = temporaryDirectory('fleet-certs');
  const dataDir = temporaryDirectory('fleet-data');
  beforeAll(async () => {
    const { pki } = await ensureDevCertificates(certsDir);
    for (const device of ['pump-17', 'pump-18', 'pump-19']) {
      issueDevice(pki, { tenant: 'acme', device, fleet: 'plant-a' });
    }
  });
  const fixture = useBroker({
    certsDir,
    dataDir,
    env: { BREAKWATER_FLEET_FLUSH_INTERVAL_MS: '100' },
  });
  beforeAll(() => pointCommandsAt(fixture.broker));
  afterAll(() => {
    vi.unstubAllEnvs();
    for (const directory of [certsDir, dataDir]) removeDirectory(directory);
  });

  const show = async (name: string, tenant = 'acme'): Promise<Json> =>
    JSON.parse(await run(`device show ${name} --tenant ${tenant} --json`)) as Json;
  const list = async (options: string): Promise<string[]> => {
    const found = JSON.parse(await run(`device list --json ${options}`)) as Json[];
    return found.map(({ name }) => String(name)).sort();
  };
  const once = (name: string, expected: Json): Promise<void> =>
    vi.waitFor(async () => expect(await show(name)).toMatchObject(expected), 5000);

  it('shows who is connected, with what, and what it was denied', async () => {
    const client = await fixture.connect('acme', 'pump-17');
    await client.call(ApiKey.ApiVersions, 3, {
      clientSoftwareName: 'pump-software',
      clientSoftwareVersion: '1.2.3',
    });
    const { topics } = await client.call(ApiKey.Metadata, 9, {
      topics: [{ name: 'payroll' }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    });
    expect(topics[0]?.errorCode).toBe(29);
    await once('pump-17', {
      tenant: 'acme',
      kind: 'device',
      fleet: 'plant-a',
      state: 'active',
      authentication: 'mTLS',
      address: '127.0.0.1',
      clientId: 'wire-client',
      softwareName: 'pump-software',
      softwareVersion: '1.2.3',
      connections: 1,
      requests: 2,
      denials: 1,
      obstacles: [],
    });
    const { bytesIn, bytesOut, certificate, lastIssued } = await show('pump-17');
    expect(bytesIn).toBeGreaterThan(80);
    expect(bytesOut).toBeGreaterThan(100);
    const { serial, expiresMs } = certificate as Json;
    expect(lastIssued).toEqual({ serial, expiresAtMs: expiresMs });
    client.close();
    await once('pump-17', { connections: 0, lastDisconnect: { reason: 'peer-closed' } });
  });

  it('shows a tenant its own devices only', async () => {
    await (await fixture.connect('globex', 'device-1')).call(ApiKey.ApiVersions, 0, {});
    await vi.waitFor(async () => expect(await list('--tenant globex')).toContain('device-1'));
    expect(await list('--tenant globex')).toEqual(['device-1']);
    expect(await list('--tenant acme')).toEqual(['pump-17']);
    const { status } = await adminRequest(
      fixture.broker,
      'GET',
      '/v1/tenants/globex/devices/pump-17',
    );
    expect(status).toBe(404);
  });

  it('filters', async () => {
    await (await fixture.connect('acme', 'service-1')).call(ApiKey.ApiVersions, 0, {});
    await vi.waitFor(async () => expect(await list('--tenant acme')).toContain('service-1'));
    expect(await list('--tenant acme --fleet plant-a')).toEqual(['pump-17']);
    expect(await list('--tenant acme --state connected')).toEqual(['service-1']);
    expect(await list('--tenant acme --software pump-software/1')).toEqual(['pump-17']);
    expect(await list('--tenant acme --prefix pump')).toEqual(['pump-17']);
    expect(await list('--tenant acme --seen-since 1h')).toEqual(['pump-17', 'service-1']);
    expect(await list('--tenant acme --limit 1')).toHaveLength(1);
    for (const query of ['cursor=zzz', 'limit=0', 'state=fine', 'prefix=a.b', 'unknown=1']) {
      const path = `/v1/tenants/acme/devices?${query}`;
      expect((await adminRequest(fixture.broker, 'GET', path)).status, query).toBe(400);
    }
  });

  it('tells why a device cannot connect: suspended, then revoked', async () => {
    await run('device suspend pump-18 --tenant acme');
    const client = await fixture.connect('acme', 'pump-18');
    await client.closed;
    await once('pump-18', {
      state: 'suspended',
      lastSeenMs: null,
      authenticationFailures: 1,
      failures: [{ reason: 'suspended', address: '127.0.0.1' }],
      obstacles: [{ state: 'suspended' }],
    });
    expect(await run('device show pump-18 --tenant acme')).toMatch(
      /It would be refused now:\n {2}suspended: It is suspended: end it with "device resume pump-18"/,
    );
    await run('device resume pump-18 --tenant acme');
    expect(await show('pump-18')).toMatchObject({ state: 'active', obstacles: [] });
    await run('cert revoke --tenant acme --device pump-18');
    await (await fixture.connect('acme', 'pump-18')).closed;
    await once('pump-18', {
      state: 'revoked',
      authenticationFailures: 2,
      failures: [{ reason: 'revoked' }, { reason: 'suspended' }],
    });
    expect(await list('--tenant acme --state revoked')).toEqual(['pump-18']);
  });

  it('knows nobody who has proved nothing', async () => {
    const stranger = await WireClient.connect(fixture.broker.port, fixture.who('acme', 'pump-19'), {
      cert: undefined,
      key: undefined,
    }).catch(() => null);
    await stranger?.closed;
    expect(await list('--tenant acme')).not.toContain('pump-19');
    const { status, body } = await adminRequest(
      fixture.broker,
      'GET',
      '/v1/tenants/acme/devices/pump-19',
    );
    expect([status, (body as Json).code]).toEqual([404, 'no-such-device']);
  });

  it('remembers after a kill what was flushed', async () => {
    const before = await show('pump-17');
    await fixture.broker.kill9();
    const again = await startBroker({ certsDir, dataDir });
    try {
      pointCommandsAt(again);
      const after = await show('pump-17');
      for (const field of ['firstSeenMs', 'lastSeenMs', 'softwareName', 'certificate', 'bytesIn']) {
        expect(after[field], field).toEqual(before[field]);
      }
      expect(await show('pump-18')).toMatchObject({ state: 'revoked', authenticationFailures: 2 });
      expect(await list('--tenant globex')).toEqual(['device-1']);
    } finally {
      await again.dispose();
    }
  });
});
