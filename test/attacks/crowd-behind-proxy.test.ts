/**
 * Threat: somebody fills the broker with connections that say nothing, and who comes through a proxy
 * finds no place, though who comes without one would be made room for.
 */
import type { Duplex } from 'node:stream';
import { afterAll, expect, it } from 'vitest';
import { isServed } from '../tools/ban-scene.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { proxiedSocket } from '../tools/proxied-connection.ts';
import { proxyHeaderV2 } from '../tools/proxy-header.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const PROXY = '127.0.0.9';
const CONNECTIONS_MAX = 12;

describeRequiring(['built-broker'], 'a crowd that says nothing', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_PROXY_PROTOCOL_ADDRESSES: PROXY,
      BREAKWATER_MAX_CONNECTIONS: String(CONNECTIONS_MAX),
    },
  });
  const crowd: Duplex[] = [];
  afterAll(() => {
    for (const socket of crowd) socket.destroy();
  });

  const from = (source: string): Promise<Duplex> =>
    proxiedSocket({
      port: fixture.broker.port,
      localAddress: PROXY,
      header: proxyHeaderV2({ source, port: 40_000 }),
    });

  it('makes room for who comes through the proxy', async () => {
    for (let count = 0; count < CONNECTIONS_MAX + 2; count++) {
      const socket = await from('198.51.100.66');
      socket.on('error', () => {});
      crowd.push(socket);
    }
    const refusals = () => fixture.audit('security').map(({ reason }) => reason);
    await expect.poll(refusals).toContain('max-connections');
    const socket = await from('198.51.100.7');
    const who = fixture.who('acme', 'device-1');
    const client = await WireClient.connect(fixture.broker.port, who, { socket }).catch(() => null);
    expect(await isServed(client)).toBe(true);
    client?.close();
  });

  it('and is bounded all the same', () => {
    expect(crowd.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(CONNECTIONS_MAX);
  });
});
