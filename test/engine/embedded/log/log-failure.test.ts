/** What the disk may do to a running log: fill up, break a sync, break a read. */
import { describe, expect, test } from 'vitest';
import { StorageError } from '../../../../src/base/errors.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { append, batchOf, durable, LogBench, nextTurn, TOPIC_ID, written } from './log-fixture.ts';

const FIRST_LOG = '00000000000000000000.log';
const PRODUCER = { producerId: 1, producerEpoch: 0 };

async function openedLog(bench = new LogBench()) {
  const manager = await bench.open();
  const log = bench.create(manager);
  await durable(log, append(log, { ...PRODUCER, baseSequence: 0 }));
  return { bench, manager, log };
}

describe('a full disk', () => {
  test('fails the queued appends, all of them, and leaves no trace of them', async () => {
    const { bench, manager, log } = await openedLog();
    const sizeBytes = bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes;
    const producer = log.producers.get(1);
    bench.files.freeBytes = 100;
    const first = log.append(batchOf({ ...PRODUCER, baseSequence: 1 }), { leaderEpoch: 5 });
    const second = append(log, { ...PRODUCER, baseSequence: 2 });
    const repeated = append(log, { ...PRODUCER, baseSequence: 2 });
    const failures = await Promise.all([
      written(log, first),
      durable(log, second),
      durable(log, repeated),
    ]);
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(StorageError);
      expect(failure?.message).toContain('ENOSPC');
    }
    expect([first.errorCode, first.baseOffset]).toEqual([ErrorCode.KAFKA_STORAGE_ERROR, -1]);
    expect(bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes).toBe(sizeBytes);
    expect([log.logEndOffset, log.writtenEndOffset]).toEqual([1, 1]);
    expect(log.producers.get(1)).toBe(producer);
    expect(log.endOffsetForEpoch(5)).toEqual({ leaderEpoch: 0, endOffset: 1 });
    expect(manager.failure).toBeUndefined();
  });

  test('fails a repeated batch with its first copy, also for who asks afterwards', async () => {
    const { bench, log } = await openedLog();
    bench.files.freeBytes = 0;
    append(log, { ...PRODUCER, baseSequence: 1 });
    const repeated = append(log, { ...PRODUCER, baseSequence: 1 });
    expect(repeated.isDuplicate).toBe(true);
    log.writePending();
    expect(repeated.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(await durable(log, repeated)).toBeInstanceOf(StorageError);
    expect(await written(log, repeated)).toBeInstanceOf(StorageError);
  });

  test('keeps serving reads, and takes the same batch once there is space', async () => {
    const { bench, log } = await openedLog();
    bench.files.freeBytes = 10;
    const refused = append(log, { ...PRODUCER, baseSequence: 1 });
    expect(await durable(log, refused)).toBeInstanceOf(StorageError);
    const request = { fetchOffset: 0, maxBytes: 1, minOneMessage: true, upTo: 'logEnd' as const };
    expect((await log.read(request)).records.length).toBeGreaterThan(0);
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    const accepted = append(log, { ...PRODUCER, baseSequence: 1 });
    expect(await durable(log, accepted)).toBeUndefined();
    expect(accepted.baseOffset).toBe(1);
    bench.kill();
    expect((await bench.open()).get('t', 0)?.highWatermark).toBe(2);
  });

  test('fails the batch whose append finds it, and the queued ones, in the midst of a turn', async () => {
    const { bench, log } = await openedLog(new LogBench({}, { pendingBytesMax: 300 }));
    bench.files.freeBytes = 0;
    const queued = append(log, { ...PRODUCER, baseSequence: 1 });
    const waiting = durable(log, queued);
    const results = [2, 3, 4].map((baseSequence) => append(log, { ...PRODUCER, baseSequence }));
    for (const result of results) expect(await written(log, result)).toBeInstanceOf(StorageError);
    expect(await waiting).toBeInstanceOf(StorageError);
    expect(log.logEndOffset).toBe(1);
  });

  test('fails a batch that must begin a new segment, and the log goes on later', async () => {
    const bench = new LogBench({ segmentBytes: 200 });
    const { log } = await openedLog(bench);
    bench.files.freeBytes = 0;
    for (let count = 0; count < 3; count += 1) {
      expect(await durable(log, append(log))).toBeInstanceOf(StorageError);
    }
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    for (let count = 1; count < 6; count += 1) {
      const result = append(log);
      expect(await durable(log, result)).toBeUndefined();
      expect(result.baseOffset).toBe(count);
    }
  });

  test('does not make a partition, and makes it later', async () => {
    const { bench, manager } = await openedLog();
    bench.files.freeBytes = 5;
    expect(() => bench.create(manager, 1)).toThrow(/not created.*ENOSPC/);
    expect(manager.get('t', 1)).toBeUndefined();
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    expect(append(bench.create(manager, 1)).baseOffset).toBe(0);
  });

  test('lets a checkpoint fail, and the older one stays true', async () => {
    const { bench, manager, log } = await openedLog();
    await manager.checkpoint();
    await durable(log, append(log));
    bench.files.freeBytes = 3;
    await expect(manager.checkpoint()).rejects.toThrow('ENOSPC');
    expect(manager.failure).toBeUndefined();
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    bench.files = bench.files.cut();
    expect((await bench.open()).get('t', 0)?.highWatermark).toBe(2);
  });
});

