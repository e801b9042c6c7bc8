import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KafkaError } from '../../../src/base/errors.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import {
  encodeRecords,
  type NewRecord,
  readRecords,
} from '../../../src/protocol/records/record.ts';
import { recordsSection } from '../../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../../src/protocol/records/record-batch-builder.ts';
import { RecordCursor } from '../../../src/protocol/records/record-cursor.ts';
import {
  varintSizeBytes,
  varlongSizeBytes,
  writeVarint,
  writeVarlong,
} from '../../../src/protocol/records/varint.ts';
import { batchOfSection, NOW_MS, ordinaryRecords } from './produced-batch.ts';

const bytes = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const arbitraryRecord: fc.Arbitrary<NewRecord> = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: -1, max: NOW_MS }), fc.integer({ min: 0, max: 2 ** 51 })),
  key: fc.option(bytes(300)),
  value: fc.option(bytes(20_000)),
  headers: fc.array(
    fc.record({ key: fc.string({ unit: 'binary', maxLength: 70 }), value: fc.option(bytes(70)) }),
    { maxLength: 5 },
  ),
});

describe('records', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.array(arbitraryRecord, { minLength: 1, maxLength: 12 }), (records) => {
        const batch = buildRecordBatch(records, { baseOffset: 1000 });
        const read = [...readRecords(batch, 0, recordsSection(batch, 0))];
        expect(read).toEqual(records.map((record, index) => ({ ...record, offset: 1000 + index })));
      }),
      { numRuns: 200 },
    );
  });

  it('have the bytes of the specification', () => {
    const section = encodeRecords(
      [
        { timestampMs: 1000, key: null, value: null },
        {
          timestampMs: 936,
          key: Buffer.from('k'),
          value: Buffer.alloc(0),
          headers: [
            { key: 'é', value: null },
            { key: '', value: Buffer.from([7]) },
          ],
        },
      ],
      1000,
    );
    const expected = [
      '0c 00 00 00 01 01 00', // 6 bytes: attributes, deltas 0 and 0, null key, null value, none
      '1c 00 7f 02', // 14 bytes, attributes, timestamp -64, offset 1
      '02 6b 00', // key "k", empty value
      '04 04 c3a9 01 00 02 07', // two headers: "é" null, "" 07
    ];
    expect(section.toString('hex')).toBe(expected.join('').replaceAll(' ', ''));
  });

  it('take the time of the log in a LogAppendTime batch', () => {
    const batch = buildRecordBatch(ordinaryRecords(2), {
      timestampType: 'LogAppendTime',
      logAppendTimeMs: 77,
    });
    const read = [...readRecords(batch, 0, recordsSection(batch, 0))];
    expect(read.map((record) => record.timestampMs)).toEqual([77, 77]);
  });

  it('are refused when the count and the bytes do not agree', () => {
    const section = encodeRecords(ordinaryRecords(3), NOW_MS);
    for (const count of [-1, 2, 4, 0x7fff_ffff]) {
      const batch = batchOfSection(section, count);
      expect(() => [...readRecords(batch, 0, section)]).toThrow(KafkaError);
    }
  });
});

/** One record from hex; the cursor must read it or refuse it. */
function readOne(hex: string): RecordCursor {
  const section = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const cursor = new RecordCursor(section, 0, section.length);
  cursor.next();
  return cursor;
}

