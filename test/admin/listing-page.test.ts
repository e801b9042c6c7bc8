/** Pages: every item that stays is met once, whatever comes and goes; work comes in turns. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PAGE_MAX, pageOf } from '../../src/admin/listing-page.ts';
import { systemClock } from '../../src/base/clock.ts';
import { testSeed } from '../tools/test-seed.ts';

const seed = testSeed('listing pages', 7);
const itself = (item: string): string => item;
const page = (items: Iterable<string | null>, limit: number, cursor: string | null = null) =>
  pageOf('tests', items, itself, { limit, cursor }, systemClock);

async function walk(limit: number, itemsAt: (pageNumber: number) => Iterable<string>) {
  const met: string[] = [];
  let cursor: string | null = null;
  for (let count = 0; count < 500; count += 1) {
    const { items, next } = await page(itemsAt(count), limit, cursor);
    expect(items.length).toBeLessThanOrEqual(limit);
    met.push(...items);
    if (next === null) return met;
    cursor = next;
  }
  throw new Error('the pages do not end');
}

describe('a walk through pages', () => {
  test('meets everything once, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ maxLength: 6 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        async (items, limit) => {
          expect(await walk(limit, () => items)).toEqual([...items].sort());
        },
      ),
      { seed, numRuns: 60 },
    );
  });

  test('meets what stays once, whatever comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 0, max: 999 }), { minLength: 20, maxLength: 60 }),
        fc.array(fc.uniqueArray(fc.integer({ min: 1000, max: 1999 }), { maxLength: 20 })),
        fc.integer({ min: 1, max: 5 }),
        async (staying, passing, limit) => {
          const named = (numbers: readonly number[]) =>
            numbers.map((n) => String((n * 7919) % 2003));
          const met = await walk(limit, (at) => [
            ...named(passing[at % Math.max(1, passing.length)] ?? []),
            ...named(staying),
          ]);
          const ofStaying = new Set(named(staying));
          expect(met.filter((item) => ofStaying.has(item))).toEqual([...ofStaying].sort());
        },
      ),
      { seed, numRuns: 40 },
    );
  });

  test('has no next page when the last is full', async () => {
    expect(await page(['b', 'a'], 2)).toEqual({ items: ['a', 'b'], next: null });
    expect((await page([], 2)).next).toBeNull();
  });
});

test.each([
  'x',
  Buffer.from('null').toString('base64url'),
  Buffer.from('["others","a"]').toString('base64url'),
  Buffer.from('["tests",1]').toString('base64url'),
  Buffer.from('["tests","a","b"]').toString('base64url'),
])('the cursor %s is refused', async (cursor) => {
  await expect(page(['a'], 1, cursor)).rejects.toMatchObject({
    status: 400,
    code: 'invalid-cursor',
  });
});

test.each([
  ['comes in turns, and keeps little', 400_000, (at: number) => String((at * 7919) % 400_009)],
  ['is passed over in turns', 6_000_000, (at: number) => (at === 5_999_999 ? '0' : null)],
] as const)('very much %s', async (_what, size, itemAt) => {
  function* many(): Iterable<string | null> {
    for (let at = 0; at < size; at += 1) yield itemAt(at);
  }
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const { items } = await page(many(), PAGE_MAX);
  isDone = true;
  expect(items[0]).toBe('0');
  expect(items.length).toBe(items.length > 1 ? PAGE_MAX : 1);
  expect(turns).toBeGreaterThan(1);
});
