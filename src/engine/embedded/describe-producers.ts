/**
 * Answers which producers a partition's log remembers (DescribeProducers). A partition that a
 * request names twice is answered once; beyond a number of producers in one answer the partitions
 * that follow are refused, so that a small request cannot have a huge answer. The first is told
 * whole, so that every partition can be described.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  DescribeProducersRequest,
  DescribeProducersResponse,
  PartitionResponse,
  ProducerState,
} from '../../protocol/schemas/61-describe-producers.ts';
import { Turns } from './in-turns.ts';
import type { ProducerEntry } from './log/producer-state.ts';
import type { PartitionLookup } from './partition-lookup.ts';

const PRODUCERS_PER_ANSWER_MAX = 50_000;

export async function describeProducers(
  lookup: PartitionLookup,
  request: DescribeProducersRequest,
  producersMax = PRODUCERS_PER_ANSWER_MAX,
): Promise<DescribeProducersResponse> {
  const turns = new Turns();
  const asked = new Map<string, Set<number>>();
  for (const { name, partitionIndexes } of request.topics) {
    if (turns.isOver) await turns.next();
    const indexes = asked.get(name) ?? new Set();
    for (const index of partitionIndexes) {
      if (turns.isOver) await turns.next();
      indexes.add(index);
    }
    asked.set(name, indexes);
  }
  const topics: DescribeProducersResponse['topics'] = [];
  let left = producersMax;
  for (const [name, indexes] of asked) {
    if (turns.isOver) await turns.next();
    const partitions: PartitionResponse[] = [];
    for (const partitionIndex of indexes) {
      if (turns.isOver) await turns.next();
      const led = lookup.led(name, partitionIndex);
      const errorCode =
        typeof led === 'number'
          ? led
          : led.log.failure === undefined
            ? ErrorCode.NONE
            : ErrorCode.KAFKA_STORAGE_ERROR;
      if (typeof led === 'number' || errorCode !== ErrorCode.NONE) {
        partitions.push({ ...answer(partitionIndex), errorCode });
        continue;
      }
      if (left <= 0) {
        partitions.push(tooMany(partitionIndex));
        continue;
      }
      const activeProducers: ProducerState[] = [];
      for (const entry of led.log.producers.entries()) {
        if (turns.isOver) await turns.next();
        activeProducers.push(producer(entry));
      }
      left -= Math.max(1, activeProducers.length);
      partitions.push({ ...answer(partitionIndex), activeProducers });
    }
    topics.push({ name, partitions });
  }
  return { throttleTimeMs: 0, topics };
}

function answer(partitionIndex: number): PartitionResponse {
  return { partitionIndex, errorCode: ErrorCode.NONE, errorMessage: null, activeProducers: [] };
}

function tooMany(partitionIndex: number): PartitionResponse {
  const errorMessage = 'The answer would be too large: ask for fewer partitions at a time.';
  return { ...answer(partitionIndex), errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}

function producer(entry: ProducerEntry): ProducerState {
  return {
    producerId: entry.producerId,
    producerEpoch: entry.epoch,
    lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: entry.timestampMs,
    coordinatorEpoch: entry.coordinatorEpoch,
    currentTxnStartOffset: entry.currentTxnFirstOffset,
  };
}
