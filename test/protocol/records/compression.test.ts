import { randomBytes } from 'node:crypto';
import * as zlib from 'node:zlib';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync as rawSnappy } from 'snappy';
import { describe, expect, it } from 'vitest';
import { KafkaError } from '../../../src/base/errors.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { compress, decompress, planInflation } from '../../../src/protocol/records/compression.ts';
import { MALFORMED, measureLz4Block } from '../../../src/protocol/records/lz4-block.ts';
import { CompressionCodec } from '../../../src/protocol/records/record-batch.ts';
import { xxhash32 } from '../../../src/protocol/records/xxhash32.ts';
import { REAL_CODECS } from './produced-batch.ts';
import { streamForms } from './stream-forms.ts';

const MIB = 1024 * 1024;

/** Words with repetitions, zeros and noise: every kind of match and literal run. */
function mixed(length: number): Buffer {
  const parts: Buffer[] = [];
  for (let bytes = 0, index = 0; bytes < length; index++) {
    const text = Buffer.from(`{"device":"pump-${index % 7}","value":${(index * 7919) % 1000}}`);
    const part = index % 50 === 0 ? randomBytes(90) : index % 33 === 0 ? Buffer.alloc(700) : text;
    parts.push(part);
    bytes += part.length;
  }
  return Buffer.concat(parts).subarray(0, length);
}

async function errorOf(codec: CompressionCodec, section: Buffer, maxBytes = MIB): Promise<number> {
  try {
    await decompress(codec, section, maxBytes);
  } catch (error) {
    if (error instanceof KafkaError) return error.errorCode;
    throw error;
  }
  return ErrorCode.NONE;
}

