/** Owns the settings of one log and of the log directory, with Kafka's defaults. */

/** No segment is closed for its age before this, else a topic could be made to flood a disk with files. */
export const SEGMENT_MS_MIN = 60_000;

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
  /** segment.jitter.ms: by up to this much a segment is closed earlier than segment.ms says. */
  readonly segmentJitterMs: number;
  /** flush.ms: the longest that written data stays unsynced. */
  readonly flushMs: number;
  /** flush.messages: so many unsynced records are synced at once. */
  readonly flushMessages: number;
  /** retention.ms: a segment goes when its youngest record is older; -1: never. */
  readonly retentionMs: number;
  /** retention.bytes: the oldest segments go while the rest is at least this large; -1: never. */
  readonly retentionBytes: number;
}

/**
 * Kafka's defaults, but for retention: a log that was found on disk keeps everything until somebody
 * who knows its topic's settings has told them.
 */
export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytes: 1024 * 1024 * 1024,
  segmentMs: 7 * 24 * 60 * 60 * 1000,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  segmentJitterMs: 0,
  flushMs: 1000,
  flushMessages: Number.MAX_SAFE_INTEGER,
  retentionMs: -1,
  retentionBytes: -1,
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
  /** Producers remembered in one partition; beyond it the longest idle are forgotten. */
  readonly producerIdsPerPartitionMax: number;
  /** Producers remembered in all partitions; beyond it those of the partitions with most. */
  readonly producerIdsMax: number;
  /** Growth of an active segment after which a checkpoint makes its indexes durable. */
  readonly indexPersistBytes: number;
  /** How often recovery points are written. */
  readonly checkpointIntervalMs: number;
  /** log.retention.check.interval.ms: how often old segments are looked for. */
  readonly retentionCheckIntervalMs: number;
}

export const DEFAULT_LOG_DIRECTORY_CONFIG: LogDirectoryConfig = {
  openFilesMax: 4096,
  indexMemoryBytesMax: 64 * 1024 * 1024,
  syncsInFlightMax: 3,
  pendingBytesMax: 1024 * 1024,
  hotBytes: 64 * 1024 * 1024,
  producerIdExpirationMs: 24 * 60 * 60 * 1000,
  producerIdsPerPartitionMax: 10_000,
  producerIdsMax: 200_000,
  indexPersistBytes: 4 * 1024 * 1024,
  checkpointIntervalMs: 60_000,
  retentionCheckIntervalMs: 300_000,
};
