/**
 * What the logs of a directory must hold, kept beside them: every batch appended, what was
 * acknowledged, who produced it, and what was deleted at the front. After a cut the logs may have lost
 * the end that nobody was promised, or found there what was refused for a failing disk, nothing else;
 * they begin nowhere below what was durable, and nowhere above what was asked for.
 */
import { expect } from 'vitest';
import type { AppendResult } from '../../src/engine/embedded/log/append-result.ts';
import type { LogManager } from '../../src/engine/embedded/log/log-manager.ts';
import type { UnifiedLog } from '../../src/engine/embedded/log/unified-log.ts';
import { isCrcValid } from '../../src/protocol/records/crc32c.ts';
import * as batchOf from '../../src/protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import type { SeededRandom } from './power-cut-file-system.ts';

export interface ModelBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: Buffer;
  readonly maxTimestampMs: number;
  readonly sequence: number;
  readonly leaderEpoch: number;
  readonly result: Pick<AppendResult, 'failure'>;
}

/** A batch that was found on the disk is there, whatever was answered. */
const STORED = { failure: undefined };

export class ModelPartition {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  batches: ModelBatch[] = [];
  /** Deleted at the front, oldest first: their producers are known all the same. */
  deleted: ModelBatch[] = [];
  /** The log begins here or later after any end. */
  durableStart = 0;
  /** The log began here when it ended. */
  start = 0;
  /** Where its oldest segment begins. */
  firstSegment = 0;
  /** There was no room to keep what is known of producers. */
  mayForgetProducers = false;
  /** Every batch that was ever given its base offset, refused ones included. */
  readonly candidates: ModelBatch[] = [];
  /** Everything below was acknowledged as durable. */
  durableEnd = 0;
  /** Everything below was acknowledged as written; binds after a kill. */
  writtenEnd = 0;

  constructor(topic: string, partition: number, topicId: string) {
    this.topic = topic;
    this.partition = partition;
    this.topicId = topicId;
  }

  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  get endOffset(): number {
    return Math.max(this.start, (this.batches.at(-1)?.lastOffset ?? -1) + 1);
  }

  /** One producer a partition: its id is the partition's number. */
  nextSequence(): number {
    const last = this.produced().at(-1);
    if (last === undefined) return 0;
    return last.sequence + (last.lastOffset - last.baseOffset) + 1;
  }

  /** Batches of the producer, oldest first. */
  produced(): ModelBatch[] {
    return [...this.deleted, ...this.batches].filter((batch) => batch.sequence >= 0);
  }

  /** Notes where the log begins as its life ends. */
  noteStart(log: UnifiedLog): void {
    this.start = log.logStartOffset;
    this.durableStart = Math.max(this.durableStart, log.durable.logStartOffset);
  }

  /** Takes back what the log has taken back: its offsets are given again. */
  forgetRefused(): void {
    this.batches = this.batches.filter((batch) => batch.result.failure === undefined);
  }
}

export function randomInt(random: SeededRandom, below: number): number {
  return Math.floor(random() * below);
}

export function randomBatch(random: SeededRandom, model: ModelPartition, nowMs: number): Buffer {
  const isIdempotent = random() < 0.5;
  const records = Array.from({ length: 1 + randomInt(random, 3) }, () => ({
    timestampMs: nowMs - randomInt(random, 10_000),
    key: null,
    value: Buffer.alloc(randomInt(random, random() < 0.2 ? 3000 : 200), randomInt(random, 256)),
  }));
  if (!isIdempotent) return buildRecordBatch(records);
  return buildRecordBatch(records, {
    producerId: model.partition,
    producerEpoch: 0,
    baseSequence: model.nextSequence(),
  });
}

export function noteAppended(
  model: ModelPartition,
  batch: Buffer,
  result: AppendResult,
): ModelBatch {
  const noted: ModelBatch = {
    baseOffset: batchOf.baseOffset(batch, 0),
    lastOffset: batchOf.lastOffset(batch, 0),
    bytes: Buffer.from(batch),
    maxTimestampMs: batchOf.maxTimestamp(batch, 0),
    sequence: batchOf.baseSequence(batch, 0),
    leaderEpoch: batchOf.partitionLeaderEpoch(batch, 0),
    result,
  };
  model.batches.push(noted);
  model.candidates.push(noted);
  return noted;
}

export async function readAll(log: UnifiedLog): Promise<Buffer[]> {
  const batches: Buffer[] = [];
  let fetchOffset = log.logStartOffset;
  while (fetchOffset < log.highWatermark) {
    const result = await log.read({
      fetchOffset,
      maxBytes: 4096,
      minOneMessage: true,
      upTo: 'highWatermark',
    });
    expect(result.errorCode).toBe(0);
    const before = fetchOffset;
    let at = 0;
    while (at + batchOf.RECORD_BATCH_OVERHEAD <= result.records.length) {
      const end = at + batchOf.batchSizeBytes(result.records, at);
      if (end > result.records.length) break;
      batches.push(result.records.subarray(at, end));
      fetchOffset = batchOf.nextOffset(result.records, at);
      at = end;
    }
    expect(fetchOffset).toBeGreaterThan(before);
  }
  return batches;
}

