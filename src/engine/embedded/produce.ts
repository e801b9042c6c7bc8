/**
 * Produce on the embedded log: validate each batch, append in the order of the request, wait for
 * what `acks` asks.
 *
 * Invariants: no batch of a request is appended before all of them were looked at, so a request
 * takes its place in the log in one turn and the next Produce of the connection may follow at once;
 * acks=all is answered after fdatasync; every partition of the request is answered exactly once.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { type ValidationResult, validateProduced } from '../../protocol/records/batch-validator.ts';
import { EMPTY_BYTES } from '../../protocol/schema.ts';
import type {
  PartitionProduceData,
  PartitionProduceResponse,
  ProduceRequest,
  ProduceResponse,
  TopicProduceData,
} from '../../protocol/schemas/00-produce.ts';
import type { EngineCall } from '../engine.ts';
import type { AppendResult } from './log/append-result.ts';
import type { LedPartition, PartitionLookup } from './partition-lookup.ts';

export interface ProduceLimits {
  /** The operator's limit of a batch: a topic's max.message.bytes only lowers it. */
  readonly maxBatchBytes: number;
  /** Bytes that one batch may inflate to while its records are checked. */
  readonly maxInflatedBytes: number;
}

const ACKS_ALL = -1;

/** One partition of a request on its way; `append` is set while it is waited for. */
interface Item {
  readonly answer: PartitionProduceResponse;
  readonly led: LedPartition | null;
  validation: ValidationResult | null;
  append: AppendResult | null;
}

export class Producing {
  readonly #lookup: PartitionLookup;
  readonly #clock: Clock;
  readonly #limits: ProduceLimits;

  constructor(lookup: PartitionLookup, clock: Clock, limits: ProduceLimits) {
    this.#lookup = lookup;
    this.#clock = clock;
    this.#limits = limits;
  }

  produce(request: ProduceRequest, call: EngineCall): ProduceResponse | Promise<ProduceResponse> {
    const items: Item[] = [];
    const inflating: Promise<unknown>[] = [];
    const responses = request.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map((partition) => {
        const item = this.#begin(topic, partition, call.apiVersion, inflating);
        items.push(item);
        return item.answer;
      }),
    }));
    const response: ProduceResponse = { responses, throttleTimeMs: 0, nodeEndpoints: [] };
    if (inflating.length === 0) return this.#append(request, response, items, call);
    return Promise.all(inflating).then(() => this.#append(request, response, items, call));
  }

  /** Looks the partition up and the batch over. */
  #begin(
    topic: TopicProduceData,
    partition: PartitionProduceData,
    apiVersion: number,
    inflating: Promise<unknown>[],
  ): Item {
    const answer = unanswered(partition.index);
    const led = this.#lookup.led(topic.name, partition.index);
    if (typeof led === 'number') {
      answer.errorCode = led;
      return { answer, led: null, validation: null, append: null };
    }
    const { config } = led;
    const item: Item = { answer, led, validation: null, append: null };
    const validation = validateProduced(partition.records ?? EMPTY_BYTES, {
      apiVersion,
      maxMessageBytes: Math.min(config.maxMessageBytes, this.#limits.maxBatchBytes),
      segmentBytes: config.segmentBytes,
      timestampType: config.messageTimestampType,
      timestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
      timestampAfterMaxMs: config.messageTimestampAfterMaxMs,
      compacted: false,
      compressionType: 'producer',
      nowMs: this.#clock.nowMs(),
      maxInflatedBytes: this.#limits.maxInflatedBytes,
    });
    if (validation instanceof Promise) {
      inflating.push(
        validation.then((result) => {
          item.validation = result;
        }),
      );
    } else item.validation = validation;
    return item;
  }

  /** Gives every good batch its offsets, in order and in one turn; then waits as `acks` asks. */
  #append(
    request: ProduceRequest,
    response: ProduceResponse,
    items: readonly Item[],
    call: EngineCall,
  ): ProduceResponse | Promise<ProduceResponse> {
    for (const item of items) appendOne(item);
    call.ordered?.();
    const waiting = items.filter(({ append }) => append !== null);
    if (waiting.length === 0) return response;
    return this.#settled(request, response, waiting);
  }

  /** Resolves when every append is where `acks` wants it, has failed, or took too long. */
  #settled(
    request: ProduceRequest,
    response: ProduceResponse,
    waiting: readonly Item[],
  ): Promise<ProduceResponse> {
    return new Promise((resolve) => {
      let left = waiting.length;
      let timer: Timer | null = null;
      const settle = (item: Item, errorCode: number): void => {
        if (item.append === null) return;
        item.append = null;
        if (errorCode !== ErrorCode.NONE) refuse(item.answer, errorCode);
        left -= 1;
        if (left > 0) return;
        timer?.cancel();
        resolve(response);
      };
      for (const item of waiting) {
        const done = (failure?: Error): void =>
          settle(item, failure === undefined ? ErrorCode.NONE : ErrorCode.KAFKA_STORAGE_ERROR);
        const { log } = item.led!;
        if (request.acks === ACKS_ALL) log.whenDurable(item.append!, done);
        else log.whenWritten(item.append!, done);
      }
      if (left === 0 || request.acks !== ACKS_ALL) return;
      timer = this.#clock.setTimer(request.timeoutMs, () => {
        for (const item of waiting) settle(item, ErrorCode.REQUEST_TIMED_OUT);
      });
    });
  }
}

/** Appends a batch that was found good; anything else is answered at once. */
function appendOne(item: Item): void {
  const { led, validation, answer } = item;
  if (led === null || validation === null) return;
  if (!validation.ok) {
    answer.errorCode = validation.errorCode;
    answer.errorMessage = validation.message;
    answer.recordErrors = validation.recordErrors.map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: message,
    }));
    return;
  }
  const { log, leaderEpoch, config } = led;
  const append = log.append(validation.batch, { leaderEpoch });
  answer.logStartOffset = log.logStartOffset;
  if (append.errorCode !== ErrorCode.NONE) {
    answer.errorCode = append.errorCode;
    return;
  }
  answer.baseOffset = append.baseOffset;
  if (append.isDuplicate || config.messageTimestampType === 'LogAppendTime') {
    answer.logAppendTimeMs = append.timestampMs;
  }
  item.append = append;
}

function unanswered(index: number): PartitionProduceResponse {
  return {
    index,
    errorCode: ErrorCode.NONE,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage: null,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
  };
}

function refuse(answer: PartitionProduceResponse, errorCode: number): void {
  answer.errorCode = errorCode;
  answer.baseOffset = -1;
  answer.logAppendTimeMs = -1;
}
