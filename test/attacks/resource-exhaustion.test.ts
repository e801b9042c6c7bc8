/** Threat: one peer takes connections, handshakes, memory or attention that others need. */
import { connect as connectTcp, type Socket } from 'node:net';
import { afterAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const HANDSHAKE_TIMEOUT_MS = 700;

describeRequiring(['built-broker'], 'a peer that takes too much', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_MAX_CONNECTIONS_PER_IP: '20',
      BREAKWATER_HANDSHAKE_TIMEOUT_MS: String(HANDSHAKE_TIMEOUT_MS),
      BREAKWATER_CONNECTIONS_MAX_IDLE_MS: '1500',
      BREAKWATER_SOCKET_RESPONSE_UNSENT_MAX_BYTES: '65536',
    },
  });
  const sockets: Socket[] = [];
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
  });

  const silent = (): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connectTcp(fixture.broker.port, '127.0.0.1', () => resolve(socket));
      socket.on('error', () => {});
      sockets.push(socket);
    });
  const ended = (socket: Socket): Promise<void> =>
    new Promise((resolve) => {
      if (socket.destroyed) resolve();
      else socket.once('close', () => resolve());
    });

  it('a peer that never begins its handshake is dropped in time', async () => {
    const socket = await silent();
    await ended(socket);
    const line = await fixture.audited('security', (one) => one.reason === 'handshake-timeout');
    expect(line.outcome).toBe('failure');
  });

  it('connections of one address beyond the limit are closed, and recorded', async () => {
    const opened = await Promise.all(Array.from({ length: 25 }, silent));
    await fixture.audited('security', (one) => one.reason === 'max-connections-per-ip');
    await Promise.all(opened.map(ended));
    const client = await fixture.connect('acme', 'device-1');
    expect((await client.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    client.close();
  });

  it('handshakes that stall do not keep others from theirs', async () => {
    const stalled = await Promise.all(Array.from({ length: 8 }, silent));
    const client = await fixture.connect('acme', 'device-1');
    expect((await client.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    client.close();
    await Promise.all(stalled.map(ended));
  });

  it('a handshake whose turn came late has its full time', async () => {
    const stalled = await Promise.all(Array.from({ length: 8 }, silent));
    const acceptedAt = performance.now();
    const socket = await silent();
    await Promise.all(stalled.map(ended));
    await vi.waitUntil(() => performance.now() - acceptedAt > HANDSHAKE_TIMEOUT_MS + 100);
    const who = fixture.who('acme', 'device-1');
    const client = await WireClient.connect(fixture.broker.port, who, { socket });
    expect((await client.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    client.close();
  });

  it('an idle connection is closed, one that is in use is not', async () => {
    const idle = await fixture.connect('acme', 'device-1');
    const busy = await fixture.connect('acme', 'device-2');
    const keepBusy = setInterval(() => {
      busy.call(ApiKey.ApiVersions, 0, {}).catch(() => {});
    }, 200);
    expect(await idle.isClosed(8000)).toBe(true);
    expect(busy.socket.destroyed).toBe(false);
    clearInterval(keepBusy);
    busy.close();
  });

  it('a peer that asks and never reads is not answered without bound', async () => {
    const greedy = await fixture.connect('acme', 'service-1');
    greedy.socket.pause();
    for (let i = 0; i < 20_000; i++) greedy.tell(ApiKey.Metadata, 12, { topics: null });
    const other = await fixture.connect('globex', 'service-1');
    expect((await other.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    const port = greedy.socket.localPort;
    const line = await fixture.audited(
      'security',
      (one) => one.port === port && one.type === 'connection',
    );
    expect(line.reason).toBe('slow-reader');
    other.close();
  });
});