describe.each(REAL_CODECS)('%s', (name) => {
  const codec = CompressionCodec[name];

  it.each([1, 2, 15, 100, 4095, 65_536, 65_537, 300_000, 3 * MIB])(
    'carries %i bytes',
    async (n) => {
      const section = mixed(n);
      const inflated = await decompress(codec, await compress(codec, section), n);
      expect(inflated.equals(section)).toBe(true);
    },
  );

  it('carries any bytes', async () => {
    const arbitrary = fc.array(
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 90 }), fc.integer({ min: 1, max: 40 })),
      { minLength: 1, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(arbitrary, async (runs) => {
        const section = Buffer.concat(runs.flatMap(([run, times]) => Array(times).fill(run)));
        const inflated = await decompress(codec, await compress(codec, section), section.length);
        expect(inflated.equals(section)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a section that is cut anywhere, extended or empty', async () => {
    const whole = await compress(codec, mixed(5000));
    for (let length = 0; length < whole.length; length += length < 40 ? 1 : 97) {
      const error = await errorOf(codec, whole.subarray(0, length));
      expect([ErrorCode.INVALID_RECORD, ErrorCode.MESSAGE_TOO_LARGE]).toContain(error);
    }
    for (const tail of [Buffer.from([0]), randomBytes(9), whole]) {
      const error = await errorOf(codec, Buffer.concat([whole, tail]));
      expect([ErrorCode.INVALID_RECORD, ErrorCode.MESSAGE_TOO_LARGE]).toContain(error);
    }
  });

  it.each([1000, 60_000, 4 * MIB])('stops at the limit: %i bytes', async (n) => {
    const whole = await compress(codec, Buffer.alloc(n, 'ab'));
    expect(await errorOf(codec, whole, n - 1)).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    expect(await errorOf(codec, whole, n)).toBe(ErrorCode.NONE);
  });

  it('survives any change of its bytes', async () => {
    const whole = await compress(codec, mixed(3000));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const mutated = Buffer.from(whole);
          for (const [at, byte] of changes) mutated[at % mutated.length] = byte;
          const result = await Promise.resolve()
            .then(() => decompress(codec, mutated, 20_000))
            .catch((error: unknown) => error);
          if (result instanceof Buffer) expect(result.length).toBeLessThanOrEqual(20_000);
          else expect(result).toBeInstanceOf(KafkaError);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('unusual forms', () => {
  it('are read, each of them', async () => {
    const content = mixed(7000);
    for (const { name, codec, stream } of await streamForms(content)) {
      const inflated = await decompress(codec, stream, content.length);
      expect(inflated.equals(content), `${codec}: ${name}`).toBe(true);
    }
  });
});

describe('gzip', () => {
  const { gzip } = CompressionCodec;
  const trailer = (whole: Buffer): Buffer => whole.subarray(whole.length - 8);

  it('reads a member with every optional header field', async () => {
    const plain = gzipSync('hello');
    const fields = [
      Buffer.from([0x1f, 0x8b, 8, 0x1c, 0, 0, 0, 0, 0, 3]),
      Buffer.from([3, 0, 1, 2, 3]),
      Buffer.from('name\0comment\0'),
    ];
    const member = Buffer.concat([...fields, plain.subarray(10)]);
    expect((await decompress(gzip, member, 10)).toString()).toBe('hello');
  });

  it('refuses a wrong checksum, a wrong size, a preset dictionary flag and a second member', async () => {
    const whole = gzipSync('hello hello hello');
    for (const at of [whole.length - 8, whole.length - 4]) {
      const mutated = Buffer.from(whole);
      mutated[at]! ^= 1;
      expect(await errorOf(gzip, mutated)).toBe(ErrorCode.INVALID_RECORD);
    }
    const reserved = Buffer.from(whole);
    reserved[3] = 0x20;
    expect(await errorOf(gzip, reserved)).toBe(ErrorCode.INVALID_RECORD);
    // An empty first member whose trailer is that of the second would be the last resort.
    const two = Buffer.concat([gzipSync(''), whole]);
    expect(await errorOf(gzip, two)).toBe(ErrorCode.INVALID_RECORD);
  });

  it('refuses a broken header and content of nothing', async () => {
    const rest = gzipSync('hello').subarray(10);
    const member = (flags: number, fields: Buffer): Buffer =>
      Buffer.concat([Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3]), fields, rest]);
    const broken = [
      member(0x02, Buffer.from([0, 0])),
      member(0x04, Buffer.from([0xff, 0xff])),
      member(0x04, Buffer.from([rest.length - 7, 0])),
      member(0x40, Buffer.alloc(0)),
      Buffer.concat([Buffer.from([0x1f, 0x8b, 7]), member(0, Buffer.alloc(0)).subarray(3)]),
      // No zero byte ends the name: neither the stream nor the trailer has one.
      Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]), Buffer.alloc(40, 1)]),
      gzipSync(''),
    ];
    for (const [index, bytes] of broken.entries()) {
      expect(await errorOf(gzip, bytes), `${index}`).toBe(ErrorCode.INVALID_RECORD);
    }
    expect(await errorOf(gzip, member(0, Buffer.alloc(0)))).toBe(ErrorCode.NONE);
  });

  it('refuses bytes between the stream and the trailer, whatever the size', async () => {
    for (const n of [100, 200_000]) {
      const whole = gzipSync(randomBytes(n));
      const body = whole.subarray(0, -8);
      expect(await errorOf(gzip, Buffer.concat([body, trailer(whole)]))).toBe(ErrorCode.NONE);
      const padded = Buffer.concat([body, Buffer.from([0]), trailer(whole)]);
      expect(await errorOf(gzip, padded)).toBe(ErrorCode.INVALID_RECORD);
    }
  });

  it('spends no memory on a size that so few bytes could not hold', async () => {
    const member = Buffer.concat([gzipSync('x'.repeat(2000))]);
    member.writeUInt32LE(900_000, member.length - 4);
    expect(await errorOf(gzip, member)).toBe(ErrorCode.INVALID_RECORD);
  });

  it('stops a bomb that states a small size', async () => {
    const body = deflateRawSync(Buffer.alloc(16 * MIB));
    const member = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
      body,
      trailer(gzipSync('hello')),
    ]);
    expect(await errorOf(gzip, member)).toBe(ErrorCode.INVALID_RECORD);
  });
});

