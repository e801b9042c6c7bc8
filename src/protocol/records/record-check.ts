/**
 * Owns the walk over the records of one produced batch: each is read strictly (RecordCursor) and
 * checked as in Kafka's LogValidator.validateRecord. The walk can stop and go on, so that a large
 * batch does not hold the event loop.
 */
import { ErrorCode } from '../error-codes.ts';
import { NO_TIMESTAMP } from './record-batch.ts';
import { RECORD_BYTES_MIN, RecordCursor } from './record-cursor.ts';
import { invalidRecord } from './record-errors.ts';

export interface RecordRules {
  /** Compacted topics need a key in every record. */
  readonly needsKeys: boolean;
  /** False: an offset delta that is not the record's index is an error of that record. */
  readonly mayRenumber: boolean;
  /** Oldest and newest CreateTime that is accepted; undefined when the log sets the time. */
  readonly createTimeMs: { readonly min: number; readonly max: number } | undefined;
}

export interface RecordError {
  readonly batchIndex: number;
  readonly message: string;
}

/** More would only make the answer larger than the request. */
const RECORD_ERRORS_MAX = 100;
/** What one record costs beside its bytes, in bytes: tiny records are not cheaper than these. */
const RECORD_OVERHEAD_BYTES = 16;

export class RecordCheck {
  readonly recordErrors: RecordError[] = [];
  errorCode: number = ErrorCode.NONE;
  /** -1 while no record has a timestamp. */
  maxTimestamp = NO_TIMESTAMP;
  /** Index of the first record with maxTimestamp. */
  offsetOfMaxTimestamp = 0;
  isRenumbered = false;
  readonly #cursor: RecordCursor;
  readonly #count: number;
  readonly #baseTimestamp: number;
  readonly #rules: RecordRules;
  #index = 0;

  /** `buffer[start, end)` are the records uncompressed; throws KafkaError for an impossible count. */
  constructor(
    records: { buffer: Buffer; start: number; end: number; count: number; baseTimestamp: number },
    rules: RecordRules,
  ) {
    const { buffer, start, end, count } = records;
    if (count > (end - start) / RECORD_BYTES_MIN) {
      throw invalidRecord('The batch claims more records than it has bytes for');
    }
    this.#cursor = new RecordCursor(buffer, start, end);
    this.#count = count;
    this.#baseTimestamp = records.baseTimestamp;
    this.#rules = rules;
  }

  /** Goes on for about `budgetBytes`; true at the end. Throws KafkaError when bytes are malformed. */
  run(budgetBytes: number): boolean {
    const cursor = this.#cursor;
    const count = this.#count;
    let index = this.#index;
    const stopAt = cursor.recordEnd + index * RECORD_OVERHEAD_BYTES + budgetBytes;
    while (index < count && cursor.recordEnd + index * RECORD_OVERHEAD_BYTES < stopAt) {
      cursor.next();
      this.#checkRecord(index);
      index++;
    }
    this.#index = index;
    if (index < count) return false;
    if (!cursor.isAtEnd()) {
      throw invalidRecord('The batch holds more than the records that it counts');
    }
    return true;
  }

  #checkRecord(index: number): void {
    const cursor = this.#cursor;
    if (cursor.offsetDelta !== index) {
      this.isRenumbered = true;
      if (!this.#rules.mayRenumber) {
        this.#refuse(index, ErrorCode.INVALID_RECORD, 'The offset of the record is out of order');
        return;
      }
    }
    const timestamp = this.#baseTimestamp + cursor.timestampDelta;
    if (timestamp > this.maxTimestamp) {
      this.maxTimestamp = timestamp;
      this.offsetOfMaxTimestamp = index;
    }
    if (this.#rules.needsKeys && cursor.keyLength < 0) {
      this.#refuse(index, ErrorCode.INVALID_RECORD, 'A compacted topic needs a key');
      return;
    }
    const range = this.#rules.createTimeMs;
    if (!Number.isSafeInteger(timestamp)) {
      this.#refuse(index, ErrorCode.INVALID_TIMESTAMP, 'The timestamp is out of range');
    } else if (range !== undefined && timestamp !== NO_TIMESTAMP) {
      if (timestamp < range.min || timestamp > range.max) {
        this.#refuse(index, ErrorCode.INVALID_TIMESTAMP, 'The timestamp is out of range');
      }
    }
  }

  /** One bad timestamp makes the whole answer INVALID_TIMESTAMP, as in Kafka. */
  #refuse(batchIndex: number, errorCode: number, message: string): void {
    if (this.errorCode !== ErrorCode.INVALID_TIMESTAMP) this.errorCode = errorCode;
    if (this.recordErrors.length < RECORD_ERRORS_MAX) {
      this.recordErrors.push({ batchIndex, message });
    }
  }
}
