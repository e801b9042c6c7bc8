import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HandshakeQueue, type Waiting } from '../../src/network/handshake-queue.ts';

const A = { network: '10.0.0.0/24', address: '10.0.0.1' };
const A2 = { network: '10.0.0.0/24', address: '10.0.0.2' };
const B = { network: '10.9.0.0/24', address: '10.9.0.1' };
const FEW = { ofNetworkMax: 4, ofAddressMax: 2 };
const ANY = { ofNetworkMax: 1000, ofAddressMax: 1000 };

function queueOf(places = ANY) {
  const queue = new HandshakeQueue<string>(places);
  const enter = (from: typeof A, item: string, lane = ''): Waiting<string> =>
    queue.ready(queue.arrive(from, item), lane);
  /** Takes one after the other, each ended before the next. */
  const served = (count: number): string[] =>
    Array.from({ length: count }, () => {
      const one = queue.take();
      if (one === null) return 'nobody';
      queue.leave(one);
      return one.item;
    });
  return { queue, enter, served };
}

describe('whose turn it is', () => {
  it('five thousand of one address are one turn beside the single one of another', () => {
    const { enter, served, queue } = queueOf();
    for (let n = 0; n < 5000; n++) enter(A, `a${n}`);
    enter(B, 'b0');
    enter(B, 'b1');
    expect(served(5)).toEqual(['a0', 'b0', 'a1', 'b1', 'a2']);
    expect(queue.size).toBe(4997);
  });

  it('many addresses of a network are one turn beside another network', () => {
    const { enter, served } = queueOf();
    for (let n = 0; n < 200; n++) enter({ network: 'x', address: `x${n}` }, `x${n}`);
    enter(B, 'b0');
    expect(served(2)).toContain('b0');
  });

  it('the addresses of a network take turns, and so do the lanes of an address', () => {
    const { enter, served } = queueOf();
    for (let n = 0; n < 3; n++) enter(A, `a${n}`, 'acme');
    enter(A, 'g0', 'globex');
    enter(A2, 'z0');
    expect(served(5)).toEqual(['a0', 'z0', 'g0', 'a1', 'a2']);
  });

  it('who takes the name of a victim at another address is not in its queue', () => {
    const { enter, served } = queueOf();
    for (let n = 0; n < 100; n++) enter(A, `thief${n}`, 'globex');
    enter(B, 'victim', 'globex');
    expect(served(2)).toContain('victim');
  });

  it('who has not said anything is passed over', () => {
    const { queue, enter, served } = queueOf();
    const silent = queue.arrive(A, 'silent');
    enter(A, 'a0');
    expect(served(2)).toEqual(['a0', 'nobody']);
    expect([queue.size, queue.hasReady]).toEqual([1, false]);
    queue.ready(silent, '');
    expect(served(1)).toEqual(['silent']);
  });

  it('only so many of one address and one network are taken at a time', () => {
    const { queue, enter } = queueOf(FEW);
    for (let n = 0; n < 9; n++) enter(A, `a${n}`);
    for (let n = 0; n < 9; n++) enter(A2, `z${n}`);
    for (let n = 0; n < 9; n++) enter({ ...A, address: '10.0.0.3' }, `y${n}`);
    const taken: Waiting<string>[] = [];
    for (let one = queue.take(); one !== null; one = queue.take()) taken.push(one);
    expect(taken.map(({ item }) => item)).toEqual(['a0', 'z0', 'y0', 'a1']);
    expect(queue.hasReady).toBe(false);
    enter(B, 'b0');
    expect(queue.take()?.item).toBe('b0');
    queue.leave(taken[0]!);
    queue.leave(taken[0]!);
    expect([queue.take()?.item, queue.take()]).toEqual(['z1', null]);
  });

  it('who is alone at its address is taken out of turn, within the places', () => {
    const { queue, enter } = queueOf(FEW);
    const first = enter(A, 'a0');
    const second = enter(A, 'a1');
    expect(queue.takeIfAlone(second)).toBeNull();
    queue.leave(first);
    expect(queue.takeIfAlone(second)?.item).toBe('a1');
    expect(queue.takeIfAlone(second)).toBeNull();
    expect(queue.takeIfAlone(enter(A, 'a2'))?.item).toBe('a2');
    expect(queue.takeIfAlone(enter(A, 'a3'))).toBeNull();
    expect(queue.take()).toBeNull();
  });
});

