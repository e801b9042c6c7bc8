/** DeleteRecords where the disk is slow or refuses, and where a request names very much. */
import { expect, test } from 'vitest';
import { StorageError } from '../../../src/base/errors.ts';
import { DeletingRecords, type LogStarts } from '../../../src/engine/embedded/delete-records.ts';
import type { UnifiedLog } from '../../../src/engine/embedded/log/unified-log.ts';
import { ErrorCode } from '../../../src/protocol/error-codes.ts';
import { append, durable, LogBench, nextTurn } from './log/log-fixture.ts';

const { NONE, KAFKA_STORAGE_ERROR } = ErrorCode;

async function opened(persist: LogStarts['persistLogStarts']) {
  const bench = new LogBench();
  const manager = await bench.open();
  const log = bench.create(manager);
  for (let count = 0; count < 3; count += 1) await durable(log, append(log));
  const removed: UnifiedLog[] = [];
  const lookup = { led: () => ({ log }) };
  const logs: LogStarts = {
    persistLogStarts: persist,
    retention: { removeBelowStart: (one) => removed.push(one) },
  };
  const deleting = new DeletingRecords(lookup as never, logs, bench.clock);
  const request = (offsets: readonly number[]) => ({
    topics: [{ name: 't', partitions: offsets.map((offset) => ({ partitionIndex: 0, offset })) }],
    timeoutMs: 1000,
  });
  return { bench, log, deleting, request, removed };
}

test('an answer waits for the disk, whatever timeoutMs says', async () => {
  let written = (): void => {};
  const { bench, deleting, request } = await opened(
    () =>
      new Promise((resolve) => {
        written = resolve;
      }),
  );
  let isAnswered = false;
  const answering = deleting.delete({ ...request([2]), timeoutMs: 0 }).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await nextTurn();
  bench.clock.advance(60_000);
  await nextTurn();
  expect(isAnswered).toBe(false);
  written();
  const { topics } = await answering;
  expect(topics[0]!.partitions[0]).toMatchObject({ errorCode: NONE, lowWatermark: 2 });
});

test('what the disk refuses is a storage error, and no timer is left', async () => {
  const refused = async (): Promise<void> => {
    throw new StorageError('no space');
  };
  const { bench, deleting, request } = await opened(refused);
  const before = bench.clock.timerCount;
  const { topics } = await deleting.delete(request([2, 9]));
  expect(topics[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual([
    KAFKA_STORAGE_ERROR,
    ErrorCode.OFFSET_OUT_OF_RANGE,
  ]);
  expect(bench.clock.timerCount).toBe(before);
});

test('one write serves the whole request, and each partition is answered in its place', async () => {
  let writes = 0;
  const counted = async (): Promise<void> => {
    writes += 1;
  };
  const { log, deleting, request, removed } = await opened(counted);
  const { topics } = await deleting.delete(request([1, 2, -1, 0]));
  expect(topics[0]!.partitions).toEqual(
    [3, 3, 3, 3].map((lowWatermark) => ({ partitionIndex: 0, errorCode: NONE, lowWatermark })),
  );
  expect(writes).toBe(1);
  expect(removed).toContain(log);
});
