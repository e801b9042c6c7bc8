/**
 * Owns the removal of a whole namespace from the embedded engine: its topics with their partitions,
 * its groups with members and offsets, and what it has set for brokers and groups.
 *
 * Invariant: every step is durable by itself and may be done again, so that a purge that a crash cut
 * off is finished by doing it once more; it resolves only when nothing is left, files included.
 * What stays is a number: how many producer ids the namespace was given, so that none is given again.
 *
 * Concurrency: topics go a few at a time, each lot one change of the metadata; groups one by one.
 */
import { StorageError } from '../../base/errors.ts';
import { ErrorCode, errorName } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../protocol/schemas/20-delete-topics.ts';
import type { NamespaceContents } from '../engine.ts';
import type { Controller } from './controller/controller.ts';
import type { GroupCoordinator } from './group/group-coordinator.ts';
import { partitionOfGroup } from './group/group-logs.ts';
import { Turns } from './in-turns.ts';
import type { LogManager } from './log/log-manager.ts';

export interface NamespaceParts {
  readonly controller: Controller;
  readonly groups: GroupCoordinator;
  readonly logs: LogManager;
  readonly deleteTopics: (names: readonly string[]) => Promise<DeleteTopicsResponse>;
}

/** Of one change of the metadata; a topic with more goes alone. */
const PARTITIONS_AT_ONCE = 256;
const TIMEOUT_MS = 2 ** 31 - 1;
/** Somebody's last request may bring one thing more; for ever it cannot. */
const ROUNDS_MAX = 100;

export function deletionOf(topicNames: readonly string[]): DeleteTopicsRequest {
  const topics = topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  return { topics, topicNames: [], timeoutMs: TIMEOUT_MS };
}

export function contentsOf(parts: NamespaceParts, namespace: string): NamespaceContents {
  let partitions = 0;
  let bytes = 0;
  const topics = parts.controller.topicsIn(namespace);
  for (const { name, partitionCount } of topics) {
    partitions += partitionCount;
    for (let partition = 0; partition < partitionCount; partition += 1) {
      bytes += parts.logs.get(name, partition)?.local.sizeBytes ?? 0;
    }
  }
  const groups = parts.groups.groupsIn(namespace).length;
  const configs = parts.controller.configCountIn(namespace);
  return { topics: topics.length, partitions, bytes, groups, configs };
}

export async function purgeNamespace(
  parts: NamespaceParts,
  namespace: string,
): Promise<NamespaceContents> {
  const before = contentsOf(parts, namespace);
  for (let round = 0; !isEmpty(contentsOf(parts, namespace)); round += 1) {
    if (round === ROUNDS_MAX) throw new StorageError('what is purged keeps coming back');
    await purgeTopics(parts, namespace);
    await purgeGroups(parts, namespace);
    await parts.controller.removeConfigsOf(namespace);
  }
  await parts.logs.removalsDone();
  return before;
}

export const isEmpty = ({ topics, groups, configs }: NamespaceContents): boolean =>
  topics + groups + configs === 0;

async function purgeTopics(
  { controller, deleteTopics }: NamespaceParts,
  namespace: string,
): Promise<void> {
  const topics = controller.topicsIn(namespace);
  for (let at = 0; at < topics.length; ) {
    const names: string[] = [];
    let partitions = 0;
    while (at < topics.length) {
      const { name, partitionCount } = topics[at]!;
      if (names.length > 0 && partitions + partitionCount > PARTITIONS_AT_ONCE) break;
      names.push(name);
      partitions += partitionCount;
      at += 1;
    }
    const { responses } = await deleteTopics(names);
    for (const { errorCode } of responses) {
      const isGone =
        errorCode === ErrorCode.NONE || errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (!isGone) throw new StorageError(`a topic was not deleted: ${errorName(errorCode)}`);
    }
  }
}

async function purgeGroups({ groups }: NamespaceParts, namespace: string): Promise<void> {
  const turns = new Turns();
  const all = groups.groupsIn(namespace);
  const lastOfLog = new Map(all.map((group) => [partitionOfGroup(group.id), group]));
  for (const group of all) {
    if (turns.isOver) await turns.next();
    const isLast = lastOfLog.get(partitionOfGroup(group.id)) === group;
    const errorCode = await groups.purge(group, isLast);
    if (errorCode !== ErrorCode.NONE) {
      throw new StorageError(`a group was not deleted: ${errorName(errorCode)}`);
    }
  }
}
