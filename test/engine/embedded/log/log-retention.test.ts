/** Retention and the beginning of a log: what goes, when, and what stays readable. */
import { describe, expect, test } from 'vitest';
import type { LogManager } from '../../../../src/engine/embedded/log/log-manager.ts';
import type { ReadResult } from '../../../../src/engine/embedded/log/log-read.ts';
import type { UnifiedLog } from '../../../../src/engine/embedded/log/unified-log.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { append, batchOf, DIRECTORY, durable, LogBench, nextTurn } from './log-fixture.ts';

const VALUE = 'x'.repeat(100);
const BATCH_BYTES = batchOf({ values: [VALUE] }).length;
/** Three batches a segment. */
const SEGMENT_BYTES = 3 * BATCH_BYTES;
const HOUR_MS = 3_600_000;

interface Opened {
  readonly manager: LogManager;
  readonly log: UnifiedLog;
}

async function opened(bench: LogBench): Promise<Opened> {
  const manager = await bench.open();
  return { manager, log: manager.get('t', 0) ?? bench.create(manager) };
}

/** Batches of one record, all durable. */
async function fill(bench: LogBench, log: UnifiedLog, count: number, more = {}): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const spec = { values: [VALUE], timestampMs: bench.clock.nowMs(), ...more };
    expect(await durable(log, append(log, spec))).toBeUndefined();
  }
}

const bases = ({ local }: UnifiedLog): number[] => local.segments.map((one) => one.baseOffset);
const read = async (log: UnifiedLog, fetchOffset: number): Promise<ReadResult> =>
  log.read({ fetchOffset, maxBytes: 1e6, minOneMessage: true, upTo: 'highWatermark' });
const logFiles = (bench: LogBench): string[] =>
  bench.files
    .readdirSync(`${DIRECTORY}/t-0`)
    .filter((name) => !name.startsWith('partition') && !name.startsWith('leader'))
    .sort();

describe('retention', () => {
  test('by time takes whole segments whose youngest record is too old', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES, retentionMs: 2 * HOUR_MS });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 6);
    bench.clock.advance(HOUR_MS);
    await fill(bench, log, 4);
    bench.clock.advance(HOUR_MS);
    await manager.retention.check();
    expect(bases(log)).toEqual([0, 3, 6, 9]);
    bench.clock.advance(1);
    await manager.retention.check();
    expect(bases(log)).toEqual([6, 9]);
    expect(log.logStartOffset).toBe(6);
    expect((await read(log, 5)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await read(log, 6)).records.length).toBe(3 * BATCH_BYTES);
    await manager.close();
  });

  test('closes and takes an expired active segment, and the log goes on from there', async () => {
    const bench = new LogBench({ retentionMs: HOUR_MS });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 4);
    bench.clock.advance(HOUR_MS + 1);
    await manager.retention.check();
    expect(bases(log)).toEqual([4]);
    expect([log.logStartOffset, log.highWatermark]).toEqual([4, 4]);
    expect((await read(log, 4)).errorCode).toBe(ErrorCode.NONE);
    await manager.retention.check();
    bench.kill();
    const again = await opened(bench);
    expect([again.log.logStartOffset, again.log.logEndOffset]).toEqual([4, 4]);
    await fill(bench, again.log, 1);
    expect((await read(again.log, 4)).records.length).toBe(BATCH_BYTES);
    await again.manager.close();
  });

  test('by size leaves at least retention.bytes', async () => {
    const retentionBytes = 2 * SEGMENT_BYTES;
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES, retentionBytes });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 8);
    await manager.retention.check();
    // Without the first 5/3 segments' worth would be left: less than two.
    expect(bases(log)).toEqual([0, 3, 6]);
    await fill(bench, log, 4);
    await manager.retention.check();
    expect(bases(log)).toEqual([6, 9]);
    await manager.close();
  });

  test('runs every log.retention.check.interval.ms, and for settings that were changed', async () => {
    const limits = { retentionCheckIntervalMs: 60_000 };
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES }, limits);
    const { manager, log } = await opened(bench);
    await fill(bench, log, 9);
    bench.clock.advance(60_000);
    await manager.retention.check();
    expect(bases(log)).toEqual([0, 3, 6]);
    log.updateConfig({ ...log.config, retentionBytes: 0 });
    bench.clock.advance(60_000);
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
    expect(log.logStartOffset).toBe(9);
    await manager.close();
  });

  test('never takes what is not synced, and leaves an empty log alone', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES, retentionBytes: 0 });
    const { manager, log } = await opened(bench);
    await manager.retention.check();
    for (let count = 0; count < 7; count += 1) append(log, { values: [VALUE] });
    log.writePending();
    await manager.retention.check();
    expect([log.highWatermark, log.logStartOffset]).toEqual([0, 0]);
    await log.flush();
    await manager.retention.check();
    expect([log.logStartOffset, log.highWatermark]).toEqual([7, 7]);
    await manager.close();
  });

  test('a record from the future holds its segment, one without a time counts from its arrival', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES, retentionMs: HOUR_MS });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 3, { timestampMs: -1 });
    await fill(bench, log, 3, { timestampMs: bench.clock.nowMs() + HOUR_MS });
    await fill(bench, log, 1);
    bench.clock.advance(HOUR_MS + 1);
    await manager.retention.check();
    expect(log.logStartOffset).toBe(3);
    await manager.close();
  });

  test('goes on with the other logs when one is deleted in its midst', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES, retentionBytes: 0 });
    const { manager, log } = await opened(bench);
    const other = bench.create(manager, 1);
    await fill(bench, log, 7);
    await fill(bench, other, 7);
    const checked = manager.retention.check();
    await Promise.resolve();
    manager.delete('t', 0);
    const anew = bench.create(manager, 0);
    await fill(bench, anew, 1);
    await checked;
    expect(manager.failure).toBeUndefined();
    expect(other.logStartOffset).toBe(7);
    expect([anew.logStartOffset, (await read(anew, 0)).records.length]).toEqual([0, BATCH_BYTES]);
    await manager.close();
  });

  test('makes room on a full disk, though there is none to say so', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 10);
    await manager.checkpoint();
    log.updateConfig({ ...log.config, retentionBytes: 0 });
    bench.files.freeBytes = 0;
    await manager.retention.check();
    expect(manager.failure).toBeUndefined();
    expect(bases(log)).not.toContain(0);
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    await manager.retention.check();
    expect(bases(log)).toEqual([10]);
    bench.kill();
    const again = await opened(bench);
    expect(again.log.logStartOffset).toBe(10);
    await again.manager.close();
  });
});