describe('the first failed sync', () => {
  test('takes the directory offline: nothing is acknowledged, written or synced again', async () => {
    const { bench, manager, log } = await openedLog();
    const other = bench.create(manager, 1);
    const offline: StorageError[] = [];
    manager.onOffline((failure) => offline.push(failure));
    bench.files.failNext('datasync', 'EIO');
    const failure = await durable(log, append(log));
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure?.message).toContain('offline until a restart');
    expect(offline).toEqual([failure]);
    const syncs = bench.files.datasyncCount;
    const size = bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes;
    for (const target of [log, other]) {
      const result = append(target);
      expect(result.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
      expect(await durable(target, result)).toBe(failure);
      const request = { fetchOffset: 0, maxBytes: 1, minOneMessage: true, upTo: 'logEnd' as const };
      expect((await target.read(request)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    }
    expect(() => manager.create('u', 0, TOPIC_ID, bench.config)).toThrow('offline');
    await expect(manager.checkpoint()).rejects.toThrow('offline');
    bench.clock.advance(1_000_000);
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    await manager.close();
    expect(bench.files.datasyncCount).toBe(syncs);
    expect(bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes).toBe(size);
    expect(bench.files.readdirSync('/log')).not.toContain('.kafka_cleanshutdown');
    expect(bench.files.openHandleCount).toBe(0);
  });

  test.each(['ENOSPC', 'EDQUOT', 'EIO'])('is fatal also as %s', async (code) => {
    const { bench, manager, log } = await openedLog();
    bench.files.failNext('datasync', code);
    expect(await durable(log, append(log))).toBeInstanceOf(StorageError);
    expect(manager.failure).toBeInstanceOf(StorageError);
  });

  test('of a folder is as fatal as that of a file', async () => {
    const bench = new LogBench();
    const manager = await bench.open();
    const log = bench.create(manager);
    bench.files.failNext('syncDirectory', 'EIO', /t-0/);
    expect(await durable(log, append(log))).toBeInstanceOf(StorageError);
    expect(log.highWatermark).toBe(0);
    expect(manager.failure).toBeInstanceOf(StorageError);
  });

  test('fails who waits in other logs too', async () => {
    const { bench, manager, log } = await openedLog();
    const other = bench.create(manager, 1);
    await durable(other, append(other));
    bench.files.failNext('datasync', 'EIO', /t-0/);
    const waits = [durable(log, append(log)), written(other, append(other))];
    const late = durable(other, append(other));
    expect(await waits[0]).toBeInstanceOf(StorageError);
    await late;
    expect(append(other).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  });

  test('when a descriptor is given up for another file is fatal too', async () => {
    const bench = new LogBench({}, { openFilesMax: 4 });
    const manager = await bench.open();
    const logs = [0, 1, 2, 3, 4].map((partition) => bench.create(manager, partition));
    bench.files.failNext('datasync', 'ENOSPC', /\.log$/);
    // All are written at the end of the same turn: the fifth needs another's descriptor.
    const results = logs.map((log) => written(log, append(log)));
    expect(await results[4]).toBeInstanceOf(StorageError);
    expect(manager.failure).toBeInstanceOf(StorageError);
  });
});

describe('input and output errors', () => {
  test('a write that fails with EIO takes the directory offline', async () => {
    const { bench, manager, log } = await openedLog();
    bench.files.failNext('write', 'EIO', /\.log$/);
    expect(await written(log, append(log))).toBeInstanceOf(StorageError);
    expect(manager.failure?.message).toContain('EIO');
  });

  test('a read that fails with EIO does so too', async () => {
    const { bench, manager, log } = await openedLog();
    bench.files.failNext('read', 'EIO', /\.log$/);
    const request = { fetchOffset: 0, maxBytes: 1, minOneMessage: true, upTo: 'logEnd' as const };
    expect((await log.read(request)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(manager.failure?.message).toContain('EIO');
  });

  test('a log whose bytes changed under it goes offline alone', async () => {
    const { bench, manager, log } = await openedLog();
    const other = bench.create(manager, 1);
    bench.overwrite(bench.path(FIRST_LOG), Buffer.alloc(70));
    const request = { fetchOffset: 0, maxBytes: 1, minOneMessage: true, upTo: 'logEnd' as const };
    expect((await log.read(request)).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(append(log).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(manager.failure).toBeUndefined();
    expect(await durable(other, append(other))).toBeUndefined();
  });

  test('too many open files are no damage: the append fails, the next one goes on', async () => {
    const bench = new LogBench();
    const manager = await bench.open();
    const log = bench.create(manager);
    bench.files.failNext('open', 'EMFILE', /\.log$/);
    bench.files.failNext('open', 'EMFILE', /\.log$/);
    const failure = await written(log, append(log));
    expect(failure?.message).toContain('EMFILE');
    expect(manager.failure).toBeUndefined();
    expect(await durable(log, append(log))).toBeUndefined();
  });

  test('what a failed write left behind is cut before a close, if it could not be at once', async () => {
    const { bench, manager, log } = await openedLog();
    const size = bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes;
    bench.files.freeBytes = 30;
    bench.files.failNext('truncate', 'ENOMEM', /\.log$/);
    expect(await written(log, append(log))).toBeInstanceOf(StorageError);
    expect(bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes).toBe(size! + 30);
    bench.files.freeBytes = Number.POSITIVE_INFINITY;
    await manager.close();
    expect(bench.files.statSync(bench.path(FIRST_LOG))?.sizeBytes).toBe(size);
    bench.kill();
    expect((await bench.open()).get('t', 0)?.highWatermark).toBe(1);
  });

  test('a deletion tells who waits, and its files go', async () => {
    const { bench, manager, log } = await openedLog();
    const waiting = durable(log, append(log));
    manager.delete('t', 0);
    expect((await waiting)?.message).toContain('deleted');
    expect(append(log).errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    const isGone = () => !bench.files.readdirSync('/log').some((name) => name.startsWith('t-'));
    while (!isGone()) await nextTurn();
    await manager.close();
    expect(manager.failure).toBeUndefined();
  });
});
