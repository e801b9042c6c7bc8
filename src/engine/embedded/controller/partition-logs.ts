/**
 * What the controller needs of the log layer: folders of partitions that appear, change and go with
 * the topics. Invariant: the topic id stands in the folder (Kafka's partition.metadata) before
 * anything in it is acknowledged, so data of a deleted topic never comes back under a name that was
 * used again.
 */
import type { TopicConfig } from './topic-config.ts';

/** One partition's folder as it was found in the log directory. */
export interface FoundLog {
  readonly topic: string;
  readonly partition: number;
  /** null when the folder holds no readable topic id: nothing in it was ever acknowledged. */
  readonly topicId: string | null;
}

export interface PartitionLogs {
  /** Every partition folder there is, without the engine's own (`__...`). */
  listLogs(): readonly FoundLog[] | Promise<readonly FoundLog[]>;
  /**
   * Opens the partition's log, making its folder when there is none. Rejects when a folder with
   * another topic id is in the way or the disk refuses. A log that opens damaged is no rejection:
   * it is offline.
   */
  createLog(topic: string, partition: number, topicId: string, config: TopicConfig): Promise<void>;
  /**
   * Closes the log and removes its folder; one that is not there is no error. Resolves when no
   * later createLog of the same partition can find the old data.
   */
  deleteLog(topic: string, partition: number, topicId: string | null): Promise<void>;
  /** A topic's new configuration, for the partitions that are open. */
  updateConfig(topic: string, partition: number, config: TopicConfig): void;
  /** The partition's storage has failed: it has no leader until the broker starts again. */
  isOffline(topic: string, partition: number): boolean;
}
