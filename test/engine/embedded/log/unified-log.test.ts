import { describe, expect, test } from 'vitest';
import type { ReadRequest } from '../../../../src/engine/embedded/log/log-read.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import {
  baseOffset,
  CompressionCodec,
  partitionLeaderEpoch,
} from '../../../../src/protocol/records/record-batch.ts';
import { buildCompressedRecordBatch } from '../../../../src/protocol/records/record-batch-builder.ts';
import { append, batchOf, durable, LogBench, nextTurn, written } from './log-fixture.ts';

const ALL: ReadRequest = {
  fetchOffset: 0,
  maxBytes: 1_000_000,
  minOneMessage: true,
  upTo: 'highWatermark',
};

async function openedLog(bench = new LogBench()) {
  const manager = await bench.open();
  return { bench, manager, log: bench.create(manager) };
}

describe('append', () => {
  test('gives offsets and the leader epoch in place', async () => {
    const { log } = await openedLog();
    const first = batchOf({ values: ['a', 'b', 'c'] });
    const second = batchOf();
    log.append(first, { leaderEpoch: 4 });
    const result = log.append(second, { leaderEpoch: 4 });
    expect([result.errorCode, result.baseOffset, result.lastOffset]).toEqual([0, 3, 3]);
    expect([baseOffset(second, 0), partitionLeaderEpoch(second, 0)]).toEqual([3, 4]);
    expect(log.logEndOffset).toBe(4);
  });

  test('writes what one turn queued at its end, and no reader sees it before', async () => {
    const { log, bench } = await openedLog();
    for (let count = 0; count < 10; count += 1) append(log);
    expect(log.writtenEndOffset).toBe(0);
    expect(bench.files.statSync(bench.path('00000000000000000000.log'))).toBeUndefined();
    await nextTurn();
    expect(log.writtenEndOffset).toBe(10);
    const result = await log.read({ ...ALL, upTo: 'logEnd' });
    expect(result.records.length).toBe(10 * batchOf().length);
  });

  test('writes at once when much is queued, and tells nobody from within the append', async () => {
    const { log } = await openedLog(new LogBench({}, { pendingBytesMax: 500 }));
    const told: number[] = [];
    const first = append(log);
    log.whenWritten(first, () => told.push(0));
    for (let count = 0; count < 8; count += 1) append(log);
    expect(log.writtenEndOffset).toBeGreaterThan(0);
    expect(told).toEqual([]);
    await nextTurn();
    expect(told).toEqual([0]);
  });

  test('a waiter that appends in the midst of a roll breaks no segment', async () => {
    const { log } = await openedLog(new LogBench({ segmentBytes: 200 }));
    const first = append(log);
    log.whenWritten(first, () => {
      for (let count = 0; count < 5; count += 1) append(log);
    });
    for (let count = 0; count < 5; count += 1) append(log);
    await log.flush();
    await log.flush();
    const offsets: number[] = [];
    for (let fetchOffset = 0; fetchOffset < log.highWatermark; fetchOffset += 1) {
      const { records } = await log.read({ ...ALL, fetchOffset, maxBytes: 1 });
      offsets.push(baseOffset(records, 0));
    }
    expect(offsets).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('refuses a batch larger than a segment', async () => {
    const { log } = await openedLog(new LogBench({ segmentBytes: 100 }));
    const result = append(log, { values: ['x'.repeat(100)] });
    expect(result.errorCode).toBe(ErrorCode.RECORD_LIST_TOO_LARGE);
    expect(log.logEndOffset).toBe(0);
  });

  test('a repeated batch answers with its first offset and waits for its first copy', async () => {
    const { log } = await openedLog();
    const spec = { producerId: 1, producerEpoch: 0, baseSequence: 0, timestampMs: 55 };
    append(log);
    append(log, spec);
    const repeated = append(log, spec);
    expect(repeated.isDuplicate).toBe(true);
    expect([repeated.baseOffset, repeated.timestampMs]).toEqual([1, 55]);
    expect(log.logEndOffset).toBe(2);
    expect(await durable(log, repeated)).toBeUndefined();
    expect(log.highWatermark).toBe(2);
  });

  test.each([
    [{ baseSequence: 5 }, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER],
    [{ producerEpoch: 2, baseSequence: 1 }, ErrorCode.INVALID_PRODUCER_EPOCH],
  ])('answers %j with error %i as a value', async (spec, errorCode) => {
    const { log } = await openedLog();
    append(log, { producerId: 1, producerEpoch: 3, baseSequence: 0 });
    const result = append(log, { producerId: 1, producerEpoch: 3, ...spec });
    expect([result.errorCode, result.baseOffset]).toEqual([errorCode, -1]);
  });
});

describe('durability', () => {
  test('acks=1 waits for the write, acks=all for the sync that began after it', async () => {
    const { log, bench } = await openedLog();
    const result = append(log);
    const order: string[] = [];
    log.whenDurable(result, () => order.push('durable'));
    log.whenWritten(result, () => order.push('written'));
    await durable(log, result);
    expect(order).toEqual(['written', 'durable']);
    expect(bench.files.datasyncCount).toBeGreaterThan(0);
    expect(log.highWatermark).toBe(1);
  });

  test('one sync serves all that was written before it', async () => {
    const { log, bench } = await openedLog();
    await durable(log, append(log));
    const before = bench.files.datasyncCount;
    const waits: Promise<Error | undefined>[] = [];
    for (let count = 0; count < 50; count += 1) waits.push(durable(log, append(log)));
    await Promise.all(waits);
    expect(bench.files.datasyncCount).toBe(before + 1);
  });

  test('at most the permitted number of syncs is under way over all logs', async () => {
    const bench = new LogBench({}, { syncsInFlightMax: 2 });
    const manager = await bench.open();
    let underWay = 0;
    let most = 0;
    const open = bench.files.openSync.bind(bench.files);
    bench.files.openSync = (path, mode) => {
      const handle = open(path, mode);
      const datasync = handle.datasync.bind(handle);
      handle.datasync = async () => {
        underWay += 1;
        most = Math.max(most, underWay);
        await datasync();
        underWay -= 1;
      };
      return handle;
    };
    const waits: Promise<Error | undefined>[] = [];
    for (let partition = 0; partition < 20; partition += 1) {
      const log = bench.create(manager, partition);
      waits.push(durable(log, append(log)));
    }
    await Promise.all(waits);
    expect(most).toBe(2);
  });

  test('what nobody waits for is synced within flush.ms', async () => {
    const { log, bench } = await openedLog(new LogBench({ flushMs: 500 }));
    const result = append(log);
    await written(log, result);
    bench.clock.advance(499);
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    expect(log.highWatermark).toBe(0);
    const advanced = new Promise<void>((resolve) => {
      const poll = () => (log.highWatermark === 1 ? resolve() : setImmediate(poll));
      poll();
    });
    bench.clock.advance(1);
    await advanced;
  });

  test('tells listeners each time the high watermark moves, until they stop', async () => {
    const { log } = await openedLog();
    const seen: number[] = [];
    const stop = log.onHighWatermark((moved) => seen.push(moved.highWatermark));
    await durable(log, append(log));
    await durable(log, append(log));
    stop();
    await durable(log, append(log));
    expect(seen).toEqual([1, 2]);
  });

  test('a waiter for what is durable already is called at once', async () => {
    const { log } = await openedLog();
    const result = append(log);
    await durable(log, result);
    let called = false;
    log.whenDurable(result, () => {
      called = true;
    });
    expect(called).toBe(true);
  });
});

describe('segments', () => {
  const bases = (log: { local: { segments: readonly { baseOffset: number }[] } }) =>
    log.local.segments.map((segment) => segment.baseOffset);

  test('roll by size', async () => {
    const size = batchOf().length;
    const { log } = await openedLog(new LogBench({ segmentBytes: 2 * size }));
    for (let count = 0; count < 5; count += 1) append(log);
    expect(bases(log)).toEqual([0, 2, 4]);
    await log.flush();
    expect(log.local.segments.map((segment) => segment.sizeBytes)).toEqual([
      2 * size,
      2 * size,
      size,
    ]);
  });

  test('roll by age, but never while empty', async () => {
    const { log, bench } = await openedLog(new LogBench({ segmentMs: 1000 }));
    bench.clock.advance(5000);
    append(log);
    append(log);
    expect(bases(log)).toEqual([0]);
    bench.clock.advance(999);
    append(log);
    expect(bases(log)).toEqual([0]);
    bench.clock.advance(1);
    append(log);
    expect(bases(log)).toEqual([0, 3]);
  });

  test('roll when an index is full', async () => {
    const { log } = await openedLog(new LogBench({ segmentIndexBytes: 36, indexIntervalBytes: 1 }));
    for (let count = 0; count < 20; count += 1) {
      append(log, { timestampMs: 1000 + count });
      log.writePending();
    }
    expect(bases(log).length).toBeGreaterThan(1);
    for (const segment of log.local.segments) {
      expect(segment.offsetIndex.file.sizeBytes).toBeLessThanOrEqual(36);
      expect(segment.timeIndex.file.sizeBytes).toBeLessThanOrEqual(36);
    }
  });

  test('roll before relative offsets outgrow 32 bits', async () => {
    const { log } = await openedLog();
    const wide = batchOf();
    // A compacted batch may span many offsets with few bytes.
    wide.writeInt32BE(2 ** 31 - 2, 23);
    log.append(wide, { leaderEpoch: 0 });
    append(log);
    expect(bases(log)).toEqual([0]);
    append(log);
    expect(bases(log)).toEqual([0, 2 ** 31]);
  });

  test('keep the number of open files bounded', async () => {
    const bench = new LogBench({ segmentBytes: 300 }, { openFilesMax: 3 });
    const manager = await bench.open();
    const logs = [0, 1, 2, 3, 4, 5, 6, 7].map((partition) => bench.create(manager, partition));
    for (let round = 0; round < 10; round += 1) {
      for (const log of logs) append(log);
      await nextTurn();
    }
    // Beyond the limit: what is being synced, and beside it a new log's metadata file.
    const { syncsInFlightMax } = manager.directory.config;
    expect(bench.files.openHandleCountMax).toBeLessThanOrEqual(3 + 2 * syncsInFlightMax);
    await Promise.all(logs.map((log) => log.flush()));
    append(logs[0]!);
    await nextTurn();
    expect(manager.directory.openFiles.openCount).toBeLessThanOrEqual(3);
    for (const log of logs) {
      expect((await log.read({ ...ALL, upTo: 'logEnd' })).errorCode).toBe(0);
    }
    await manager.close();
    expect(bench.files.openHandleCount).toBe(0);
  });
});

describe('read', () => {
  async function filled(hotBytes = 1_000_000) {
    const opened = await openedLog(
      new LogBench(
        { segmentBytes: hotBytes > 200 ? 1_000_000 : 1000, indexIntervalBytes: 50 },
        { hotBytes },
      ),
    );
    for (let count = 0; count < 30; count += 1) append(opened.log, { values: ['a', `${count}`] });
    await opened.log.flush();
    return opened;
  }

  test.each([1_000_000, 0])(
    'begins with the batch that contains the offset (hot: %i)',
    async (hot) => {
      const { log } = await filled(hot);
      for (let fetchOffset = 0; fetchOffset < 60; fetchOffset += 1) {
        const { records } = await log.read({ ...ALL, fetchOffset, maxBytes: 10 });
        expect(baseOffset(records, 0)).toBe(fetchOffset - (fetchOffset % 2));
      }
    },
  );

  test.each([1_000_000, 0])('keeps to maxBytes except for a first batch (hot: %i)', async (hot) => {
    const { log } = await filled(hot);
    const size = batchOf({ values: ['a', '0'] }).length;
    const read = async (maxBytes: number, minOneMessage: boolean) =>
      (await log.read({ ...ALL, maxBytes, minOneMessage })).records.length;
    expect(await read(size - 1, true)).toBe(size);
    expect(await read(0, true)).toBe(size);
    expect(await read(size - 1, false)).toBe(0);
    expect(await read(0, false)).toBe(0);
    expect(await read(size, false)).toBe(size);
    expect(await read(size + 7, false)).toBe(size + 7);
  });

  test('answers at once near the end and with a promise far from it', async () => {
    const { log } = await filled(200);
    expect(log.read({ ...ALL, fetchOffset: 58 })).not.toBeInstanceOf(Promise);
    expect(log.read({ ...ALL, fetchOffset: 0 })).toBeInstanceOf(Promise);
  });

  test('refuses offsets outside the log', async () => {
    const { log } = await filled();
    for (const fetchOffset of [-1, 61]) {
      const result = await log.read({ ...ALL, fetchOffset });
      expect([result.errorCode, result.highWatermark]).toEqual([ErrorCode.OFFSET_OUT_OF_RANGE, -1]);
    }
    const atEnd = await log.read({ ...ALL, fetchOffset: 60 });
    expect([atEnd.errorCode, atEnd.records.length]).toEqual([0, 0]);
  });

  test('shows nothing beyond the high watermark unless asked for the log end', async () => {
    const { log } = await filled();
    const result = append(log);
    await written(log, result);
    const synced = await log.read({ ...ALL, fetchOffset: 60 });
    expect([synced.errorCode, synced.records.length]).toEqual([0, 0]);
    const all = await log.read({ ...ALL, fetchOffset: 60, upTo: 'logEnd' });
    expect(all.records.length).toBe(batchOf().length);
    const before = await log.read({ ...ALL, fetchOffset: 58 });
    expect(before.records.length).toBe(batchOf({ values: ['a', '29'] }).length);
  });

  test('puts the bytes where the caller says', async () => {
    const { log } = await filled();
    const pool = Buffer.alloc(4096);
    const { records } = await log.read({ ...ALL, allocate: (bytes) => pool.subarray(0, bytes) });
    expect(records.buffer).toBe(pool.buffer);
  });
});

describe('searches', () => {
  test.each(Object.entries(CompressionCodec))(
    'find the record by its time within %s',
    async (_, codec) => {
      const { log } = await openedLog(
        new LogBench({ segmentBytes: 2000, indexIntervalBytes: 100 }),
      );
      const times: number[] = [];
      for (let count = 0; count < 40; count += 1) {
        const records = [3, 1, 2].map((step) => ({
          timestampMs: count * 10 + step,
          key: null,
          value: Buffer.from('payload '.repeat(5)),
        }));
        times.push(...records.map((record) => record.timestampMs));
        const batch = await buildCompressedRecordBatch(records, codec);
        log.append(batch, { leaderEpoch: 2 });
      }
      await log.flush();
      expect(log.local.segments.length).toBeGreaterThan(1);
      for (const target of [0, 1, 2, 3, 4, 151, 152, 153, 154, 392, 393]) {
        const offset = times.findIndex((time) => time >= target);
        expect(await log.fetchOffsetByTimestamp(target), `time ${target}`).toEqual({
          offset,
          timestampMs: times[offset],
          leaderEpoch: 2,
        });
      }
      expect(await log.fetchOffsetByTimestamp(394)).toBeUndefined();
      expect(await log.fetchOffsetOfMaxTimestamp()).toEqual({
        offset: 117,
        timestampMs: 393,
        leaderEpoch: 2,
      });
    },
  );

  test('find nothing in an empty log', async () => {
    const { log } = await openedLog();
    expect(await log.fetchOffsetByTimestamp(0)).toBeUndefined();
    expect(await log.fetchOffsetOfMaxTimestamp()).toBeUndefined();
  });

  test('tell where each leader epoch ends', async () => {
    const { log } = await openedLog();
    for (const leaderEpoch of [1, 1, 4]) log.append(batchOf(), { leaderEpoch });
    expect(log.endOffsetForEpoch(0)).toBeUndefined();
    expect(log.endOffsetForEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 2 });
    expect(log.endOffsetForEpoch(3)).toEqual({ leaderEpoch: 1, endOffset: 2 });
    expect(log.endOffsetForEpoch(4)).toEqual({ leaderEpoch: 4, endOffset: 3 });
    expect(log.endOffsetForEpoch(9)).toEqual({ leaderEpoch: 4, endOffset: 3 });
  });
});
