/** What decoding refuses, and what encoding refuses. Frames are written by hand. */
import { describe, expect, test } from 'vitest';
import { KafkaError, ProtocolError } from '../../src/base/errors.ts';
import { decodeBody, decodePrefix, encodeBody } from '../../src/protocol/codec.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { Reader } from '../../src/protocol/reader.ts';
import {
  array,
  bytes,
  embed,
  type Fields,
  INT64_MAX,
  INT64_MIN,
  type Init,
  int8,
  int16,
  int32,
  int64,
  type Message,
  message,
  records,
  string,
  struct,
  topicName,
  uuid,
  ZERO_UUID,
} from '../../src/protocol/schema.ts';
import { Writer } from '../../src/protocol/writer.ts';

function decode<F extends Fields>(of: Message<F>, version: number, hex: string) {
  const frame = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decodeBody(of, version, frame, 0, frame.length);
}

function encode<F extends Fields>(
  of: Message<F>,
  version: number,
  value: Init<Message<F>>,
): string {
  const writer = new Writer();
  encodeBody(of, version, value, writer);
  return Buffer.concat(writer.finish()).toString('hex');
}

const both = { versions: '0-1', flexible: '1+' } as const;
const names = message('Names', both, {
  name: string('0+'),
  note: string('0+', { nullable: '1+' }),
});
const numbers = message('Numbers', both, { list: array('0+', int8()) });
const blobs = message('Blobs', both, { blob: bytes('0+'), all: records('0+', { nullable: '0+' }) });
const tagged = message('Tagged', both, {
  plain: int8('0+'),
  late: string('1+', { tag: 0 }),
  inner: embed('1+', struct({ id: int32('1+', { default: -1 }) }), { tag: 1 }),
  perhaps: embed('1+', struct({ id: int32('1+') }), { tag: 2, nullable: '1+', default: null }),
});
const later = message('Later', both, {
  must: int32('1+', { default: -1 }),
  may: topicName('1+', { ignorable: true }),
  list: array('1+', int32()),
  id: uuid('1+'),
});

describe('decoding refuses', () => {
  test.each<[string, Message, number, string]>([
    ['a body that ends early', names, 0, '0003 6162'],
    ['bytes after the end', names, 0, '0000 0000 00'],
    ['null where it may not stand', names, 0, '0000 ffff'],
    ['a compact null where it may not stand', names, 1, '00 01 00'],
    ['a negative length other than null', names, 0, '0000 fffe'],
    ['a string of more than 32767 bytes', names, 1, `818002${'61'.repeat(32768)}0100`],
    ['a varint of six bytes', names, 1, '80808080 8001 01 00'],
    ['a varint of 33 bits', names, 1, '8380808010 6161 01 00'],
    ['an array longer than the frame', numbers, 0, '7fffffff 01'],
    ['an array longer than the frame, compact', numbers, 1, 'ffffffff0f 01 00'],
    ['a null array', numbers, 0, 'ffffffff'],
    ['more array elements than the budget', numbers, 0, `000f4241${'00'.repeat(1_000_001)}`],
    ['a tagged field that runs past the end', tagged, 1, '05 01 00 05 01'],
    ['a tagged field smaller than its value', tagged, 1, '05 01 00 02 0361 62'],
    ['a tagged field larger than its value', tagged, 1, '05 01 00 03 0261 62'],
    ['more tags than bytes', tagged, 1, '05 ffffffff0f 09 00'],
    ['a marker of a nullable struct that is neither 0 nor 1', tagged, 1, '05 01 02 01 02'],
    ['a version that the message lacks', tagged, 2, '05 00'],
  ])('%s', (_, of, version, hex) => {
    expect(() => decode(of, version, hex)).toThrow(ProtocolError);
  });

  test.each<[string, Message, number, string]>([
    ['int32', numbers, 0, '000f4240 01'],
    ['compact', numbers, 1, 'c1843d 01 00'],
  ])('an array (%s) by its count alone, before any element is read', (_, of, version, hex) => {
    expect(() => decode(of, version, hex)).toThrow('an array of 1000000 elements');
  });

  test('what reaches into the bytes behind the frame', () => {
    const buffer = Buffer.from('000561626364650000', 'hex');
    const reader = new Reader(buffer, 0, 5, 'frame');
    expect(() => decodePrefix(names, 0, reader)).toThrow(ProtocolError);
  });

  test('and takes the largest of what it allows', () => {
    expect(decode(numbers, 0, `000f4240${'00'.repeat(1_000_000)}`).list).toHaveLength(1_000_000);
    expect(decode(names, 1, `808002${'61'.repeat(32767)}0100`).name).toHaveLength(32767);
  });
});

