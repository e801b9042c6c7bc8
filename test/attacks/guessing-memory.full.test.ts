/**
 * Threats: somebody with very many addresses, or names, fails until memory is full; until the table
 * forgets who failed most; until others are shut out.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { AuthenticationGuard } from '../../src/security/abuse/authentication-guard.ts';
import { handClock } from '../tools/hand-clock.ts';

const ADDRESSES = 100_000;
const MIB = 1024 * 1024;
const GUILTY = '203.0.113.9';
const DEVICE = '198.51.100.7';
const VICTIM = { tenant: 'acme', name: 'pump-1' };

/** After a collection: what is really held. */
const heapUsed = (): number => {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
};

const addressAt = (at: number): string =>
  at % 2 === 0
    ? `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`
    : `2001:db8:${(at >> 16).toString(16)}:${(at & 0xffff).toString(16)}::1`;

describe('100,000 addresses, each with names of its own', () => {
  const clock = handClock();
  const guard = new AuthenticationGuard(
    {
      delayMs: 100,
      holdMaxMs: 60_000,
      windowMs: 600_000,
      failuresPerPrincipalMax: 5,
      failuresPerAddressMax: 20,
      failuresToBan: 100,
      banMs: 600_000,
      exempt: [],
    },
    clock,
  );
  let heapBytes = 0;
  const tookMs: number[] = [];
  beforeAll(() => {
    guard.connected(DEVICE, VICTIM)();
    for (let at = 0; at < 30; at++) guard.failed(GUILTY, VICTIM);
    const before = heapUsed();
    for (let at = 0; at < ADDRESSES; at++) {
      const beganMs = performance.now();
      // As a parser leaves it: a part of the peer's message.
      const message = Buffer.from(`n=x-${at}-${'z'.repeat(2000)}`).toString();
      guard.failed(addressAt(at), { tenant: 'acme', name: message.slice(2) });
      tookMs.push(performance.now() - beganMs);
    }
    heapBytes = heapUsed() - before;
  });

  it('take bounded memory, whatever the length of the names, and no work is long', () => {
    expect(guard.size).toBeLessThanOrEqual(4 * 50_000 + 2);
    process.stdout.write(`guessing-memory: ${(heapBytes / MIB).toFixed(1)} MiB\n`);
    expect(heapBytes).toBeLessThan(100 * MIB);
    // Nearly all: the slowest are collections of garbage, or another process's turn.
    tookMs.sort((a, b) => a - b);
    expect(tookMs[Math.floor(ADDRESSES * 0.99)]).toBeLessThan(10);
  });

  it('do not free who failed most', () => {
    expect(guard.judge(GUILTY, VICTIM).refusal?.reason).toBe('backed_off');
    for (let at = 30; at < 99; at++) expect(guard.failed(GUILTY, VICTIM).ban).toBeNull();
    expect(guard.failed(GUILTY, VICTIM).ban).toMatchObject({ network: GUILTY, failures: 100 });
  });

  it('do not shut out who never failed, or failed once, or has credit', () => {
    const newcomer = '192.0.2.44';
    expect(guard.turnsAway(newcomer)).toBeNull();
    expect(guard.judge(newcomer, { tenant: 'acme', name: 'pump-2' }).refusal).toBeNull();
    guard.failed(newcomer, { tenant: 'acme', name: 'pump-2' });
    expect(guard.turnsAway(newcomer)).toBeNull();
    expect(guard.judge(newcomer, { tenant: 'acme', name: 'pump-2' }).refusal).toBeNull();
    expect(guard.judge(DEVICE, VICTIM)).toEqual({ refusal: null, delayMs: 0 });
  });

  it('and their bans end at a bound, where they are only held up', () => {
    const many = new AuthenticationGuard(
      {
        delayMs: 0,
        holdMaxMs: 1000,
        windowMs: 600_000,
        failuresPerPrincipalMax: 1,
        failuresPerAddressMax: 1,
        failuresToBan: 2,
        banMs: 600_000,
        exempt: [],
      },
      clock,
    );
    const bans = Array.from({ length: 12_000 }, (_, at) => {
      many.failed(addressAt(at), null);
      return many.failed(addressAt(at), null).ban;
    });
    expect(bans.filter((ban) => ban !== null)).toHaveLength(10_000);
    expect(many.turnsAway(addressAt(0))?.reason).toBe('banned');
    expect(many.turnsAway(addressAt(11_999))?.reason).toBe('backed_off');
    clock.pass(600_000);
    expect(many.turnsAway(addressAt(0))).toBeNull();
    expect(many.bans()).toEqual([]);
    const again = [0, 1].map(() => many.failed(addressAt(11_999), null).ban);
    expect(again.some((ban) => ban !== null)).toBe(true);
  });
});
