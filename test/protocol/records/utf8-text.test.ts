import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUtf8Text } from '../../../src/protocol/records/utf8-text.ts';

describe('isUtf8Text', () => {
  it('agrees with node on every sequence of one, two and three bytes', () => {
    const bytes = Buffer.alloc(3);
    let differences = 0;
    for (let value = 0; value < 2 ** 24; value += value < 2 ** 17 ? 1 : 13) {
      bytes.writeUIntBE(value, 0, 3);
      if (isUtf8Text(bytes, 0, 3) !== isUtf8(bytes)) differences++;
      if (isUtf8Text(bytes, 1, 3) !== isUtf8(bytes.subarray(1))) differences++;
      if (isUtf8Text(bytes, 2, 3) !== isUtf8(bytes.subarray(2))) differences++;
    }
    expect(differences).toBe(0);
  });

  it('agrees with node on text, changed text and bytes of any length', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 }).map((value) => Buffer.from(value));
    const lead = fc.constantFrom(0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff);
    const tail = fc.constantFrom(0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0);
    const crafted = fc
      .array(fc.oneof(fc.tuple(lead, tail, tail, tail), fc.tuple(lead, tail), fc.tuple(tail)))
      .map((parts) => Buffer.from(parts.flat()));
    fc.assert(
      fc.property(fc.oneof(text, crafted), fc.nat(), fc.nat(255), (bytes, at, byte) => {
        expect(isUtf8Text(bytes, 0, bytes.length)).toBe(isUtf8(bytes));
        if (bytes.length === 0) return;
        bytes[at % bytes.length] = byte;
        expect(isUtf8Text(bytes, 0, bytes.length)).toBe(isUtf8(bytes));
      }),
      { numRuns: 2000 },
    );
  });
});
