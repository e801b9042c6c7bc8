/** The tables of recent names and uuids give what decoding afresh would give, hits and clashes alike. */
import { deepStrictEqual as deepEqual } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { internedName } from '../../src/protocol/interned-names.ts';
import { readUuid, writeUuid } from '../../src/protocol/uuid-text.ts';
import { STRING_BYTES_MAX, wireText } from '../../src/protocol/wire-text.ts';

/** Few different bytes, so that the same names and near misses come again and again. */
const bytes = fc
  .uint8Array({ max: 3, maxLength: 22 })
  .chain((low) =>
    fc.constantFrom(0x60, 0x80, 0xc1, 0xfd).map((base) => Buffer.from(low.map((b) => b + base))),
  );

test('names', () => {
  fc.assert(
    fc.property(bytes, (name) => {
      deepEqual(internedName(name, 0, name.length), name.toString('utf8'));
    }),
    { numRuns: 20_000 },
  );
});

test('what is no UTF-8 is replaced, and never becomes longer than the wire allows', () => {
  const odd = (count: number) => Buffer.concat([Buffer.from('aé'), Buffer.alloc(count, 0xf4)]);
  expect(internedName(odd(2), 0, 5)).toBe('aé\ufffd\ufffd');
  expect(wireText(odd(10_000), 0, 10_003)).toBe(`aé${'\ufffd'.repeat(10_000)}`);
  const most = wireText(odd(STRING_BYTES_MAX - 3), 0, STRING_BYTES_MAX);
  expect(most).toBe(`a${'?'.repeat(STRING_BYTES_MAX - 1)}`);
  const long = Buffer.from('é'.repeat(16_000));
  expect(wireText(long, 0, long.length)).toBe('é'.repeat(16_000));
});

test('a name that was seen is the same string, and stays so after others', () => {
  const frame = Buffer.from('telemetry');
  expect(internedName(frame, 0, 9)).toBe('telemetry');
  for (let i = 0; i < 5000; i++) {
    const other = Buffer.from(`topic-${i}`);
    deepEqual(internedName(other, 0, other.length), `topic-${i}`);
  }
  expect(internedName(frame, 0, 9)).toBe('telemetry');
});

test('uuids', () => {
  const uuid = fc.array(fc.constantFrom(0, 1, 255), { minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(uuid, (array) => {
      const id = Buffer.from(array);
      const text = readUuid(id, 0);
      deepEqual(text, id.toString('base64url'));
      const back = Buffer.alloc(18, 0xee);
      writeUuid(back, 1, text);
      deepEqual(back, Buffer.concat([Buffer.from([0xee]), id, Buffer.from([0xee])]));
    }),
    { numRuns: 20_000 },
  );
});