describe('decoding', () => {
  test('skips unknown tags, in any order, and fills in defaults', () => {
    const unknown = '09 03 616263';
    expect(decode(tagged, 1, `05 03 ${unknown} 01 05 00000007 00 00 03 036869`)).toEqual({
      plain: 5,
      late: 'hi',
      inner: { id: 7 },
      perhaps: null,
    });
    expect(decode(tagged, 0, '05')).toEqual({
      plain: 5,
      late: '',
      inner: { id: -1 },
      perhaps: null,
    });
  });

  test('gives each message its own default objects', () => {
    expect(decode(tagged, 0, '05').inner).not.toBe(decode(tagged, 0, '05').inner);
  });

  test('slices bytes out of the frame without copying, and shares the empty one', () => {
    const frame = Buffer.from('00000002 abcd 00000001 ef'.replaceAll(' ', ''), 'hex');
    const value = decodeBody(blobs, 0, frame, 0, frame.length);
    expect(value.blob.buffer).toBe(frame.buffer);
    expect([value.blob.toString('hex'), value.all?.toString('hex')]).toEqual(['abcd', 'ef']);
    const empty = decode(blobs, 0, '00000000 00000000');
    expect(empty.blob).toBe(empty.all);
  });

  test('of a prefix says where it ended', () => {
    const frame = Buffer.from('00000001 05 eeee'.replaceAll(' ', ''), 'hex');
    const reader = new Reader(frame, 0, frame.length, 'prefix');
    expect(decodePrefix(numbers, 0, reader)).toEqual({ list: [5] });
    expect(reader.offset).toBe(5);
  });
});

describe('encoding refuses', () => {
  test('a value that the version has no field for, unless it is ignorable or the default', () => {
    expect(() => encode(later, 0, { must: 1 })).toThrow(KafkaError);
    expect(() => encode(later, 0, { list: [1] })).toThrow('Later v0 has no field list');
    expect(() => encode(later, 0, { id: 'AAAAAAAAAAAAAAAAAAAAAQ' })).toThrow(
      expect.objectContaining({ errorCode: ErrorCode.UNSUPPORTED_VERSION }),
    );
    expect(encode(later, 0, { must: -1, may: 'gone', list: [], id: ZERO_UUID })).toBe('');
  });

  test.each<[string, Message, object, typeof RangeError | typeof TypeError]>([
    ['null for a string that is never null', names, { name: null }, TypeError],
    ['a string of more than 32767 bytes', names, { name: 'é'.repeat(16384) }, RangeError],
    ['an int8 that does not fit', numbers, { list: [128] }, RangeError],
    ['a fraction', later, { must: 1.5 }, RangeError],
    ['not a number', later, { must: Number.NaN }, RangeError],
    ['a number as text', later, { must: '1' }, RangeError],
    ['a uuid of the wrong length', later, { id: 'AAAA' }, RangeError],
    ['a uuid of other characters', later, { id: '+AAAAAAAAAAAAAAAAAAAAA' }, RangeError],
    ['a uuid with too many bits', later, { id: 'AAAAAAAAAAAAAAAAAAAAAB' }, RangeError],
    ['a version that the message lacks', later, {}, RangeError],
  ])('%s', (title, of, value, problem) => {
    const version = title.includes('version') ? 2 : 1;
    expect(() => encode(of, version, value)).toThrow(problem);
  });
});

describe('int64', () => {
  const one = message('One', both, { value: int64('0+'), small: int16('0+') });
  test.each([
    [0, '0000000000000000'],
    [-1, 'ffffffffffffffff'],
    [2 ** 32, '0000000100000000'],
    [-(2 ** 32) - 1, 'fffffffeffffffff'],
    [Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    [Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
    [INT64_MAX, '7fffffffffffffff'],
    [INT64_MIN, '8000000000000000'],
  ])('%d is exact both ways', (value, hex) => {
    expect(encode(one, 0, { value })).toBe(`${hex}0000`);
    expect(decode(one, 0, `${hex} 0000`).value).toBe(value);
  });

  test.each([2 ** 53, -(2 ** 53), 0.5, Number.POSITIVE_INFINITY])('%d is refused', (value) => {
    expect(() => encode(one, 0, { value })).toThrow(RangeError);
  });
});

describe('the writer', () => {
  test('passes large records on as a chunk of their own and copies small ones', () => {
    const large = Buffer.alloc(5000, 1);
    const writer = new Writer();
    encodeBody(blobs, 0, { blob: Buffer.from('ab'), all: large }, writer);
    encodeBody(blobs, 0, { all: Buffer.alloc(10, 2) }, writer);
    expect(writer.length).toBe(4 + 2 + 4 + 5000 + 4 + 4 + 10);
    const chunks = writer.finish();
    expect(chunks.map((chunk) => chunk.length)).toEqual([10, 5000, 18]);
    expect(chunks[1]).toBe(large);
  });

  test('copies records inside a section whose size is patched', () => {
    const writer = new Writer();
    const mark = writer.beginSized();
    writer.chunk(Buffer.alloc(5000, 3));
    writer.endSized(mark);
    const [bytes, ...rest] = writer.finish();
    expect(rest).toEqual([]);
    expect(bytes?.subarray(0, 3).toString('hex')).toBe('882703');
    expect(bytes).toHaveLength(5002);
  });

  test('what one writer handed out is not touched by the next', () => {
    const handedOut = Array.from({ length: 5000 }, (_, i) => {
      const writer = new Writer();
      encodeBody(names, 0, { name: `name-${i}` }, writer);
      return writer.finish();
    });
    for (const [i, chunks] of handedOut.entries()) {
      expect(Buffer.concat(chunks).toString('latin1', 2)).toBe(`name-${i}\0\0`);
    }
  });

  test('writers that are used in turns never share bytes', () => {
    const [a, b] = [new Writer(), new Writer()];
    for (let i = 0; i < 5000; i++) {
      encodeBody(names, 0, { name: `a${i}`, note: '' }, a);
      encodeBody(names, 0, { name: `b${i}`, note: '' }, b);
    }
    const first = Buffer.concat(a.finish()).toString('latin1');
    expect(Buffer.concat(b.finish()).toString('latin1')).toBe(first.replaceAll('a', 'b'));
  });
});
