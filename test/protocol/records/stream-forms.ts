/**
 * Owns the unusual but legal forms of compressed streams: what one client or another may send, and
 * what every consumer must therefore be able to read when we accept it.
 */
import { crc32, deflateRawSync } from 'node:zlib';
import { compressSync as rawSnappy } from 'snappy';
import { compress } from '../../../src/protocol/records/compression.ts';
import { CompressionCodec } from '../../../src/protocol/records/record-batch.ts';
import { xxhash32 } from '../../../src/protocol/records/xxhash32.ts';

export interface StreamForm {
  readonly name: string;
  readonly codec: CompressionCodec;
  readonly stream: Buffer;
}

function int32(value: number, isLittleEndian: boolean): Buffer {
  const bytes = Buffer.alloc(4);
  if (isLittleEndian) bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return bytes;
}

/** The content in pieces of at most `bytes`. */
function pieces(content: Buffer, bytes: number): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < content.length; at += bytes) list.push(content.subarray(at, at + bytes));
  return list;
}

function gzipForms(content: Buffer): StreamForm[] {
  const extra = Buffer.from([4, 0, 1, 2, 3, 4]);
  const fields: [number, Buffer[]][] = [
    [0x01, []],
    [0x04, [extra]],
    [0x08, [Buffer.from('name\0')]],
    [0x10, [Buffer.from('\0')]],
    [0x1d, [extra, Buffer.from('name\0comment\0')]],
  ];
  return [0, 1].flatMap((withHeaderCrc) =>
    fields.map(([flags, parts]) => {
      const allFlags = flags | (withHeaderCrc * 2);
      const head = Buffer.concat([
        Buffer.from([0x1f, 0x8b, 8, allFlags, 1, 2, 3, 4, 2, 255]),
        ...parts,
      ]);
      const headerCrc = int32(crc32(head), true).subarray(0, 2 * withHeaderCrc);
      const trailer = [int32(crc32(content), true), int32(content.length, true)];
      const stream = Buffer.concat([head, headerCrc, deflateRawSync(content), ...trailer]);
      return { name: `flags ${allFlags}`, codec: CompressionCodec.gzip, stream };
    }),
  );
}

function snappyForms(content: Buffer): StreamForm[] {
  const header = Buffer.from('82534e41505059000000000100000001', 'hex');
  const xerial = [1, 100, 5000, 100_000].map((bytes) => ({
    name: `xerial blocks of ${bytes}`,
    codec: CompressionCodec.snappy,
    stream: Buffer.concat([
      header,
      ...pieces(content, bytes).flatMap((piece) => {
        const block = rawSnappy(piece);
        return [int32(block.length, false), block];
      }),
    ]),
  }));
  return [...xerial, { name: 'raw', codec: CompressionCodec.snappy, stream: rawSnappy(content) }];
}

/** Stored blocks under every combination of the optional fields and block sizes. */
function lz4Forms(content: Buffer): StreamForm[] {
  const forms: StreamForm[] = [];
  for (let options = 0; options < 8; options++) {
    for (const blockSizeCode of [4, 5, 6, 7]) {
      const [size, block, sum] = [options & 1, options & 2, options & 4];
      const flags = 0x60 | (size ? 0x08 : 0) | (block ? 0x10 : 0) | (sum ? 0x04 : 0);
      const contentSize = Buffer.alloc(size ? 8 : 0);
      if (size) contentSize.writeBigUInt64LE(BigInt(content.length));
      const descriptor = Buffer.concat([Buffer.from([flags, blockSizeCode << 4]), contentSize]);
      const check = (xxhash32(descriptor, 0, descriptor.length) >>> 8) & 0xff;
      const blocks = pieces(content, 1000).flatMap((piece) => [
        int32((piece.length | 0x8000_0000) >>> 0, true),
        piece,
        ...(block ? [int32(xxhash32(piece, 0, piece.length), true)] : []),
      ]);
      const stream = Buffer.concat([
        Buffer.from([0x04, 0x22, 0x4d, 0x18]),
        descriptor,
        Buffer.from([check]),
        ...blocks,
        Buffer.alloc(4),
        ...(sum ? [int32(xxhash32(content, 0, content.length), true)] : []),
      ]);
      forms.push({ name: `flags ${flags}, ${blockSizeCode}`, codec: CompressionCodec.lz4, stream });
    }
  }
  return forms;
}

/** Raw blocks under several headers; content of 256 to 65791 bytes. */
function zstdForms(content: Buffer): StreamForm[] {
  const parts = pieces(content, 1000);
  const blocks = parts.flatMap((piece, index) => {
    const header = (piece.length << 3) | (index === parts.length - 1 ? 1 : 0);
    return [int32(header, true).subarray(0, 3), piece];
  });
  const size = int32(content.length - 256, true).subarray(0, 2);
  const headers: [string, Buffer][] = [
    ['a window of 1 KiB', Buffer.from([0x00, 0x00])],
    ['a window of 128 MiB', Buffer.from([0x00, 0x88])],
    ['one segment of two bytes', Buffer.concat([Buffer.from([0x60]), size])],
    [
      'one segment of four bytes',
      Buffer.concat([Buffer.from([0xa0]), int32(content.length, true)]),
    ],
    ['a window and a size', Buffer.concat([Buffer.from([0x40, 0x50]), size])],
    ['a dictionary id of 0', Buffer.from([0x01, 0x50, 0x00])],
  ];
  return headers.map(([name, header]) => ({
    name,
    codec: CompressionCodec.zstd,
    stream: Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), header, ...blocks]),
  }));
}

/** `content` of 256 to 65791 bytes in every form, those that we write ourselves included. */
export async function streamForms(content: Buffer): Promise<StreamForm[]> {
  const own = await Promise.all(
    [1, 2, 3, 4].map(async (id) => {
      const codec = id as CompressionCodec;
      return { name: 'our own', codec, stream: await compress(codec, content) };
    }),
  );
  return [
    ...own,
    ...gzipForms(content),
    ...snappyForms(content),
    ...lz4Forms(content),
    ...zstdForms(content),
  ];
}
