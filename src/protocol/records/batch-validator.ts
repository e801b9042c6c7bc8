/**
 * Owns the check of one produced batch before it may be appended: Kafka's LogValidator, and no trust
 * in the sender. What passes is one batch that every usual consumer can read. The answer comes at
 * once, unless something large must be inflated, compressed or walked; then it is a promise, and the
 * work is done on the thread pool or in slices.
 *
 * The batch is patched in place when a header field must change, and copied only when its records
 * must be written anew (offset deltas out of order inside a compressed batch, another compression).
 * Until the promise is settled nobody else may touch its bytes.
 */
import { KafkaError } from '../../base/errors.ts';
import { ErrorCode } from '../error-codes.ts';
import { checkHeader, checkSize, type HeaderLimits } from './batch-header-check.ts';
import { compress, planInflation } from './compression.ts';
import { updateCrc } from './crc32c.ts';
import { runInSlices, SLICE_BYTES, SYNC_BYTES_MAX } from './event-loop-slices.ts';
import { InflationBudget } from './inflation.ts';
import { RecordRenumbering } from './record.ts';
import {
  baseTimestamp,
  CompressionCodec,
  compressionCodec,
  isCodec,
  maxTimestamp,
  RECORD_BATCH_OVERHEAD,
  recordCount,
  recordsSection,
  setMaxTimestamp,
  type TimestampType,
} from './record-batch.ts';
import { replaceSection } from './record-batch-builder.ts';
import { RecordCheck, type RecordError, type RecordRules } from './record-check.ts';

export type { RecordError } from './record-check.ts';

export type CompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface ProduceRules extends HeaderLimits {
  /** message.timestamp.type. */
  readonly timestampType: TimestampType;
  /** message.timestamp.before.max.ms: how much older than now a CreateTime may be. */
  readonly timestampBeforeMaxMs: number;
  /** message.timestamp.after.max.ms: how far in the future. */
  readonly timestampAfterMaxMs: number;
  /** cleanup.policy holds "compact". */
  readonly compacted: boolean;
  /** compression.type; "producer" keeps what arrives. */
  readonly compressionType: CompressionType;
  readonly nowMs: number;
  /** The most that one compressed batch may inflate to; see also EXPANSION_MAX. */
  readonly maxInflatedBytes: number;
  /** Who takes turns with others for large inflations: the tenant. */
  readonly payer: string;
  /** What all large batches under way may inflate to; one for the process unless given. */
  readonly inflationBudget?: InflationBudget;
}

export interface ValidBatch {
  readonly ok: true;
  /** The slice that was given, patched; or a new batch when the records had to be written anew. */
  readonly batch: Buffer;
  /** Of the header as it now stands; -1: no record has a timestamp. */
  readonly maxTimestamp: number;
  /** Relative to the batch's base offset. */
  readonly offsetOfMaxTimestamp: number;
  readonly recordCount: number;
  /** Bytes of the records uncompressed: what the check cost, for whoever wants to charge it. */
  readonly inflatedBytes: number;
}

export interface RefusedBatch {
  readonly ok: false;
  readonly errorCode: number;
  /** Public; names no topic and quotes no record. */
  readonly message: string;
  /** At most 100, in order. */
  readonly recordErrors: readonly RecordError[];
}

export type ValidationResult = ValidBatch | RefusedBatch;

/**
 * Beyond max.message.bytes records may inflate to this many times their compressed size: otherwise
 * a few bytes would buy the work of reading megabytes. Telemetry shrinks to a tenth, at the very best
 * to a hundredth; and Java's producer sends a batch that is refused for its size again in halves.
 */
const EXPANSION_MAX = 128;
/** Uncompressed records up to this size are walked in one go: some milliseconds at the very worst. */
const PLAIN_WALK_BYTES_MAX = 2 * 1024 * 1024;
const PROCESS_BUDGET = new InflationBudget(256 * 1024 * 1024);

const TARGET_CODEC = {
  uncompressed: CompressionCodec.none,
  gzip: CompressionCodec.gzip,
  snappy: CompressionCodec.snappy,
  lz4: CompressionCodec.lz4,
  zstd: CompressionCodec.zstd,
} as const;

/**
 * Checks the records of one partition of a Produce request and makes them ready for the log: all but
 * base offset and leader epoch, which the log sets. Never throws and never rejects for what a client
 * sent.
 */
export function validateProduced(
  records: Buffer,
  rules: ProduceRules,
): ValidationResult | Promise<ValidationResult> {
  const refusal = checkHeader(records, rules);
  if (refusal !== undefined) return { ok: false, ...refusal, recordErrors: [] };
  try {
    const result = checkRecords(records, rules);
    return result instanceof Promise ? result.catch(refusedOrRethrown) : result;
  } catch (error) {
    return refusedOrRethrown(error);
  }
}

function refusedOrRethrown(error: unknown): RefusedBatch {
  if (!(error instanceof KafkaError)) throw error;
  return { ok: false, errorCode: error.errorCode, message: error.message, recordErrors: [] };
}