describe('RecordCursor', () => {
  it('reads numbers of any width that fits, padded ones too', () => {
    expect(readOne('0e 00 00 8000 01 01 00').offsetDelta).toBe(0);
    expect(readOne('14 00 00 ffffffff0f 01 01 00').offsetDelta).toBe(-(2 ** 31));
    expect(readOne('1a 00 feffffffffffff1f 00 01 01 00').timestampDelta).toBe(2 ** 53 - 1);
    expect(readOne('1e 00 80808080808080808000 00 01 01 00').timestampDelta).toBe(0);
  });

  const broken: [string, string, string][] = [
    ['nothing', '', 'ends inside'],
    ['a negative length', '0b 00 00 00 01 01 00', 'end of its batch'],
    ['a length beyond the section', '0e 00 00 00 01 01 00', 'end of its batch'],
    ['a length longer than the record', '0e 00 00 00 01 01 00 00', 'shorter than'],
    ['a length shorter than the record', '0a 00 00 00 01 01 00', 'cut short'],
    ['a length that never ends', 'ffffffffff', 'beyond 32'],
    ['a length of more than 32 bits', '8c80808010 00 00 00 01 01 00', 'beyond 32'],
    ['an offset delta of more than 32 bits', '14 00 00 ffffffff1f 01 01 00', 'beyond 32'],
    ['an offset delta of six bytes', '16 00 00 808080808000 01 01 00', 'beyond 32'],
    [
      'a timestamp delta of eleven bytes',
      '20 00 8080808080808080808000 00 01 01 00',
      'delta out of range',
    ],
    [
      'a timestamp delta of more than 64 bits',
      '1e 00 80808080808080808002 00 01 01 00',
      'delta out of range',
    ],
    [
      'a timestamp delta that is not a safe integer',
      '1e 00 ffffffffffffffffff01 00 01 01 00',
      'delta out of range',
    ],
    ['a timestamp delta of -2^53', '1a 00 ffffffffffffff1f 00 01 01 00', 'delta out of range'],
    ['a number that the record cuts', '0c 00 00 00 01 01 80', 'ends inside'],
    ['a key length of -2', '0c 00 00 00 03 01 00', 'beyond its record'],
    ['a key beyond the record', '0c 00 00 00 06 01 00', 'beyond its record'],
    ['a value length of -2', '0c 00 00 00 01 03 00', 'beyond its record'],
    ['a value beyond the record', '0c 00 00 00 01 04 00', 'beyond its record'],
    ['a negative count of headers', '0c 00 00 00 01 01 01', 'more headers'],
    ['more headers than bytes', '10 00 00 00 01 01 04 00 01', 'more headers'],
    ['two thousand million headers', '14 00 00 00 01 01 feffffff0f', 'more headers'],
    ['a header without a key', '10 00 00 00 01 01 02 01 01', 'no key'],
    ['a header key beyond the record', '10 00 00 00 01 01 02 08 01', 'beyond its record'],
    ['a header key that is not UTF-8', '12 00 00 00 01 01 02 02 ff 01', 'not UTF-8'],
    ['a header value length of -2', '10 00 00 00 01 01 02 00 03', 'beyond its record'],
    ['a header value beyond the record', '10 00 00 00 01 01 02 00 02', 'beyond its record'],
  ];
  for (const [name, hex, reason] of broken) {
    it(`refuses ${name}`, () => {
      let caught: unknown;
      try {
        readOne(hex);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(KafkaError);
      expect((caught as KafkaError).errorCode).toBe(ErrorCode.INVALID_RECORD);
      expect((caught as KafkaError).message).toContain(reason);
    });
  }

  it('accepts the smallest record and the smallest header', () => {
    expect(readOne('0c 00 00 00 01 01 00').key()).toBeNull();
    expect(readOne('10 00 00 00 01 01 02 00 01').headerCount).toBe(1);
  });
});

describe('varints', () => {
  it('are as long as announced and read back', () => {
    const buffer = Buffer.alloc(64);
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer(), (wide, narrow) => {
        fc.pre(Math.abs(wide) <= 2 ** 53 - 1);
        let at = writeVarint(buffer, 0, 0);
        buffer[at++] = 0;
        const wideAt = at;
        at = writeVarlong(buffer, at, wide);
        expect(at - wideAt).toBe(varlongSizeBytes(wide));
        const narrowAt = at;
        at = writeVarint(buffer, at, narrow);
        expect(at - narrowAt).toBe(varintSizeBytes(narrow));
        buffer.fill(0, at);
        buffer[at++] = 1;
        buffer[at++] = 1;
        buffer[at++] = 0;
        buffer[0] = (at - 1) << 1;
        const cursor = new RecordCursor(buffer, 0, at);
        cursor.next();
        expect([cursor.timestampDelta, cursor.offsetDelta]).toEqual([wide, narrow]);
      }),
      {
        examples: [
          [2 ** 53 - 1, 2 ** 31 - 1],
          [-(2 ** 53) + 1, -(2 ** 31)],
          [2 ** 31, -1],
        ],
      },
    );
  });
});
