/**
 * Owns the checks of a produced batch that need its header and CRC alone (Kafka's
 * ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords and LogValidator.validateBatch
 * in that order). Stricter than Kafka where a stored batch could hurt a consumer or a log: nothing
 * may follow the batch, unknown attribute bits and impossible producer states are refused.
 */
import { ErrorCode } from '../error-codes.ts';
import { isCrcValid } from './crc32c.ts';
import {
  attributes,
  BatchField,
  baseOffset,
  baseSequence,
  batchSizeBytes,
  CONTROL_BIT,
  CompressionCodec,
  compressionCodec,
  hasSafeHeader,
  isCodec,
  lastOffsetDelta,
  MAGIC_V2,
  magic,
  NO_PRODUCER_ID,
  producerEpoch,
  producerId,
  RECORD_BATCH_OVERHEAD,
  recordCount,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
} from './record-batch.ts';

export interface HeaderLimits {
  /** Version of the Produce request. */
  readonly apiVersion: number;
  /** max.message.bytes: the whole batch, its first 12 bytes included. */
  readonly maxMessageBytes: number;
  /** segment.bytes. */
  readonly segmentBytes: number;
}

export interface Refusal {
  readonly errorCode: number;
  /** Public. */
  readonly message: string;
}

/** The first Produce version that may carry zstd (KIP-110). */
const ZSTD_API_VERSION_MIN = 7;
/** The codec, the timestamp type, transactional, control. The rest is not a client's to set. */
const CLIENT_ATTRIBUTE_BITS = 0x3f;

function invalid(message: string): Refusal {
  return { errorCode: ErrorCode.INVALID_RECORD, message };
}

/** Undefined: header and CRC are fine, and `records` is exactly one batch. */
export function checkHeader(records: Buffer, limits: HeaderLimits): Refusal | undefined {
  return (
    checkFraming(records, limits) ??
    checkSize(records.length, limits) ??
    (isCrcValid(records, 0)
      ? undefined
      : { errorCode: ErrorCode.CORRUPT_MESSAGE, message: 'The CRC of the batch is wrong' }) ??
    checkFields(records)
  );
}

function checkFraming(records: Buffer, limits: HeaderLimits): Refusal | undefined {
  if (records.length <= BatchField.magic) {
    return invalid('A produced partition must hold a record batch');
  }
  const version = magic(records, 0);
  if (version === 0 || version === 1) {
    return invalid('Message formats 0 and 1 are not accepted');
  }
  const sizeBytes = batchSizeBytes(records, 0);
  if (version !== MAGIC_V2 || sizeBytes < RECORD_BATCH_OVERHEAD) {
    return { errorCode: ErrorCode.CORRUPT_MESSAGE, message: 'This is not a record batch' };
  }
  if (sizeBytes > records.length) return invalid('The batch is cut short');
  if (sizeBytes < records.length) {
    return invalid('A produced partition must hold exactly one record batch');
  }
  const codec = compressionCodec(records, 0);
  const isZstdTooEarly =
    codec === CompressionCodec.zstd && limits.apiVersion < ZSTD_API_VERSION_MIN;
  if (isZstdTooEarly || !isCodec(codec)) {
    const message = isZstdTooEarly
      ? `zstd needs Produce version ${ZSTD_API_VERSION_MIN} or later`
      : 'Unknown compression type';
    return { errorCode: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message };
  }
  return baseOffset(records, 0) === 0 ? undefined : invalid('The base offset must be 0');
}

/** Checked again after recompression. */
export function checkSize(
  sizeBytes: number,
  limits: Pick<HeaderLimits, 'maxMessageBytes' | 'segmentBytes'>,
): Refusal | undefined {
  if (sizeBytes > limits.maxMessageBytes) {
    return {
      errorCode: ErrorCode.MESSAGE_TOO_LARGE,
      message: `The batch of ${sizeBytes} bytes exceeds max.message.bytes ${limits.maxMessageBytes}`,
    };
  }
  if (sizeBytes > limits.segmentBytes) {
    return {
      errorCode: ErrorCode.RECORD_LIST_TOO_LARGE,
      message: `The batch of ${sizeBytes} bytes exceeds segment.bytes ${limits.segmentBytes}`,
    };
  }
  return undefined;
}

function checkFields(records: Buffer): Refusal | undefined {
  const flags = attributes(records, 0);
  if ((flags & CONTROL_BIT) !== 0) return invalid('Clients may not write control records');
  if ((flags & TIMESTAMP_TYPE_BIT) !== 0) {
    const message = 'A producer may not set the timestamp type to LogAppendTime';
    return { errorCode: ErrorCode.INVALID_TIMESTAMP, message };
  }
  if ((flags & ~CLIENT_ATTRIBUTE_BITS) !== 0) return invalid('Unknown batch attributes');
  const count = recordCount(records, 0);
  if (count <= 0 || lastOffsetDelta(records, 0) !== count - 1) {
    return invalid('The record count and the last offset of the batch do not agree');
  }
  if (!hasSafeHeader(records, 0)) return invalid('A number in the batch header is out of range');
  return checkProducer(records, (flags & TRANSACTIONAL_BIT) !== 0);
}

function checkProducer(records: Buffer, isTransactional: boolean): Refusal | undefined {
  const id = producerId(records, 0);
  if (id < NO_PRODUCER_ID) return invalid('The producer id is out of range');
  if (id === NO_PRODUCER_ID) {
    return isTransactional ? invalid('A transactional batch needs a producer id') : undefined;
  }
  if (producerEpoch(records, 0) < 0 || baseSequence(records, 0) < 0) {
    return invalid('A batch with a producer id needs an epoch and a sequence');
  }
  return undefined;
}