function checkRecords(
  batch: Buffer,
  rules: ProduceRules,
): ValidationResult | Promise<ValidationResult> {
  const codec = compressionCodec(batch, 0);
  if (codec === CompressionCodec.none) {
    return walk(batch, batch, RECORD_BATCH_OVERHEAD, rules);
  }
  if (!isCodec(codec)) throw new RangeError('the codec has been checked');
  const section = recordsSection(batch, 0);
  const plausibleBytes = rules.maxMessageBytes + EXPANSION_MAX * section.length;
  const maxBytes = Math.min(rules.maxInflatedBytes, plausibleBytes);
  const inflation = planInflation(codec, section, maxBytes);
  if (!inflation.isSmall) {
    const budget = rules.inflationBudget ?? PROCESS_BUDGET;
    return budget.spend(rules.payer, inflation.bytesMax, async () =>
      walk(batch, await inflation.run(), 0, rules),
    );
  }
  const inflated = inflation.run();
  return inflated instanceof Promise
    ? inflated.then((section) => walk(batch, section, 0, rules))
    : walk(batch, inflated, 0, rules);
}

/** `source` from `start` on holds the records uncompressed: the batch itself, or its inflation. */
function walk(
  batch: Buffer,
  source: Buffer,
  start: number,
  rules: ProduceRules,
): ValidationResult | Promise<ValidationResult> {
  const check = new RecordCheck(
    {
      buffer: source,
      start,
      end: source.length,
      count: recordCount(batch, 0),
      baseTimestamp: baseTimestamp(batch, 0),
    },
    recordRules(rules, source !== batch),
  );
  if (source.length <= (source === batch ? PLAIN_WALK_BYTES_MAX : SLICE_BYTES)) {
    check.run(Number.POSITIVE_INFINITY);
    return settle(batch, source.subarray(start), check, rules);
  }
  return runInSlices(() => check.run(SLICE_BYTES)).then(() =>
    settle(batch, source.subarray(start), check, rules),
  );
}

function recordRules(rules: ProduceRules, isCompressed: boolean): RecordRules {
  const { nowMs, timestampBeforeMaxMs, timestampAfterMaxMs } = rules;
  return {
    needsKeys: rules.compacted,
    mayRenumber: isCompressed,
    createTimeMs:
      rules.timestampType === 'CreateTime'
        ? // Not even the widest limit lets a negative time in: consumers that copy or window stop.
          { min: Math.max(0, nowMs - timestampBeforeMaxMs), max: nowMs + timestampAfterMaxMs }
        : undefined,
  };
}

/** All records have been read: refuse, patch, or write anew. */
function settle(
  batch: Buffer,
  section: Buffer,
  check: RecordCheck,
  rules: ProduceRules,
): ValidationResult | Promise<ValidationResult> {
  if (check.errorCode !== ErrorCode.NONE) {
    const message =
      check.errorCode === ErrorCode.INVALID_TIMESTAMP
        ? 'One or more records were refused because of their timestamps'
        : 'One or more records were refused';
    return { ok: false, errorCode: check.errorCode, message, recordErrors: check.recordErrors };
  }
  const source = compressionCodec(batch, 0);
  const target =
    rules.compressionType === 'producer' ? source : TARGET_CODEC[rules.compressionType];
  if (!isCodec(target)) throw new RangeError('the codec has been checked');
  if (target !== source || check.isRenumbered) {
    return rewrite(batch, section, target, check, rules);
  }
  return accept(batch, section.length, check, rules);
}

function accept(
  batch: Buffer,
  inflatedBytes: number,
  check: RecordCheck,
  rules: ProduceRules,
): ValidBatch {
  const { timestampType, nowMs } = rules;
  const isLogTime = timestampType === 'LogAppendTime';
  const newestMs = isLogTime ? nowMs : check.maxTimestamp;
  if (isLogTime || maxTimestamp(batch, 0) !== newestMs) {
    setMaxTimestamp(batch, 0, timestampType, newestMs);
    updateCrc(batch, 0);
  }
  return {
    ok: true,
    batch,
    maxTimestamp: newestMs,
    offsetOfMaxTimestamp: isLogTime ? 0 : check.offsetOfMaxTimestamp,
    recordCount: recordCount(batch, 0),
    inflatedBytes,
  };
}

function rewrite(
  batch: Buffer,
  section: Buffer,
  target: CompressionCodec,
  check: RecordCheck,
  rules: ProduceRules,
): ValidationResult | Promise<ValidationResult> {
  const finish = (compressed: Buffer): ValidationResult => {
    const refusal = checkSize(RECORD_BATCH_OVERHEAD + compressed.length, rules);
    if (refusal !== undefined) return { ok: false, ...refusal, recordErrors: [] };
    const rewritten = replaceSection(batch, 0, target, compressed);
    return accept(rewritten, section.length, check, rules);
  };
  const recompress = (plain: Buffer): ValidationResult | Promise<ValidationResult> => {
    const compressed = compress(target, plain);
    return compressed instanceof Promise ? compressed.then(finish) : finish(compressed);
  };
  if (!check.isRenumbered) return recompress(section);
  const renumbering = new RecordRenumbering(section, recordCount(batch, 0));
  if (section.length <= SYNC_BYTES_MAX) {
    renumbering.run(Number.POSITIVE_INFINITY);
    return recompress(renumbering.section());
  }
  return runInSlices(() => renumbering.run(SLICE_BYTES)).then(() =>
    recompress(renumbering.section()),
  );
}