/** After a restart: nothing promised is lost or other than it was, the rest was appended there. */
export async function verifyPartition(
  manager: LogManager,
  model: ModelPartition,
  promisedEnd: number,
  random: SeededRandom,
): Promise<void> {
  const log = manager.get(model.topic, model.partition);
  // Gone, or an older log of that name came back since its deletion never reached the disk.
  if (log === undefined || log.topicId !== model.topicId) {
    expect(promisedEnd, `${model.name} is gone`).toBe(0);
    return;
  }
  const start = log.logStartOffset;
  expect(start, `${model.name} goes back`).toBeGreaterThanOrEqual(model.durableStart);
  expect(start, `${model.name} lost its front`).toBeLessThanOrEqual(model.start);
  expect(log.highWatermark, `${model.name} lost its end`).toBeGreaterThanOrEqual(promisedEnd);
  expect(log.logEndOffset).toBe(log.highWatermark);
  const found: ModelBatch[] = [];
  for (const bytes of await readAll(log)) {
    expect(isCrcValid(bytes, 0)).toBe(true);
    const known = model.candidates.findLast((candidate) => candidate.bytes.equals(bytes));
    expect(known, `${model.name} holds a batch that was never appended there`).toBeDefined();
    const previous = found.at(-1);
    if (previous !== undefined) expect(known!.baseOffset).toBe(previous.lastOffset + 1);
    else expect(known!.baseOffset).toBeLessThanOrEqual(start);
    expect(known!.lastOffset).toBeGreaterThanOrEqual(start);
    found.push({ ...known!, result: STORED });
  }
  const all = [...model.deleted, ...model.batches];
  const promised = all.filter(({ lastOffset }) => lastOffset < promisedEnd && lastOffset >= start);
  const kept = found.slice(0, promised.length).map((batch) => batch.bytes);
  expect(kept).toEqual(promised.map((batch) => batch.bytes));
  model.batches = found;
  model.deleted = all.filter(({ lastOffset }) => lastOffset < start);
  model.start = start;
  model.durableStart = start;
  expect(model.endOffset).toBe(log.logEndOffset);
  await verifySearches(log, model, random);
  verifyEpochs(log, model);
  verifyProducer(log, model);
}

async function verifySearches(
  log: UnifiedLog,
  model: ModelPartition,
  random: SeededRandom,
): Promise<void> {
  const [oldest] = model.batches;
  // Within a batch the model does not know which record is the one.
  if (oldest === undefined || oldest.baseOffset < log.logStartOffset) return;
  const wanted = model.batches[randomInt(random, model.batches.length)]!;
  const result = await log.read({
    fetchOffset: wanted.lastOffset,
    maxBytes: 1,
    minOneMessage: true,
    upTo: 'logEnd',
  });
  expect(result.records.equals(wanted.bytes)).toBe(true);
  const byTime = await log.fetchOffsetByTimestamp(wanted.maxTimestampMs);
  const first = model.batches.find((batch) => batch.maxTimestampMs >= wanted.maxTimestampMs)!;
  expect(byTime?.offset).toBeGreaterThanOrEqual(first.baseOffset);
  expect(byTime?.offset).toBeLessThanOrEqual(first.lastOffset);
  const youngest = Math.max(...model.batches.map((batch) => batch.maxTimestampMs));
  const ofMax = await log.fetchOffsetOfMaxTimestamp();
  const holder = model.batches.find((batch) => batch.maxTimestampMs === youngest)!;
  expect(ofMax?.timestampMs).toBe(youngest);
  expect(ofMax?.offset).toBeGreaterThanOrEqual(holder.baseOffset);
  expect(ofMax?.offset).toBeLessThanOrEqual(holder.lastOffset);
}

function verifyEpochs(log: UnifiedLog, model: ModelPartition): void {
  for (const { leaderEpoch } of model.batches) {
    const next = model.batches.find((batch) => batch.leaderEpoch > leaderEpoch);
    const endOffset = next?.baseOffset ?? model.endOffset;
    expect(log.endOffsetForEpoch(leaderEpoch)).toEqual({ leaderEpoch, endOffset });
  }
}

/** The last five batches of the producer are known, and repeating one answers with its offset. */
function verifyProducer(log: UnifiedLog, model: ModelPartition): void {
  for (const batch of model.produced().slice(-5)) {
    const known = log.producers.get(model.partition)?.batches ?? [];
    const isForgotten = known.every(({ lastOffset }) => lastOffset !== batch.lastOffset);
    if (isForgotten && model.mayForgetProducers && model.deleted.includes(batch)) continue;
    const repeated = log.append(Buffer.from(batch.bytes), { leaderEpoch: 0 });
    expect(repeated.errorCode).toBe(0);
    expect(repeated.isDuplicate).toBe(true);
    expect(repeated.baseOffset).toBe(batch.baseOffset);
  }
}