describe('who makes room', () => {
  it('the one that waits longest in the most crowded lane of the most crowded source', () => {
    const { queue, enter } = queueOf();
    enter(B, 'b0');
    enter(A, 'first', 'acme');
    for (let n = 0; n < 3; n++) enter(A, `a${n}`, 'globex');
    queue.arrive(A2, 'quiet');
    const dropped = queue.oldestOfTheCrowd();
    expect(dropped?.item).toBe('a0');
    queue.leave(dropped!);
    expect(queue.oldestOfTheCrowd()?.item).toBe('a1');
  });

  it('nobody, when nobody waits', () => {
    const { queue, enter } = queueOf();
    expect(queue.oldestOfTheCrowd()).toBeNull();
    enter(A, 'a0');
    queue.take();
    expect(queue.oldestOfTheCrowd()).toBeNull();
  });
});

describe('in any order of events', () => {
  const event = fc.record({
    does: fc.constantFrom('arrive', 'ready', 'take', 'leave', 'drop', 'alone'),
    network: fc.integer({ min: 0, max: 2 }),
    address: fc.integer({ min: 0, max: 2 }),
    lane: fc.integer({ min: 0, max: 1 }),
    pick: fc.nat(),
  });

  it('it takes everybody that is ready once, keeps to its places and forgets who left', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const queue = new HandshakeQueue<number>(FEW);
        interface Known {
          waiting: Waiting<number>;
          state: 'silent' | 'ready' | 'taken';
          network: string;
          address: string;
        }
        const known = new Map<number, Known>();
        const taken = (matches: (one: Known) => boolean): number =>
          [...known.values()].filter((one) => one.state === 'taken' && matches(one)).length;
        let next = 0;
        const take = (one: Waiting<number> | null): void => {
          if (one === null) return;
          const it = known.get(one.item)!;
          expect(it.state).toBe('ready');
          it.state = 'taken';
        };
        for (const { does, network, address, lane, pick } of events) {
          const all = [...known.keys()];
          const id = all[pick % Math.max(1, all.length)];
          const one = id === undefined ? undefined : known.get(id);
          if (does === 'arrive') {
            const from = { network: `n${network}`, address: `n${network}a${address}` };
            known.set(next, { ...from, waiting: queue.arrive(from, next), state: 'silent' });
            next++;
          } else if (does === 'ready' && one?.state === 'silent') {
            one.waiting = queue.ready(one.waiting, `l${lane}`);
            one.state = 'ready';
          } else if (does === 'take') take(queue.take());
          else if (does === 'alone' && one?.state === 'ready') take(queue.takeIfAlone(one.waiting));
          else if (does === 'leave' && one !== undefined) {
            queue.leave(one.waiting);
            known.delete(id!);
          } else if (does === 'drop') {
            const dropped = queue.oldestOfTheCrowd();
            if (dropped !== null) {
              expect(known.get(dropped.item)?.state).not.toBe('taken');
              queue.leave(dropped);
              known.delete(dropped.item);
            }
          }
          const waiting = [...known.values()].filter(({ state }) => state !== 'taken');
          expect(queue.size).toBe(waiting.length);
          expect([...queue]).toHaveLength(waiting.length);
          for (const { network, address } of known.values()) {
            expect(taken((it) => it.network === network)).toBeLessThanOrEqual(FEW.ofNetworkMax);
            expect(taken((it) => it.address === address)).toBeLessThanOrEqual(FEW.ofAddressMax);
          }
          const mayBeTaken = waiting.some(
            (it) =>
              it.state === 'ready' &&
              taken(({ network }) => network === it.network) < FEW.ofNetworkMax &&
              taken(({ address }) => address === it.address) < FEW.ofAddressMax,
          );
          expect(queue.hasReady).toBe(mayBeTaken);
        }
        for (const { waiting } of known.values()) queue.leave(waiting);
        expect([queue.size, queue.branchCount]).toEqual([0, 0]);
      }),
    );
  });
});
