import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PERMUTATION_SIZE,
  permute,
} from '../../../../src/engine/embedded/controller/id-permutation.ts';
import {
  PRODUCER_ID_BLOCK_SIZE,
  ProducerIdAllocator,
} from '../../../../src/engine/embedded/controller/producer-id-allocator.ts';

const KEY = Buffer.alloc(32, 7);

describe('the permutation of producer numbers', () => {
  it('maps safe integers below 2^52 to distinct ones', () => {
    const seen = new Set<number>();
    for (let n = 0; n < 4000; n++) {
      const id = permute(KEY, n);
      expect(Number.isSafeInteger(id) && id >= 0 && id < PERMUTATION_SIZE).toBe(true);
      seen.add(id);
    }
    expect(seen.size).toBe(4000);
  });

  it('is one to one everywhere', () => {
    const number = fc.integer({ min: 0, max: PERMUTATION_SIZE - 1 });
    fc.assert(
      fc.property(number, number, (a, b) => a === b || permute(KEY, a) !== permute(KEY, b)),
    );
  });

  it('depends on the key and hides the order', () => {
    expect(permute(KEY, 1)).not.toBe(permute(Buffer.alloc(32, 8), 1));
    const ids = Array.from({ length: 1000 }, (_, n) => permute(KEY, n));
    const ascents = ids.filter((id, n) => n > 0 && id > ids[n - 1]!).length;
    expect(ascents).toBeGreaterThan(400);
    expect(ascents).toBeLessThan(600);
    const halves = ids.filter((id) => id < PERMUTATION_SIZE / 2).length;
    expect(halves).toBeGreaterThan(400);
    expect(halves).toBeLessThan(600);
  });

  it('refuses what it does not map', () => {
    for (const bad of [-1, PERMUTATION_SIZE, 0.5, Number.NaN]) {
      expect(() => permute(KEY, bad)).toThrow(RangeError);
    }
  });
});

describe('producer id allocator', () => {
  it('uses a number only after its block is durable', async () => {
    let release = (): void => {};
    const reserved: number[] = [];
    const allocator = new ProducerIdAllocator(KEY, 0, (next) => {
      reserved.push(next);
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    let id: number | undefined;
    const allocated = Promise.resolve(allocator.allocate()).then((value) => {
      id = value;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(id).toBeUndefined();
    expect(reserved).toEqual([PRODUCER_ID_BLOCK_SIZE]);
    release();
    await allocated;
    expect(id).toBe(permute(KEY, 0));
  });

  it('gives distinct ids over many blocks, to callers at once too', async () => {
    const allocator = new ProducerIdAllocator(KEY, 0, async () => {});
    const asked = Array.from({ length: 2500 }, () => allocator.allocate());
    expect(new Set(await Promise.all(asked)).size).toBe(2500);
  });

  it('after a restart begins past every number that was reserved', async () => {
    let durable = 0;
    const reserve = async (next: number): Promise<void> => {
      durable = next;
    };
    const given = new Set<number>();
    for (let restart = 0; restart < 8; restart++) {
      const allocator = new ProducerIdAllocator(KEY, durable, reserve);
      for (let n = 0; n < 130 * restart; n++) given.add(await allocator.allocate());
    }
    expect(given.size).toBe((130 * 7 * 8) / 2);
  });

  it('fetches the next block before the last one is used up', async () => {
    const allocator = new ProducerIdAllocator(KEY, 0, async () => {});
    await allocator.allocate();
    for (let n = 1; n < PRODUCER_ID_BLOCK_SIZE; n++)
      expect(allocator.allocate()).toBeTypeOf('number');
    await new Promise((resolve) => setImmediate(resolve));
    expect(allocator.allocate()).toBeTypeOf('number');
  });

  it('tells every waiting caller when the counter cannot be stored, and can go on later', async () => {
    let fails = true;
    const allocator = new ProducerIdAllocator(KEY, 0, async () => {
      if (fails) throw new Error('disk full');
    });
    const both = await Promise.allSettled([allocator.allocate(), allocator.allocate()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect(await allocator.allocate()).toBe(permute(KEY, 0));
  });
});
