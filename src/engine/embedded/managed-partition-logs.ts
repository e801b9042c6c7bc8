/**
 * The controller's PartitionLogs on the log manager. Invariant: a log is only handed on under the
 * topic id that the metadata knows; a folder with another id is never opened as if it were this
 * topic's.
 */
import { StorageError } from '../../base/errors.ts';
import type { FoundLog, PartitionLogs } from './controller/partition-logs.ts';
import type { TopicConfig } from './controller/topic-config.ts';
import type { LogManager } from './log/log-manager.ts';

export class ManagedPartitionLogs implements PartitionLogs {
  readonly #manager: LogManager;

  constructor(manager: LogManager) {
    this.#manager = manager;
  }

  listLogs(): readonly FoundLog[] {
    return Array.from(this.#manager.logs(), ({ topic, partition, topicId }) => ({
      topic,
      partition,
      topicId: topicId ?? null,
    }));
  }

  async createLog(
    topic: string,
    partition: number,
    topicId: string,
    config: TopicConfig,
  ): Promise<void> {
    if (this.#manager.offlinePartitions.has(`${topic}-${partition}`)) return;
    const existing = this.#manager.get(topic, partition);
    if (existing === undefined) {
      this.#manager.create(topic, partition, topicId, config);
      return;
    }
    if (existing.topicId !== topicId) {
      throw new StorageError(`The folder of ${topic}-${partition} belongs to another topic`);
    }
    existing.updateConfig(config);
  }

  async deleteLog(topic: string, partition: number, topicId: string | null): Promise<void> {
    const log = this.#manager.get(topic, partition);
    if (log !== undefined && topicId !== null && log.topicId !== topicId) return;
    this.#manager.delete(topic, partition);
  }

  updateConfig(topic: string, partition: number, config: TopicConfig): void {
    this.#manager.get(topic, partition)?.updateConfig(config);
  }

  isOffline(topic: string, partition: number): boolean {
    const log = this.#manager.get(topic, partition);
    return log === undefined || log.failure !== undefined;
  }
}
