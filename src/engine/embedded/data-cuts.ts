/**
 * Owns what a backup takes of the embedded engine: for each partition, log of groups and state log
 * the files, and how much of each, that hold what is durable at the moment of the cut.
 *
 * Invariants: a cut reaches to the high watermark and no further; bytes below it never change. Offsets
 * are cut before the data and the data before the metadata, so that a restored engine knows of
 * nothing that it lacks: a topic without a folder begins empty, a folder without a topic goes.
 * Indexes are left out: the loader makes them anew.
 */
import { basename, join, relative } from 'node:path';
import type { CutFile, DataCut, DataPart } from '../engine.ts';
import type { GroupCoordinator } from './group/group-coordinator.ts';
import { LEADER_EPOCH_FILE } from './log/leader-epoch-cache.ts';
import { checkpointFilesOf } from './log/log-directory-files.ts';
import type { LogManager } from './log/log-manager.ts';
import { SNAPSHOT_SUFFIX } from './log/log-segment.ts';
import { formatPartitionMetadata, PARTITION_METADATA_FILE } from './log/partition-metadata.ts';
import { snapshotOffsets } from './log/producer-replay.ts';
import type { UnifiedLog } from './log/unified-log.ts';
import type { EmbeddedStateLog, StateLogCut } from './state-log.ts';
import { ACKNOWLEDGED_NAME, acknowledgedSlot } from './state-log-files.ts';

export interface CutSources {
  readonly logs: LogManager;
  readonly groups: GroupCoordinator;
  /** In the order in which they were opened: the cluster's, then those of the broker. */
  readonly stateLogs: readonly EmbeddedStateLog[];
}

export function dataPartsOf(sources: CutSources, directory: string): DataPart[] {
  const { logs, groups, stateLogs } = sources;
  const parts: DataPart[] = groups.cuts.map(({ name, cut }) => ({
    name,
    kind: 'groups',
    cut: () => stateCut(cut(), directory),
  }));
  for (const { topic, partition } of logs.logs()) {
    const name = `${topic}-${partition}`;
    const cut = (): DataCut | null => {
      const log = logs.get(topic, partition);
      return log === undefined ? null : partitionCut(log, directory, logs);
    };
    parts.push({ name, kind: 'partition', cut });
  }
  for (const [name, damage] of logs.offlinePartitions) {
    const cut = (): DataCut | null => {
      throw damage;
    };
    parts.push({ name, kind: 'partition', cut });
  }
  for (const log of stateLogs) {
    const name = basename(log.cut().folder);
    parts.push({ name, kind: 'state', cut: () => stateCut(log.cut(), directory) });
  }
  return parts;
}

/** A restored log is believed up to where it was durable: what is broken below it is damage. */
export function dataSummaryOf(cuts: ReadonlyMap<DataPart, DataCut>): readonly CutFile[] {
  const recoveryPoints = new Map<string, number>();
  const logStarts = new Map<string, number>();
  for (const [{ name, kind }, { facts }] of cuts) {
    if (kind !== 'partition') continue;
    recoveryPoints.set(name, Number(facts.highWatermark));
    if (Number(facts.logStartOffset) > 0) logStarts.set(name, Number(facts.logStartOffset));
  }
  return checkpointFilesOf({ recoveryPoints, logStarts });
}

function stateCut(cut: StateLogCut | null, directory: string): DataCut | null {
  if (cut === null) return null;
  const { folder, endOffset, whole, active } = cut;
  const name = (path: string): string => relative(directory, path);
  return {
    facts: { endOffset },
    files: [
      ...whole.map((file) => ({ name: name(file.path), ...file, isFinal: true })),
      { name: name(active.path), ...active, isFinal: false },
      { name: name(join(folder, ACKNOWLEDGED_NAME)), bytes: acknowledgedSlot(endOffset) },
    ],
  };
}

function partitionCut(log: UnifiedLog, directory: string, logs: LogManager): DataCut {
  if (log.failure !== undefined) throw log.failure;
  const { local, logStartOffset, syncedLimit: limit } = log;
  const topicId = log.topicId ?? '';
  const folder = relative(directory, local.path);
  const name = (file: string): string => join(folder, file);
  const files: CutFile[] = [
    { name: name(PARTITION_METADATA_FILE), bytes: formatPartitionMetadata(topicId) },
    { name: name(LEADER_EPOCH_FILE), bytes: log.epochs.toBytes() },
  ];
  const { segments } = local;
  for (let at = local.indexOfSegment(logStartOffset); at < segments.length; at += 1) {
    const segment = segments[at]!;
    if (segment.baseOffset > limit.segment.baseOffset) break;
    const isLast = segment === limit.segment;
    const sizeBytes = isLast ? limit.position : segment.sizeBytes;
    const { path } = segment.file;
    const isFinal = !isLast;
    if (sizeBytes > 0) files.push({ name: name(basename(path)), path, sizeBytes, isFinal });
    if (isLast) break;
  }
  files.push(...producerSnapshots(local.path, folder, limit.offset, logs));
  return { files, facts: { topicId, logStartOffset, highWatermark: limit.offset } };
}

/** What is known of producers whose batches went with old segments stands in these alone. */
function producerSnapshots(
  path: string,
  folder: string,
  endOffset: number,
  { directory: { files } }: LogManager,
): CutFile[] {
  const names = files.readdirSync(path).filter((name) => name.endsWith(SNAPSHOT_SUFFIX));
  const offsets = new Set(snapshotOffsets(new Set(names)).filter((offset) => offset <= endOffset));
  return names
    .filter((name) => offsets.has(Number.parseInt(name, 10)))
    .map((name) => ({
      name: join(folder, name),
      path: join(path, name),
      sizeBytes: files.statSync(join(path, name))?.sizeBytes ?? 0,
      isFinal: false,
    }));
}
