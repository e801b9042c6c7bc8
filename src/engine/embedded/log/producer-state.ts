/**
 * Owns what a log knows of each idempotent producer (Kafka's ProducerStateManager and
 * ProducerAppendInfo): epoch, the last five batches, the open transaction. Decides whether a batch
 * is new, a duplicate or out of order.
 *
 * Invariants: entries are immutable; `update` returns the entry it replaced, so that a write that
 * failed can be undone exactly with `restore`, last update first. Entries stand in the order in
 * which they were heard of; beyond the quota the longest idle are forgotten, unless a transaction is
 * open: what such a producer repeats is then taken for new, as after its expiry.
 */
import * as batch from '../../../protocol/records/record-batch.ts';
import type { ProducerQuota } from './producer-quota.ts';

/** Clients keep at most five requests in flight: the window is part of the contract. */
const BATCHES_KEPT = 5;
const SEQUENCE_MODULUS = 0x8000_0000;

export interface ProducerBatch {
  readonly lastSequence: number;
  readonly lastOffset: number;
  /** lastOffset - firstOffset; as many sequences. */
  readonly offsetDelta: number;
  readonly timestampMs: number;
}

export interface ProducerEntry {
  readonly producerId: number;
  readonly epoch: number;
  readonly coordinatorEpoch: number;
  /** -1 outside a transaction. */
  readonly currentTxnFirstOffset: number;
  /** Of the newest batch, as the producer stamped it; goes into the snapshot. */
  readonly timestampMs: number;
  /** When we last heard of the producer, by our clock: devices' clocks decide no expiry. */
  readonly seenMs: number;
  /** Oldest first. */
  readonly batches: readonly ProducerBatch[];
}

/** What to do with a batch: append it, answer its first copy, or refuse it with the error named. */
export type ProducerVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'duplicate'; readonly of: ProducerBatch }
  | { readonly kind: 'refuse'; readonly reason: ProducerRefusal };

export type ProducerRefusal =
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_TXN_STATE';

const APPEND: ProducerVerdict = { kind: 'append' };
const OUT_OF_ORDER: ProducerVerdict = { kind: 'refuse', reason: 'OUT_OF_ORDER_SEQUENCE_NUMBER' };
const OLD_EPOCH: ProducerVerdict = { kind: 'refuse', reason: 'INVALID_PRODUCER_EPOCH' };
const IN_TRANSACTION: ProducerVerdict = { kind: 'refuse', reason: 'INVALID_TXN_STATE' };

export function firstSequenceOf(entry: ProducerBatch): number {
  const first = entry.lastSequence - entry.offsetDelta;
  return first < 0 ? first + SEQUENCE_MODULUS : first;
}

export class ProducerState {
  readonly #entries = new Map<number, ProducerEntry>();
  readonly #quota: ProducerQuota;

  constructor(quota: ProducerQuota) {
    this.#quota = quota;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId);
  }

  entries(): Iterable<ProducerEntry> {
    return this.#entries.values();
  }

  /** Judges the data batch at `at`; it has a producer id and is no control batch. */
  check(buffer: Buffer, at: number): ProducerVerdict {
    const entry = this.#entries.get(batch.producerId(buffer, at));
    if (entry === undefined) return APPEND;
    const epoch = batch.producerEpoch(buffer, at);
    if (epoch < entry.epoch) return OLD_EPOCH;
    const first = batch.baseSequence(buffer, at);
    if (epoch > entry.epoch) return first === 0 ? APPEND : OUT_OF_ORDER;
    const newest = entry.batches.at(-1);
    const expected = newest === undefined ? 0 : (newest.lastSequence + 1) % SEQUENCE_MODULUS;
    if (first === expected) return this.#checkTransaction(entry, buffer, at);
    const copy = duplicateOf(entry, first, batch.lastSequence(buffer, at));
    return copy === undefined ? OUT_OF_ORDER : { kind: 'duplicate', of: copy };
  }

