/**
 * Owns the files of one partition's folder while its log is loaded: what is there, and the removal of
 * what a crash left over. Invariant: `hasRemoved` tells whether the folder must be synced, so that
 * nothing that was removed comes back beside what is appended later.
 */
import { join } from 'node:path';
import type { FileSystem } from '../../../base/file-system.ts';
import {
  DELETED_SUFFIX,
  INDEX_SUFFIX,
  LOG_SUFFIX,
  type LogSegment,
  SNAPSHOT_SUFFIX,
  segmentFileName,
  TIME_INDEX_SUFFIX,
} from './log-segment.ts';
import { PARTITION_METADATA_FILE, parsePartitionMetadata } from './partition-metadata.ts';
import { snapshotOffsets } from './producer-replay.ts';

export class LogFolder {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #names: Set<string>;
  #hasRemoved = false;

  constructor(files: FileSystem, path: string) {
    this.#files = files;
    this.#path = path;
    this.#names = new Set(files.readdirSync(path));
  }

  get hasRemoved(): boolean {
    return this.#hasRemoved;
  }

  /** The bytes of a file; undefined if it is not there. */
  read(name: string): Buffer | undefined {
    return this.#names.has(name) ? this.#files.readFileSync(join(this.#path, name)) : undefined;
  }

  readTopicId(): string | undefined {
    const bytes = this.read(PARTITION_METADATA_FILE);
    return bytes === undefined ? undefined : parsePartitionMetadata(bytes);
  }

  /** In place, as the log itself: a full disk must not keep a broker from starting. */
  async rewriteTopicId(): Promise<void> {
    const path = join(this.#path, PARTITION_METADATA_FILE);
    const bytes = this.#files.readFileSync(path);
    const handle = this.#files.openSync(path, 'readWrite');
    try {
      handle.writevSync([bytes], 0);
      await handle.datasync();
    } finally {
      handle.closeSync();
    }
  }

  /** The base offsets of the segments, in order. */
  segmentBases(): number[] {
    const bases: number[] = [];
    for (const name of this.#names) {
      if (/^\d{20}\.log$/.test(name)) bases.push(Number.parseInt(name, 10));
    }
    return bases.sort((one, other) => one - other);
  }

  /** Half-written replacements, half-removed segments, and indexes whose segment is gone. */
  removeLeftovers(): void {
    for (const name of [...this.#names]) {
      const suffix = [INDEX_SUFFIX, TIME_INDEX_SUFFIX].find((end) => name.endsWith(end));
      const isOrphan =
        suffix !== undefined && !this.#names.has(name.slice(0, -suffix.length) + LOG_SUFFIX);
      const isHalfGone = name.endsWith('.tmp') || name.endsWith(DELETED_SUFFIX);
      if (isOrphan || isHalfGone) this.#remove(name);
    }
  }

  /** An index that differs from what was read must not be believed by a later start. */
  removeStaleIndexes(segment: LogSegment): void {
    if (!segment.offsetIndex.file.isStale && !segment.timeIndex.file.isStale) return;
    segment.offsetIndex.file.forgetFile();
    segment.timeIndex.file.forgetFile();
    for (const suffix of [INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      const name = segmentFileName(segment.baseOffset, suffix);
      if (this.#names.has(name)) this.#remove(name);
    }
  }

  /** Keeps those at the beginning of a segment, and the newest that a log that ends there reaches. */
  removeSnapshots(segments: readonly LogSegment[], endOffset: number): void {
    const kept = new Set(segments.map((segment) => segment.baseOffset));
    const offsets = snapshotOffsets(this.#names);
    kept.add(offsets.find((offset) => offset <= endOffset) ?? endOffset);
    for (const offset of offsets) {
      if (!kept.has(offset)) this.#remove(segmentFileName(offset, SNAPSHOT_SUFFIX));
    }
  }

  removeSegment(segment: LogSegment): void {
    segment.file.retire();
    for (const suffix of [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX]) {
      const name = segmentFileName(segment.baseOffset, suffix);
      if (this.#names.has(name)) this.#remove(name);
    }
  }

  #remove(name: string): void {
    this.#files.unlinkSync(join(this.#path, name));
    this.#names.delete(name);
    this.#hasRemoved = true;
  }
}
