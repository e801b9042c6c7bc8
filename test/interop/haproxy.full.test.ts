/**
 * Real clients, a real proxy: kcat behind HAProxy with `send-proxy-v2` and `send-proxy`, and a banned
 * device that comes back when its ban ends.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { pointCommandsAt, run } from '../tools/ban-scene.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { type RunResult, runCommand, spawnReaped } from '../tools/child-process.ts';
import { kcatConnection } from '../tools/client-identity.ts';
import { freePort } from '../tools/free-port.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

/** The proxy's own address towards the broker, so that direct clients stay possible. */
const PROXY = '127.0.0.9';
/** kcat's address towards the proxy is what the header tells. */
const CLIENT = '127.0.0.1';
const BAN_MS = 3000;
const haproxy = existsSync('/usr/sbin/haproxy') ? '/usr/sbin/haproxy' : 'haproxy';

const listening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

describeRequiring(['built-broker', 'kcat', 'haproxy'], 'behind HAProxy', () => {
  const directory = temporaryDirectory('haproxy');
  const ports = { 'send-proxy': 0, 'send-proxy-v2': 0 };
  let proxy: ReturnType<typeof spawnReaped> | undefined;
  const fixture = useBroker({
    env: { BREAKWATER_PROXY_PROTOCOL_ADDRESSES: PROXY },
  });

  beforeAll(async () => {
    const { port } = fixture.broker;
    const listen = async (version: keyof typeof ports): Promise<string> => {
      ports[version] = await freePort();
      return [
        `listen ${version}`,
        `  bind 127.0.0.1:${ports[version]}`,
        `  server broker 127.0.0.1:${port} source ${PROXY} ${version}`,
      ].join('\n');
    };
    const config = [
      'defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s',
      await listen('send-proxy'),
      await listen('send-proxy-v2'),
    ];
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, `${config.join('\n')}\n`);
    proxy = spawnReaped(haproxy, ['-db', '-f', file], { stdio: 'ignore' });
    for (const port of Object.values(ports)) {
      while (!(await listening(port))) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    pointCommandsAt(fixture.broker);
  });
  afterAll(() => {
    proxy?.kill('SIGKILL');
    vi.unstubAllEnvs();
    removeDirectory(directory);
  });

  /** Only the bootstrap connection needs the proxy: what it answers names the broker itself. */
  const list = (port: number): Promise<RunResult> => {
    const identity = fixture.who('acme', 'device-1');
    const connection = kcatConnection(identity, `127.0.0.1:${port}`);
    return runCommand('kcat', [...connection, '-L', '-m', '3'], { timeoutMs: 20_000 });
  };

  test.each(['send-proxy', 'send-proxy-v2'] as const)(
    'kcat through %s is served as itself',
    async (version) => {
      const before = fixture.audit('security').length;
      const listed = await list(ports[version]);
      expect(listed.code, listed.text).toBe(0);
      expect(listed.text).toContain('telemetry');
      const lines = fixture.audit('security').slice(before);
      const login = lines.find(
        ({ type, outcome }) => type === 'authentication' && outcome === 'success',
      );
      expect(login).toMatchObject({ address: CLIENT, principal: 'User:device-1' });
      expect(lines.some(({ address }) => address === PROXY)).toBe(false);
    },
  );

  test('kcat through the proxy is dropped while its own address is banned', async () => {
    await run(`ban add --address ${CLIENT} --for 1h`);
    const refused = await list(ports['send-proxy-v2']);
    expect(refused.code).not.toBe(0);
    await fixture.audited('security', (one) => one.reason === 'banned' && one.address === CLIENT);
    await run(`ban remove --address ${CLIENT}`);
    const listed = await list(ports['send-proxy-v2']);
    expect(listed.code, listed.text).toBe(0);
  });

  test('a banned device is refused, and kcat is served again when the ban ends', async () => {
    await run(`ban add --tenant acme --device device-1 --for ${BAN_MS / 1000}s`);
    const endsAtMs = Date.now() + BAN_MS;
    const refused = await list(fixture.broker.port);
    expect(refused.code, refused.text).not.toBe(0);
    await fixture.audited(
      'security',
      ({ type, reason }) => type === 'authentication' && reason === 'banned',
    );
    await expect
      .poll(() => list(fixture.broker.port).then(({ code }) => code), { timeout: 15_000 })
      .toBe(0);
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs - 1000);
  });
});
