/** PROXY headers byte by byte: what is taken, what is refused, and what is left for TLS. */

import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ProxyHeader,
  parseProxyHeader,
  readProxyHeader,
} from '../../src/network/proxy-protocol.ts';
import { handClock } from '../tools/hand-clock.ts';
import { proxyHeaderV2, tlv } from '../tools/proxy-header.ts';
import { testSeed } from '../tools/test-seed.ts';

const v1 = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1');
const V1_TCP4 = v1('PROXY TCP4 198.51.100.7 127.0.0.1 40000 9093');
const V2_TCP4 = proxyHeaderV2({ source: '198.51.100.7', port: 40_000 });
const V2_TCP6 = proxyHeaderV2({ source: '2001:db8::7', port: 40_000 });
const withByte = (bytes: Buffer, at: number, value: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at] = value;
  return changed;
};
const complete = (header: Buffer, client: object | null): ProxyHeader =>
  ({ kind: 'complete', headerBytes: header.length, client }) as ProxyHeader;
const CLIENT = { address: '198.51.100.7', port: 40_000 };
const CLIENT6 = { address: '2001:db8::7', port: 40_000 };
const LONGEST = v1(`PROXY UNKNOWN ${'x'.repeat(107 - 16)}`);

describe('a header that is in order', () => {
  const cases: [string, Buffer, object | null][] = [
    ['version 1, IPv4', V1_TCP4, CLIENT],
    ['version 1, IPv6', v1('PROXY TCP6 2001:DB8:0::7 ::1 40000 9093'), CLIENT6],
    ['version 1, mapped', v1('PROXY TCP6 ::ffff:198.51.100.7 ::1 40000 1'), CLIENT],
    ['version 1, unknown', v1('PROXY UNKNOWN'), null],
    ['version 1, unknown with more', v1('PROXY UNKNOWN ff::1 not-read 0 -1'), null],
    ['version 1, the longest', LONGEST, null],
    ['version 2, IPv4', V2_TCP4, CLIENT],
    ['version 2, IPv6', V2_TCP6, CLIENT6],
    ['version 2, mapped', proxyHeaderV2({ source: '::ffff:198.51.100.7', port: 40_000 }), CLIENT],
    ['version 2, LOCAL', proxyHeaderV2({ command: 0x20, family: 0 }), null],
    ['version 2, LOCAL with addresses', withByte(V2_TCP4, 12, 0x20), null],
    ['version 2, UNSPEC', proxyHeaderV2({ family: 0 }), null],
    [
      'TLVs',
      proxyHeaderV2({ ...CLIENT_OF(), tlvs: [tlv(4, 10), tlv(0x20, 30), tlv(4, 0)] }),
      CLIENT,
    ],
    ['a checksum', proxyHeaderV2({ ...CLIENT_OF(), tlvs: [tlv(4, 3)], checksum: 'right' }), CLIENT],
    ['the longest', proxyHeaderV2({ ...CLIENT_OF(), tlvs: [tlv(4, 4096 - 28 - 3)] }), CLIENT],
  ];
  it.each(cases)('%s', (_, header, client) => {
    const expected = complete(header, client);
    expect(parseProxyHeader(header)).toEqual(expected);
    expect(parseProxyHeader(Buffer.concat([header, Buffer.from('\x16\x03\x01')]))).toEqual(
      expected,
    );
    for (let length = 0; length < header.length; length++) {
      expect(parseProxyHeader(header.subarray(0, length)).kind, `${length} bytes`).toBe(
        'incomplete',
      );
    }
  });
});

function CLIENT_OF() {
  return { source: CLIENT.address, port: CLIENT.port };
}

