/** Owns the settings of one log and of the log directory, with Kafka's defaults. */

/** Settings of a topic's logs; names follow Kafka's topic configs. */
export interface LogConfig {
  /** segment.bytes: a segment is closed before it grows beyond. */
  readonly segmentBytes: number;
  /** segment.ms: a segment is closed by the first append after it is this old. */
  readonly segmentMs: number;
  /** segment.index.bytes: the most an index file may hold. */
  readonly segmentIndexBytes: number;
  /** index.interval.bytes: log bytes between two index entries. */
  readonly indexIntervalBytes: number;
  /** flush.ms: the longest that written data stays unsynced. */
  readonly flushMs: number;
}

export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * 24 * 60 * 60 * 1000,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  flushMs: 1000,
};

/** Settings shared by all logs of a directory. */
export interface LogDirectoryConfig {
  /** Descriptors kept open for segment files. */
  readonly openFilesMax: number;
  /** Bytes of index entries of closed segments kept in memory. */
  readonly indexMemoryBytesMax: number;
  /** fdatasync calls under way at once over all logs; the rest of the thread pool stays free. */
  readonly syncsInFlightMax: number;
  /** Bytes queued in one log that are written without waiting for the turn's end. */
  readonly pendingBytesMax: number;
  /** A read that begins within this distance of the log's end is expected in the page cache. */
  readonly hotBytes: number;
  /** producer.id.expiration.ms: an idle producer is forgotten after this. */
  readonly producerIdExpirationMs: number;
  /** Growth of an active segment after which a checkpoint makes its indexes durable. */
  readonly indexPersistBytes: number;
  /** How often recovery points are written. */
  readonly checkpointIntervalMs: number;
}

export const DEFAULT_LOG_DIRECTORY_CONFIG: LogDirectoryConfig = {
  openFilesMax: 4096,
  indexMemoryBytesMax: 64 * 1024 * 1024,
  syncsInFlightMax: 3,
  pendingBytesMax: 1024 * 1024,
  hotBytes: 64 * 1024 * 1024,
  producerIdExpirationMs: 24 * 60 * 60 * 1000,
  indexPersistBytes: 4 * 1024 * 1024,
  checkpointIntervalMs: 60_000,
};