describe('snappy', () => {
  const { snappy } = CompressionCodec;
  const header = Buffer.from('82534e41505059000000000100000001', 'hex');
  const block = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };

  it('reads one raw block, as some clients send', async () => {
    for (const n of [1, 3000, 40_000, 200_000]) {
      const section = mixed(n);
      const inflated = await decompress(snappy, rawSnappy(section), n);
      expect(inflated.equals(section)).toBe(true);
    }
  });

  it('writes the header and blocks of snappy-java', async () => {
    const stream = await compress(snappy, Buffer.from('hello'));
    expect(stream.toString('hex')).toBe(
      `${header.toString('hex')}0000000705 10 68656c6c6f`.replaceAll(' ', ''),
    );
  });

  it('reads blocks of any size', async () => {
    const parts = [mixed(10), mixed(5000), mixed(100_000), mixed(1)];
    const stream = Buffer.concat([header, ...parts.map((part) => block(rawSnappy(part)))]);
    const inflated = await decompress(snappy, stream, MIB);
    expect(inflated.equals(Buffer.concat(parts))).toBe(true);
  });

  it('agrees with the native decoder on every small block', () => {
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4096 }),
        fc.integer({ min: 1, max: 64 }),
        async (n, period) => {
          const section = Buffer.from(
            Array.from({ length: n }, (_, index) => (index * index) % period),
          );
          const inflated = await decompress(snappy, rawSnappy(section), 4096);
          expect(inflated.equals(section)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  const broken: [string, Buffer][] = [
    ['a header without blocks', header],
    ['a block of no bytes', Buffer.concat([header, block(Buffer.alloc(0))])],
    ['a block that inflates to nothing', Buffer.concat([header, block(Buffer.from([0]))])],
    ['a negative block length', Buffer.concat([header, Buffer.from('ffffffff05', 'hex')])],
    ['a block beyond the end', Buffer.concat([header, Buffer.from('0000000805106865', 'hex')])],
    ['half a block length', Buffer.concat([header, Buffer.from('0000', 'hex')])],
    ['half a header', header.subarray(0, 12)],
    [
      'an incompatible version',
      Buffer.from('825345'.replace('45', '4e41505059000000000100000002'), 'hex'),
    ],
    ['a stated size that is too large', Buffer.from('05106865', 'hex')],
    ['a stated size that is too small', Buffer.from('0310' + '68656c6c6f', 'hex')],
    ['an impossible stated size', Buffer.from('ffffffff0f1068656c6c6f', 'hex')],
    ['a copy from before the start', Buffer.from('0a0068' + '1902', 'hex')],
    ['a copy from nowhere', Buffer.from('050068' + '0100', 'hex')],
  ];
  it.each(broken)('refuses %s', async (_, stream) => {
    expect(await errorOf(snappy, stream)).toBe(ErrorCode.INVALID_RECORD);
  });
});

describe('lz4', () => {
  const { lz4 } = CompressionCodec;

  /** A frame of the given blocks (stored ones with their top bit set) under the given flags. */
  function frame(
    flags: number,
    descriptor: number,
    blocks: Buffer[],
    tail = Buffer.alloc(0),
  ): Buffer {
    const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, descriptor, 0]);
    head[6] = (xxhash32(head, 4, 6) >>> 8) & 0xff;
    return Buffer.concat([head, ...blocks, Buffer.alloc(4), tail]);
  }
  function block(hex: string, stored = false): Buffer {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    const length = Buffer.alloc(4);
    length.writeUInt32LE((bytes.length | (stored ? 0x8000_0000 : 0)) >>> 0);
    return Buffer.concat([length, bytes]);
  }
  // Ten literals, a match of five at distance 10, twelve last literals.
  const good = 'a1 30313233343536373839 0a00 c0 303132333435363738393031';

  it('hashes as XXH32 is published', () => {
    expect(xxhash32(Buffer.alloc(0), 0, 0)).toBe(0x02cc_5d05);
    expect(xxhash32(Buffer.from('abc'), 0, 3)).toBe(0x32d1_53ff);
    const text = Buffer.from('Nobody inspects the spammish repetition');
    expect(xxhash32(text, 0, text.length)).toBe(0xe229_3b2f);
  });

  it('reads stored and compressed blocks', async () => {
    const whole = frame(0x60, 0x40, [block(good), block('6869', true)]);
    const expected = '012345678901234012345678901hi';
    expect((await decompress(lz4, whole, 100)).toString()).toBe(expected);
    expect(decompressFrameSync(whole).toString()).toBe(expected);
  });

  it.each([1000, 200_000])('verifies every checksum and the content size: %i bytes', async (n) => {
    const section = mixed(n);
    const whole = compressFrameSync(section, { contentChecksum: true, blockChecksums: true });
    expect((await decompress(lz4, whole, n)).equals(section)).toBe(true);
    for (let at = 0; at < whole.length; at += at < 60 ? 1 : 499) {
      const mutated = Buffer.from(whole);
      mutated[at]! ^= 0x10;
      expect(await errorOf(lz4, mutated)).toBe(ErrorCode.INVALID_RECORD);
    }
    const mutated = Buffer.from(whole);
    mutated[mutated.length - 1]! ^= 1;
    expect(await errorOf(lz4, mutated)).toBe(ErrorCode.INVALID_RECORD);
  });

  it('measures a block by its own bytes, whatever follows them', () => {
    const bytes = Buffer.from(good.replaceAll(' ', ''), 'hex');
    expect(measureLz4Block(bytes, 0, bytes.length)).toBe(27);
    // A long literal run and a long match: both lengths go on in further bytes.
    const long = Buffer.from(
      `ff 02 ${'30'.repeat(17)} 0100 05 c0 ${'31'.repeat(12)}`.replaceAll(' ', ''),
      'hex',
    );
    expect(measureLz4Block(long, 0, long.length)).toBe(17 + 24 + 12);
    for (const block of [bytes, long]) {
      for (let end = 0; end < block.length; end++) {
        for (const filler of [0x00, 0x01, 0x05, 0xff]) {
          const padded = Buffer.alloc(600, filler);
          block.copy(padded, 0, 0, end);
          // Behind the first literals a block may end: these were its last.
          const isWhole = end === (block === bytes ? 11 : 19);
          const size = isWhole ? end - (block === bytes ? 1 : 2) : MALFORMED;
          expect(measureLz4Block(padded, 0, end), `${end} ${filler}`).toBe(size);
        }
      }
    }
  });

  it('verifies block checksums where they are the only ones', async () => {
    const section = mixed(3000);
    const whole = compressFrameSync(section, { contentChecksum: false, blockChecksums: true });
    expect((await decompress(lz4, whole, 3000)).equals(section)).toBe(true);
    for (let at = 7; at < whole.length; at++) {
      const mutated = Buffer.from(whole);
      mutated[at]! ^= 1;
      expect(await errorOf(lz4, mutated)).toBe(ErrorCode.INVALID_RECORD);
    }
    const cut = Buffer.concat([whole.subarray(0, -8), Buffer.alloc(4)]);
    expect(await errorOf(lz4, cut)).toBe(ErrorCode.INVALID_RECORD);
  });

  it('believes no content size that the blocks do not have', async () => {
    const sized = (size: bigint): Buffer => {
      const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeBigUInt64LE(size, 6);
      head[14] = (xxhash32(head, 4, 14) >>> 8) & 0xff;
      return Buffer.concat([head, block(good), Buffer.alloc(4)]);
    };
    expect(await errorOf(lz4, sized(27n))).toBe(ErrorCode.NONE);
    for (const size of [0n, 26n, 28n]) {
      expect(await errorOf(lz4, sized(size))).toBe(ErrorCode.INVALID_RECORD);
    }
    for (const size of [BigInt(MIB) + 1n, 2n ** 64n - 1n]) {
      expect(await errorOf(lz4, sized(size))).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    }
  });

  const broken: [string, Buffer][] = [
    ['no blocks', frame(0x60, 0x40, [])],
    ['a block of no bytes among others', frame(0x60, 0x40, [block('', true), block(good)])],
    ['linked blocks, which Java cannot read', frame(0x40, 0x40, [block(good)])],
    ['another version', frame(0xa0, 0x40, [block(good)])],
    ['a dictionary', frame(0x61, 0x40, [block(good)])],
    ['a reserved flag', frame(0x62, 0x40, [block(good)])],
    ['a reserved bit of the block descriptor', frame(0x60, 0x41, [block(good)])],
    ['a block size code below 4', frame(0x60, 0x30, [block(good)])],
    ['a block size code above 7', frame(0x60, 0x80, [block(good)])],
    ['a block of no bytes', frame(0x60, 0x40, [block('', true)])],
    ['a stored block above the block size', frame(0x60, 0x40, [block('00'.repeat(65_537), true)])],
    [
      'a block that inflates above the block size',
      frame(0x60, 0x40, [block(`1f 30 0100 ${'ff'.repeat(257)}00 c0 303132333435363738393031`)]),
    ],
    ['a distance of 0', frame(0x60, 0x40, [block(good.replace('0a00', '0000'))])],
    ['a distance before the block', frame(0x60, 0x40, [block(good.replace('0a00', '0b00'))])],
    ['literals beyond the block', frame(0x60, 0x40, [block('f0 ff 00')])],
    ['a block that ends inside a length', frame(0x60, 0x40, [block('f0 ff')])],
    ['a block that ends in a match', frame(0x60, 0x40, [block('a1 30313233343536373839 0a00')])],
    [
      'four last literals',
      frame(0x60, 0x40, [block('af 30313233343536373839 0a00 00 40 30313233')]),
    ],
    [
      'a last match eleven bytes from the end',
      frame(0x60, 0x40, [block('a0 30313233343536373839 0a00 70 30313233343536')]),
    ],
    ['bytes behind the end mark', frame(0x60, 0x40, [block(good)], Buffer.from([0]))],
    ['no content checksum where one is announced', frame(0x64, 0x40, [block(good)])],
  ];
  it.each(broken)('refuses %s', async (_, whole) => {
    expect(await errorOf(lz4, whole)).toBe(ErrorCode.INVALID_RECORD);
  });

  it('accepts five last literals and a last match twelve bytes from the end', async () => {
    const last = frame(0x60, 0x40, [block('a3 30313233343536373839 0a00 50 3031323334')]);
    expect((await decompress(lz4, last, 100)).toString()).toBe('0123456789012345601234');
  });
});

