/** A clock that a test sets by hand: both readings move together, timers fire when they are due. */
import type { Clock, Timer } from '../../src/base/clock.ts';

export interface HandClock extends Clock {
  pass(ms: number): void;
}

export function handClock(startMs = 1_700_000_000_000): HandClock {
  let passedMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    nowMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    setTimer(delayMs, run): Timer {
      const timer = { atMs: passedMs + delayMs, run };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    pass(ms) {
      const untilMs = passedMs + ms;
      for (;;) {
        const due = [...timers].filter(({ atMs }) => atMs <= untilMs);
        const next = due.sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined) break;
        timers.delete(next);
        passedMs = Math.max(passedMs, next.atMs);
        next.run();
      }
      passedMs = untilMs;
    },
  };
}
