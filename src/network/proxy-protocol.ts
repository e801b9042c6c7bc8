/**
 * Owns the PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): how a trusted proxy tells
 * who its client is, before the first byte of TLS.
 *
 * Invariants: it is spoken only with peers that the operator lists, and must be spoken by them: a
 * connection that begins otherwise is refused, so that no client can choose between two meanings of
 * its bytes. Nothing is taken that the specification does not name; a header is bounded in size and
 * in time; what comes after it is left to TLS to the last byte.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { formatNetwork, parseAddress } from '../base/ip-address.ts';
import { crc32c } from '../protocol/records/crc32c.ts';

export interface ProxyProtocol {
  /** Whether this peer is a proxy: whether it speaks the protocol. */
  readonly isProxy: (address: string) => boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface PeerAddress {
  readonly address: string;
  readonly port: number;
}

export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly detail: string }
  | {
      readonly kind: 'complete';
      readonly headerBytes: number;
      /** Null: the connection is the proxy's own (LOCAL, UNKNOWN, UNSPEC). */
      readonly client: PeerAddress | null;
    };

const SIGNATURE = Buffer.from([
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
]);
const V1_PREFIX = Buffer.from('PROXY ');
/** As the specification has it, the line end included. */
const V1_BYTES_MAX = 107;
const V2_FIXED_BYTES = 16;
/** Far more than the addresses and what proxies add to them in TLVs. */
const V2_BYTES_MAX = 4096;
const TLV_CRC32C = 0x03;
const TLV_HEAD_BYTES = 3;
const PORT = /^(?:0|[1-9][0-9]{0,4})$/;

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };
const malformed = (detail: string): ProxyHeader => ({ kind: 'malformed', detail });

/** Reads the header at the beginning of `bytes`, which may hold less of it or more than it. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  for (const [prefix, parse] of [
    [V1_PREFIX, parseV1],
    [SIGNATURE, parseV2],
  ] as const) {
    const known = Math.min(bytes.length, prefix.length);
    if (bytes.compare(prefix, 0, known, 0, known) !== 0) continue;
    return bytes.length < prefix.length ? INCOMPLETE : parse(bytes);
  }
  return malformed('no PROXY header');
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n');
  if (end < 0) {
    return bytes.length < V1_BYTES_MAX ? INCOMPLETE : malformed('a line without an end');
  }
  const headerBytes = end + 2;
  const [, protocol, ...rest] = bytes.toString('latin1', 0, end).split(' ');
  // What follows UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { kind: 'complete', headerBytes, client: null };
  const bits = protocol === 'TCP4' ? 32 : protocol === 'TCP6' ? 128 : null;
  if (bits === null) return malformed('a protocol that is not known');
  const [source, destination, sourcePort, destinationPort] = rest;
  const ports = [sourcePort, destinationPort];
  const isInOrder =
    rest.length === 4 &&
    [source, destination].every((text) => isAddress(text, bits)) &&
    ports.every((text) => PORT.test(text ?? '') && Number(text) <= 0xffff);
  if (!isInOrder) return malformed('addresses or ports that are none');
  return { kind: 'complete', headerBytes, client: clientOf(source!, Number(sourcePort)) };
}

function isAddress(text: string | undefined, bits: 32 | 128): boolean {
  if (text === undefined || text.includes('%') || text.includes(':') !== (bits === 128)) {
    return false;
  }
  return parseAddress(text) !== null;
}

/** In the one form that limits, rules, bans and the log know an address by. */
function clientOf(text: string, port: number): PeerAddress {
  const address = parseAddress(text)!;
  return { address: formatNetwork({ ...address, prefixLength: address.bits }), port };
}

/** Version and command, then family and protocol, then the length of all that follows. */
function parseV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE;
  const command = bytes[12]!;
  const family = bytes[13]!;
  const headerBytes = V2_FIXED_BYTES + bytes.readUInt16BE(14);
  if (command !== 0x20 && command !== 0x21) return malformed('a version or command not known');
  if (headerBytes > V2_BYTES_MAX) return malformed(`a header of ${headerBytes} bytes`);
  if (bytes.length < headerBytes) return INCOMPLETE;
  const header = bytes.subarray(0, headerBytes);
  // LOCAL: whatever else the header says is to be ignored.
  if (command === 0x20) return { kind: 'complete', headerBytes, client: null };
  if (family === 0x00) return completeUnless(tlvProblem(header, V2_FIXED_BYTES), header, null);
  const addressBytes = family === 0x11 ? 4 : family === 0x21 ? 16 : null;
  if (addressBytes === null) return malformed('neither TCP over IPv4 nor over IPv6');
  const tlvsAt = V2_FIXED_BYTES + 2 * addressBytes + 4;
  if (tlvsAt > headerBytes) return malformed('too short for its addresses');
  const raw = header.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes);
  const text = addressBytes === 4 ? raw.join('.') : groupsOf(raw);
  const port = header.readUInt16BE(V2_FIXED_BYTES + 2 * addressBytes);
  return completeUnless(tlvProblem(header, tlvsAt), header, clientOf(text, port));
}

function completeUnless(
  problem: string | null,
  { length: headerBytes }: Buffer,
  client: PeerAddress | null,
): ProxyHeader {
  return problem === null ? { kind: 'complete', headerBytes, client } : malformed(problem);
}

const groupsOf = (raw: Buffer): string =>
  Array.from({ length: 8 }, (_, at) => raw.readUInt16BE(2 * at).toString(16)).join(':');

/** TLVs must fill the rest exactly, and a checksum among them must be right; their values say nothing here. */
function tlvProblem(header: Buffer, from: number): string | null {
  for (let at = from; at < header.length; ) {
    if (at + TLV_HEAD_BYTES > header.length) return 'a TLV that is cut short';
    const type = header[at]!;
    const length = header.readUInt16BE(at + 1);
    const valueAt = at + TLV_HEAD_BYTES;
    at = valueAt + length;
    if (at > header.length) return 'a TLV that is cut short';
    if (type !== TLV_CRC32C) continue;
    if (length !== 4) return 'a checksum that is none';
    const blank = Buffer.from(header);
    blank.fill(0, valueAt, at);
    if (crc32c(blank, 0, blank.length) !== header.readUInt32BE(valueAt))
      return 'a checksum that is wrong';
  }
  return null;
}

/**
 * Reads the header from a socket that nobody has read from, and leaves the rest in it. Null: it went
 * away. Never rejects; the caller closes the socket when there is no header.
 */
export function readProxyHeader(
  socket: Socket,
  { clock, timeoutMs }: Pick<ProxyProtocol, 'clock' | 'timeoutMs'>,
): Promise<Exclude<ProxyHeader, { kind: 'incomplete' }> | null> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const end = (result: Exclude<ProxyHeader, { kind: 'incomplete' }> | null): void => {
      timer.cancel();
      socket.off('data', onData);
      socket.off('close', onGone);
      socket.off('end', onGone);
      socket.pause();
      resolve(result);
    };
    const onGone = (): void => end(null);
    const onData = (chunk: Buffer): void => {
      // At most a header and one chunk: reading stops with the header.
      received = Buffer.concat([received, chunk]);
      const header = parseProxyHeader(received);
      if (header.kind === 'incomplete') return;
      end(header);
      if (header.kind === 'complete' && received.length > header.headerBytes) {
        socket.unshift(received.subarray(header.headerBytes));
      }
    };
    const timer = clock.setTimer(timeoutMs, () =>
      end({ kind: 'malformed', detail: 'no whole PROXY header in time' }),
    );
    socket.on('data', onData);
    socket.once('close', onGone);
    socket.once('end', onGone);
  });
}
