/** Threat: bytes that are no Kafka request. Each closes its own connection, is recorded, and harms nobody else. */
import { connect as connectTcp } from 'node:net';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { encodeRequest } from '../../src/protocol/headers.ts';
import { apis } from '../../src/server/apis/index.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

function header(apiKey: number, apiVersion: number, extra: Buffer = Buffer.alloc(0)): Buffer {
  const frame = Buffer.alloc(4 + 10 + extra.length);
  frame.writeInt32BE(10 + extra.length, 0);
  frame.writeInt16BE(apiKey, 4);
  frame.writeInt16BE(apiVersion, 6);
  frame.writeInt32BE(7, 8);
  frame.writeInt16BE(-1, 12);
  extra.copy(frame, 14);
  return frame;
}

function sized(size: number, apiKey = 3): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(size, 0);
  bytes.writeInt16BE(apiKey, 4);
  return bytes;
}

describeRequiring(['built-broker'], 'hostile frames', () => {
  const fixture = useBroker();

  // In turn: repeats of one principal beyond a rate are counted rather than written out.
  const people = ['device-1', 'device-2', 'service-1', 'admin-1'];
  let turn = 0;

  it.each<[string, Buffer]>([
    ['a negative size', sized(-1)],
    ['a size of zero', sized(0)],
    ['a size beyond every limit', sized(2 ** 31 - 1, ApiKey.Produce)],
    ['a size beyond what this API may have', sized(64 << 20, ApiKey.Metadata)],
    ['an unknown API key', header(4242, 0)],
    ['a negative API key', header(-1, 0)],
    ['a key that is known and not served', header(ApiKey.WriteTxnMarkers, 1)],
    ['a version below the range', header(ApiKey.Produce, 2)],
    ['a version above the range', header(ApiKey.Fetch, 99)],
    ['a body that ends too early', header(ApiKey.Metadata, 1, Buffer.of(0, 0))],
    ['a body with bytes left over', header(ApiKey.ApiVersions, 0, Buffer.alloc(5))],
    ['an array of two billion topics', header(ApiKey.Metadata, 1, Buffer.of(0x7f, 255, 255, 255))],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ])('%s closes the connection and is recorded', async (_name, bytes) => {
    const name = people[turn++ % people.length]!;
    const client = await fixture.connect('acme', name);
    const port = client.socket.localPort;
    expect(await client.closedBy(bytes)).toBe(true);
    const line = await fixture.audited(
      'security',
      (one) => one.port === port && one.type === 'protocol',
    );
    expect(line).toMatchObject({ tenant: 'acme', principal: `User:${name}`, outcome: 'failure' });
  });

  it('closes on every API key that is not served', async () => {
    const unserved = Object.entries(apis).filter(([, entry]) => 'notServed' in entry);
    expect(unserved.length).toBeGreaterThan(0);
    for (const [key] of unserved) {
      const client = await fixture.connect('acme', 'device-1');
      expect(await client.closedBy(header(Number(key), 0)), `key ${key}`).toBe(true);
    }
  });

  it('advertises exactly what it serves', async () => {
    const client = await fixture.connect('acme', 'device-1');
    const { apiKeys } = await client.call(ApiKey.ApiVersions, 0, {});
    const served = Object.entries(apis).filter(([, entry]) => 'handle' in entry);
    expect(apiKeys.map(({ apiKey }) => apiKey)).toEqual(served.map(([key]) => Number(key)));
  });

  it('answers an unknown version of ApiVersions in version 0 and stays open', async () => {
    const client = await fixture.connect('acme', 'device-1');
    const answer = await client.call(ApiKey.ApiVersions, 0, {});
    expect(answer.errorCode).toBe(ErrorCode.NONE);
    client.socket.write(header(ApiKey.ApiVersions, 77, Buffer.of(0)));
    const again = await client.call(ApiKey.ApiVersions, 0, {});
    expect(again.errorCode).toBe(ErrorCode.NONE);
  });

  it('plaintext on the TLS port gets nothing and is recorded', async () => {
    const port = await new Promise<number>((resolve) => {
      const socket = connectTcp(fixture.broker.port, '127.0.0.1', () => {
        const [request] = encodeRequest({
          apiKey: ApiKey.ApiVersions,
          apiVersion: 0,
          correlationId: 1,
          clientId: null,
          body: {},
        });
        const { localPort } = socket;
        socket.write(request!);
        socket.on('data', (data) => expect(data.readUInt8(0)).toBe(0x15)); // a TLS alert at most
        socket.on('error', () => {});
        socket.on('close', () => resolve(localPort!));
      });
    });
    const line = await fixture.audited('security', (one) => one.port === port);
    expect(line).toMatchObject({ type: 'authentication', outcome: 'failure' });
  });

  it('a neighbour on another connection is served throughout', async () => {
    const neighbour = await fixture.connect('globex', 'service-1');
    const attacker = await fixture.connect('acme', 'device-1');
    attacker.socket.write(sized(2 ** 31 - 1, ApiKey.Produce));
    const { topics } = await neighbour.call(ApiKey.Metadata, 12, { topics: null });
    expect(topics.map(({ name }) => name)).toEqual(['__audit', 'telemetry']);
  });
});
