/** PROXY headers of version 2 as a proxy writes them, or would if it were broken. */
import { parseAddress } from '../../src/base/ip-address.ts';
import { crc32c } from '../../src/protocol/records/crc32c.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export interface ProxyHeaderInit {
  readonly source?: string;
  readonly port?: number;
  readonly command?: number;
  /** By default what the source is; 0 has no addresses. */
  readonly family?: number;
  readonly tlvs?: readonly Buffer[];
  readonly checksum?: 'right' | 'wrong';
}

export const tlv = (type: number, length: number): Buffer => {
  const bytes = Buffer.alloc(3 + length, 0x61);
  bytes[0] = type;
  bytes.writeUInt16BE(length, 1);
  return bytes;
};

const octets = (text: string): Buffer => {
  const address = parseAddress(text)!;
  const isWide = text.includes(':');
  const value = isWide && address.bits === 32 ? (0xffffn << 32n) | address.value : address.value;
  return Buffer.from(value.toString(16).padStart(isWide ? 32 : 8, '0'), 'hex');
};

export const proxyHeaderV2 = (init: ProxyHeaderInit): Buffer => {
  const { source, port = 0, command = 0x21, checksum } = init;
  const from = source === undefined ? Buffer.alloc(0) : octets(source);
  const family = init.family ?? (from.length === 4 ? 0x11 : 0x21);
  const ports = Buffer.alloc(from.length === 0 ? 0 : 4);
  if (ports.length > 0) ports.writeUInt16BE(port);
  const checksumTlv = checksum === undefined ? [] : [Buffer.from([3, 0, 4, 0, 0, 0, 0])];
  const rest = Buffer.concat([
    ...[from, Buffer.alloc(from.length), ports],
    ...(init.tlvs ?? []),
    ...checksumTlv,
  ]);
  const head = Buffer.from([command, family, rest.length >> 8, rest.length & 0xff]);
  const header = Buffer.concat([SIGNATURE, head, rest]);
  if (checksum !== undefined) {
    const sum = crc32c(header, 0, header.length);
    header.writeUInt32BE(checksum === 'right' ? sum : (sum ^ 1) >>> 0, header.length - 4);
  }
  return header;
};
