/**
 * A controller on a real state log in a temporary folder, over partition folders in memory.
 */
import { type Clock, systemClock } from '../../../../src/base/clock.ts';
import { nodeFileSystem } from '../../../../src/base/file-system.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { systemRandom } from '../../../../src/base/random.ts';
import { CLUSTER_METADATA_LOG } from '../../../../src/engine/embedded/controller/cluster-records.ts';
import { Controller } from '../../../../src/engine/embedded/controller/controller.ts';
import {
  type ControllerSettings,
  DEFAULT_CONTROLLER_SETTINGS,
} from '../../../../src/engine/embedded/controller/controller-settings.ts';
import type {
  FoundLog,
  PartitionLogs,
} from '../../../../src/engine/embedded/controller/partition-logs.ts';
import type { TopicConfig } from '../../../../src/engine/embedded/controller/topic-config.ts';
import { openStateLog } from '../../../../src/engine/embedded/state-log.ts';
import type { StateLog } from '../../../../src/engine/engine.ts';

/** Folders as a map from `topic-partition` to the topic id. */
export class FoldersInMemory implements PartitionLogs {
  readonly folders = new Map<string, FoundLog>();
  readonly offline = new Set<string>();
  /** What open logs were told since. */
  readonly configs = new Map<string, TopicConfig>();
  /** Partitions whose folder cannot be made. */
  readonly unmakeable = new Set<string>();
  mostAtOnce = 0;
  #atOnce = 0;

  listLogs(): readonly FoundLog[] {
    return [...this.folders.values()];
  }

  async createLog(topic: string, partition: number, topicId: string): Promise<void> {
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    await Promise.resolve();
    this.#atOnce -= 1;
    const name = `${topic}-${partition}`;
    if (this.unmakeable.has(name)) throw new Error('ENOSPC: no space left on device');
    const there = this.folders.get(name);
    if (there !== undefined && there.topicId !== topicId) throw new Error('another topic is there');
    this.folders.set(name, { topic, partition, topicId });
  }

  async deleteLog(topic: string, partition: number): Promise<void> {
    await Promise.resolve();
    this.folders.delete(`${topic}-${partition}`);
  }

  updateConfig(topic: string, partition: number, config: TopicConfig): void {
    this.configs.set(`${topic}-${partition}`, config);
  }

  isOffline(topic: string, partition: number): boolean {
    return this.offline.has(`${topic}-${partition}`);
  }
}

export interface ControllerUnderTest {
  readonly controller: Controller;
  readonly folders: FoldersInMemory;
  readonly log: StateLog;
  readonly close: () => Promise<void>;
}

export async function openController(
  directory: string,
  settings: Partial<ControllerSettings> = {},
  folders = new FoldersInMemory(),
  clock: Clock = systemClock,
): Promise<ControllerUnderTest> {
  const log = await openStateLog({
    files: nodeFileSystem,
    clock,
    directory,
    name: CLUSTER_METADATA_LOG,
  });
  try {
    const controller = await Controller.open({
      log,
      logs: folders,
      clock,
      random: systemRandom,
      logger: silentLogger,
      settings: { ...DEFAULT_CONTROLLER_SETTINGS, ...settings },
    });
    const close = async (): Promise<void> => {
      await controller.close();
      await log.close();
    };
    return { controller, folders, log, close };
  } catch (error) {
    await log.close();
    throw error;
  }
}

export interface NewTopic {
  readonly name: string;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly assignments?: { partitionIndex: number; brokerIds: number[] }[];
  readonly configs?: Readonly<Record<string, string | null>>;
}

export function createRequest(topics: readonly NewTopic[], validateOnly = false) {
  return {
    topics: topics.map(({ name, partitions, replicas, assignments, configs }) => ({
      name,
      numPartitions: partitions ?? -1,
      replicationFactor: replicas ?? -1,
      assignments: assignments ?? [],
      configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
    })),
    timeoutMs: 30_000,
    validateOnly,
  };
}

export function deleteRequest(
  topics: readonly { name: string | null; topicId: string }[],
  topicNames: readonly string[] = [],
) {
  return { topics: [...topics], topicNames: [...topicNames], timeoutMs: 30_000 };
}
