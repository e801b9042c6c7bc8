/** A file system that is really full: the appends fail, the log goes on when there is space. */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/base/clock.ts';
import { nodeFileSystem } from '../../../../src/base/file-system.ts';
import { DEFAULT_LOG_CONFIG } from '../../../../src/engine/embedded/log/log-config.ts';
import { LogManager } from '../../../../src/engine/embedded/log/log-manager.ts';
import type { UnifiedLog } from '../../../../src/engine/embedded/log/unified-log.ts';
import { batchSizeBytes } from '../../../../src/protocol/records/record-batch.ts';
import { removeDirectory, temporaryDirectory } from '../../../tools/temporary-directory.ts';
import { describeRequiring } from '../../../tools/tool-detection.ts';
import { batchOf, durable, TOPIC_ID } from './log-fixture.ts';

const CONFIG = { ...DEFAULT_LOG_CONFIG, segmentBytes: 100_000 };
const VALUE = 'x'.repeat(5000);

describeRequiring(['tmpfs'], 'a log on a tmpfs of 1 MiB', () => {
  let directory: string;

  beforeEach(() => {
    directory = temporaryDirectory('tmpfs');
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
    expect(mounted.status).toBe(0);
  });

  afterEach(() => {
    spawnSync('umount', ['-l', directory]);
    removeDirectory(directory);
  });

  const open = () =>
    LogManager.open({
      fileSystem: nodeFileSystem,
      clock: systemClock,
      directory: join(directory, 'log'),
      configFor: () => CONFIG,
    });

  /** Appends until one fails; how many were acknowledged. */
  async function fill(log: UnifiedLog): Promise<number> {
    for (let count = 0; count < 1000; count += 1) {
      const result = log.append(batchOf({ values: [VALUE] }), { leaderEpoch: 0 });
      const failure = await durable(log, result);
      if (failure === undefined) continue;
      expect(failure.message).toContain('ENOSPC');
      return count;
    }
    throw new Error('the disk never filled up');
  }

  test('acknowledges what is stored, refuses the rest, and goes on after space was made', async () => {
    const ballast = join(directory, 'ballast');
    writeFileSync(ballast, Buffer.alloc(300_000));
    const manager = await open();
    const log = manager.create('t', 0, TOPIC_ID, CONFIG);
    const stored = await fill(log);
    expect(stored).toBeGreaterThan(50);
    expect(log.highWatermark).toBe(stored);
    expect(manager.failure).toBeUndefined();
    const wholeBytes = stored * batchSizeBytes(batchOf({ values: [VALUE] }), 0);
    const logBytes = readdirSync(log.local.path)
      .filter((name) => name.endsWith('.log'))
      .reduce((sum, name) => sum + statSync(join(log.local.path, name)).size, 0);
    expect(logBytes).toBe(wholeBytes);
    rmSync(ballast);
    expect(await fill(log)).toBeGreaterThan(20);
    const end = log.highWatermark;
    await manager.close().catch(() => undefined);
    const again = await open();
    expect([...again.offlinePartitions]).toEqual([]);
    expect(again.get('t', 0)?.highWatermark).toBe(end);
    await again.close().catch(() => undefined);
  });
});

test('the tmpfs is gone afterwards', () => {
  const mounts = spawnSync('mount', { encoding: 'utf8' }).stdout;
  expect(mounts).not.toMatch(/breakwater-tmpfs/);
});
