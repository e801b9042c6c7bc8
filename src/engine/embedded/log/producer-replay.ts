/**
 * Owns how producers are known again: the newest sound snapshot, then the batch headers after it.
 * A snapshot that is torn or broken is passed over: the headers tell the same, more slowly.
 */
import { join } from 'node:path';
import type { FileSystem } from '../../../base/file-system.ts';
import { walkHeaders } from './batch-walk.ts';
import { type LogSegment, SNAPSHOT_SUFFIX, segmentFileName } from './log-segment.ts';
import { decodeProducerSnapshot } from './producer-snapshot.ts';
import type { ProducerState } from './producer-state.ts';

/** The offsets of the snapshots in a log's folder, newest first. */
export function snapshotOffsets(names: Iterable<string>): number[] {
  const offsets: number[] = [];
  for (const name of names) {
    if (/^\d{20}\.snapshot$/.test(name)) offsets.push(Number.parseInt(name, 10));
  }
  return offsets.sort((one, other) => other - one);
}

/**
 * Loads the newest sound snapshot at or before `offset`; its offset, or -1 without one. One from before
 * the oldest segment does not count: what followed it is gone.
 */
export function loadNewestSnapshot(
  files: FileSystem,
  directory: string,
  offset: number,
  into: LoadInto,
): number {
  for (const candidate of snapshotOffsets(files.readdirSync(directory))) {
    if (candidate > offset || candidate < into.oldestBase) continue;
    const path = join(directory, segmentFileName(candidate, SNAPSHOT_SUFFIX));
    const entries = decodeProducerSnapshot(files.readFileSync(path), into.nowMs);
    if (entries === undefined) continue;
    for (const entry of entries) into.producers.load(entry);
    return candidate;
  }
  return -1;
}

export interface LoadInto {
  readonly producers: ProducerState;
  readonly nowMs: number;
  /** Where the oldest segment begins. */
  readonly oldestBase: number;
}

/** Calls `visit` for every batch header of the segment, from the batch that reaches `offset` on. */
export function visitHeaders(
  segment: LogSegment,
  offset: number,
  visit: (buffer: Buffer, at: number) => void,
): void {
  const { sizeBytes } = segment;
  const from = offset <= segment.baseOffset ? 0 : segment.positionOf(offset, sizeBytes);
  walkHeaders(segment.file.handle(), from, sizeBytes, (buffer, at) => {
    visit(buffer, at);
    return true;
  });
}
