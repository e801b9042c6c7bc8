/**
 * Owns the logs of groups and offsets: `__consumer_offsets-0` to `-49`, each group in the one that
 * its id hashes to, as Kafka places it. A log that cannot be trusted is offline, and with it its
 * groups; the others serve.
 *
 * Invariant: no namespace has more than a share of a log's queue: others find room there.
 */
import { join } from 'node:path';
import { StorageError } from '../../../base/errors.ts';
import type { FileSystem } from '../../../base/file-system.ts';
import type { Logger } from '../../../base/logger.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import type { StateLogCut } from '../state-log.ts';
import {
  type AppendOutcome,
  CompactedLog,
  type CompactedLogOptions,
  sizeBytesOf,
} from './compacted-log.ts';
import { namespaceOfGroup } from './group-id.ts';
import { type RecordTarget, readGroupRecord } from './group-records.ts';
import { Turnstile } from './turnstile.ts';

/** offsets.topic.num.partitions. */
export const OFFSETS_PARTITIONS = 50;
const OFFSETS_TOPIC = '__consumer_offsets';
/** Fewer than the thread pool has: the data's syncs must not wait behind these. */
const SYNCS_MAX = 2;
const COMPACTIONS_MAX = 1;
const COMPACT_AFTER_BYTES = 1024 * 1024;
/** Records of one namespace on their way to one log; a quarter of what the log lets wait. */
const NAMESPACE_BYTES_MAX = 2 * 1024 * 1024;
const INT32_SIGN = 2 ** 31;

export interface GroupLogsOptions {
  readonly files: FileSystem;
  /** The folder in which the logs' folders lie. */
  readonly directory: string;
  readonly logger: Logger;
  readonly compactAfterBytes?: number;
}

/** abs(java.lang.String.hashCode) % 50, where abs of the least int is 0 (Kafka's Utils.abs). */
export function partitionOfGroup(groupId: string): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0;
  const positive = hash === -INT32_SIGN ? 0 : Math.abs(hash);
  return positive % OFFSETS_PARTITIONS;
}

export class GroupLogs {
  readonly #logs: (CompactedLog | StorageError)[];
  /** Bytes on their way, by log and namespace. */
  readonly #underWay = new Map<string, number>();

  private constructor(logs: (CompactedLog | StorageError)[]) {
    this.#logs = logs;
  }

  /** Opens the logs that are there and hands their records on, in order, log after log. */
  static async open(options: GroupLogsOptions, target: RecordTarget): Promise<GroupLogs> {
    const { files, directory, logger } = options;
    const syncs = new Turnstile(SYNCS_MAX);
    const compactions = new Turnstile(COMPACTIONS_MAX);
    const logs: (CompactedLog | StorageError)[] = [];
    for (let partition = 0; partition < OFFSETS_PARTITIONS; partition++) {
      const name = `${OFFSETS_TOPIC}-${partition}`;
      const folder = join(directory, name);
      const logOptions: CompactedLogOptions = {
        files,
        folder,
        syncs,
        compactions,
        compactAfterBytes: options.compactAfterBytes ?? COMPACT_AFTER_BYTES,
        onOffline: (failure) =>
          logger.fatal({ err: failure, log: name }, 'a log of groups is offline until a restart'),
        onNoSpace: (failure) =>
          logger.error({ err: failure, log: name }, 'no room to compact a log of groups'),
      };
      const isThere = files.statSync(folder) !== undefined;
      logs.push(
        isThere ? await tryOpen(logOptions, name, logger, target) : CompactedLog.absent(logOptions),
      );
    }
    return new GroupLogs(logs);
  }

  /** Why the group cannot be served, or null. */
  failureFor(groupId: string): StorageError | null {
    const log = this.#logs[partitionOfGroup(groupId)]!;
    return log instanceof StorageError ? log : log.failure;
  }

  /** `__consumer_offsets-<n>` of the logs that are offline. */
  get offline(): readonly string[] {
    return this.#logs.flatMap((log, partition) => {
      const isOffline = log instanceof StorageError || log.failure !== null;
      return isOffline ? [`${OFFSETS_TOPIC}-${partition}`] : [];
    });
  }

  /** All records or none, durable when `done` hears so; `done`s of a group come in order. */
  append(
    groupId: string,
    records: readonly NewRecord[],
    done: (outcome: AppendOutcome) => void,
  ): void {
    const partition = partitionOfGroup(groupId);
    const log = this.#logs[partition]!;
    if (log instanceof StorageError) {
      queueMicrotask(() => done('offline'));
      return;
    }
    const owner = `${partition}/${namespaceOfGroup(groupId)}`;
    const sizeBytes = sizeBytesOf(records);
    const underWayBytes = this.#underWay.get(owner) ?? 0;
    if (underWayBytes > 0 && underWayBytes + sizeBytes > NAMESPACE_BYTES_MAX) {
      queueMicrotask(() => done('refused'));
      return;
    }
    this.#underWay.set(owner, underWayBytes + sizeBytes);
    log.append(records, (outcome) => {
      const leftBytes = this.#underWay.get(owner)! - sizeBytes;
      if (leftBytes > 0) this.#underWay.set(owner, leftBytes);
      else this.#underWay.delete(owner);
      done(outcome);
    });
  }

  /** Each log, by name: how to cut it for a backup. */
  get cuts(): readonly { readonly name: string; readonly cut: () => StateLogCut | null }[] {
    return this.#logs.map((log, partition) => ({
      name: `${OFFSETS_TOPIC}-${partition}`,
      cut: () => {
        if (log instanceof StorageError) throw log;
        return log.cut();
      },
    }));
  }

  /** With its next append the group's log is rewritten, so that what was removed leaves the disk. */
  compactSoon(groupId: string): void {
    const log = this.#logs[partitionOfGroup(groupId)]!;
    if (!(log instanceof StorageError)) log.compactSoon();
  }

  async close(): Promise<void> {
    for (const log of this.#logs) if (!(log instanceof StorageError)) await log.close();
  }
}

async function tryOpen(
  options: CompactedLogOptions,
  name: string,
  logger: Logger,
  target: RecordTarget,
): Promise<CompactedLog | StorageError> {
  try {
    const log = await CompactedLog.open(options, (_offset, _timestampMs, key, value) =>
      readGroupRecord(key, value, target),
    );
    if (log.cutBytes > 0) {
      logger.info({ log: name, bytes: log.cutBytes }, 'cut the torn tail of a log of groups');
    }
    return log;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    logger.error(
      { err: cause, log: name },
      'a log of groups is offline: its groups have no coordinator',
    );
    return cause instanceof StorageError ? cause : new StorageError(message, { cause });
  }
}
