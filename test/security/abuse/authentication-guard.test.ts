import { describe, expect, it } from 'vitest';
import { parseNetworks } from '../../../src/base/ip-address.ts';
import {
  AuthenticationGuard,
  type GuardSettings,
  sourceOf,
} from '../../../src/security/abuse/authentication-guard.ts';
import { type HandClock, handClock } from '../../tools/hand-clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SETTINGS: GuardSettings = {
  delayMs: 100,
  holdMaxMs: MINUTE_MS,
  windowMs: 10 * MINUTE_MS,
  failuresPerPrincipalMax: 5,
  failuresPerAddressMax: 20,
  failuresToBan: 100,
  banMs: 10 * MINUTE_MS,
  exempt: [],
};
const VICTIM = { tenant: 'acme', name: 'pump-1' };
const HOME = '198.51.100.7';
const STRANGER = '203.0.113.9';

function guardWith(change: Partial<GuardSettings> = {}): {
  guard: AuthenticationGuard;
  clock: HandClock;
} {
  const clock = handClock();
  return { guard: new AuthenticationGuard({ ...SETTINGS, ...change }, clock), clock };
}

const times = <T>(count: number, run: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => run(at));
const user = (at: number) => ({ tenant: 'acme', name: `user-${at}` });

describe('a name that fails from one address', () => {
  it('waits the plain delay, then longer and longer, and is held up meanwhile', () => {
    const { guard, clock } = guardWith({ windowMs: 1000 * HOUR_MS });
    const delays = times(5, () => guard.failed(STRANGER, VICTIM).delayMs);
    expect(delays).toEqual([100, 100, 100, 100, 100]);
    expect(guard.judge(STRANGER, VICTIM)).toEqual({ refusal: null, delayMs: 0 });
    const later = times(9, () => {
      const { delayMs } = guard.failed(STRANGER, VICTIM);
      const refusal = guard.judge(STRANGER, VICTIM).refusal?.reason;
      expect(refusal).toBe('backed_off');
      clock.pass(MINUTE_MS);
      return delayMs;
    });
    expect(later).toEqual([1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000, 5000]);
    expect(guard.judge(STRANGER, VICTIM).refusal).toBeNull();
  });

  it('learns nothing from guesses made at once: right and wrong are answered alike', () => {
    const { guard } = guardWith();
    times(6, () => guard.failed(STRANGER, VICTIM));
    const wrong = times(50, () => guard.failed(STRANGER, VICTIM).delayMs);
    const { refusal, delayMs } = guard.judge(STRANGER, VICTIM);
    expect(refusal?.reason).toBe('backed_off');
    expect(new Set([...wrong, delayMs]).size).toBe(1);
  });

  it('gets in with the right proof once the hold is over, and is forgiven', () => {
    const { guard, clock } = guardWith();
    times(6, () => guard.failed(STRANGER, VICTIM));
    clock.pass(1000);
    expect(guard.judge(STRANGER, VICTIM).refusal).toBeNull();
    guard.proved(STRANGER, VICTIM);
    expect(times(5, () => guard.failed(STRANGER, VICTIM).delayMs)).toEqual(times(5, () => 100));
  });

  it('does not hold up the name at any other address, only by a second at most', () => {
    const { guard } = guardWith();
    times(500, (at) => guard.failed(`203.0.113.${at % 200}`, VICTIM));
    const fresh = guard.judge(HOME, VICTIM);
    expect(fresh.refusal).toBeNull();
    expect(fresh.delayMs).toBe(1000);
    expect(guard.turnsAway(HOME)).toBeNull();
    guard.connected(HOME, VICTIM)();
    expect(guard.judge(HOME, VICTIM)).toEqual({ refusal: null, delayMs: 0 });
  });

  it('is another name in another tenant', () => {
    const { guard } = guardWith();
    times(6, () => guard.failed(STRANGER, VICTIM));
    expect(guard.judge(STRANGER, { ...VICTIM, tenant: 'globex' }).refusal).toBeNull();
    expect(guard.judge(STRANGER, VICTIM).refusal).not.toBeNull();
  });
});