describe('the beginning of a log', () => {
  test('moves inside a segment, is durable, and takes what lies wholly below', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 8);
    expect(log.advanceLogStart(4)).toBe(true);
    expect(log.advanceLogStart(4)).toBe(false);
    expect(log.advanceLogStart(9)).toBe(false);
    await manager.persistLogStarts([log]);
    expect(log.durable.logStartOffset).toBe(4);
    manager.retention.removeBelowStart(log);
    await manager.retention.check();
    expect(bases(log)).toEqual([3, 6]);
    expect((await read(log, 3)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await read(log, 4)).errorCode).toBe(ErrorCode.NONE);
    bench.files = bench.files.cut();
    const again = await opened(bench);
    expect([again.log.logStartOffset, again.log.logEndOffset]).toEqual([4, 8]);
    expect((await read(again.log, 3)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    expect((await again.log.fetchOffsetByTimestamp(0))?.offset).toBe(4);
    await again.manager.close();
  });

  test('is gone from the disk: no file of a removed segment stays, after a restart neither', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 8);
    log.advanceLogStart(log.highWatermark);
    await manager.persistLogStarts([log]);
    manager.retention.removeBelowStart(log);
    await manager.retention.check();
    const first = bases(log)[0]!;
    const isOld = (name: string): boolean => Number.parseInt(name, 10) < first;
    expect(logFiles(bench).filter(isOld)).toEqual([]);
    await manager.close();
    const again = await opened(bench);
    expect(logFiles(bench).filter(isOld)).toEqual([]);
    await again.manager.close();
  });

  test('keeps what is known of a producer whose batches are all gone', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES });
    const { manager, log } = await opened(bench);
    const producer = { producerId: 7, producerEpoch: 0, values: [VALUE] };
    for (const baseSequence of [0, 1, 2]) {
      await durable(log, append(log, { ...producer, baseSequence }));
    }
    await fill(bench, log, 5);
    log.advanceLogStart(8);
    await manager.persistLogStarts([log]);
    manager.retention.removeBelowStart(log);
    await manager.retention.check();
    expect(bases(log)[0]).toBeGreaterThan(2);
    bench.files = bench.files.cut();
    const again = await opened(bench);
    const repeated = append(again.log, { ...producer, baseSequence: 1 });
    expect([repeated.isDuplicate, repeated.baseOffset]).toEqual([true, 1]);
    await again.manager.close();
  });

  test('the youngest record is looked for above it only', async () => {
    const bench = new LogBench();
    const { manager, log } = await opened(bench);
    await fill(bench, log, 1, { timestampMs: 9000 });
    await fill(bench, log, 1, { timestampMs: 5000 });
    await fill(bench, log, 1, { timestampMs: 4000 });
    log.advanceLogStart(1);
    expect(await log.fetchOffsetOfMaxTimestamp()).toMatchObject({ offset: 1, timestampMs: 5000 });
    await manager.close();
  });

  test('a youngest record that was looked for is not looked for in what was read before', async () => {
    const bench = new LogBench();
    const { manager, log } = await opened(bench);
    await fill(bench, log, 1, { timestampMs: 9000 });
    await fill(bench, log, 1, { timestampMs: 5000 });
    for (let count = 0; count < 3; count += 1) await fill(bench, log, 1, { timestampMs: 4000 });
    log.advanceLogStart(1);
    const segment = log.local.segments[0]!;
    const reads: number[] = [];
    const pinned = segment.file.whilePinned.bind(segment.file);
    segment.file.whilePinned = (use) =>
      pinned((handle) => {
        const read = handle.read.bind(handle);
        const counted = Object.create(handle) as typeof handle;
        counted.read = (buffer, position) => {
          reads.push(position);
          return read(buffer, position);
        };
        return use(counted);
      });
    const newest = () => log.fetchOffsetOfMaxTimestamp();
    expect(await newest()).toMatchObject({ offset: 1, timestampMs: 5000 });
    const firstReads = reads.splice(0);
    expect(firstReads).toHaveLength(2);
    expect(await newest()).toMatchObject({ offset: 1, timestampMs: 5000 });
    // Only the batch that was found.
    expect(reads.splice(0)).toEqual([firstReads[1]]);
    await fill(bench, log, 1, { timestampMs: 6000 });
    expect(await newest()).toMatchObject({ offset: 5, timestampMs: 6000 });
    log.advanceLogStart(2);
    expect(await newest()).toMatchObject({ offset: 5, timestampMs: 6000 });
    log.advanceLogStart(6);
    expect(await newest()).toBeUndefined();
    await fill(bench, log, 1, { timestampMs: 3000 });
    expect(await newest()).toMatchObject({ offset: 6, timestampMs: 3000 });
    await manager.close();
  });

  test('forgets the epochs that ended before it', async () => {
    const bench = new LogBench();
    const { log } = await opened(bench);
    for (const leaderEpoch of [1, 1, 4]) {
      await durable(log, log.append(batchOf(), { leaderEpoch }));
    }
    log.advanceLogStart(1);
    expect(log.endOffsetForEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 2 });
    log.advanceLogStart(2);
    expect(log.endOffsetForEpoch(1)).toBeUndefined();
    expect(log.endOffsetForEpoch(4)).toEqual({ leaderEpoch: 4, endOffset: 3 });
    // The beginning never became durable: the epochs below it are known again.
    await log.checkpoint(false);
    bench.files = bench.files.cut();
    const again = await opened(bench);
    expect(again.log.logStartOffset).toBe(0);
    expect(again.log.endOffsetForEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 2 });
    await again.manager.close();
  });

  test('a cold read under way when its segment goes is out of range, and no failure', async () => {
    const bench = new LogBench({ segmentBytes: SEGMENT_BYTES }, { hotBytes: 0 });
    const { manager, log } = await opened(bench);
    await fill(bench, log, 8);
    await manager.checkpoint();
    for (const turns of [0, 1, 2, 3, 4, 5, 6]) {
      const reading = read(log, log.logStartOffset);
      const searching = log.fetchOffsetByTimestamp(0);
      log.advanceLogStart(Math.min(log.highWatermark, log.logStartOffset + 1));
      const persisted = manager.persistLogStarts([log]);
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      await persisted;
      manager.retention.removeBelowStart(log);
      await manager.retention.check();
      const { errorCode } = await reading;
      expect([ErrorCode.NONE, ErrorCode.OFFSET_OUT_OF_RANGE]).toContain(errorCode);
      await searching;
    }
    expect(log.failure).toBeUndefined();
    await manager.close();
  });
});
