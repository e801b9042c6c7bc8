/**
 * Produce on the embedded log: validate each batch, append in the order of the request, wait for
 * what `acks` asks.
 *
 * Invariants: no batch of a request is appended before all of them were looked at, so a request
 * takes its place in the log in one turn and the next Produce of the connection may follow at once;
 * a request of very many batches is looked at a few milliseconds a turn of the event loop;
 * acks=all is answered after fdatasync; every partition of the request is answered exactly once.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { type ValidationResult, validateProduced } from '../../protocol/records/batch-validator.ts';
import { runInSlices } from '../../protocol/records/event-loop-slices.ts';
import { recordCount } from '../../protocol/records/record-batch.ts';
import { EMPTY_BYTES } from '../../protocol/schema.ts';
import type {
  PartitionProduceData,
  PartitionProduceResponse,
  ProduceRequest,
  ProduceResponse,
  TopicProduceData,
} from '../../protocol/schemas/00-produce.ts';
import type { EngineCall } from '../engine.ts';
import { namespaceOf } from './controller/topic-names.ts';
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

/** What has been looked at, or is about to be. */
interface Begun {
  readonly items: Item[];
  readonly inflating: Promise<unknown>[];
}

/** How long the batches of one request may hold up the event loop. */
const TURN_MS = 5;

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
    const response: ProduceResponse = { responses: [], throttleTimeMs: 0, nodeEndpoints: [] };
    const begun = this.#beginAll(request, response, call);
    const append = ({ items }: Begun): ProduceResponse | Promise<ProduceResponse> =>
      this.#append(request, response, items, call);
    if (begun instanceof Promise) return begun.then(append);
    if (begun.inflating.length === 0) return append(begun);
    return this.#inflated(begun, call).then(append);
  }

  /** At once, unless the batches are so many or so dear that others must have their turn. */
  #beginAll(
    { topicData }: ProduceRequest,
    { responses }: ProduceResponse,
    call: EngineCall,
  ): Begun | Promise<Begun> {
    const { apiVersion } = call;
    const begun: Begun = { items: [], inflating: [] };
    let t = 0;
    let p = 0;
    /** True when all is begun, false when the turn is over. */
    const run = (): boolean => {
      const endMs = this.#clock.monotonicMs() + TURN_MS;
      for (; t < topicData.length; t += 1, p = 0) {
        const topic = topicData[t]!;
        const { name, topicId, partitionData } = topic;
        if (p === 0) responses.push({ name, topicId, partitionResponses: [] });
        const { partitionResponses } = responses[t]!;
        while (p < partitionData.length) {
          const item = this.#begin(topic, partitionData[p]!, apiVersion, begun.inflating);
          begun.items.push(item);
          partitionResponses.push(item.answer);
          p += 1;
          if (this.#clock.monotonicMs() > endMs) return false;
        }
      }
      return true;
    };
    if (run()) return begun;
    const timed = (): boolean => {
      const beganMs = this.#clock.monotonicMs();
      const isDone = run();
      call.worked?.(this.#clock.monotonicMs() - beganMs);
      return isDone;
    };
    return runInSlices(timed).then(() => this.#inflated(begun, call));
  }

  /** Threads inflate large batches: what they take is work of the call, a wait for them included. */
  async #inflated(begun: Begun, call: EngineCall): Promise<Begun> {
    if (begun.inflating.length === 0) return begun;
    const beganMs = this.#clock.monotonicMs();
    await Promise.all(begun.inflating);
    call.worked?.(this.#clock.monotonicMs() - beganMs);
    return begun;
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
      compressionType: config.compressionType,
      nowMs: this.#clock.nowMs(),
      maxInflatedBytes: this.#limits.maxInflatedBytes,
      payer: namespaceOf(topic.name),
    });
    if (validation instanceof Promise) {
      const validated = validation.then((result) => {
        item.validation = result;
      });
      // It is awaited when all are begun: that may be some turns later.
      validated.catch(() => undefined);
      inflating.push(validated);
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
    for (const item of items) appendOne(item, call);
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
function appendOne(item: Item, call: EngineCall): void {
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
  if (!append.isDuplicate)
    call.appended?.(validation.batch.length, recordCount(validation.batch, 0));
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