  /** Takes the batch into account; returns the entry it replaced. */
  update(buffer: Buffer, at: number, seenMs: number): ProducerEntry | undefined {
    const producerId = batch.producerId(buffer, at);
    const previous = this.#entries.get(producerId);
    const isControl = batch.isControl(buffer, at);
    const epoch = batch.producerEpoch(buffer, at);
    const kept = previous !== undefined && previous.epoch === epoch ? previous.batches : [];
    if (previous !== undefined) this.#entries.delete(producerId);
    this.#entries.set(producerId, {
      producerId,
      epoch,
      coordinatorEpoch: previous?.coordinatorEpoch ?? -1,
      currentTxnFirstOffset: transactionStart(previous, buffer, at),
      timestampMs: batch.maxTimestamp(buffer, at),
      seenMs,
      batches: isControl ? kept : withBatch(kept, buffer, at),
    });
    if (previous === undefined) this.#noteAdded();
    return previous;
  }

  /** Undoes an update; `previous` is what it returned. */
  restore(producerId: number, previous: ProducerEntry | undefined): void {
    if (previous === undefined) this.#forget(producerId);
    // Forgotten meanwhile: so it stays.
    else if (this.#entries.has(producerId)) this.#entries.set(producerId, previous);
  }

  load(entry: ProducerEntry): void {
    const isNew = !this.#entries.has(entry.producerId);
    this.#entries.set(entry.producerId, entry);
    if (isNew) this.#noteAdded();
  }

  /** Also when the log is gone: nothing is counted for it any more. */
  clear(): void {
    const count = this.#entries.size;
    this.#entries.clear();
    this.#quota.note(this, -count);
  }

  /** Forgets the longest idle until at most `sizeMax` are left, but for open transactions. */
  shrinkTo(sizeMax: number): void {
    if (this.#entries.size <= sizeMax) return;
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= sizeMax) return;
      if (entry.currentTxnFirstOffset < 0) this.#forget(entry.producerId);
    }
  }

  /** Forgets producers that were idle for `expirationMs`, unless a transaction is open. */
  expire(nowMs: number, expirationMs: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.currentTxnFirstOffset >= 0 || nowMs - entry.seenMs < expirationMs) continue;
      this.#forget(entry.producerId);
    }
  }

  #noteAdded(): void {
    this.#quota.note(this, 1);
    this.shrinkTo(this.#quota.perPartitionMax);
  }

  #forget(producerId: number): void {
    if (this.#entries.delete(producerId)) this.#quota.note(this, -1);
  }

  #checkTransaction(entry: ProducerEntry, buffer: Buffer, at: number): ProducerVerdict {
    const isOpen = entry.currentTxnFirstOffset >= 0;
    return isOpen && !batch.isTransactional(buffer, at) ? IN_TRANSACTION : APPEND;
  }
}

function duplicateOf(
  entry: ProducerEntry,
  firstSequence: number,
  lastSequence: number,
): ProducerBatch | undefined {
  return entry.batches.find(
    (known) => known.lastSequence === lastSequence && firstSequenceOf(known) === firstSequence,
  );
}

function transactionStart(previous: ProducerEntry | undefined, buffer: Buffer, at: number): number {
  if (batch.isControl(buffer, at)) return -1;
  const open = previous?.currentTxnFirstOffset ?? -1;
  if (open >= 0 || !batch.isTransactional(buffer, at)) return open;
  return batch.baseOffset(buffer, at);
}

function withBatch(
  kept: readonly ProducerBatch[],
  buffer: Buffer,
  at: number,
): readonly ProducerBatch[] {
  const added: ProducerBatch = {
    lastSequence: batch.lastSequence(buffer, at),
    lastOffset: batch.lastOffset(buffer, at),
    offsetDelta: batch.lastOffsetDelta(buffer, at),
    timestampMs: batch.maxTimestamp(buffer, at),
  };
  const batches = kept.length < BATCHES_KEPT ? kept.slice() : kept.slice(1);
  batches.push(added);
  return batches;
}
