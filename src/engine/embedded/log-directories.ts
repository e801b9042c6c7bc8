/**
 * Answers what lies in the log directory and how much of it (DescribeLogDirs), and where replicas
 * could be moved (AlterReplicaLogDirs): there is one directory, and they are in it.
 *
 * Sizes are of the segments of the logs that are open; a damaged partition has none to tell, and is
 * left out, as one that is not there. An offline directory answers KAFKA_STORAGE_ERROR.
 */
import type { Logger } from '../../base/logger.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../protocol/schemas/34-alter-replica-log-dirs.ts';
import type {
  DescribeLogDirsPartition,
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
  DescribeLogDirsResult,
} from '../../protocol/schemas/35-describe-log-dirs.ts';
import type { TopicIdentity } from '../engine.ts';
import { Turns } from './in-turns.ts';
import type { LogManager } from './log/log-manager.ts';
import type { UnifiedLog } from './log/unified-log.ts';

export interface TopicsOfNamespaces {
  topicByName(name: string): TopicIdentity | undefined;
  topicsIn(namespace: string): readonly TopicIdentity[];
}

const UNKNOWN_BYTES = -1;

export class LogDirectories {
  readonly #logs: LogManager;
  readonly #topics: TopicsOfNamespaces;
  readonly #logger: Logger;

  constructor(logs: LogManager, topics: TopicsOfNamespaces, logger: Logger) {
    this.#logs = logs;
    this.#topics = topics;
    this.#logger = logger;
  }

  /** `topics` null: all of the namespace. What is not there is left out. */
  async describe(
    namespace: string,
    request: DescribeLogDirsRequest,
  ): Promise<DescribeLogDirsResponse> {
    const answer: DescribeLogDirsResult = {
      errorCode: ErrorCode.NONE,
      logDir: this.#logs.directory.path,
      topics: [],
      totalBytes: UNKNOWN_BYTES,
      usableBytes: UNKNOWN_BYTES,
      isCordoned: false,
    };
    if (this.#logs.failure === undefined) {
      answer.topics = await this.#topicsAsked(namespace, request);
      Object.assign(answer, await this.#space());
    }
    // Asked last: it may have gone offline meanwhile.
    if (this.#logs.failure !== undefined) {
      Object.assign(answer, { errorCode: ErrorCode.KAFKA_STORAGE_ERROR, topics: [] });
    }
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results: [answer] };
  }

  async #topicsAsked(
    namespace: string,
    { topics }: DescribeLogDirsRequest,
  ): Promise<DescribeLogDirsResult['topics']> {
    const asked = new Map<string, Set<number>>();
    const found: DescribeLogDirsResult['topics'] = [];
    const turns = new Turns();
    for (const { topic, partitions } of topics ?? []) {
      if (turns.isOver) await turns.next();
      const wanted = asked.get(topic) ?? new Set();
      for (const partition of partitions) {
        if (turns.isOver) await turns.next();
        wanted.add(partition);
      }
      asked.set(topic, wanted);
    }
    for (const { name, partitionCount } of topics === null
      ? this.#topics.topicsIn(namespace)
      : []) {
      asked.set(name, new Set(Array.from({ length: partitionCount }, (_, index) => index)));
    }
    for (const [name, indexes] of asked) {
      if (turns.isOver) await turns.next();
      if (this.#topics.topicByName(name) === undefined) continue;
      const partitions: DescribeLogDirsPartition[] = [];
      for (const partitionIndex of indexes) {
        if (turns.isOver) await turns.next();
        const log = this.#logs.get(name, partitionIndex);
        if (log === undefined) continue;
        const partitionSize = sizeBytesOf(log);
        partitions.push({ partitionIndex, partitionSize, offsetLag: 0, isFutureKey: false });
      }
      if (partitions.length > 0) found.push({ name, partitions });
    }
    return found;
  }

  /** Each partition is where it is: only that directory is no error, and nothing to do. */
  async alterReplicas(request: AlterReplicaLogDirsRequest): Promise<AlterReplicaLogDirsResponse> {
    const byTopic = new Map<string, Map<number, number>>();
    const turns = new Turns();
    for (const { path, topics } of request.dirs) {
      for (const { name, partitions } of topics) {
        if (turns.isOver) await turns.next();
        const codes = byTopic.get(name) ?? new Map<number, number>();
        byTopic.set(name, codes);
        for (const partition of partitions) {
          if (turns.isOver) await turns.next();
          codes.set(partition, this.#moveCode(path, name, partition));
        }
      }
    }
    const results = Array.from(byTopic, ([topicName, codes]) => ({
      topicName,
      partitions: Array.from(codes, ([partitionIndex, errorCode]) => ({
        partitionIndex,
        errorCode,
      })),
    }));
    return { throttleTimeMs: 0, results };
  }

  #moveCode(path: string, topic: string, partition: number): number {
    const known = this.#topics.topicByName(topic);
    if (known === undefined || !(partition >= 0 && partition < known.partitionCount)) {
      return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (path !== this.#logs.directory.path) return ErrorCode.LOG_DIR_NOT_FOUND;
    const log = this.#logs.get(topic, partition);
    const isOffline = log === undefined || log.failure !== undefined;
    return isOffline ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE;
  }

  async #space(): Promise<Pick<DescribeLogDirsResult, 'totalBytes' | 'usableBytes'>> {
    const { files, path } = this.#logs.directory;
    try {
      const { totalBytes, usableBytes } = await files.space(path);
      return { totalBytes, usableBytes };
    } catch (err) {
      this.#logger.warn({ err }, 'the space of the log directory cannot be read');
      return { totalBytes: UNKNOWN_BYTES, usableBytes: UNKNOWN_BYTES };
    }
  }
}

function sizeBytesOf(log: UnifiedLog): number {
  let bytes = 0;
  for (const segment of log.local.segments) bytes += segment.sizeBytes;
  return bytes;
}
