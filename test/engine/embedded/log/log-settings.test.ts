/** Settings of a topic that take force while its logs are open. */
import { expect, test } from 'vitest';
import { SEGMENT_MS_MIN } from '../../../../src/engine/embedded/log/log-config.ts';
import type { UnifiedLog } from '../../../../src/engine/embedded/log/unified-log.ts';
import { append, LogBench, nextTurn, written } from './log-fixture.ts';

const HOUR_MS = 3_600_000;

async function openedLog(bench: LogBench): Promise<UnifiedLog> {
  return bench.create(await bench.open());
}

async function appendOne(log: UnifiedLog): Promise<void> {
  expect(await written(log, append(log))).toBeUndefined();
}

/** Enough for any sync that is wanted. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
}

test('flush.messages syncs as soon as so many records wait', async () => {
  const log = await openedLog(new LogBench({ flushMessages: 3, flushMs: HOUR_MS }));
  await appendOne(log);
  await appendOne(log);
  await settle();
  expect(log.highWatermark).toBe(0);
  await appendOne(log);
  await expect.poll(() => log.highWatermark).toBe(3);
});

test('a smaller flush.messages and a shorter flush.ms hold for what waits already', async () => {
  const bench = new LogBench({ flushMs: HOUR_MS });
  const log = await openedLog(bench);
  await appendOne(log);
  log.updateConfig({ ...log.config, flushMessages: 1 });
  await expect.poll(() => log.highWatermark).toBe(1);

  log.updateConfig({ ...log.config, flushMessages: Number.MAX_SAFE_INTEGER });
  await appendOne(log);
  log.updateConfig({ ...log.config, flushMs: 500 });
  bench.clock.advance(499);
  await settle();
  expect(log.highWatermark).toBe(1);
  bench.clock.advance(1);
  await expect.poll(() => log.highWatermark).toBe(2);
});

test('a smaller segment.bytes holds for the next append', async () => {
  const log = await openedLog(new LogBench());
  await appendOne(log);
  log.updateConfig({ ...log.config, segmentBytes: log.local.active.sizeBytes });
  await appendOne(log);
  expect(log.local.segments.map(({ baseOffset }) => baseOffset)).toEqual([0, 1]);
});

test('segment.jitter.ms closes each segment at an age of its own, never below the floor', async () => {
  const bench = new LogBench({ segmentMs: HOUR_MS, segmentJitterMs: HOUR_MS });
  const manager = await bench.open();
  const ages = Array.from({ length: 50 }, (_, partition) => {
    const log = bench.create(manager, partition);
    const age = log.local.active.ageMaxMs(log.config);
    expect(log.local.active.ageMaxMs(log.config)).toBe(age);
    return age;
  });
  expect(new Set(ages).size).toBeGreaterThan(40);
  expect(Math.min(...ages)).toBeGreaterThanOrEqual(SEGMENT_MS_MIN);
  expect(Math.max(...ages)).toBeLessThanOrEqual(HOUR_MS);
  await manager.close();
});
