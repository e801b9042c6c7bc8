import { describe, expect, it } from 'vitest';
import { type FairLane, FairTurns } from '../../src/network/fair-turns.ts';

/** A loop whose rounds the test turns, and connections whose requests take as long as it says. */
function loop() {
  let nowMs = 0;
  let soon: (() => void)[] = [];
  const turns = new FairTurns(
    () => nowMs,
    (run) => void soon.push(run),
  );
  const done: string[] = [];
  const heldAtMs = new Map<string, number>();
  /** A connection with `count` requests of `tookMs` each, which begins what it may. */
  const connect = (lane: FairLane, name: string, count: number, tookMs: number) => {
    let left = count;
    const pump = (): void => {
      while (left > 0) {
        if (!lane.mayWork) {
          lane.whenTurn(waiter);
          return;
        }
        lane.charge(() => {
          nowMs += tookMs;
          left--;
          done.push(name);
        });
      }
    };
    const waiter = { turn: pump, held: () => heldAtMs.set(name, nowMs) };
    pump();
    return { waiter, left: () => left };
  };
  const round = (): void => {
    const now = soon;
    soon = [];
    for (const run of now) run();
  };
  return { turns, connect, round, done, heldAtMs, pending: () => soon.length, now: () => nowMs };
}

const countOf = (done: readonly string[], name: string): number =>
  done.filter((one) => one === name).length;

describe('fair turns', () => {
  it('who is alone works through, a round at a time', () => {
    const { turns, connect, round, done, pending } = loop();
    connect(turns.join('acme'), 'a', 100, 0.5);
    expect(done.length).toBeGreaterThanOrEqual(2);
    expect(done.length).toBeLessThan(10);
    for (let rounds = 0; pending() > 0; rounds++) {
      expect(rounds).toBeLessThan(15);
      round();
    }
    expect(done).toHaveLength(100);
  });

  it('a newcomer begins at once while two hundred connections of another wait', () => {
    const { turns, connect, round, done } = loop();
    const acme = turns.join('acme');
    for (let n = 0; n < 200; n++) connect(acme, 'a', 100, 0.1);
    round();
    const before = done.length;
    connect(turns.join('globex'), 'b', 1, 0.1);
    expect(done.slice(before)).toEqual(['b']);
  });

  it('two that want all get half each, whatever the number and the size of their requests', () => {
    const { turns, connect, round, done } = loop();
    const [acme, globex] = [turns.join('acme'), turns.join('globex')];
    for (let n = 0; n < 50; n++) connect(acme, 'a', 1000, 0.1);
    connect(globex, 'b', 1000, 0.4);
    for (let rounds = 0; rounds < 100; rounds++) round();
    const [a, b] = [countOf(done, 'a') * 0.1, countOf(done, 'b') * 0.4];
    expect(a / b).toBeGreaterThan(0.9);
    expect(a / b).toBeLessThan(1.1);
  });

  it('the connections of one tenant take turns too', () => {
    const { turns, connect, round, done } = loop();
    const acme = turns.join('acme');
    connect(acme, 'greedy', 10_000, 0.1);
    connect(acme, 'modest', 3, 0.1);
    for (let rounds = 0; rounds < 3; rounds++) round();
    expect(countOf(done, 'modest')).toBe(3);
  });

  it('what a long request took is paid back while others wait, and forgiven when none does', () => {
    const { turns, connect, round, done, pending } = loop();
    const [acme, globex] = [turns.join('acme'), turns.join('globex')];
    connect(acme, 'a', 2, 30); // Of what it took beyond its turn, eight milliseconds count.
    connect(globex, 'b', 200, 1);
    while (!done.slice(1).includes('a')) round();
    expect(countOf(done, 'b')).toBeGreaterThanOrEqual(9);
    while (pending() > 0) round();
    expect(acme.mayWork).toBe(true);
  });

  it('who does not get its turn in a round is told once, to stop reading', () => {
    const { turns, connect, round, heldAtMs, now } = loop();
    const acme = turns.join('acme');
    for (let n = 0; n < 20; n++) connect(acme, `a${n}`, 10, 1);
    expect(heldAtMs.size).toBe(0);
    round();
    expect(heldAtMs.size).toBeGreaterThan(0);
    expect(Math.max(...heldAtMs.values())).toBe(now());
  });

  it('forgets who closes, and lanes without connections', () => {
    const { turns, connect, round, done } = loop();
    const lane = turns.join('acme');
    const { waiter, left } = connect(lane, 'a', 100, 1);
    const before = done.length;
    lane.forget(waiter);
    round();
    expect([done.length, left()]).toEqual([before, 100 - before]);
    expect(turns.laneCount).toBe(1);
    lane.leave();
    expect([turns.laneCount, turns.waitingLanes]).toEqual([0, 0]);
  });
});
