/**
 * Owns the folders of a topic's partitions as a whole: makes and removes them with a few at work at
 * once, and clears away those that belong to no topic.
 */
import type { Logger } from '../../../base/logger.ts';
import type { FoundLog, PartitionLogs } from './partition-logs.ts';
import type { Topic, TopicsImage } from './topics-image.ts';

/** Enough to share folder syncs, few enough to leave the thread pool to the data. */
const AT_WORK_MAX = 16;
/** Making a folder blocks the event loop for some 100 us: others get a turn after this many. */
const PARTITIONS_PER_TURN = 32;

export class PartitionFolders {
  readonly #logs: PartitionLogs;
  readonly #logger: Logger;

  constructor(logs: PartitionLogs, logger: Logger) {
    this.#logs = logs;
    this.#logger = logger;
  }

  /** Opens or makes the folders of partitions `from` and later. */
  async make(topic: Topic, from: number): Promise<void> {
    const { name, topicId, partitionCount, config } = topic;
    await forEachPartition(from, partitionCount, (partition) =>
      this.#logs.createLog(name, partition, topicId, config),
    );
  }

  /** As make; false, with what was made removed again, when one cannot be made. */
  async tryMake(topic: Topic, from: number): Promise<boolean> {
    try {
      await this.make(topic, from);
      return true;
    } catch (err) {
      this.#logger.error({ err, topic: topic.name }, 'partition folders could not be made');
      await this.remove(topic, from);
      return false;
    }
  }

  /** Removes what it can of partitions `from` and later; the next start removes the rest. */
  async remove(topic: Topic, from: number): Promise<void> {
    const { name, topicId, partitionCount } = topic;
    await forEachPartition(from, partitionCount, (partition) =>
      this.#remove({ topic: name, partition, topicId }),
    );
  }

  async removeOrphans(found: readonly FoundLog[], topics: TopicsImage): Promise<void> {
    for (const log of found) {
      const topic = topics.byName(log.topic);
      // A folder whose id cannot be read is judged by createLog, which knows what is inside.
      const isWanted =
        topic !== undefined &&
        (log.topicId === topic.topicId || log.topicId === null) &&
        log.partition < topic.partitionCount;
      if (isWanted) continue;
      const { topic: name, partition, topicId } = log;
      this.#logger.info({ topic: name, partition, topicId }, 'removing a folder of no topic');
      await this.#remove(log);
    }
  }

  async #remove({ topic, partition, topicId }: FoundLog): Promise<void> {
    try {
      await this.#logs.deleteLog(topic, partition, topicId);
    } catch (err) {
      this.#logger.error({ err, topic, partition }, 'a partition folder could not be removed');
    }
  }
}

/** Runs `act` for the partitions [from, to), a few at once; all are ended when it returns or throws. */
async function forEachPartition(
  from: number,
  to: number,
  act: (partition: number) => Promise<void>,
): Promise<void> {
  let next = from;
  let failure: { readonly error: unknown } | null = null;
  const work = async (): Promise<void> => {
    while (next < to && failure === null) {
      const partition = next;
      next += 1;
      try {
        await act(partition);
        if (next % PARTITIONS_PER_TURN === 0) await new Promise(setImmediate);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_WORK_MAX, to - from) }, work));
  rethrow(failure);
}

function rethrow(failure: { readonly error: unknown } | null): void {
  if (failure !== null) throw failure.error;
}
