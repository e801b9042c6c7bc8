import fc from 'fast-check';
import { compressSync, uncompressSync } from 'snappy';
import { describe, expect, it } from 'vitest';
import {
  inflateSnappyBlock,
  statedSnappyBytes,
} from '../../../src/protocol/records/snappy-block.ts';

/** Inflates with bytes before and behind both the block and its target. */
function inflate(block: Buffer, filler: number): Buffer | undefined {
  const source = Buffer.concat([Buffer.alloc(3, filler), block, Buffer.alloc(80, filler)]);
  const end = 3 + block.length;
  const size = statedSnappyBytes(source, 3, end);
  if (size < 0) return undefined;
  const target = Buffer.alloc(size + 200, 0xee);
  const isWhole = inflateSnappyBlock(source, 3, end, target, 100, size);
  const around = Buffer.concat([target.subarray(0, 100), target.subarray(100 + size)]);
  expect(around.equals(Buffer.alloc(200, 0xee))).toBe(true);
  return isWhole ? target.subarray(100, 100 + size) : undefined;
}

function inflateNatively(block: Buffer): Buffer | undefined {
  try {
    return uncompressSync(block, { copyOutputData: true }) as Buffer;
  } catch {
    return undefined;
  }
}

/** One element and how many bytes it becomes; a copy goes back at most 64 bytes. */
type Element = readonly [bytes: number[], size: number];

const literal = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength });
const elements: fc.Arbitrary<Element> = fc.oneof(
  literal(60).map((bytes): Element => [[(bytes.length - 1) << 2, ...bytes], bytes.length]),
  // A length of one to four further bytes.
  fc.tuple(fc.integer({ min: 1, max: 4 }), literal(70)).map(([extra, bytes]): Element => {
    const length = [bytes.length - 1, 0, 0, 0].slice(0, extra);
    return [[(59 + extra) << 2, ...length, ...bytes], bytes.length];
  }),
  fc.tuple(fc.nat(7), fc.nat(64)).map(([n, back]): Element => [[(n << 2) | 1, back], n + 4]),
  fc.tuple(fc.nat(63), fc.nat(64)).map(([n, back]): Element => [[(n << 2) | 2, back, 0], n + 1]),
  fc
    .tuple(fc.nat(63), fc.nat(64))
    .map(([n, back]): Element => [[(n << 2) | 3, back, 0, 0, 0], n + 1]),
);

describe('inflateSnappyBlock', () => {
  it('agrees with the native decoder on any elements, cut anywhere', () => {
    let whole = 0;
    fc.assert(
      fc.property(
        fc.array(elements, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: -2, max: 2 }),
        fc.nat(),
        fc.constantFrom(0x00, 0x01, 0xff),
        (list, difference, cut, filler) => {
          // A first literal of 60 bytes makes nearly every distance a sound one.
          const body = [59 << 2, ...Array(60).fill(7), ...list.flatMap(([bytes]) => bytes)];
          const size = list.reduce((sum, [, bytes]) => sum + bytes, 60) + difference;
          const block = Buffer.from([(size & 0x7f) | 0x80, size >> 7, ...body]);
          const expected = inflateNatively(block);
          expect(inflate(block, filler)).toEqual(expected);
          if (expected !== undefined) whole++;
          const short = block.subarray(0, 3 + (cut % (block.length - 3)));
          expect(inflate(short, filler)).toEqual(inflateNatively(short));
        },
      ),
      { numRuns: 1000 },
    );
    expect(whole).toBeGreaterThan(100);
  });

  it('agrees with the native decoder on changed blocks', () => {
    const content = Buffer.from('telemetry telemetry 0123456789 telemetry 0123456789 '.repeat(6));
    const block = compressSync(content);
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.nat(), fc.nat(255), (at, byte, at2, byte2) => {
        const changed = Buffer.from(block);
        changed[at % block.length] = byte;
        changed[at2 % block.length] = byte2;
        const expected = inflateNatively(changed);
        if (expected === undefined || expected.length <= (block.length * 64) / 3) {
          expect(inflate(changed, 0)).toEqual(expected);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('knows what so few bytes cannot hold', () => {
    const block = compressSync(Buffer.alloc(4096, 'a'));
    expect(statedSnappyBytes(block, 0, block.length)).toBe(4096);
    expect(inflate(block, 1)?.equals(Buffer.alloc(4096, 'a'))).toBe(true);
    const claims = ['', '80', 'ffffffffff', '808080808001', 'ff7f', '400000'];
    for (const claim of claims) {
      const bytes = Buffer.from(claim, 'hex');
      expect(statedSnappyBytes(bytes, 0, bytes.length)).toBe(claim === '400000' ? 64 : -1);
    }
  });
});