describe('zstd', () => {
  const { zstd } = CompressionCodec;
  const raw = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const hello = '290000 68656c6c6f';

  it('reads frames with and without a content size', async () => {
    // Single segment with a one-byte size; then a window of 1 MiB and no size.
    for (const hex of [`28b52ffd 20 05 ${hello}`, `28b52ffd 00 50 ${hello}`]) {
      expect((await decompress(zstd, raw(hex), 1024)).toString()).toBe('hello');
    }
  });

  it('refuses by the blocks of a bomb before inflating it', async () => {
    // Blocks of four bytes that repeat one byte 128 KiB times: 1 GiB in 32 KiB.
    const rle = raw('020010 00').toString('hex');
    const bomb = raw(`28b52ffd 00 58 ${rle.repeat(8192)} 030010 00`);
    const before = process.memoryUsage().rss;
    expect(await errorOf(zstd, bomb, 64 * MIB)).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * MIB);
  });

  const broken: [string, string][] = [
    ['a skippable frame', `502a4d18 00000000 28b52ffd 20 05 ${hello}`],
    ['two frames', `28b52ffd 20 05 ${hello} 28b52ffd 20 05 ${hello}`],
    ['a dictionary', `28b52ffd 21 07 05 ${hello}`],
    ['a reserved bit', `28b52ffd 28 05 ${hello}`],
    ['a window above 128 MiB', `28b52ffd 00 89 ${hello}`],
    ['a reserved block type', '28b52ffd 20 05 2f0000 68656c6c6f'],
    ['a block above the block size', `28b52ffd 00 00 212000 ${'00'.repeat(1028)}`],
    ['a size that the blocks cannot reach', `28b52ffd 20 06 ${hello}`],
    ['a size that the blocks exceed', `28b52ffd 20 04 ${hello}`],
    ['no content', '28b52ffd 20 00 010000'],
    ['no content in thirty thousand blocks', `28b52ffd 00 58 ${'000000'.repeat(30_000)}010000`],
    ['a wrong checksum', `28b52ffd 24 05 ${hello} 00000000`],
    ['no checksum where one is announced', `28b52ffd 24 05 ${hello}`],
    [
      'hundreds of compressed blocks for little content',
      `28b52ffd 20 05 ${'1c0000 000000'.repeat(200)} ${hello}`,
    ],
  ];
  const onlyInContent = ['a wrong checksum', 'a size that the blocks exceed'];
  const visible = broken.filter(([name]) => !onlyInContent.includes(name));
  it.each(visible)('sees %s before anything is inflated', (_, hex) => {
    expect(() => planInflation(zstd, raw(hex), 1024 * MIB)).toThrow(KafkaError);
  });

  it('sees before anything is inflated what blocks alone make too large', () => {
    const repeated = `28b52ffd 00 58 ${'02001000'.repeat(9)} 030010 00`;
    expect(() => planInflation(zstd, raw(repeated), MIB)).toThrow('inflate to more');
    if ('zstdCompressSync' in zlib) return;
    // Without zlib's limit the compressed blocks, too, must fit: at most four times over.
    const compressed = (blocks: number): Buffer =>
      raw(`28b52ffd 00 58 ${'2c0000 0000000000'.repeat(blocks)} 010000`);
    expect(() => planInflation(zstd, compressed(34), MIB)).toThrow('inflate to more');
    expect(planInflation(zstd, compressed(33), MIB).bytesMax).toBe(33 * 128 * 1024);
  });

  it.each(broken)('refuses %s', async (_, hex) => {
    expect(await errorOf(zstd, raw(hex), 1024 * MIB)).toBe(ErrorCode.INVALID_RECORD);
  });
});
