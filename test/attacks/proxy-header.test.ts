/**
 * Threat: a stranger says by a PROXY header that he is somebody else: to get around a ban, a limit or
 * a rule on hosts, or to lead the access log astray.
 */
import { connect as connectRaw } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { isServed, pointCommandsAt, run } from '../tools/ban-scene.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { nodeTlsOptions } from '../tools/client-identity.ts';
import { type ProxiedInit, proxiedSocket } from '../tools/proxied-connection.ts';
import { type ProxyHeaderInit, proxyHeaderV2 } from '../tools/proxy-header.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const PROXY = '127.0.0.9';

describeRequiring(['built-broker'], 'who speaks the PROXY protocol', () => {
  const fixture = useBroker({
    env: {
      BREAKWATER_PROXY_PROTOCOL_ADDRESSES: `${PROXY}, 10.0.0.0/8`,
      BREAKWATER_PROXY_PROTOCOL_TIMEOUT_MS: '500',
      BREAKWATER_MAX_CONNECTIONS_PER_IP: '4',
    },
  });
  beforeAll(() => pointCommandsAt(fixture.broker));
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  const CLIENT: ProxyHeaderInit = { source: '198.51.100.7', port: 40_000 };
  /** Null when TLS does not come about. */
  const through = async (
    header: Buffer,
    { localAddress = PROXY, ...init }: Partial<ProxiedInit> = {},
  ): Promise<WireClient | null> => {
    const { port } = fixture.broker;
    const socket = await proxiedSocket({ port, localAddress, header, ...init });
    const identity = fixture.who('acme', 'device-1');
    return WireClient.connect(port, identity, { socket }).catch(() => null);
  };
  const lineCount = (): number => fixture.audit('security').length;
  const since = (before: number) => fixture.audit('security').slice(before);
  /** A refusal is recorded, but nobody waits for its record. */
  const refusedSince = async (before: number, reason: string) => {
    await expect.poll(() => since(before).map((line) => line.reason)).toContain(reason);
    return since(before).find((line) => line.reason === reason);
  };

  it.each(['alone', 'bytes', 'with-tls'] as const)(
    'from a listed address is who the header says, header %s',
    async (pieces) => {
      const before = lineCount();
      const client = await through(proxyHeaderV2(CLIENT), { pieces });
      expect(await isServed(client)).toBe(true);
      client?.close();
      expect(since(before)[0]).toMatchObject({
        type: 'authentication',
        outcome: 'success',
        address: '198.51.100.7',
        port: 40_000,
      });
    },
  );

  it.each([
    ['version 1', Buffer.from('PROXY TCP6 2001:db8::7 ::1 4 5\r\n'), '2001:db8::7'],
    ['unknown', Buffer.from('PROXY UNKNOWN\r\n'), PROXY],
    ['LOCAL', proxyHeaderV2({ command: 0x20, family: 0 }), PROXY],
  ])('of %s is served as that', async (_, header, address) => {
    const before = lineCount();
    const client = await through(header);
    expect(await isServed(client)).toBe(true);
    client?.close();
    expect(since(before)[0]).toMatchObject({ outcome: 'success', address });
  });

  it('is judged by rules on the host of the header', async () => {
    await run(
      'acl add --tenant acme --deny User:device-1 --operation describe --topic telemetry --host 198.51.100.8',
    );
    const describedFrom = async (source: string): Promise<number | undefined> => {
      const client = (await through(proxyHeaderV2({ ...CLIENT, source })))!;
      const topics = [{ topicId: undefined, name: 'telemetry' }];
      const answer = await client.call(ApiKey.Metadata, 9, {
        topics: topics.map(({ name }) => ({ name })),
        allowAutoTopicCreation: false,
      });
      client.close();
      return answer.topics[0]?.errorCode;
    };
    expect(await describedFrom('198.51.100.8')).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    expect(await describedFrom('198.51.100.7')).toBe(ErrorCode.NONE);
  });

  it('and is banned is dropped behind the proxy, and nobody else is', async () => {
    await run('ban add --address 198.51.100.9 --for 1h');
    expect(await through(proxyHeaderV2({ ...CLIENT, source: '198.51.100.9' }))).toBeNull();
    const other = await through(proxyHeaderV2(CLIENT));
    expect(await isServed(other)).toBe(true);
    other?.close();
  });

  it('counts under the limit of its own address, not of the proxy', async () => {
    const clients: (WireClient | null)[] = [];
    for (let at = 0; at < 5; at++) clients.push(await through(proxyHeaderV2(CLIENT)));
    clients.push(await through(proxyHeaderV2({ ...CLIENT, source: '198.51.100.10' })));
    const served = await Promise.all(clients.map(isServed));
    expect(served).toEqual([true, true, true, true, false, true]);
    for (const client of clients) client?.close();
  });

  it('from an address that is not listed is refused, banned or not', async () => {
    const before = lineCount();
    const header = proxyHeaderV2(CLIENT);
    expect(await through(header, { localAddress: '127.0.0.2' })).toBeNull();
    const refused = await refusedSince(before, 'handshake-failed');
    expect(refused).toMatchObject({ address: '127.0.0.2' });
    await run('ban add --address 127.0.0.2 --for 1h');
    expect(await through(header, { localAddress: '127.0.0.2' })).toBeNull();
    expect(await refusedSince(before, 'banned')).toMatchObject({ address: '127.0.0.2' });
    expect(since(before).some(({ address }) => address === CLIENT.source)).toBe(false);
  });

  it('on the listener for which nobody is listed is refused, whoever it is', async () => {
    const port = fixture.broker.saslPort;
    const header = proxyHeaderV2(CLIENT);
    const socket = await proxiedSocket({ port, localAddress: PROXY, header });
    const identity = nodeTlsOptions(fixture.who('acme', 'device-1'));
    const secured = await new Promise((resolve) => {
      const tls = connectTls({ socket, servername: 'localhost', ...identity });
      tls.once('secureConnect', () => resolve(true));
      tls.once('error', () => resolve(false));
      tls.once('close', () => resolve(false));
    });
    expect(secured).toBe(false);
  });

  it.each([
    ['without a header', Buffer.alloc(0)],
    ['with a header that is damaged', Buffer.from('PROXY TCP4 1.2.3.4\r\n')],
    ['with an oversized header', proxyHeaderV2({ ...CLIENT, tlvs: [Buffer.alloc(5000)] })],
  ])('from a listed address %s is refused', async (_, header) => {
    const before = lineCount();
    expect(await through(header)).toBeNull();
    const line = await refusedSince(before, 'proxy-header');
    expect(line).toMatchObject({ type: 'connection', outcome: 'failure', address: PROXY });
  });

  it('and does not finish its header in time is cut off', async () => {
    const before = lineCount();
    const raw = connectRaw({ host: '127.0.0.1', port: fixture.broker.port, localAddress: PROXY });
    raw.on('error', () => {});
    const closed = new Promise((resolve) => raw.once('close', resolve));
    raw.write(proxyHeaderV2(CLIENT).subarray(0, 20));
    await closed;
    const line = await refusedSince(before, 'proxy-header');
    expect(line?.detail).toBe('no whole PROXY header in time');
  });
});
