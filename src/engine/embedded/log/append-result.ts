/** Owns what an append answers, and what the log must remember of it until it is written. */
import type { StorageError } from '../../../base/errors.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { ProducerBatch, ProducerEntry } from './producer-state.ts';

/** What became of a batch; also the ticket for `whenWritten` and `whenDurable`. */
export interface AppendResult {
  /** 0, or the reason why nothing was appended. */
  readonly errorCode: number;
  /** -1 with an error. For a duplicate these are its first copy's. */
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly isDuplicate: boolean;
  /** The batch's max timestamp; a duplicate answers with its first copy's. */
  readonly timestampMs: number;
  /** Set with KAFKA_STORAGE_ERROR, also later when the queued write fails. */
  readonly failure: StorageError | undefined;
}

/** One hidden class for all answers; the log alone changes it. */
export class Append implements AppendResult {
  errorCode: number = ErrorCode.NONE;
  baseOffset: number;
  lastOffset: number;
  isDuplicate = false;
  timestampMs: number;
  failure: StorageError | undefined = undefined;
  /** For the undo of a failed write; -1 without a producer. */
  producerId = -1;
  replaced: ProducerEntry | undefined = undefined;

  constructor(baseOffset: number, lastOffset: number, timestampMs: number) {
    this.baseOffset = baseOffset;
    this.lastOffset = lastOffset;
    this.timestampMs = timestampMs;
  }

  refuse(errorCode: number, failure?: StorageError): this {
    this.errorCode = errorCode;
    this.failure = failure;
    this.baseOffset = -1;
    this.lastOffset = -1;
    return this;
  }
}

export function refusedAppend(errorCode: number, failure?: StorageError): Append {
  return new Append(-1, -1, -1).refuse(errorCode, failure);
}

export function duplicateAppend(first: ProducerBatch): Append {
  const baseOffset = first.lastOffset - first.offsetDelta;
  const append = new Append(baseOffset, first.lastOffset, first.timestampMs);
  append.isDuplicate = true;
  return append;
}
