/**
 * Owns the opening of a state log: what is read, what may be repaired, what stops the start.
 *
 * Only one thing is repaired: a last batch that is not whole, past every record that is known to
 * have been acknowledged, with nothing sound after it. That is what a crash leaves, since the next
 * batch is written only after the last one is on stable storage. Anything else is damage, and
 * cutting it off would take back what was decided, denials and revocations included: the open
 * fails with a sentence that says what to do.
 */
import { join } from 'node:path';
import { StorageError } from '../../base/errors.ts';
import {
  type FileHandle,
  type FileSystem,
  makeDirectoriesSync,
  replaceFile,
} from '../../base/file-system.ts';
import type { StateRecord } from '../engine.ts';
import { decodeStateBatch, findStateBatch, stateBatchAt } from './state-log-batch.ts';
import {
  AcknowledgedOffset,
  decodeSnapshot,
  segmentName,
  segmentOffset,
  snapshotName,
  snapshotOffset,
  TEMPORARY_SUFFIX,
} from './state-log-files.ts';

/** A state log as it was found, made durable and ready to be appended to. */
export interface RecoveredStateLog {
  /** Snapshot first, then what followed. */
  readonly records: readonly StateRecord[];
  readonly segment: FileHandle;
  /** The offset of the segment's first record: where the snapshot ends. */
  readonly firstOffset: number;
  readonly endOffset: number;
  readonly endPosition: number;
  readonly acknowledged: AcknowledgedOffset;
  /** Bytes of a torn tail that were cut off. */
  readonly cutBytes: number;
}

export async function recoverStateLog(
  files: FileSystem,
  folder: string,
  name: string,
): Promise<RecoveredStateLog> {
  makeDirectoriesSync(files, folder);
  const acknowledged = new AcknowledgedOffset(files, folder);
  let segment: FileHandle | null = null;
  try {
    const names = files.readdirSync(folder);
    const firstOffset = Math.max(0, ...names.map((n) => snapshotOffset(n) ?? 0));
    const records = readSnapshot(files, folder, name, names, firstOffset);
    refuseGap(names, firstOffset);
    const segmentPath = join(folder, segmentName(firstOffset));
    const bytes = names.includes(segmentName(firstOffset))
      ? files.readFileSync(segmentPath)
      : Buffer.alloc(0);
    const tail = readSegment(bytes, firstOffset, acknowledged.initial);
    for (const record of tail.records) records.push(record);
    const cutBytes = bytes.length - tail.endPosition;
    if (tail.endOffset > acknowledged.initial || cutBytes > 0) {
      // A sync of these bytes may have failed before the last end: the kernel shows them as clean
      // and would sync them no more. Only a copy is sure to reach the disk.
      await replaceFile(files, segmentPath, bytes.subarray(0, tail.endPosition));
    }
    segment = files.openSync(segmentPath, 'create');
    await files.syncDirectory(folder);
    removeObsolete(files, folder, names, firstOffset);
    acknowledged.write(tail.endOffset);
    await acknowledged.sync();
    return { ...tail, records, segment, firstOffset, acknowledged, cutBytes };
  } catch (error) {
    segment?.closeSync();
    acknowledged.close();
    throw error instanceof StorageError ? refusal(folder, error) : error;
  }
}

function refusal(folder: string, reason: StorageError): StorageError {
  return new StorageError(
    `The state log in ${folder} cannot be trusted: ${reason.message}. The broker does not start, ` +
      'because going on without what is lost could undo denials and revocations. ' +
      'Restore the data folder from a backup.',
    { cause: reason },
  );
}

function readSnapshot(
  files: FileSystem,
  folder: string,
  logName: string,
  names: readonly string[],
  endOffset: number,
): StateRecord[] {
  const fileName = snapshotName(endOffset);
  if (!names.includes(fileName)) {
    const other = names.find((found) => snapshotOffset(found) === endOffset);
    if (other !== undefined) throw new StorageError(`it holds a snapshot of a newer writer`);
    return [];
  }
  return decodeSnapshot(files.readFileSync(join(folder, fileName)), logName, endOffset);
}

/** A segment that begins past the snapshot's end: what lies between is gone. */
function refuseGap(names: readonly string[], firstOffset: number): void {
  for (const fileName of names) {
    const offset = segmentOffset(fileName);
    if (offset !== undefined && offset > firstOffset) {
      throw new StorageError(`the records ${firstOffset} to ${offset - 1} are missing`);
    }
  }
}

interface Tail {
  readonly records: StateRecord[];
  readonly endOffset: number;
  readonly endPosition: number;
}

function readSegment(bytes: Buffer, firstOffset: number, acknowledged: number): Tail {
  const records: StateRecord[] = [];
  let endOffset = firstOffset;
  let at = 0;
  for (;;) {
    const batch = stateBatchAt(bytes, at);
    // The base offset is outside the checksum: a torn write may lack it alone, and has zeros there.
    if (batch === undefined || batch.baseOffset < endOffset) break;
    if (batch.baseOffset > endOffset) {
      throw new StorageError(`record ${endOffset} is expected at byte ${at} of its log`);
    }
    for (const record of decodeStateBatch(bytes, at)) records.push(record);
    endOffset += batch.recordCount;
    at = batch.endPosition;
  }
  if (endOffset < acknowledged) {
    throw new StorageError(
      `its log is damaged or cut at byte ${at}: ${acknowledged - endOffset} stored records are lost`,
    );
  }
  if (findStateBatch(bytes, at + 1) !== -1) {
    throw new StorageError(`its log is damaged at byte ${at}, with sound records behind`);
  }
  return { records, endOffset, endPosition: at };
}

/** What the snapshot replaced, and what an interrupted snapshot left. */
function removeObsolete(
  files: FileSystem,
  folder: string,
  names: readonly string[],
  firstOffset: number,
): void {
  for (const name of names) {
    const offset = segmentOffset(name) ?? snapshotOffset(name);
    const isObsolete = offset !== undefined && offset < firstOffset;
    if (isObsolete || name.endsWith(TEMPORARY_SUFFIX)) files.unlinkSync(join(folder, name));
  }
}
