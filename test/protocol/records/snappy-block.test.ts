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

// Literals of one, two, three and four length bytes, copies of all three kinds.
const tags = fc.oneof(
  fc
    .uint8Array({ minLength: 1, maxLength: 60 })
    .map((bytes) => [(bytes.length - 1) << 2, ...bytes]),
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.uint8Array({ minLength: 1, maxLength: 70 }))
    .map(([extra, bytes]) => {
      const length = [bytes.length - 1, 0, 0, 0].slice(0, extra);
      return [(59 + extra) << 2, ...length, ...bytes];
    }),
  fc.tuple(fc.nat(255), fc.nat(30)).map(([tag, low]) => [(tag & 0x1c) | 1, low]),
  fc.tuple(fc.nat(63), fc.nat(40)).map(([length, low]) => [(length << 2) | 2, low, 0]),
  fc.tuple(fc.nat(63), fc.nat(40)).map(([length, low]) => [(length << 2) | 3, low, 0, 0, 0]),
);

describe('inflateSnappyBlock', () => {
  it('agrees with the native decoder on any elements, cut anywhere', () => {
    let whole = 0;
    fc.assert(
      fc.property(
        fc.array(tags, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 200 }),
        fc.boolean(),
        fc.nat(),
        fc.constantFrom(0x00, 0x01, 0xff),
        (elements, claim, isHonest, cut, filler) => {
          const body = Buffer.from(elements.flat());
          // Most random elements are sound but for the size: let the native decoder find it.
          const sizes = isHonest
            ? Array.from({ length: 127 }, (_, index) => index + 1)
            : [claim & 0x7f];
          for (const size of sizes) {
            const block = Buffer.concat([Buffer.from([size]), body]);
            const expected = inflateNatively(block);
            const isPlausible = size <= (block.length * 64) / 3;
            expect(inflate(block, filler)).toEqual(isPlausible ? expected : undefined);
            if (expected !== undefined) whole++;
          }
          const short = Buffer.concat([
            Buffer.from([claim & 0x7f]),
            body.subarray(0, cut % body.length),
          ]);
          const shortResult = inflateNatively(short);
          if (shortResult === undefined) expect(inflate(short, filler)).toBeUndefined();
        },
      ),
      { numRuns: 120 },
    );
    expect(whole).toBeGreaterThan(10);
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
