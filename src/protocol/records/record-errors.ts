/**
 * Owns the errors of this folder: each is a KafkaError whose code and message may be answered to the
 * producer. They tell what is wrong with the bytes and quote none of them.
 */
import { KafkaError } from '../../base/errors.ts';
import { ErrorCode } from '../error-codes.ts';

/** The bytes are not what they claim to be; sending them again cannot help. */
export function invalidRecord(message: string, cause?: unknown): KafkaError {
  return new KafkaError(ErrorCode.INVALID_RECORD, message, cause === undefined ? {} : { cause });
}

/**
 * The records would inflate beyond the limit. MESSAGE_TOO_LARGE makes Java's producer split the
 * batch and send the halves, so that an honest but very repetitive batch still arrives.
 */
export function inflatedTooLarge(maxBytes: number): KafkaError {
  return new KafkaError(
    ErrorCode.MESSAGE_TOO_LARGE,
    `The compressed records inflate to more than the limit of ${maxBytes} bytes`,
  );
}

export function unsupportedCompression(message: string, cause?: unknown): KafkaError {
  const options = cause === undefined ? {} : { cause };
  return new KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message, options);
}