describe('a header that is not', () => {
  it.each([
    ['TLS', Buffer.from('16030100', 'hex')],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a line end only', Buffer.from('\r\n\r\n\r\n')],
    ['lower case', v1('proxy TCP4 1.2.3.4 1.2.3.4 1 1')],
    ['another protocol', v1('PROXY TCP5 1.2.3.4 1.2.3.4 1 1')],
    ['a host name', v1('PROXY TCP4 localhost 1.2.3.4 1 1')],
    ['IPv6 as IPv4', v1('PROXY TCP4 ::1 ::1 1 1')],
    ['IPv4 as IPv6', v1('PROXY TCP6 1.2.3.4 1.2.3.4 1 1')],
    ['a zone', v1('PROXY TCP6 fe80::1%eth0 ::1 1 1')],
    ['an octal address', v1('PROXY TCP4 01.2.3.4 1.2.3.4 1 1')],
    ['a port that is too high', v1('PROXY TCP4 1.2.3.4 1.2.3.4 65536 1')],
    ['a port with zeros', v1('PROXY TCP4 1.2.3.4 1.2.3.4 01 1')],
    ['two spaces', v1('PROXY TCP4  1.2.3.4 1.2.3.4 1 1')],
    ['too few fields', v1('PROXY TCP4 1.2.3.4 1.2.3.4 1')],
    ['too many fields', v1('PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1')],
    ['a line feed alone', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n'.padEnd(107, 'x'))],
    ['a line that is too long', v1(`PROXY UNKNOWN ${'x'.repeat(107)}`)],
    ['another version', withByte(V2_TCP4, 12, 0x11)],
    ['another command', withByte(V2_TCP4, 12, 0x22)],
    ['UDP', withByte(V2_TCP4, 13, 0x12)],
    ['a Unix socket', withByte(V2_TCP4, 13, 0x31)],
    ['a family that is not known', withByte(V2_TCP4, 13, 0x41)],
    ['IPv6 in the room of IPv4', withByte(V2_TCP4, 13, 0x21)],
    ['no room for addresses', withByte(V2_TCP4, 15, 11).subarray(0, 27)],
    ['a size beyond the bound', withByte(V2_TCP4, 14, 0x10)],
    ['the largest size', withByte(withByte(V2_TCP4, 14, 0xff), 15, 0xff)],
    ['a TLV cut short', proxyHeaderV2({ ...CLIENT_OF(), tlvs: [Buffer.from([4, 0])] })],
    [
      'a TLV that is too long',
      proxyHeaderV2({ ...CLIENT_OF(), tlvs: [Buffer.from([4, 0, 9, 1])] }),
    ],
    ['a wrong checksum', proxyHeaderV2({ ...CLIENT_OF(), checksum: 'wrong' })],
    ['a short checksum', proxyHeaderV2({ ...CLIENT_OF(), tlvs: [tlv(3, 3)] })],
    ['UNSPEC with a TLV cut short', proxyHeaderV2({ family: 0, tlvs: [Buffer.from([4])] })],
  ])('%s is refused', (_, bytes) => {
    expect(parseProxyHeader(bytes).kind).toBe('malformed');
  });

  it('never throws, whatever comes', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 200 }).map((tail) => [...V2_TCP4.subarray(0, 12), ...tail]),
      fc.string({ maxLength: 120 }).map((tail) => Buffer.from(`PROXY ${tail}`)),
    );
    const property = fc.property(noise, (bytes) => {
      const header = parseProxyHeader(Buffer.from(bytes));
      if (header.kind === 'complete') expect(header.headerBytes).toBeLessThanOrEqual(bytes.length);
    });
    fc.assert(property, { seed: testSeed('proxy-protocol', 2), numRuns: 500 });
  });
});

describe('reading it from a connection', () => {
  const begin = () => {
    const stream = new PassThrough();
    const clock = handClock();
    const result = readProxyHeader(stream as unknown as Socket, { clock, timeoutMs: 1000 });
    return { stream, clock, result };
  };

  it.each([V1_TCP4, V2_TCP4, V2_TCP6])('byte by byte, and what follows is left', async (header) => {
    const { stream, result } = begin();
    for (const byte of header) {
      stream.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await result).toMatchObject({ kind: 'complete', headerBytes: header.length });
    stream.write('later');
    await new Promise((resolve) => setImmediate(resolve));
    expect(String(stream.read())).toBe('later');
  });

  it('with the beginning of TLS in the same piece', async () => {
    const { stream, result } = begin();
    stream.write(Buffer.concat([V2_TCP4, Buffer.from('client hello')]));
    expect(await result).toMatchObject({ kind: 'complete', client: CLIENT });
    expect(String(stream.read())).toBe('client hello');
  });

  it('is given up when it takes too long, however it drips', async () => {
    const { stream, clock, result } = begin();
    for (const byte of V2_TCP4.subarray(0, 10)) {
      stream.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
      clock.pass(100);
    }
    expect(await result).toEqual({ kind: 'malformed', detail: 'no whole PROXY header in time' });
  });

  it('is given up when the peer goes away', async () => {
    const { stream, result } = begin();
    stream.write(V2_TCP4.subarray(0, 10));
    stream.end();
    expect(await result).toBeNull();
  });
});
