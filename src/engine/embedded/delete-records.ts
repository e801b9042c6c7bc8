/**
 * DeleteRecords on the embedded log: moves the beginning of logs, -1 meaning to the high watermark.
 *
 * Invariants: an answer without an error is given after the new beginning is durable, and nothing
 * deleted is served again, after a crash neither; what lies above the high watermark cannot be
 * deleted. Segments that lie wholly below go in the background. A request that names very many
 * partitions is worked on a few milliseconds a turn; one write of the checkpoint serves all that
 * wait for one. `timeoutMs` cuts nothing short: Kafka's is for other replicas, which a partition has
 * none of, and there too what its leader does is waited for.
 */
import type { Clock } from '../../base/clock.ts';
import { StorageError } from '../../base/errors.ts';
import { systemErrorCode } from '../../base/file-system.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { runInSlices } from '../../protocol/records/event-loop-slices.ts';
import type {
  DeleteRecordsPartition,
  DeleteRecordsPartitionResult,
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../protocol/schemas/21-delete-records.ts';
import type { UnifiedLog } from './log/unified-log.ts';
import type { PartitionLookup } from './partition-lookup.ts';

/** Stands for the high watermark (DeleteRecordsRequest.HIGH_WATERMARK). */
const HIGH_WATERMARK = -1;
const NO_WATERMARK = -1;
const TURN_MS = 5;

/** What the log layer does for a deletion. */
export interface LogStarts {
  /** Resolves when the logs begin durably where they begin now. */
  persistLogStarts(logs: readonly UnifiedLog[]): Promise<void>;
  readonly retention: { removeBelowStart(log: UnifiedLog): void };
}

interface Moved {
  readonly log: UnifiedLog;
  readonly result: DeleteRecordsPartitionResult;
}

export class DeletingRecords {
  readonly #lookup: PartitionLookup;
  readonly #logs: LogStarts;
  readonly #clock: Clock;

  constructor(lookup: PartitionLookup, logs: LogStarts, clock: Clock) {
    this.#lookup = lookup;
    this.#logs = logs;
    this.#clock = clock;
  }

  async delete(request: DeleteRecordsRequest): Promise<DeleteRecordsResponse> {
    const response: DeleteRecordsResponse = { throttleTimeMs: 0, topics: [] };
    const moved: Moved[] = [];
    const steps = this.#moveAll(request, response, moved);
    await runInSlices(() => {
      const endMs = this.#clock.monotonicMs() + TURN_MS;
      while (steps.next().done !== true) if (this.#clock.monotonicMs() > endMs) return false;
      return true;
    });
    const errorCode = await this.#madeDurable(moved);
    for (const { log, result } of moved) {
      if (errorCode === ErrorCode.NONE) result.lowWatermark = log.logStartOffset;
      else result.errorCode = errorCode;
      this.#logs.retention.removeBelowStart(log);
    }
    return response;
  }

  /** One partition a step. */
  *#moveAll(
    { topics }: DeleteRecordsRequest,
    response: DeleteRecordsResponse,
    moved: Moved[],
  ): Generator<void> {
    for (const { name, partitions } of topics) {
      const results: DeleteRecordsPartitionResult[] = [];
      response.topics.push({ name, partitions: results });
      for (const partition of partitions) {
        results.push(this.#move(name, partition, moved));
        yield;
      }
    }
  }

  #move(
    topic: string,
    { partitionIndex, offset }: DeleteRecordsPartition,
    moved: Moved[],
  ): DeleteRecordsPartitionResult {
    const result = { partitionIndex, lowWatermark: NO_WATERMARK, errorCode: ErrorCode.NONE };
    const led = this.#lookup.led(topic, partitionIndex);
    if (typeof led === 'number') return { ...result, errorCode: led };
    const { log } = led;
    if (log.failure !== undefined) {
      return { ...result, errorCode: ErrorCode.KAFKA_STORAGE_ERROR };
    }
    const wanted = offset === HIGH_WATERMARK ? log.highWatermark : offset;
    if (wanted < 0 || wanted > log.highWatermark) {
      return { ...result, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE };
    }
    log.advanceLogStart(wanted);
    moved.push({ log, result });
    return result;
  }

  async #madeDurable(moved: readonly Moved[]): Promise<number> {
    try {
      await this.#logs.persistLogStarts(moved.map(({ log }) => log));
      return ErrorCode.NONE;
    } catch (error) {
      const isOfDisk = error instanceof StorageError || systemErrorCode(error) !== undefined;
      if (!isOfDisk) throw error;
      return ErrorCode.KAFKA_STORAGE_ERROR;
    }
  }
}
