/**
 * Threat: somebody copied a device's key and certificate and uses them beside the device, from
 * another network. 127.0.0.1 and 127.1.0.1 are two networks (/24) here.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type AuditLine, type BrokerFixture, useBroker } from '../tools/broker-fixture.ts';
import type { ClientIdentity } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const HERE = '127.0.0.1';
const NEXT_DOOR = '127.0.0.9';
const ELSEWHERE = '127.1.0.1';
const ALARM = 'certificate-in-two-networks';

const isServed = (client: WireClient): Promise<boolean> =>
  client.call(ApiKey.ApiVersions, 0, {}).then(
    ({ errorCode }) => errorCode === 0,
    () => false,
  );

function toolsOf(fixture: BrokerFixture) {
  const clients: WireClient[] = [];
  beforeAll(() => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    for (const client of clients) client.close();
  });
  const run = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
  return {
    run,
    async issued(name: string): Promise<{ who: ClientIdentity; serial: string }> {
      await run(`cert issue --tenant acme --device ${name} --fleet dev`);
      const who = fixture.who('acme', name);
      return { who, serial: new X509Certificate(readFileSync(who.certFile)).serialNumber };
    },
    async from(localAddress: string, who: ClientIdentity): Promise<WireClient> {
      const { port } = fixture.broker;
      const socket = connectTcp({ host: '127.0.0.1', port, localAddress });
      const client = await WireClient.connect(port, who, { socket });
      clients.push(client);
      return client;
    },
    alarms: (serial: string): AuditLine[] =>
      fixture
        .audit('security')
        .filter((line) => line.reason === ALARM && JSON.stringify(line).includes(serial)),
  };
}

describeRequiring(['built-broker'], 'a certificate in two networks, as it is by default', () => {
  const fixture = useBroker();
  const { issued, from, alarms } = toolsOf(fixture);

  it('raises one alarm that names both, in the access log and in the log, and goes on', async () => {
    const { who, serial } = await issued('pump-1');
    const first = await from(HERE, who);
    expect(await isServed(first)).toBe(true);
    const second = await from(ELSEWHERE, who);
    expect(await isServed(second)).toBe(true);
    const line = await fixture.audited('security', ({ reason }) => reason === ALARM);
    expect(line).toMatchObject({ type: 'certificate', outcome: 'failure', tenant: 'acme' });
    expect(JSON.stringify(line)).toContain('127.0.0.0/24 127.1.0.0/24');
    await expect.poll(() => fixture.broker.stderr()).toContain('two networks at once');
    // Again and again: it has been said.
    for (let n = 0; n < 3; n++) {
      const again = await from(ELSEWHERE, who);
      expect(await isServed(again)).toBe(true);
      again.close();
    }
    second.close();
    expect(await isServed(await from(ELSEWHERE, who))).toBe(true);
    expect(alarms(serial)).toHaveLength(1);
    expect(await isServed(first)).toBe(true);
  });

  it('is not raised within one network, nor for one connection after the other', async () => {
    const { who, serial } = await issued('pump-2');
    const first = await from(HERE, who);
    const second = await from(NEXT_DOOR, who);
    expect(await isServed(first)).toBe(true);
    expect(await isServed(second)).toBe(true);
    first.close();
    second.close();
    const others = 2; // Those of the test before, which it left open.
    const liveNow = async (): Promise<unknown> =>
      (await adminRequest(fixture.broker, 'GET', '/v1/status')).body;
    await expect.poll(liveNow).toMatchObject({ mtls: { connections: others } });
    expect(await isServed(await from(ELSEWHERE, who))).toBe(true);
    expect(alarms(serial)).toEqual([]);
  });
});

describeRequiring(['built-broker'], 'a certificate in two networks, with quarantine', () => {
  const fixture = useBroker({ env: { BREAKWATER_CERTIFICATE_NETWORKS_QUARANTINE: 'true' } });
  const { issued, from, run, alarms } = toolsOf(fixture);

  it('is shut out until it is released, and then judged anew; others stay', async () => {
    const { who, serial } = await issued('pump-1');
    const neighbour = await from(HERE, fixture.who('globex', 'device-1'));
    const sibling = await from(ELSEWHERE, fixture.who('acme', 'device-2'));
    const first = await from(HERE, who);
    expect(await isServed(first)).toBe(true);
    const second = await from(ELSEWHERE, who);
    expect(await Promise.all([first.isClosed(1000), second.isClosed(1000)])).toEqual([true, true]);
    expect(await isServed(await from(HERE, who))).toBe(false);
    expect(await isServed(await from(ELSEWHERE, who))).toBe(false);
    expect(await run('cert quarantine list --tenant acme')).toContain(serial);
    expect(await run('cert quarantine list --tenant globex')).toBe(
      'no certificate is in quarantine\n',
    );
    expect(await run('device suspended --tenant acme')).toBe('no device is suspended\n');
    expect([await isServed(neighbour), await isServed(sibling)]).toEqual([true, true]);

    // The record came before the act.
    const lines = fixture.audit('security');
    const at = (wanted: string): number => lines.findIndex(({ reason }) => reason === wanted);
    expect(at(ALARM)).toBeGreaterThanOrEqual(0);
    expect(at('revoked')).toBeGreaterThan(at(ALARM));
    expect(at('suspended')).toBeGreaterThan(at(ALARM));

    await run(`cert quarantine release --tenant acme ${serial.toLowerCase()}`);
    const owner = await from(HERE, who);
    expect(await isServed(owner)).toBe(true);
    const thief = await from(ELSEWHERE, who);
    expect(await Promise.all([owner.isClosed(1000), thief.isClosed(1000)])).toEqual([true, true]);
    expect(alarms(serial)).toHaveLength(2);
    await run(`cert quarantine release --tenant acme ${serial}`);
  });

  it('an operator may put one there by hand; another certificate of the name goes on', async () => {
    const { who, serial } = await issued('pump-2');
    const client = await from(HERE, who);
    expect(await isServed(client)).toBe(true);
    await run(`cert quarantine add --tenant acme ${serial}`);
    expect(await client.isClosed(1000)).toBe(true);
    await run('cert issue --tenant acme --device pump-2 --fleet dev --force');
    expect(await isServed(await from(HERE, fixture.who('acme', 'pump-2')))).toBe(true);
  });
});
