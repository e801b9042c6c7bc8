/**
 * Fetch on the embedded log: read every partition of the request, and wait for more when there is
 * less than the client wants.
 *
 * Invariants: readers see nothing above the high watermark, which is what has been synced; the
 * first batch of an answer is whole even where it exceeds the limits, so a reader always moves on;
 * a parked fetch holds no buffers and ends with its time, its data or its connection.
 */
import type { Clock } from '../../base/clock.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { EMPTY_BYTES } from '../../protocol/schema.ts';
import type {
  AbortedTransaction,
  FetchPartition,
  FetchRequest,
  FetchResponse,
  FetchTopic,
  PartitionData,
} from '../../protocol/schemas/01-fetch.ts';
import type { EngineCall } from '../engine.ts';
import type { UnifiedLog } from './log/unified-log.ts';
import type { LedPartition, PartitionLookup } from './partition-lookup.ts';

/** READ_COMMITTED of the isolation level field. */
const READ_COMMITTED = 1;
/** A fetch that wants many bytes is not read again more often than this. */
const REREAD_INTERVAL_MS = 5;
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 } as const;

/** One pass over all partitions of a request. */
interface Pass {
  readonly response: FetchResponse;
  bytes: number;
  /** An error or anything else that is told at once. */
  urgent: boolean;
  /** Logs that were read, with the high watermark they had then. */
  readonly watched: Watched[];
}

interface Watched {
  readonly log: UnifiedLog;
  readonly highWatermark: number;
}

export class Fetching {
  readonly #lookup: PartitionLookup;
  readonly #clock: Clock;

  constructor(lookup: PartitionLookup, clock: Clock) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  fetch(request: FetchRequest, call: EngineCall): FetchResponse | Promise<FetchResponse> {
    const pass = this.#read(request, call);
    if (pass instanceof Promise) return pass.then((read) => this.#answer(request, call, read));
    return this.#answer(request, call, pass);
  }

  #answer(
    request: FetchRequest,
    call: EngineCall,
    pass: Pass,
  ): FetchResponse | Promise<FetchResponse> {
    const enough = pass.urgent || pass.bytes >= request.minBytes || request.maxWaitMs <= 0;
    if (enough || pass.watched.length === 0) return pass.response;
    return this.#park(request, call, pass);
  }

  /** Waits for a high watermark to move, then reads again, until enough or out of time. */
  async #park(request: FetchRequest, call: EngineCall, first: Pass): Promise<FetchResponse> {
    const deadlineMs = this.#clock.monotonicMs() + request.maxWaitMs;
    const leftMs = (): number => deadlineMs - this.#clock.monotonicMs();
    for (let pass = first; ; ) {
      const moved = leftMs() > 0 && (await this.#moved(pass.watched, leftMs(), call.signal));
      const beganMs = this.#clock.monotonicMs();
      const read = this.#read(request, call);
      call.worked?.(this.#clock.monotonicMs() - beganMs);
      pass = await read;
      if (!moved || pass.urgent || pass.bytes >= request.minBytes) return pass.response;
      await this.#pause(Math.min(REREAD_INTERVAL_MS, leftMs()));
    }
  }

  /**
   * True when one of the logs has moved since it was read; false at the end of the time, or when
   * the client is gone.
   */
  #moved(
    watched: readonly Watched[],
    waitMs: number,
    signal: AbortSignal | null,
  ): Promise<boolean> {
    if (watched.some(({ log, highWatermark }) => log.highWatermark > highWatermark)) {
      return Promise.resolve(true);
    }
    if (signal?.aborted === true) return Promise.resolve(false);
    return new Promise((resolve) => {
      const stops: (() => void)[] = [];
      const end = (moved: boolean): void => {
        timer.cancel();
        signal?.removeEventListener('abort', gone);
        for (const stop of stops) stop();
        resolve(moved);
      };
      const advanced = (): void => end(true);
      const gone = (): void => end(false);
      const timer = this.#clock.setTimer(waitMs, gone);
      for (const { log } of watched) stops.push(log.onHighWatermark(advanced));
      signal?.addEventListener('abort', gone, { once: true });
    });
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(Math.max(0, delayMs), resolve);
    });
  }

  /** Synchronous as long as everything read is likely in memory. */
  #read(request: FetchRequest, call: EngineCall): Pass | Promise<Pass> {
    const pass: Pass = {
      response: {
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        sessionId: 0,
        responses: [],
        nodeEndpoints: [],
      },
      bytes: 0,
      urgent: false,
      watched: [],
    };
    return this.#readFrom(request, call, pass, 0, 0);
  }

  /** Reads on from a partition of a topic; a cold read continues in a promise. */
  #readFrom(
    request: FetchRequest,
    call: EngineCall,
    pass: Pass,
    fromTopic: number,
    fromPartition: number,
  ): Pass | Promise<Pass> {
    let first = fromPartition;
    for (let t = fromTopic; t < request.topics.length; t++) {
      const topic = request.topics[t]!;
      for (let p = first; p < topic.partitions.length; p++) {
        const read = this.#readOne(request, call, pass, topic, topic.partitions[p]!);
        if (read instanceof Promise) {
          return read.then((data) => {
            add(pass, topic, data);
            return this.#readFrom(request, call, pass, t, p + 1);
          });
        }
        add(pass, topic, read);
      }
      first = 0;
    }
    return pass;
  }

  #readOne(
    request: FetchRequest,
    call: EngineCall,
    pass: Pass,
    topic: FetchTopic,
    partition: FetchPartition,
  ): PartitionData | Promise<PartitionData> {
    const led = this.#lookup.led(topic.topic, partition.partition);
    if (typeof led === 'number') return refused(partition, forVersion(led, call.apiVersion));
    const fenced = fencing(partition, led);
    if (fenced !== ErrorCode.NONE) return refused(partition, fenced);
    const { log } = led;
    pass.watched.push({ log, highWatermark: log.highWatermark });
    const diverging = divergence(partition, log);
    if (diverging !== null) return diverging;
    const bytesLeft = Math.min(partition.partitionMaxBytes, request.maxBytes - pass.bytes);
    const finish = (result: Awaited<ReturnType<UnifiedLog['read']>>): PartitionData => {
      if (result.errorCode !== ErrorCode.NONE) {
        return refused(partition, forVersion(result.errorCode, call.apiVersion), log);
      }
      return found(partition, log, request.isolationLevel, result.records);
    };
    const result = log.read({
      fetchOffset: partition.fetchOffset,
      maxBytes: Math.max(0, bytesLeft),
      minOneMessage: pass.bytes === 0,
      upTo: 'highWatermark',
    });
    return result instanceof Promise ? result.then(finish) : finish(result);
  }
}

