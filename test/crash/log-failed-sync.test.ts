/** A failed sync leaves pages in the cache that the kernel calls clean: a new process must not believe them. */
import { describe, expect, it } from 'vitest';
import type { LogManager } from '../../src/engine/embedded/log/log-manager.ts';
import type { UnifiedLog } from '../../src/engine/embedded/log/unified-log.ts';
import { batchOf, LogBench } from '../engine/embedded/log/log-fixture.ts';

const TOPIC = 't';

/** Appends and waits until it is durable; the failure, if it will not be. */
function appendDurably(log: UnifiedLog, value: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const append = log.append(batchOf({ values: [value] }), { leaderEpoch: 0 });
    log.whenDurable(append, resolve);
  });
}

const reopen = async (bench: LogBench): Promise<{ manager: LogManager; log: UnifiedLog }> => {
  const manager = await bench.open();
  return { manager, log: manager.get(TOPIC, 0)! };
};

describe('a restart after a failed sync, without a reboot', () => {
  it('makes durable again what it found, before it acknowledges anything after it', async () => {
    const bench = new LogBench();
    const first = await bench.open();
    const log = bench.create(first);
    expect(await appendDurably(log, 'acknowledged')).toBeUndefined();
    bench.files.failNext('datasync', 'EIO', /\.log$/);
    expect(await appendDurably(log, 'in the cache only')).toBeDefined();

    bench.files = bench.files.kill();
    const second = await reopen(bench);
    expect(second.log.logEndOffset).toBe(2);
    expect(await appendDurably(second.log, 'acknowledged later')).toBeUndefined();
    await second.manager.close();

    bench.files = bench.files.cut();
    const third = await reopen(bench);
    expect(third.manager.offlinePartitions.size).toBe(0);
    expect(third.log.logEndOffset).toBe(3);
    await third.manager.close();
  });

  it('syncs the cut of a write that found no space, before it calls the end clean', async () => {
    const bench = new LogBench();
    const manager = await bench.open();
    const log = bench.create(manager);
    expect(await appendDurably(log, 'acknowledged')).toBeUndefined();
    bench.files.freeBytes = 20;
    expect(await appendDurably(log, 'no space for this')).toBeDefined();
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    await manager.close();

    bench.files = bench.files.cut();
    const again = await reopen(bench);
    expect(again.manager.offlinePartitions.size).toBe(0);
    expect(again.log.logEndOffset).toBe(1);
    await again.manager.close();
  });
});
