/** Threat: one peer takes connections, handshakes, memory or attention that others need. */
import { connect as connectTcp, type Socket } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

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

  it('hellos that stop half-way hold nobody up, and are dropped in time', async () => {
    const half = await Promise.all(Array.from({ length: 12 }, silent));
    // The header of a record of 512 bytes, and the begin of a ClientHello.
    for (const socket of half) socket.write(Buffer.from('160301020001000200', 'hex'));
    const beganAt = performance.now();
    const client = await fixture.connect('acme', 'device-1');
    expect((await client.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    expect(half.every(({ destroyed }) => !destroyed)).toBe(true);
    client.close();
    await Promise.all(half.map(ended));
    expect(performance.now() - beganAt).toBeGreaterThan(HANDSHAKE_TIMEOUT_MS / 2);
  });

  it('a peer that says too much before its handshake begins is closed, and recorded', async () => {
    const socket = await silent();
    // A hello that is longer than one may be: it is never complete.
    socket.write(Buffer.concat([Buffer.from('1603014000', 'hex'), Buffer.alloc(40_000)]));
    await ended(socket);
    const dripping = await silent();
    const drip = setInterval(() => dripping.write(Buffer.from('16')), 50);
    await ended(dripping);
    clearInterval(drip);
    const line = await fixture.audited('security', (one) => one.reason === 'handshake-failed');
    expect(line.outcome).toBe('failure');
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
