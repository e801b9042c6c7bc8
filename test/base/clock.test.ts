import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';

const DAY_MS = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Node fires a timer of more than 24.8 days at once. */
test.each([24, 25, 50, 365, 3650])('a timer of %i days fires then, not before', (days) => {
  const fired = vi.fn();
  systemClock.setTimer(days * DAY_MS, fired);
  vi.advanceTimersByTime(days * DAY_MS - 1);
  expect(fired).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(fired).toHaveBeenCalledOnce();
});

test('a cancelled timer never fires, in whichever part of its time it is', () => {
  const fired = vi.fn();
  const timer = systemClock.setTimer(100 * DAY_MS, fired);
  vi.advanceTimersByTime(60 * DAY_MS);
  timer.cancel();
  vi.advanceTimersByTime(400 * DAY_MS);
  expect(fired).not.toHaveBeenCalled();
});
