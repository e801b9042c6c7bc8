import { describe, expect, it } from 'vitest';
import { inWindow, windowHoldsUntil, windowProblem } from '../../src/security/policy-window.ts';

const MINUTE_MS = 60_000;
const at = (text: string): number => Date.parse(text);

describe('a time window', () => {
  const cases: [string, string, boolean][] = [
    ['*', '2030-06-10T00:00:00Z', true],
    // 10 June 2030 is a Monday.
    ['Mon-Fri/08:00-18:00', '2030-06-10T08:00:00Z', true],
    ['Mon-Fri/08:00-18:00', '2030-06-10T07:59:59.999Z', false],
    ['Mon-Fri/08:00-18:00', '2030-06-10T17:59:59.999Z', true],
    ['Mon-Fri/08:00-18:00', '2030-06-10T18:00:00Z', false],
    ['Mon-Fri/08:00-18:00', '2030-06-09T12:00:00Z', false],
    ['Fri-Mon/08:00-18:00', '2030-06-09T12:00:00Z', true],
    ['Sat+Sun/00:00-24:00', '2030-06-09T23:59:59Z', true],
    ['Sat+Sun/00:00-24:00', '2030-06-10T00:00:00Z', false],
    ['daily/22:00-06:00', '2030-06-10T05:59:00Z', true],
    ['daily/22:00-06:00', '2030-06-10T06:00:00Z', false],
    ['Sun/22:00-06:00', '2030-06-10T05:00:00Z', true],
    ['Mon/22:00-06:00', '2030-06-10T05:00:00Z', false],
    ['Mon-Fri/08:00-18:00/Europe/Berlin', '2030-06-10T06:00:00Z', true],
    ['Mon-Fri/08:00-18:00/Europe/Berlin', '2030-06-10T05:59:00Z', false],
    ['Mon-Fri/08:00-18:00/Europe/Berlin', '2030-01-07T06:30:00Z', false],
    // The clocks go forward from 02:00 to 03:00, and back from 03:00 to 02:00.
    ['Sun/02:00-03:00/Europe/Berlin', '2030-03-31T01:00:00Z', false],
    ['Sun/03:00-04:00/Europe/Berlin', '2030-03-31T01:00:00Z', true],
    ['Sun/02:00-03:00/Europe/Berlin', '2030-10-27T00:30:00Z', true],
    ['Sun/02:00-03:00/Europe/Berlin', '2030-10-27T01:30:00Z', true],
    ['daily/00:00-01:00/Asia/Kathmandu', '2030-06-09T18:15:00Z', true],
  ];
  for (const [window, time, open] of cases) {
    it(`${window} is ${open ? 'open' : 'closed'} at ${time}`, () => {
      expect(windowProblem(window)).toBeNull();
      expect(inWindow(window, at(time))).toBe(open);
    });
  }

  it('never changes before it is said to hold until', () => {
    const windows = [
      ...['daily/22:00-02:30', 'Sat+Sun/00:00-24:00', 'Mon/09:13-09:14'],
      ...['Sun/01:30-03:30/Europe/Berlin', 'daily/23:00-01:00/America/St_Johns'],
      ...['daily/01:45-02:15/Australia/Lord_Howe'],
    ];
    for (const window of windows) {
      for (const start of [
        '2030-03-30T12:00:00Z',
        '2030-04-06T10:00:00Z',
        '2030-10-26T12:00:00Z',
      ]) {
        let heldUntilMs = Number.NEGATIVE_INFINITY;
        let open = false;
        for (let minute = 0; minute < 36 * 60; minute += 1) {
          const timeMs = at(start) + minute * MINUTE_MS;
          const now = inWindow(window, timeMs);
          if (timeMs < heldUntilMs) expect(now).toBe(open);
          open = now;
          heldUntilMs = windowHoldsUntil(window, timeMs);
          expect(heldUntilMs).toBeGreaterThan(timeMs);
        }
      }
    }
  });

  const refused: [string, string][] = [
    ['08:00-18:00', 'write days/from-to'],
    ['Mon-Fri/8:00-18:00', 'write days/from-to'],
    ['Mon-Fri/08:00-24:01', '00:00 to 23:59'],
    ['Mon-Fri/24:00-08:00', '00:00 to 23:59'],
    ['Mon-Fri/08:60-18:00', '00:00 to 23:59'],
    ['Mon-Fri/08:00-08:00', 'begins when it ends'],
    ['Mon-Fri-Sun/08:00-18:00', '"Mon-Fri-Sun" is no day'],
    ['mon/08:00-18:00', '"mon" is no day'],
    ['Mon+/08:00-18:00', '"" is no day'],
    ['Mon/08:00-18:00/Europe/Atlantis', 'no time zone'],
    ['', 'write days/from-to'],
  ];
  for (const [window, reason] of refused) {
    it(`"${window}" is refused with a reason`, () => {
      expect(windowProblem(window)).toContain(reason);
      expect(() => inWindow(window, 0)).toThrow();
    });
  }
});
