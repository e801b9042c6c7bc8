/**
 * The errors that cross module borders. Each has a stable `code`, a public message that may reach a
 * client or an operator, and an optional `cause` that stays in our own log. A failure of one
 * partition is a value in a response, never an exception.
 */

interface Options {
  cause?: unknown;
}

abstract class BreakwaterError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: Options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Answered to the client as Kafka error `errorCode` (see protocol/error-codes.ts). */
export class KafkaError extends BreakwaterError {
  readonly code = 'KAFKA_ERROR';
  readonly errorCode: number;

  /** `message` is public: it may stand in a response, so it holds nothing internal. */
  constructor(errorCode: number, message: string, options?: Options) {
    super(message, options);
    this.errorCode = errorCode;
  }
}

/** The peer broke the wire protocol: its connection is closed without an answer. */
export class ProtocolError extends BreakwaterError {
  readonly code = 'PROTOCOL_ERROR';
}

/** A log directory can no longer be trusted (first failed fsync, I/O error): it goes offline. */
export class StorageError extends BreakwaterError {
  readonly code = 'STORAGE_ERROR';
}

/** An upstream cluster did not answer as it should. */
export class UpstreamError extends BreakwaterError {
  readonly code = 'UPSTREAM_ERROR';
}

/** Start-up only: what is wrong with the configuration, and what to do about it. */
export class ConfigError extends BreakwaterError {
  readonly code = 'CONFIG_ERROR';
}

/** A certificate or key cannot be made, read or stored as asked; the message says what to do. */
export class PkiError extends BreakwaterError {
  readonly code = 'PKI_ERROR';
}
