import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/protocol/records/crc32c.ts';

describe('crc32c', () => {
  // RFC 3720, appendix B.4, and the customary check value of "123456789".
  const ascending = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  const vectors: [string, Buffer, number][] = [
    ['nothing', Buffer.alloc(0), 0],
    ['123456789', Buffer.from('123456789'), 0xe306_9283],
    ['32 zeros', Buffer.alloc(32), 0x8a91_36aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8_ab43],
    ['0 to 31', ascending, 0x46dd_794e],
  ];
  for (const [name, bytes, expected] of vectors) {
    it(`gives the published sum of ${name}`, () => {
      expect(crc32c(bytes, 0, bytes.length)).toBe(expected);
    });
  }

  it('gives the same sum on both paths, anywhere in a buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(40), (bytes, skip) => {
        const buffer = Buffer.concat([Buffer.alloc(skip, 0xa5), bytes, Buffer.alloc(7, 0x5a)]);
        expect(crc32c(buffer, skip, skip + bytes.length)).toBe(nativeCrc32c(bytes));
      }),
    );
  });
});