/** Neighbouring partitions of one topic share an entry. */
function add(pass: Pass, topic: FetchTopic, data: PartitionData): void {
  pass.bytes += data.records?.length ?? 0;
  if (data.errorCode !== ErrorCode.NONE || data.divergingEpoch.epoch >= 0) pass.urgent = true;
  const last = pass.response.responses.at(-1);
  if (last !== undefined && last.topic === topic.topic && last.topicId === topic.topicId) {
    last.partitions.push(data);
  } else {
    pass.response.responses.push({
      topic: topic.topic,
      topicId: topic.topicId,
      partitions: [data],
    });
  }
}

/** KIP-320: a client with an older or newer idea of the leadership is told so. */
function fencing({ currentLeaderEpoch }: FetchPartition, led: LedPartition): number {
  if (currentLeaderEpoch === -1 || currentLeaderEpoch === led.leaderEpoch) return ErrorCode.NONE;
  return currentLeaderEpoch < led.leaderEpoch
    ? ErrorCode.FENCED_LEADER_EPOCH
    : ErrorCode.UNKNOWN_LEADER_EPOCH;
}

/** KIP-595: the client's last epoch ended elsewhere than it thinks, so its log diverged from ours. */
function divergence(partition: FetchPartition, log: UnifiedLog): PartitionData | null {
  if (partition.lastFetchedEpoch < 0) return null;
  const end = log.endOffsetForEpoch(partition.lastFetchedEpoch);
  if (end === undefined) return refused(partition, ErrorCode.OFFSET_OUT_OF_RANGE, log);
  if (end.leaderEpoch === partition.lastFetchedEpoch && end.endOffset >= partition.fetchOffset) {
    return null;
  }
  const data = found(partition, log, 0, EMPTY_BYTES);
  data.divergingEpoch = { epoch: end.leaderEpoch, endOffset: end.endOffset };
  return data;
}

function found(
  { partition }: FetchPartition,
  log: UnifiedLog,
  isolationLevel: number,
  records: Buffer,
): PartitionData {
  // Without transactions the last stable offset is the high watermark and nothing was aborted.
  const aborted: AbortedTransaction[] | null = isolationLevel === READ_COMMITTED ? [] : null;
  return {
    partitionIndex: partition,
    errorCode: ErrorCode.NONE,
    highWatermark: log.highWatermark,
    lastStableOffset: log.highWatermark,
    logStartOffset: log.logStartOffset,
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: NO_LEADER,
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: aborted,
    preferredReadReplica: -1,
    records,
  };
}

function refused(
  { partition }: FetchPartition,
  errorCode: number,
  log?: UnifiedLog,
): PartitionData {
  return {
    partitionIndex: partition,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: log?.logStartOffset ?? -1,
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: NO_LEADER,
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: EMPTY_BYTES,
  };
}

/** Clients before Fetch v6 do not know KAFKA_STORAGE_ERROR. */
function forVersion(errorCode: number, apiVersion: number): number {
  const hidden = errorCode === ErrorCode.KAFKA_STORAGE_ERROR && apiVersion <= 5;
  return hidden ? ErrorCode.NOT_LEADER_OR_FOLLOWER : errorCode;
}
