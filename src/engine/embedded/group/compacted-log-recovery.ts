/**
 * Owns the opening of a compacted log: replays every record, cuts a tail that was never
 * acknowledged, and refuses a log that has lost what was.
 */
import { dirname, join } from 'node:path';
import { StorageError } from '../../../base/errors.ts';
import {
  type FileHandle,
  type FileSystem,
  makeDirectoriesSync,
  replaceFile,
} from '../../../base/file-system.ts';
import { AcknowledgedOffset } from '../state-log-files.ts';
import {
  compactedName,
  type FolderContents,
  type RecordVisitor,
  readContents,
  segmentName,
  walkClosedFile,
  walkTail,
  walkWholeFile,
} from './compacted-log-files.ts';

export interface RecoveredLog {
  readonly compactedEnd: number;
  readonly compactedBytes: number;
  /** First offsets of whole segments before the one that is appended to. */
  readonly closed: readonly number[];
  readonly closedBytes: number;
  readonly segment: FileHandle;
  readonly firstOffset: number;
  readonly endOffset: number;
  readonly endPosition: number;
  readonly acknowledged: AcknowledgedOffset;
  /** Bytes of a torn tail that were cut off. */
  readonly cutBytes: number;
}

/** Makes the folder where there is none. Rejects with a StorageError that says what is wrong. */
export async function recoverLog(
  files: FileSystem,
  folder: string,
  visit: RecordVisitor,
): Promise<RecoveredLog> {
  makeDirectoriesSync(files, folder);
  // An earlier attempt may have ended between the making of the folder and this.
  await files.syncDirectory(dirname(folder));
  const acknowledged = new AcknowledgedOffset(files, folder);
  let segment: FileHandle | null = null;
  try {
    const contents = readContents(files.readdirSync(folder));
    const compactedBytes = readCompacted(files, folder, contents, visit);
    const closedBytes = await readClosed(files, folder, contents, visit);
    const firstOffset = contents.segments.at(-1) ?? contents.compactedEnd;
    const path = join(folder, segmentName(firstOffset));
    const isThere = contents.segments.length > 0;
    const bytes = isThere ? files.readFileSync(path) : Buffer.alloc(0);
    const tail = walkTail(bytes, firstOffset, acknowledged.initial, visit);
    const cutBytes = bytes.length - tail.endPosition;
    if (tail.endOffset > acknowledged.initial || cutBytes > 0) {
      // A sync of these bytes may have failed before the last end: the kernel shows them as clean
      // and would sync them no more. Only a copy is sure to reach the disk.
      await replaceFile(files, path, bytes.subarray(0, tail.endPosition));
    }
    segment = files.openSync(path, 'create');
    await files.syncDirectory(folder);
    for (const name of contents.obsolete) files.unlinkSync(join(folder, name));
    acknowledged.write(tail.endOffset);
    await acknowledged.sync();
    return {
      compactedEnd: contents.compactedEnd,
      compactedBytes,
      closed: contents.segments.slice(0, -1),
      closedBytes,
      segment,
      firstOffset,
      ...tail,
      acknowledged,
      cutBytes,
    };
  } catch (error) {
    segment?.closeSync();
    acknowledged.close();
    if (!(error instanceof StorageError)) throw error;
    throw new StorageError(`The log in ${folder} cannot be trusted: ${error.message}`, {
      cause: error,
    });
  }
}

function readCompacted(
  files: FileSystem,
  folder: string,
  { compactedEnd, hasCompacted }: FolderContents,
  visit: RecordVisitor,
): number {
  if (!hasCompacted) return 0;
  const name = compactedName(compactedEnd);
  const bytes = files.readFileSync(join(folder, name));
  const range = { firstOffset: 0, endOffset: compactedEnd, isDense: false };
  walkWholeFile(name, bytes, range, visit);
  return bytes.length;
}

async function readClosed(
  files: FileSystem,
  folder: string,
  { compactedEnd, segments }: FolderContents,
  visit: RecordVisitor,
): Promise<number> {
  const [first = compactedEnd] = segments;
  if (first !== compactedEnd) {
    throw new StorageError(`the records ${compactedEnd} to ${first - 1} are missing`);
  }
  let closedBytes = 0;
  for (const [index, firstOffset] of segments.slice(0, -1).entries()) {
    const name = segmentName(firstOffset);
    const path = join(folder, name);
    const bytes = files.readFileSync(path);
    const range = { firstOffset, endOffset: segments[index + 1]!, isDense: true };
    const sizeBytes = walkClosedFile(name, bytes, range, visit);
    if (sizeBytes < bytes.length) await replaceFile(files, path, bytes.subarray(0, sizeBytes));
    closedBytes += sizeBytes;
  }
  return closedBytes;
}
