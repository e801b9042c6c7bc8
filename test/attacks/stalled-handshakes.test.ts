/** Threat: a stranger opens connections, says nothing, and nobody else gets a handshake. */
import { connect, type Socket } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

/** More than are worked on at a time, for longer (10 s each) than anybody waits. */
const SILENT = 64;
const WAIT_MAX_MS = 5000;

describeRequiring(['built-broker'], 'silent connections', () => {
  const fixture = useBroker();
  const sockets: Socket[] = [];
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
  });

  it('hold up the handshakes of other addresses for a moment only', async () => {
    await Promise.all(
      Array.from({ length: SILENT }, () => {
        const to = { host: '127.0.0.1', port: fixture.broker.port, localAddress: '127.0.0.2' };
        const socket = connect(to);
        socket.on('error', () => {});
        sockets.push(socket);
        return new Promise((resolve) => socket.once('connect', resolve));
      }),
    );
    const beganMs = performance.now();
    const client = await fixture.connect('globex', 'device-1');
    expect((await client.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    expect(performance.now() - beganMs).toBeLessThan(WAIT_MAX_MS);
    expect(sockets.every(({ destroyed }) => !destroyed)).toBe(true);
  });
});
