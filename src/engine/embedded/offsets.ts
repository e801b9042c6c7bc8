/**
 * Offsets of the embedded log by time and by leader epoch: ListOffsets and OffsetForLeaderEpoch.
 * Invariant: no offset above the high watermark is ever named.
 */

import { StorageError } from '../../base/errors.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  ListOffsetsPartition,
  ListOffsetsPartitionResponse,
  ListOffsetsRequest,
  ListOffsetsResponse,
} from '../../protocol/schemas/02-list-offsets.ts';
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
  OffsetForLeaderPartition,
} from '../../protocol/schemas/23-offset-for-leader-epoch.ts';
import type { EngineCall } from '../engine.ts';
import type { LedPartition, PartitionLookup } from './partition-lookup.ts';

/** The timestamps that are no timestamps (ListOffsetsRequest), with the version each came in. */
const Special = {
  LATEST: -1,
  EARLIEST: -2,
  MAX_TIMESTAMP: -3,
  EARLIEST_LOCAL: -4,
  LATEST_TIERED: -5,
  EARLIEST_PENDING_UPLOAD: -6,
} as const;
const SINCE_VERSION: Readonly<Record<number, number>> = {
  [Special.LATEST]: 0,
  [Special.EARLIEST]: 0,
  [Special.MAX_TIMESTAMP]: 7,
  [Special.EARLIEST_LOCAL]: 8,
  [Special.LATEST_TIERED]: 9,
  [Special.EARLIEST_PENDING_UPLOAD]: 11,
};

/** The first version whose answer has room for the leader epoch. */
const LEADER_EPOCH_SINCE = 4;

interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

const NOTHING: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export class Offsets {
  readonly #lookup: PartitionLookup;

  constructor(lookup: PartitionLookup) {
    this.#lookup = lookup;
  }

  async list(request: ListOffsetsRequest, call: EngineCall): Promise<ListOffsetsResponse> {
    const topics = await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map((partition) => this.#find(name, partition, call.apiVersion)),
        ),
      })),
    );
    return { throttleTimeMs: 0, topics };
  }

  async #find(
    topic: string,
    { partitionIndex, currentLeaderEpoch, timestamp }: ListOffsetsPartition,
    apiVersion: number,
  ): Promise<ListOffsetsPartitionResponse> {
    const answer = (errorCode: number, found: Found): ListOffsetsPartitionResponse => ({
      partitionIndex,
      errorCode,
      ...found,
      leaderEpoch: apiVersion >= LEADER_EPOCH_SINCE ? found.leaderEpoch : -1,
    });
    const led = this.#lookup.led(topic, partitionIndex);
    if (typeof led === 'number') return answer(led, NOTHING);
    const fenced = fencing(currentLeaderEpoch, led);
    if (fenced !== ErrorCode.NONE) return answer(fenced, NOTHING);
    if (timestamp < 0 && !(apiVersion >= (SINCE_VERSION[timestamp] ?? Number.POSITIVE_INFINITY))) {
      return answer(ErrorCode.UNSUPPORTED_VERSION, NOTHING);
    }
    try {
      return answer(ErrorCode.NONE, await lookFor(led, timestamp));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return answer(ErrorCode.KAFKA_STORAGE_ERROR, NOTHING);
    }
  }

  forLeaderEpoch(request: OffsetForLeaderEpochRequest): OffsetForLeaderEpochResponse {
    const topics = request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => this.#epochEnd(topic, partition)),
    }));
    return { throttleTimeMs: 0, topics };
  }

  #epochEnd(
    topic: string,
    { partition, currentLeaderEpoch, leaderEpoch }: OffsetForLeaderPartition,
  ) {
    const unknown = { partition, leaderEpoch: -1, endOffset: -1 };
    const led = this.#lookup.led(topic, partition);
    if (typeof led === 'number') return { ...unknown, errorCode: led };
    const fenced = fencing(currentLeaderEpoch, led);
    if (fenced !== ErrorCode.NONE) return { ...unknown, errorCode: fenced };
    const end = led.log.endOffsetForEpoch(leaderEpoch);
    if (end === undefined) return { ...unknown, errorCode: ErrorCode.NONE };
    return {
      partition,
      errorCode: ErrorCode.NONE,
      leaderEpoch: end.leaderEpoch,
      endOffset: Math.min(end.endOffset, led.log.highWatermark),
    };
  }
}

async function lookFor({ log, leaderEpoch }: LedPartition, timestamp: number): Promise<Found> {
  const epochAt = (offset: number): number => {
    const epoch = log.epochs.epochForOffset(offset);
    return epoch === -1 ? leaderEpoch : epoch;
  };
  switch (timestamp) {
    case Special.LATEST:
      return { offset: log.highWatermark, timestamp: -1, leaderEpoch };
    case Special.EARLIEST:
    case Special.EARLIEST_LOCAL: {
      const offset = log.logStartOffset;
      return { offset, timestamp: -1, leaderEpoch: epochAt(offset) };
    }
    case Special.LATEST_TIERED:
    case Special.EARLIEST_PENDING_UPLOAD:
      return NOTHING;
    default: {
      const found =
        timestamp === Special.MAX_TIMESTAMP
          ? await log.fetchOffsetOfMaxTimestamp()
          : await log.fetchOffsetByTimestamp(timestamp);
      if (found === undefined || found.offset >= log.highWatermark) return NOTHING;
      const { offset, timestampMs } = found;
      return { offset, timestamp: timestampMs, leaderEpoch: epochAt(offset) };
    }
  }
}

function fencing(currentLeaderEpoch: number, led: LedPartition): number {
  if (currentLeaderEpoch === -1 || currentLeaderEpoch === led.leaderEpoch) return ErrorCode.NONE;
  return currentLeaderEpoch < led.leaderEpoch
    ? ErrorCode.FENCED_LEADER_EPOCH
    : ErrorCode.UNKNOWN_LEADER_EPOCH;
}
