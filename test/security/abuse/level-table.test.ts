import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEVEL_CAP_ALLOWANCES, LevelTable } from '../../../src/security/abuse/level-table.ts';
import { testSeed } from '../../tools/test-seed.ts';

const OPTIONS = {
  entriesMax: 4,
  allowance: 3,
  windowMs: 3000,
  firstHoldMs: 100,
  longestHoldMs: 1000,
};
const table = (change: Partial<typeof OPTIONS> = {}): LevelTable =>
  new LevelTable({ ...OPTIONS, ...change });
const failTimes = (levels: LevelTable, key: string, times: number, nowMs = 0): number[] =>
  Array.from({ length: times }, () => levels.fail(key, nowMs));

describe('levels of failures', () => {
  it('within the allowance have no consequence, beyond it a hold that doubles up to its most', () => {
    const levels = table();
    expect(failTimes(levels, 'a', 8)).toEqual([0, 0, 0, 100, 200, 400, 800, 1000]);
    expect(levels.holdOf('a', 0)).toBe(1000);
    expect(levels.holdOf('a', 999)).toBe(1);
    expect(levels.holdOf('a', 1000)).toBe(0);
    expect(levels.holdOf('b', 0)).toBe(0);
  });

  it('drain evenly, an allowance in a window', () => {
    const levels = table();
    failTimes(levels, 'a', 3);
    expect([0, 1, 1000, 1001, 2000, 3000].map((ms) => levels.levelOf('a', ms))).toEqual([
      3, 3, 2, 2, 1, 0,
    ]);
    expect(levels.fail('a', 1000)).toBe(0);
    expect(levels.fail('a', 1000)).toBe(100);
  });

  it('rise to a bound, so that who stops is forgiven in time', () => {
    const levels = table();
    failTimes(levels, 'a', 1000);
    expect(levels.levelOf('a', 0)).toBe(LEVEL_CAP_ALLOWANCES * OPTIONS.allowance);
    expect(levels.levelOf('a', LEVEL_CAP_ALLOWANCES * OPTIONS.windowMs)).toBe(0);
  });

  it('in a full table the least guilty goes, and nobody pushes out who is guiltier', () => {
    const levels = table();
    failTimes(levels, 'guilty', 8);
    for (let at = 0; at < 1000; at++) levels.fail(`other-${at}`, 0);
    expect(levels.size).toBe(OPTIONS.entriesMax);
    expect(levels.levelOf('guilty', 0)).toBe(8);
    expect(levels.holdOf('guilty', 0)).toBe(1000);
  });

  it('who comes in the place of another takes its level over, but one failure never holds up', () => {
    const levels = table();
    for (const key of ['a', 'b', 'c', 'd']) failTimes(levels, key, 8);
    expect(levels.fail('innocent', 0)).toBe(0);
    expect(levels.levelOf('innocent', 0)).toBe(OPTIONS.allowance);
    expect(levels.fail('innocent', 0)).toBe(100);
    // In turn with others it does not begin anew each time.
    for (const key of ['x', 'y', 'innocent']) expect(levels.fail(key, 0)).toBe(0);
    expect(levels.fail('innocent', 0)).toBeGreaterThan(0);
  });

  it('what has drained makes room before anybody is pushed out', () => {
    const levels = table();
    for (const key of ['a', 'b', 'c', 'd']) levels.fail(key, 0);
    expect(levels.fail('e', 1001)).toBe(0);
    expect(levels.levelOf('e', 1001)).toBe(1);
    expect(levels.size).toBeLessThan(OPTIONS.entriesMax);
  });

  it('agree with a plain model while there is room, in any order of failures and times', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      afterMs: fc.integer({ min: 0, max: 1500 }),
      isCleared: fc.boolean(),
    });
    const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const levels = table({ entriesMax: 6 });
      const emptyAt = new Map<string, number>();
      let nowMs = 0;
      for (const { key, afterMs, isCleared } of steps) {
        nowMs += afterMs;
        if (isCleared && afterMs % 5 === 0) {
          levels.clear(key);
          emptyAt.delete(key);
        } else {
          levels.fail(key, nowMs);
          emptyAt.set(key, Math.max(emptyAt.get(key) ?? 0, nowMs) + 1000);
        }
        for (const one of ['a', 'b', 'c', 'd', 'e', 'f']) {
          const leftMs = Math.max(0, (emptyAt.get(one) ?? 0) - nowMs);
          expect(levels.levelOf(one, nowMs)).toBe(Math.min(36, Math.ceil(leftMs / 1000)));
        }
      }
    });
    fc.assert(property, { seed: testSeed('level-table', 4), numRuns: 200 });
  });
});
