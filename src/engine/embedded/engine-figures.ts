/**
 * Owns counting what the engine keeps, for each namespace: partitions, bytes, groups and how far they
 * lag behind.
 *
 * Invariant: counting may pause after every log and every few offsets, so that it holds nobody up;
 * each figure is true of its moment, a sum over many of no single one.
 */
import { namespaceOf } from './controller/topic-names.ts';
import { namespaceOfGroup } from './group/group-id.ts';
import type { GroupState } from './group/group-rebalance.ts';
import type { Group } from './group/groups.ts';
import type { LogManager } from './log/log-manager.ts';

export interface NamespaceFigures {
  partitions: number;
  logBytes: number;
  groups: number;
  members: number;
  /** Records between what groups have committed and what can be read, over their partitions. */
  lagRecords: number;
  /** The largest such number of one group and partition. */
  lagRecordsMax: number;
}

export interface EngineFigures {
  readonly namespaces: ReadonlyMap<string, NamespaceFigures>;
  readonly groupStates: ReadonlyMap<GroupState, number>;
  readonly partitions: number;
  readonly openFiles: number;
}

const OFFSETS_PER_PAUSE = 256;
const STATES: readonly GroupState[] = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
];

export function* engineFigures(
  logs: LogManager,
  groups: Iterable<Group>,
): Generator<void, EngineFigures> {
  const namespaces = new Map<string, NamespaceFigures>();
  const of = (namespace: string): NamespaceFigures => {
    let known = namespaces.get(namespace);
    if (known === undefined) {
      known = {
        partitions: 0,
        logBytes: 0,
        groups: 0,
        members: 0,
        lagRecords: 0,
        lagRecordsMax: 0,
      };
      namespaces.set(namespace, known);
    }
    return known;
  };
  let partitions = 0;
  for (const log of logs.logs()) {
    const figures = of(namespaceOf(log.topic));
    partitions += 1;
    figures.partitions += 1;
    figures.logBytes += log.local.sizeBytes;
    yield;
  }
  const groupStates = new Map<GroupState, number>(STATES.map((state) => [state, 0]));
  for (const group of groups) {
    const figures = of(namespaceOfGroup(group.id));
    figures.groups += 1;
    figures.members += group.classic?.memberCount ?? 0;
    groupStates.set(group.state, (groupStates.get(group.state) ?? 0) + 1);
    yield* addLag(figures, group, logs);
    yield;
  }
  return { namespaces, groupStates, partitions, openFiles: logs.directory.openFiles.openCount };
}

function* addLag(figures: NamespaceFigures, group: Group, logs: LogManager): Generator<void, void> {
  let seen = 0;
  for (const [topic, offsets] of group.offsets?.topics() ?? []) {
    for (const [partition, { offset }] of offsets) {
      const log = logs.get(topic, partition);
      if (log !== undefined) {
        // As Kafka's tools reckon: what retention has removed meanwhile is in it.
        const lag = Math.max(0, log.highWatermark - offset);
        figures.lagRecords += lag;
        figures.lagRecordsMax = Math.max(figures.lagRecordsMax, lag);
      }
      seen += 1;
      if (seen % OFFSETS_PER_PAUSE === 0) yield;
    }
  }
}
