import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect, createSecureContext } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLIENT_HELLO_BYTES_MAX, lookForServerName } from '../../src/network/client-hello.ts';

/** What a client of ours sends first. */
async function helloOf(servername: string, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect({
    port,
    host: '127.0.0.1',
    servername,
    secureContext: createSecureContext({ maxVersion }),
  });
  client.on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

const record = (payload: Buffer): Buffer => {
  const header = Buffer.from([22, 3, 1, 0, 0]);
  header.writeUInt16BE(payload.length, 3);
  return Buffer.concat([header, payload]);
};
const nameIn = (bytes: Buffer): string | null | 'more' => {
  const look = lookForServerName(bytes);
  return look.isComplete ? look.serverName : 'more';
};
const NAME = 'acme.kafka.example';
const hello = await helloOf(NAME, 'TLSv1.3');

describe('the server name of a hello', () => {
  it('is read from TLS 1.2 and 1.3, in lower case; none is none', async () => {
    expect(nameIn(hello)).toBe(NAME);
    expect(nameIn(await helloOf('ACME.Kafka.Example', 'TLSv1.2'))).toBe(NAME);
    expect(nameIn(await helloOf('', 'TLSv1.3'))).toBeNull();
  });

  it('is read from a hello that is cut into records', () => {
    const message = hello.subarray(5);
    for (const cut of [1, 3, 4, 5, 40, 200]) {
      const both = [record(message.subarray(0, cut)), record(message.subarray(cut))];
      expect(nameIn(Buffer.concat(both))).toBe(NAME);
    }
  });

  it('is not looked for beyond what is there: it says how much it needs', () => {
    for (let length = 0; length < hello.length; length++) {
      const look = lookForServerName(hello.subarray(0, length));
      if (look.isComplete) throw new Error(`it made up its mind after ${length} bytes`);
      expect(look.bytesNeeded).toBeGreaterThan(length);
      expect(look.bytesNeeded).toBeLessThanOrEqual(hello.length);
    }
  });

  it.each([
    ['plaintext', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ["Kafka's plaintext", Buffer.from('000000140012000300000001000b', 'hex')],
    ['SSL 2.0', Buffer.from('802e010002001500000010', 'hex')],
    ['another message', record(Buffer.from('02000000', 'hex'))],
    ['an empty record', Buffer.from('1603010000', 'hex')],
    ['a record too large', Buffer.from('160301ffff', 'hex')],
    ['a hello too large', record(Buffer.from('01ffffff00', 'hex'))],
    ['very many records', Buffer.concat(Array.from({ length: 64 }, () => record(Buffer.of(1))))],
    [
      'a name that is none',
      Buffer.from(hello).fill(0, hello.indexOf(NAME), hello.indexOf(NAME) + 4),
    ],
  ])('is none in %s', (_what, bytes) => {
    expect(nameIn(bytes)).toBeNull();
  });

  it('never throws and never asks for too much, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: hello.length - 1 }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.nat({ max: hello.length }),
        (changes, length) => {
          const bytes = Buffer.from(hello);
          for (const [at, value] of changes) bytes[at] = value;
          const look = lookForServerName(bytes.subarray(0, length));
          if (look.isComplete) expect(look.serverName ?? '').toMatch(/^[a-z0-9._-]*$/);
          else {
            expect(look.bytesNeeded).toBeGreaterThan(length);
            expect(look.bytesNeeded).toBeLessThanOrEqual(CLIENT_HELLO_BYTES_MAX);
          }
        },
      ),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => {
        expect(() => lookForServerName(record(Buffer.from(payload)))).not.toThrow();
      }),
    );
  });
});
