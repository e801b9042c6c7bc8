/**
 * Finds the log of a partition that this node leads. Ownership is asked of the metadata on every
 * call and never assumed: with several processes a partition is led by another node.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { TopicConfig } from './controller/topic-config.ts';
import type { Topic } from './controller/topics-image.ts';
import type { UnifiedLog } from './log/unified-log.ts';

export interface LedPartition {
  readonly log: UnifiedLog;
  readonly config: TopicConfig;
  readonly leaderEpoch: number;
}

export interface TopicSource {
  topicByName(name: string): Topic | undefined;
}

export interface LogSource {
  get(topic: string, partition: number): UnifiedLog | undefined;
}

export class PartitionLookup {
  readonly #nodeId: number;
  readonly #topics: TopicSource;
  readonly #logs: LogSource;
  /** The led partitions of each topic as the metadata has it now; a changed topic is a new key. */
  readonly #led = new WeakMap<Topic, (LedPartition | undefined)[]>();

  constructor(nodeId: number, topics: TopicSource, logs: LogSource) {
    this.#nodeId = nodeId;
    this.#topics = topics;
    this.#logs = logs;
  }

  /** The partition, or the error code that tells why it cannot be served here. */
  led(topicName: string, partition: number): LedPartition | number {
    const topic = this.#topics.topicByName(topicName);
    if (topic === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    let known = this.#led.get(topic);
    if (known === undefined) {
      known = [];
      this.#led.set(topic, known);
    }
    const led = known[partition];
    if (led !== undefined) return led;
    const leader = topic.leaders[partition];
    if (leader === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (leader.nodeId !== this.#nodeId) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    const log = this.#logs.get(topicName, partition);
    if (log === undefined) return ErrorCode.KAFKA_STORAGE_ERROR;
    const found = { log, config: topic.config, leaderEpoch: leader.leaderEpoch };
    known[partition] = found;
    return found;
  }
}
