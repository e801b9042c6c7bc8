import { describe, expect, it } from 'vitest';
import { ChangeQueue, OWN, type Turn } from '../../src/base/change-queue.ts';
import { ManualClock } from '../engine/embedded/log/manual-clock.ts';

/** A change that ends when it is told to. */
function change(name: string, log: string[]) {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async (): Promise<string> => {
    log.push(name);
    await ended;
    return name;
  };
  return { run, end };
}

describe('changes of the metadata', () => {
  it('run one at a time, those of a namespace in order, the namespaces in turn', async () => {
    const queue = new ChangeQueue(new ManualClock(), 100);
    const log: string[] = [];
    const names = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'];
    const changes = names.map((name) => change(name, log));
    const turns = names.map((name, index) => queue.run(name[0]!, changes[index]!.run));
    for (const { end } of changes) end();
    expect(await Promise.all(turns)).toEqual(names.map((outcome) => ({ outcome })));
    expect(log).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  });

  it('leave places for others, however many one namespace asks for', async () => {
    const queue = new ChangeQueue(new ManualClock(), 20);
    const first = change('a', []);
    const turns: Promise<Turn<string>>[] = [];
    for (let index = 0; index < 10; index += 1) turns.push(queue.run('a', first.run));
    const other = queue.run('b', async () => 'b');
    const own = queue.run(OWN, async () => 'engine');
    first.end();
    const refused = (await Promise.all(turns)).filter((turn) => 'refused' in turn);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused[0]).toEqual({ refused: 'busy' });
    expect(await other).toEqual({ outcome: 'b' });
    expect(await own).toEqual({ outcome: 'engine' });
  });

  it('of our own come before those of tenants, in order', async () => {
    const queue = new ChangeQueue(new ManualClock(), 100);
    const log: string[] = [];
    const names = ['a1', 'b1', OWN, `${OWN}2`];
    const turns = names.map((name) => {
      const namespace = name.startsWith(OWN) ? OWN : name[0]!;
      return queue.run(namespace, async () => void log.push(name));
    });
    await Promise.all(turns);
    expect(log).toEqual([OWN, `${OWN}2`, 'a1', 'b1']);
  });

  it('are asked for their permission when their turn has come', async () => {
    const queue = new ChangeQueue(new ManualClock(), 100);
    const first = change('a', []);
    let isPermitted = true;
    const running = queue.run('a', first.run);
    const run = (): Promise<Turn<string>> =>
      queue.run('a', async () => 'done', { isPermitted: () => isPermitted });
    const waiting = run();
    isPermitted = false;
    first.end();
    expect([await running, await waiting]).toEqual([{ outcome: 'a' }, { refused: 'denied' }]);
    isPermitted = true;
    expect(await run()).toEqual({ outcome: 'done' });
  });

  it('are refused when all places are taken, or when their turn comes too late', async () => {
    const clock = new ManualClock();
    const queue = new ChangeQueue(clock, 2);
    const first = change('a', []);
    const running = queue.run('a', first.run);
    await Promise.resolve();
    await Promise.resolve();
    const late = queue.run('b', async () => 'b', { timeoutMs: 100 });
    const full = [queue.run('c', async () => 'c'), queue.run('d', async () => 'd')];
    expect(await full[1]).toEqual({ refused: 'busy' });
    clock.advance(101);
    first.end();
    expect(await running).toEqual({ outcome: 'a' });
    expect(await late).toEqual({ refused: 'timeout' });
  });

  it('go on after one that throws, and a timeout of 0 begins at once on an idle queue', async () => {
    const queue = new ChangeQueue(new ManualClock(), 10);
    const failing = queue.run('a', () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await queue.run('a', async () => 1, { timeoutMs: 0 })).toEqual({ outcome: 1 });
    await queue.idle();
    expect(await queue.run('b', async () => 2, { timeoutMs: 0 })).toEqual({ outcome: 2 });
  });
});
