import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DeadlineQueue } from '../../../../src/engine/embedded/group/deadline-queue.ts';
import { ManualClock } from '../log/manual-clock.ts';

class Item {
  scheduledMs = Number.POSITIVE_INFINITY;
  heapIndex = 0;
}

it('holds an item once, however often its deadline moves', () => {
  const queue = new DeadlineQueue<Item>(new ManualClock(0), () => undefined);
  const item = new Item();
  for (let dueMs = 100_000; dueMs > 0; dueMs--) queue.schedule(item, dueMs);
  expect(queue.size).toBe(1);
});

it('lets go of what is forgotten', () => {
  const clock = new ManualClock(0);
  const queue = new DeadlineQueue<Item>(clock, () => expect.unreachable());
  const item = new Item();
  queue.schedule(item, 10);
  queue.forget(item);
  queue.forget(item);
  expect(queue.size).toBe(0);
  clock.advance(20);
});

it('calls each item at its deadline, and no other', () => {
  const moves = fc.array(
    fc.record({
      item: fc.nat(9),
      dueMs: fc.integer({ min: 0, max: 50 }),
      kind: fc.constantFrom('schedule', 'schedule', 'schedule', 'forget', 'pass'),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(moves, (all) => {
      const clock = new ManualClock(0);
      const items = Array.from({ length: 10 }, () => new Item());
      const expected = new Map<Item, number>();
      const queue = new DeadlineQueue<Item>(clock, (item) => {
        expect(expected.get(item)).toBe(clock.monotonicMs());
        expected.delete(item);
      });
      for (const { item: index, dueMs, kind } of all) {
        const item = items[index]!;
        if (kind === 'forget') {
          queue.forget(item);
          expected.delete(item);
        } else if (kind === 'schedule') {
          const atMs = clock.monotonicMs() + 1 + dueMs;
          queue.schedule(item, atMs);
          expected.set(item, Math.min(atMs, expected.get(item) ?? atMs));
        } else clock.advance(dueMs);
        expect(queue.size).toBe(expected.size);
        for (const atMs of expected.values()) expect(atMs).toBeGreaterThan(clock.monotonicMs());
      }
    }),
  );
});
