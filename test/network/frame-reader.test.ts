import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/base/errors.ts';
import { FrameReader } from '../../src/network/frame-reader.ts';

const SMALL_LIMIT_BYTES = 64;
const PRODUCE_LIMIT_BYTES = 4 << 20;
const limit = (apiKey: number): number => (apiKey === 0 ? PRODUCE_LIMIT_BYTES : SMALL_LIMIT_BYTES);

function frame(apiKey: number, bytes: number, fill = 7): Buffer {
  const buffer = Buffer.alloc(4 + bytes, fill);
  buffer.writeInt32BE(bytes, 0);
  buffer.writeInt16BE(apiKey, 4);
  return buffer;
}

function collect(chunks: readonly Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  const reader = new FrameReader(limit, (one) => frames.push(Buffer.from(one)));
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}

describe('FrameReader', () => {
  it('gives a whole frame as a view of the chunk, without a copy', () => {
    const chunk = frame(3, 20);
    let seen: Buffer | undefined;
    new FrameReader(limit, (one) => {
      seen = one;
    }).push(chunk);
    expect(seen?.buffer).toBe(chunk.buffer);
    expect(seen).toEqual(chunk.subarray(4));
  });

  it('finds the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0, 1, 3, 18), fc.integer({ min: 8, max: 60 })), {
          maxLength: 8,
        }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
        (shapes, cuts) => {
          const frames = shapes.map(([key, bytes], index) => frame(key, bytes, index + 1));
          const stream = Buffer.concat(frames);
          const chunks: Buffer[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length]!;
            chunks.push(stream.subarray(at, at + size));
            at += size;
          }
          expect(collect(chunks)).toEqual(frames.map((one) => one.subarray(4)));
        },
      ),
    );
  });

  it('puts a large split frame together', () => {
    const large = frame(0, 3 << 20);
    const chunks: Buffer[] = [];
    for (let at = 0; at < large.length; at += 16_384) chunks.push(large.subarray(at, at + 16_384));
    expect(collect(chunks)[0]!.equals(large.subarray(4))).toBe(true);
  });

  it.each([
    ['negative', -1],
    ['zero', 0],
    ['shorter than a header', 7],
  ])('refuses a %s size', (_name, size) => {
    const bytes = Buffer.alloc(6);
    bytes.writeInt32BE(size, 0);
    expect(() => collect([bytes])).toThrow(ProtocolError);
    // The size alone is enough, byte by byte.
    expect(() => collect([...bytes.subarray(0, 4)].map((byte) => Buffer.of(byte)))).toThrow(
      ProtocolError,
    );
  });

  it('allows large frames to Produce only', () => {
    expect(collect([frame(0, 1000)])).toHaveLength(1);
    expect(() => collect([frame(1, SMALL_LIMIT_BYTES + 1)])).toThrow(/allowed for API key 1/);
  });

  it('takes no more memory than has arrived, give or take a doubling', () => {
    const prefix = Buffer.alloc(6);
    prefix.writeInt32BE(PRODUCE_LIMIT_BYTES, 0);
    const reader = new FrameReader(limit, () => {});
    reader.push(prefix);
    expect(reader.heldBytes).toBeLessThanOrEqual(1 << 20);
    reader.push(Buffer.alloc((1 << 20) + 10));
    expect(reader.heldBytes).toBeLessThanOrEqual(2 << 20);
  });
});
