/** Threat: a revocation that takes its time. 1,000 live connections; revoke to disconnect, p99. */
import { afterAll, expect, it } from 'vitest';
import { issueCredential } from '../../src/pki/certificate-authority.ts';
import { identityProfile } from '../../src/pki/certificate-profile.ts';
import { loadTenantCa, openPki, pemOf } from '../../src/pki/pki-directory.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const CONNECTIONS = 1000;
const REVOKED = 300;
const AT_ONCE = 25;
const P99_MS_MAX = 1000;

interface Device {
  readonly name: string;
  readonly client: WireClient;
}

describeRequiring(['built-broker'], 'revoke to disconnect', () => {
  const fixture = useBroker();
  const devices: Device[] = [];
  afterAll(() => {
    for (const { client } of devices) client.close();
  });

  async function connectAll(): Promise<void> {
    const pki = openPki(fixture.broker.certsDir);
    const ca = loadTenantCa(pki, 'acme');
    const connectOne = async (n: number): Promise<void> => {
      const name = `pump-${n}`;
      const identity = { kind: 'device', tenant: 'acme', fleet: 'dev', name } as const;
      const made = issueCredential(ca, identityProfile(identity, pki.trustDomain));
      const client = await WireClient.connect(
        fixture.broker.port,
        fixture.who('acme', 'device-1'),
        {
          cert: pemOf(made.certificate) + pemOf(ca.certificate),
          key: made.privateKey.export({ format: 'pem', type: 'pkcs8' }),
        },
      );
      await client.call(ApiKey.ApiVersions, 0, {});
      devices.push({ name, client });
    };
    for (let n = 0; n < CONNECTIONS; n += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => connectOne(n + k)));
    }
  }

  /** Milliseconds from the request of an operator to the end of the device's connection. */
  async function revoke({ name, client }: Device): Promise<number> {
    const beganMs = performance.now();
    const closedMs = client.closed.then(() => performance.now() - beganMs);
    const path = '/v1/tenants/acme/revocations';
    const { status } = await adminRequest(fixture.broker, 'POST', path, { name });
    expect(status).toBe(200);
    expect(await client.isClosed(5000), name).toBe(true);
    return closedMs;
  }

  it('is below a second at p99, one by one and for a fleet at once', async () => {
    await connectAll();
    const neighbour = await fixture.connect('globex', 'device-1');
    const tookMs: number[] = [];
    for (const device of devices.slice(0, REVOKED)) tookMs.push(await revoke(device));
    tookMs.sort((a, b) => a - b);
    const at = (share: number): number => tookMs[Math.ceil(share * tookMs.length) - 1]!;

    const rest = devices.slice(REVOKED);
    const beganMs = performance.now();
    const suspended = adminRequest(fixture.broker, 'POST', '/v1/tenants/acme/fleets/dev/suspend');
    const ends = await Promise.all(
      rest.map(async ({ client }) => {
        await client.closed;
        return performance.now() - beganMs;
      }),
    );
    expect((await suspended).status).toBe(200);
    const fleetMs = Math.max(...ends);
    const [p50Ms, p99Ms, maxMs] = [at(0.5), at(0.99), at(1)].map((ms) => Math.round(ms));
    const figures = { connections: CONNECTIONS, revoked: REVOKED, p50Ms, p99Ms, maxMs };
    const suspension = { suspended: rest.length, lastClosedMs: Math.round(fleetMs) };
    console.log(JSON.stringify({ measured: 'revoke-to-disconnect', ...figures, ...suspension }));
    expect((await neighbour.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    expect(p99Ms).toBeLessThan(P99_MS_MAX);
    expect(fleetMs).toBeLessThan(P99_MS_MAX);
  }, 180_000);
});