describe('an address that fails', () => {
  it('is held up for all names when it tries one password on many', () => {
    const { guard } = guardWith();
    const delays = times(22, (at) => guard.failed(STRANGER, user(at)).delayMs);
    expect(delays.slice(0, 20)).toEqual(times(20, () => 100));
    expect(delays.slice(20)).toEqual([1000, 1000]);
    expect(guard.judge(STRANGER, user(1000)).refusal?.reason).toBe('backed_off');
    expect(guard.turnsAway(STRANGER)?.reason).toBe('backed_off');
    expect(guard.turnsAway(HOME)).toBeNull();
  });

  it('is an IPv4 address in whatever form, or the /64 of an IPv6 address', () => {
    expect(['::ffff:10.0.0.1', '10.0.0.1'].map(sourceOf)).toEqual(['10.0.0.1', '10.0.0.1']);
    expect(sourceOf('2001:db8:0:1:ffff::1')).toBe('2001:db8:0:1::/64');
    expect(sourceOf('fe80::1%eth0')).toBe('fe80::/64');
    const { guard } = guardWith();
    times(21, (at) => guard.failed(`2001:db8::${at.toString(16)}`, null));
    expect(guard.turnsAway('2001:db8::abcd:1')?.reason).toBe('backed_off');
    expect(guard.turnsAway('2001:db8:0:1::1')).toBeNull();
  });

  it('is banned for a time when it goes on, and only then', () => {
    const { guard, clock } = guardWith();
    const bans = times(99, (at) => guard.failed(STRANGER, user(at)).ban);
    expect(bans.every((ban) => ban === null)).toBe(true);
    const { ban } = guard.failed(STRANGER, null);
    expect(ban).toEqual({
      network: STRANGER,
      failures: 100,
      sinceMs: clock.nowMs(),
      untilMs: clock.nowMs() + 10 * MINUTE_MS,
    });
    expect(guard.bans()).toEqual([ban]);
    expect(guard.turnsAway(STRANGER)).toMatchObject({ reason: 'banned', ban: null });
    expect(guard.failed(STRANGER, null).ban).toBeNull();
    clock.pass(10 * MINUTE_MS);
    expect(guard.bans()).toEqual([]);
    expect(guard.turnsAway(STRANGER)).toBeNull();
  });

  it('is banned by coming again and again during a hold', () => {
    const { guard } = guardWith();
    times(21, () => guard.failed(STRANGER, null));
    const bans = times(79, () => guard.turnsAway(STRANGER)?.ban ?? null);
    expect(bans.slice(0, 78).every((ban) => ban === null)).toBe(true);
    expect(bans[78]).toMatchObject({ network: STRANGER, failures: 100 });
  });

  it.each([
    ['is connected', 0],
    ['was connected within the hour', HOUR_MS],
  ])('is neither banned nor dropped while somebody %s', (_, agoMs) => {
    const { guard, clock } = guardWith();
    const closed = guard.connected(HOME, user(1));
    if (agoMs > 0) closed();
    clock.pass(agoMs);
    times(300, (at) => expect(guard.failed(HOME, user(at)).ban).toBeNull());
    expect(guard.turnsAway(HOME)).toBeNull();
    expect(guard.bans()).toEqual([]);
  });

  it('loses its credit an hour after the last connection', () => {
    const { guard, clock } = guardWith();
    const closed = guard.connected(HOME, user(1));
    clock.pass(5 * HOUR_MS);
    closed();
    clock.pass(HOUR_MS + 1);
    times(99, () => guard.failed(HOME, null));
    expect(guard.failed(HOME, null).ban).not.toBeNull();
  });

  it('holds up, ten times later, the names that have no credit, then all', () => {
    const { guard } = guardWith();
    guard.connected(HOME, VICTIM);
    times(200, (at) => guard.failed(HOME, user(at)));
    expect(guard.judge(HOME, user(999)).refusal).toBeNull();
    guard.failed(HOME, user(200));
    expect(guard.judge(HOME, user(999)).refusal?.reason).toBe('backed_off');
    expect(guard.turnsAway(HOME)).toBeNull();
  });

  it('is only held up by names when it is exempt', () => {
    const { guard } = guardWith({ exempt: parseNetworks('127.0.0.0/8, ::1') ?? [] });
    times(500, (at) => expect(guard.failed('127.0.0.9', user(at)).ban).toBeNull());
    expect(guard.turnsAway('127.0.0.9')).toBeNull();
    times(6, () => guard.failed('127.0.0.9', VICTIM));
    expect(guard.judge('127.0.0.9', VICTIM).refusal?.reason).toBe('backed_off');
  });

  it('is let in again by an operator', () => {
    const { guard } = guardWith();
    times(100, () => guard.failed(STRANGER, null));
    expect(guard.lift(HOME)).toBe(false);
    expect(guard.lift(STRANGER)).toBe(true);
    expect(guard.turnsAway(STRANGER)).toBeNull();
    expect(guard.failed(STRANGER, null)).toEqual({ delayMs: 100, ban: null });
  });

  it.each([
    ['held up', { holdMaxMs: 0 }, { reason: 'banned' }],
    ['banned', { failuresToBan: 0 }, { reason: 'backed_off' }],
  ])('is not %s where that is switched off', (_, change, verdict) => {
    const { guard } = guardWith(change);
    times(99, () => guard.failed(STRANGER, null));
    if ('holdMaxMs' in change) expect(guard.turnsAway(STRANGER)).toBeNull();
    guard.failed(STRANGER, null);
    expect(guard.turnsAway(STRANGER)).toMatchObject(verdict);
  });
});

describe('credit of a name', () => {
  it('keeps a right proof undelayed while somebody else guesses there, within bounds', () => {
    const { guard, clock } = guardWith();
    guard.connected(HOME, VICTIM)();
    times(50, () => guard.failed(HOME, VICTIM));
    expect(guard.judge(HOME, VICTIM)).toEqual({ refusal: null, delayMs: 0 });
    guard.failed(HOME, VICTIM);
    // Beyond ten times the allowance nobody can tell the two apart: guesses tell nothing.
    expect(guard.judge(HOME, VICTIM).refusal?.reason).toBe('backed_off');
    clock.pass(1000);
    expect(guard.judge(HOME, VICTIM).refusal).toBeNull();
  });

  it('is not given by another name of the address', () => {
    const { guard } = guardWith();
    guard.connected(HOME, user(1));
    times(6, () => guard.failed(HOME, VICTIM));
    expect(guard.judge(HOME, VICTIM).refusal?.reason).toBe('backed_off');
  });
});
